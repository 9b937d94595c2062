"""That everybody can use the page: axe-core's rules, the keyboard alone, narrow screens, reduced
motion; and that its policy is in force."""

import re

import pytest
from playwright.sync_api import expect

from conftest import CACHE, SIZES
from pictures import scene
from stand_in import Gate, answer

AXE = CACHE / "node_modules/axe-core/axe.min.js"
SCHEMES = ["light", "dark"]


def serious_findings(page):
    """axe-core is evaluated by the browser itself, which the page's policy need not allow."""
    assert AXE.exists(), f"no {AXE}: run tests/page/install-tools"
    page.evaluate(AXE.read_text() + "; undefined")
    # Colours that are on their way to others would be measured half-way.
    page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.fixture(params=SCHEMES)
def options(request, size):
    return {**SIZES[size], "color_scheme": request.param}


def test_axe_finds_nothing_in_the_chat(open_page, options):
    page = open_page(**options)
    assert serious_findings(page) == []
    page.locator("#chat input[type=file]").set_input_files(
        [{"name": "a.png", "mimeType": "image/png", "buffer": scene("boat")}]
    )
    expect(page.locator("#chat .previews img")).to_be_visible()
    assert serious_findings(page) == []
    page.get_by_label("Your question").fill("What is shown?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="Answer").locator("footer")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert").filter(has_text="Write a question")).to_be_visible()
    assert serious_findings(page) == []


def test_axe_finds_nothing_in_the_composer(open_page, options):
    page = open_page("#compose", **options)
    assert serious_findings(page) == []
    page.get_by_label("A title, or what to write").fill("A day at the harbour")
    page.get_by_role("button", name="Compose").click()
    expect(page.locator("#exports")).to_be_visible()
    assert serious_findings(page) == []
    page.get_by_role("button", name="Edit: ").first.click()
    assert serious_findings(page) == []


def test_no_sideways_scrolling(open_page, options, stand_in):
    stand_in.chats.append(
        answer(
            "w" * 300,
            "\n\n```\n" + "c" * 300 + "\n```\n\n",
            "|" + "cell|" * 20 + "\n" + "|-" * 20 + "|\n\n",
            "https://example.org/" + "a" * 300,
        )
    )
    page = open_page(**options)
    page.get_by_label("Your question").fill("q" * 200)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="Answer").locator("footer")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.get_by_role("link", name="Compose").click()
    page.get_by_label("A title, or what to write").fill("A day at the harbour")
    page.get_by_role("button", name="Compose").click()
    page.get_by_role("button", name="Edit: ").first.click()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def focused(page):
    return page.evaluate(
        "(({ ariaLabel, textContent }) => ariaLabel ?? textContent.trim())(document.activeElement)"
    )


def tab_to(page, label):
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page).startswith(label):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", f"the focus on {label} is not to be seen"
            return
    raise AssertionError(f"the keyboard does not come to {label!r}")


def test_an_article_by_the_keyboard_alone(open_page, stand_in):
    page = open_page()
    tab_to(page, "Compose")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Compose")).to_be_enabled()
    page.get_by_label("A title, or what to write").focus()
    page.keyboard.type("A day at the harbour")
    tab_to(page, "Compose")
    page.keyboard.press("Enter")
    expect(page.locator("#exports")).to_be_visible()
    tab_to(page, "Move the picture down")
    page.keyboard.press("Space")
    tab_to(page, "Edit: The lighthouse")
    page.keyboard.press("Enter")
    expect(page.get_by_label("The paragraph")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("By keys.")
    tab_to(page, "Apply")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Edit: By keys.")).to_be_focused()
    tab_to(page, "Web page (.html)")
    with page.expect_download():
        page.keyboard.press("Enter")


def test_reduced_motion(open_page, stand_in):
    gate = Gate()
    stand_in.chats.append(answer("Half", gate))
    page = open_page(reduced_motion="reduce")
    page.get_by_label("Your question").fill("What?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="Answer").locator(".text")).to_have_text("Half")
    assert page.evaluate("document.getAnimations().length") == 0
    gate.open()


def test_the_policy_holds(open_page, url):
    """The policy is the strict one, and it is in force: what it forbids does not happen."""
    page = open_page()
    page.expected_errors.append("Content Security Policy")
    policy = page.request.get(url).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'broken'";
      document.body.append(script);
    }""")
    assert page.title() == "Triptych"
    assert (
        page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'not sent')")
        == "not sent"
    )


def test_nothing_is_stored(open_page):
    page = open_page()
    page.get_by_label("Your question").fill("A secret")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="Answer").locator("footer")).to_be_visible()
    assert page.context.cookies() == []
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert page.evaluate("indexedDB.databases()") == []
    page.reload()
    expect(page.locator(".message")).to_have_count(0)


def test_a_key_is_asked_for_and_sent_and_gone_with_the_tab(open_page, stand_in, size):
    stand_in.key = "0123456789abcdef"
    page = open_page(**SIZES[size], waits_for_models=False)
    page.expected_errors.append("401")
    field = page.get_by_label("This server wants an API key")
    expect(field).to_be_visible()
    assert serious_findings(page) == []
    for wrong, said in (("two words", "without spaces"), ("wrong", "not one of those")):
        field.fill(wrong)
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#key-form").get_by_role("alert")).to_contain_text(said)
    field.fill(stand_in.key)
    field.press("Enter")
    expect(page.locator("#model")).to_be_enabled()
    expect(field).to_be_hidden()
    page.get_by_label("Your question").fill("What?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="Answer").locator("footer")).to_be_visible()
    page.get_by_role("link", name="Compose").click()
    page.get_by_label("A title, or what to write").fill("A day at the harbour")
    page.get_by_role("button", name="Compose").click()
    expect(page.locator("#exports")).to_be_visible()
    expect(page.locator("#article .candidates img").first).to_have_attribute(
        "src", re.compile("^blob:")
    )
    page.reload()
    expect(page.locator("#model")).to_be_enabled()
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
