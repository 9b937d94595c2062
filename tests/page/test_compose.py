"""The composer: text and pictures as they arrive, choosing, editing, errors."""

import json

import pytest
from playwright.sync_api import expect

from conftest import SIZES
from pictures import SKIES, scene
from stand_in import BREAK, DONE, Gate, Refusal, answer, article_text

FAILED = "Failed to load resource"


@pytest.fixture
def composer(open_page, size):
    page = open_page("#compose", **SIZES[size])
    expect(page.get_by_role("button", name="Compose")).to_be_enabled()
    return page


def compose(page, instruction="A day at the harbour"):
    page.get_by_label("A title, or what to write").fill(instruction)
    page.get_by_role("button", name="Compose").click()


def finish(page):
    compose(page)
    expect(page.locator("#exports")).to_be_visible()


# The article as it is shown: texts, and captions of pictures after a "*".
BLOCKS = """() => [...document.querySelectorAll("#article > .block")].map((node) =>
  node.matches(".picture")
  ? "*" + (node.querySelector("textarea")?.value ?? node.querySelector("figcaption").textContent)
  : node.querySelector(".text")?.textContent ?? "editor")"""


def expect_blocks(page, wanted):
    page.wait_for_function(
        f"(wanted) => JSON.stringify(({BLOCKS})()) === wanted",
        arg=json.dumps(wanted, ensure_ascii=False, separators=(",", ":")),
    )


EARLY = "Boats leave early, while the town still sleeps."
HOUSE = "The lighthouse has watched over them for a century."
GULLS = "In the evening the gulls come back."
BOAT, LIGHTHOUSE = "*A boat in the morning", "*The old lighthouse"


def picture(page, index):
    return page.locator("#article figure").nth(index)


SKY = """(index) => {
  const image = document.querySelectorAll("#article figure > img")[index];
  const canvas = document.createElement("canvas");
  canvas.getContext("2d").drawImage(image, 0, 0);
  const [...pixel] = canvas.getContext("2d").getImageData(2, 2, 1, 1).data.slice(0, 3);
  return "#" + pixel.map((byte) => byte.toString(16)).join("");
}"""


def expect_sky(page, index, sky):
    """Candidates of the stand-in differ in their skies."""
    page.wait_for_function(f"([index, sky]) => ({SKY})(index) === sky", arg=[index, SKIES[sky]])


def test_shows_text_and_pictures_as_they_arrive(composer, stand_in):
    written, placed, found, first = gates = [Gate() for _ in range(4)]
    stand_in.articles.append(stand_in.harbour(*gates))
    compose(composer)
    expect_blocks(composer, ["A day at the harbour"])
    expect(composer.locator("#compose-progress")).to_have_text("Writing …")
    expect(composer.locator("#article")).to_have_attribute("aria-busy", "true")
    written.open()
    expect_blocks(composer, ["A day at the harbour", EARLY, HOUSE, GULLS])
    placed.open()
    expect_blocks(composer, ["A day at the harbour", BOAT, EARLY, HOUSE, LIGHTHOUSE, GULLS])
    expect(composer.locator("#article .waiting")).to_have_count(2)
    expect(composer.locator("#compose-progress")).to_have_text("Looking for pictures …")
    found.open()
    expect(composer.locator("#article .waiting")).to_have_count(1)
    expect_sky(composer, 0, 0)
    first.open()
    expect_blocks(composer, [BOAT, EARLY, HOUSE, LIGHTHOUSE, GULLS])
    expect(composer.locator("#article > h2")).to_have_text("A day at the harbour")
    expect(composer.locator("#article")).not_to_have_attribute("aria-busy", "true")
    expect(picture(composer, 1)).to_contain_text("drawn for the tests, CC0")
    path, body = stand_in.requests[0]
    assert path == "/v1/articles"
    assert body == {"model": "pictogram", "instruction": "A day at the harbour", "images": []}


def test_sends_what_was_chosen(composer, stand_in):
    files = [
        {"name": f"{kind}.png", "mimeType": "image/png", "buffer": scene(kind)}
        for kind in ("boat", "fish")
    ]
    composer.locator("#compose input[type=file]").set_input_files(files)
    expect(composer.locator("#compose .previews li")).to_have_count(2)
    composer.get_by_label("Language").select_option("de")
    composer.get_by_label("Pictures at most").fill("0")
    finish(composer)
    body = stand_in.requests[0][1]
    assert (body["language"], body["max_images"]) == ("de", 0)
    assert [image["data"][:8] for image in body["images"]] == ["iVBORw0K"] * 2
    expect(composer.locator("#article")).to_have_attribute("lang", "de")


def test_needs_an_instruction(composer, stand_in):
    composer.get_by_role("button", name="Compose").click()
    expect(composer.get_by_role("alert").filter(has_text="Write a title")).to_be_visible()
    assert stand_in.requests == []


def test_another_candidate_is_chosen(composer, stand_in):
    finish(composer)
    expect_sky(composer, 1, 1)
    candidates = picture(composer, 1).get_by_role("radio")
    expect(candidates).to_have_count(4)
    expect(candidates.nth(1)).to_be_checked()
    picture(composer, 1).locator(".candidates img").nth(3).click()
    expect(candidates.nth(3)).to_be_checked()
    expect_sky(composer, 1, 3)
    expect(picture(composer, 1)).not_to_contain_text("CC0")  # nobody said that this one is
    candidates.nth(3).press("ArrowLeft")
    candidates.nth(2).press("ArrowLeft")
    expect(picture(composer, 1)).to_contain_text("CC0")
    expect_sky(composer, 1, 1)


def test_candidates_can_be_chosen_while_others_are_looked_for(composer, stand_in):
    last = Gate()
    stand_in.articles.append(stand_in.harbour(*[opened() for _ in range(3)], last))
    compose(composer)
    expect(picture(composer, 0).get_by_role("radio")).to_have_count(4)
    picture(composer, 0).locator(".candidates img").nth(2).click()
    last.open()
    expect(composer.locator("#exports")).to_be_visible()
    expect(picture(composer, 0).get_by_role("radio").nth(2)).to_be_checked()


def opened():
    gate = Gate()
    gate.open()
    return gate


def test_candidates_that_the_router_has_not_are_left_out(composer, stand_in):
    composer.expected_errors.append(FAILED)
    script = stand_in.harbour()
    for event in script:
        if isinstance(event, dict) and "illustration" in event:
            chosen = event["illustration"]["image_sha256"]
            for candidate in event["illustration"]["candidates"]:
                if candidate["image_sha256"] != chosen:
                    del stand_in.pictures[candidate["image_sha256"]]
    stand_in.articles.append(script)
    finish(composer)
    picture(composer, 1).scroll_into_view_if_needed()
    expect(picture(composer, 1).locator(".candidates")).to_be_hidden()
    expect(picture(composer, 1).locator("> img")).to_be_visible()


def test_pictures_are_moved_and_removed_and_captions_edited(composer, stand_in):
    finish(composer)
    picture(composer, 0).get_by_role("button", name="Move the picture down").click()
    expect_blocks(composer, [EARLY, BOAT, HOUSE, LIGHTHOUSE, GULLS])
    expect(picture(composer, 0).get_by_role("button", name="Move the picture down")).to_be_focused()
    picture(composer, 0).get_by_role("button", name="Move the picture up").press("Enter")
    expect_blocks(composer, [BOAT, EARLY, HOUSE, LIGHTHOUSE, GULLS])
    picture(composer, 1).get_by_label("Caption").fill("Our lighthouse")
    expect(picture(composer, 1).locator("> img")).to_have_attribute("alt", "Our lighthouse")
    picture(composer, 0).get_by_role("button", name="Remove the picture").click()
    expect_blocks(composer, [EARLY, HOUSE, "*Our lighthouse", GULLS])
    expect(composer.get_by_role("button", name=f"Edit: {EARLY[:10]}")).to_be_focused()


def edit(page, beginning):
    page.get_by_role("button", name=f"Edit: {beginning}").click()
    return page.get_by_role("group", name="Edit a paragraph")


def test_a_paragraph_is_edited_by_hand(composer, stand_in):
    finish(composer)
    editor = edit(composer, "Boats")
    expect(editor.get_by_label("The paragraph")).to_have_value(
        "Boats leave **early**, while the town still sleeps."
    )
    editor.get_by_label("The paragraph").fill("Two lines\nof *mine* <b>")
    editor.get_by_role("button", name="Apply").click()
    expect_blocks(composer, [BOAT, "Two lines of mine <b>", HOUSE, LIGHTHOUSE, GULLS])
    expect(composer.get_by_role("button", name="Edit: Two lines")).to_be_focused()
    editor = edit(composer, "Two lines")
    editor.get_by_label("The paragraph").fill("never")
    composer.keyboard.press("Escape")
    expect_blocks(composer, [BOAT, "Two lines of mine <b>", HOUSE, LIGHTHOUSE, GULLS])
    edit(composer, "Two lines").get_by_role("button", name="Remove paragraph").click()
    expect_blocks(composer, [BOAT, HOUSE, LIGHTHOUSE, GULLS])


@pytest.mark.parametrize(
    "name, words",
    [
        ("Rewrite", "Rewrite this paragraph"),
        ("Expand", "Expand this paragraph"),
        ("Shorten", "Shorten this paragraph"),
    ],
)
def test_the_model_edits_a_paragraph(composer, stand_in, name, words):
    finish(composer)
    gate = Gate()
    stand_in.chats.append(answer("The boats\n", gate, "\nsail at dawn.\n"))
    editor = edit(composer, "Boats")
    editor.get_by_label("What it should be about").fill("dawn")
    editor.get_by_role("button", name=name).click()
    expect(editor.get_by_label("The paragraph")).to_have_value("The boats")
    expect(editor.get_by_role("button", name="Apply")).to_be_disabled()
    gate.open()
    expect(editor.get_by_label("The paragraph")).to_have_value("The boats sail at dawn.")
    editor.get_by_role("button", name="Apply").click()
    expect_blocks(composer, [BOAT, "The boats sail at dawn.", HOUSE, LIGHTHOUSE, GULLS])
    asked = stand_in.requests[-1][1]["messages"][0]["content"]
    assert asked.startswith(words) and "Boats leave **early**" in asked
    assert ("Use this: dawn" in asked) == (name != "Shorten")


def test_published_models_are_asked_in_their_words(composer, stand_in):
    composer.get_by_label("Model").select_option("internlm-xcomposer2-7b")
    finish(composer)
    editor = edit(composer, "In the evening")
    editor.get_by_role("button", name="Shorten").click()
    expect(editor.get_by_label("The paragraph")).to_have_value("A plain answer.")
    assert stand_in.requests[-1][1]["messages"][0]["content"] == f"缩写以下段落：{GULLS}"


def test_the_model_writes_a_paragraph_between_two(composer, stand_in):
    finish(composer)
    stand_in.chats.append(answer("Its keeper is old."))
    editor = edit(composer, "Boats")
    editor.get_by_role("button", name="Write one below").click()
    expect_blocks(composer, [BOAT, "editor", "Its keeper is old.", HOUSE, LIGHTHOUSE, GULLS])
    editor.get_by_role("button", name="Cancel").click()
    asked = stand_in.requests[-1][1]["messages"][0]["content"]
    assert f"Second: {HOUSE}" in asked


def test_editing_is_stopped_and_fails_without_harm(composer, stand_in):
    finish(composer)
    gate, broken = Gate(), Gate()
    stand_in.chats += [answer("Half a", gate, " sentence."), [*answer("Lost")[:1], broken, BREAK]]
    composer.expected_errors.append("ERR_INCOMPLETE_CHUNKED_ENCODING")
    editor = edit(composer, "Boats")
    editor.get_by_role("button", name="Rewrite").click()
    expect(editor.get_by_label("The paragraph")).to_have_value("Half a")
    editor.get_by_role("button", name="Stop").click()
    expect(editor.get_by_role("button", name="Apply")).to_be_enabled()
    expect(editor.get_by_label("The paragraph")).to_have_value("Half a")
    assert gate.left.wait(10), "the server was not told"
    editor.get_by_role("button", name="Rewrite").click()
    expect(editor.get_by_label("The paragraph")).to_have_value("Lost")
    broken.open()
    expect(editor.get_by_role("alert")).to_have_text(
        "The connection broke before the answer was complete."
    )
    expect(editor.get_by_label("The paragraph")).to_have_value("Half a")
    editor.get_by_role("button", name="Cancel").click()
    expect_blocks(composer, [BOAT, EARLY, HOUSE, LIGHTHOUSE, GULLS])


def test_stops(composer, stand_in):
    gate = Gate()
    stand_in.articles.append(stand_in.harbour(opened(), opened(), gate))
    compose(composer)
    expect(composer.locator("#article .waiting")).to_have_count(2)
    composer.get_by_role("button", name="Stop").click()
    expect_blocks(composer, [EARLY, HOUSE, GULLS])
    expect(composer.locator("#compose-progress")).to_contain_text("Stopped")
    expect(composer.locator("#article > h2")).to_have_text("A day at the harbour")
    expect(composer.get_by_role("button", name="Edit: Boats")).to_be_visible()
    assert gate.left.wait(10), "the server was not told"


@pytest.mark.parametrize(
    "end, message",
    [
        (
            [{"error": {"message": "the decoder pool is gone", "type": "server_error"}}],
            "the decoder pool is gone",
        ),
        ([BREAK], "The connection broke before the answer was complete."),
    ],
    ids=["error", "break"],
)
def test_keeps_what_came_before_an_error(composer, stand_in, end, message):
    composer.expected_errors.append("ERR_INCOMPLETE_CHUNKED_ENCODING")
    gate = Gate()
    stand_in.articles.append([*article_text("One.\nTwo."), {"placement": {}}, gate, *end])
    compose(composer)
    expect_blocks(composer, ["One.", "*", "Two."])
    gate.open()
    expect(composer.locator("#compose-form [role=alert]")).to_have_text(message)
    expect_blocks(composer, ["One.", "Two."])
    expect(composer.get_by_role("button", name="Edit: One.")).to_be_visible()
    expect(composer.locator("#exports")).to_be_visible()


def test_tells_why_a_request_was_refused(composer, stand_in):
    composer.expected_errors.append(FAILED)
    stand_in.articles.append(Refusal(400, "max_images: from 0 to 30 are allowed, got 31"))
    compose(composer)
    expect(composer.locator("#compose-form [role=alert]")).to_have_text(
        "max_images: from 0 to 30 are allowed, got 31"
    )
    expect(composer.locator("#article")).to_be_hidden()
    expect(composer.locator("#exports")).to_be_hidden()


def test_tells_that_a_picture_is_gone(composer, stand_in):
    composer.expected_errors.append(FAILED)
    event = stand_in.illustration(0, "Lost", "fish")
    stand_in.pictures.clear()
    stand_in.articles.append([*article_text("One."), event, DONE])
    finish(composer)
    expect(picture(composer, 0).get_by_role("alert")).to_contain_text(
        "The picture could not be loaded"
    )
    composer.get_by_role("button", name="Markdown with pictures").click()
    expect(composer.locator("#export-error")).to_contain_text("could not be exported")


def test_text_of_the_model_stays_text(composer, stand_in):
    hostile = (
        "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
    )
    event = stand_in.illustration(0, hostile, "fish", licence=hostile, source=hostile)
    for candidate in event["illustration"]["candidates"]:
        candidate["description"] = hostile
    stand_in.articles.append(
        [
            *article_text(f"{hostile}\n[x](javascript:alert(1))"),
            {"placement": {"caption": hostile}},
            event,
            {"finished": {"title": hostile}},
            DONE,
        ]
    )
    finish(composer)
    expect(composer.locator("#article > h2")).to_have_text(hostile)
    expect_blocks(composer, [hostile, f"*{hostile}", "[x](javascript:alert(1))"])
    assert (
        composer.locator("#article").evaluate(
            "(node) => node.querySelectorAll('script, a, [onerror], img[src=x]').length"
        )
        == 0
    )
    assert composer.title() == "Triptych"
