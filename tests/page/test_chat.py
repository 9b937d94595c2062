"""The chat: pictures, streaming, stopping, turns, errors; with scripted answers."""

import base64
import re

import pytest
from playwright.sync_api import expect

from pictures import scene
from stand_in import BREAK, Gate, Refusal, answer, chat_end, chunk

PNG = {"name": "boat.png", "mimeType": "image/png", "buffer": scene("boat")}
FISH = {"name": "fish.png", "mimeType": "image/png", "buffer": scene("fish")}
# What Chromium itself writes to the console about an answer that is an error.
FAILED = "Failed to load resource"


def choose(page, *files):
    page.locator("#chat input[type=file]").set_input_files(list(files))


def ask(page, question):
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Send").click()


def answers(page):
    return page.get_by_role("article", name="Answer")


def hand_over(page, kind, *files):
    """Drops or pastes files, as the browser tells the page of it."""
    page.evaluate(
        """([kind, files]) => {
      const data = new DataTransfer();
      for (const { name, base64 } of files)
        data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name,
                                { type: "image/png" }));
      const options = { clipboardData: data, dataTransfer: data, bubbles: true, cancelable: true };
      const event = new (kind === "paste" ? ClipboardEvent : DragEvent)(kind, options);
      document.querySelector("#messages").dispatchEvent(event);
    }""",
        [
            kind,
            [
                {"name": file["name"], "base64": base64.b64encode(file["buffer"]).decode()}
                for file in files
            ],
        ],
    )


def test_asks_about_a_picture(page, stand_in):
    gate = Gate()
    stand_in.chats.append(answer("A **boat** ", gate, "under way."))
    choose(page, PNG)
    expect(page.locator("#chat .previews img")).to_have_attribute("alt", "boat.png")
    ask(page, "What is shown?")
    expect(answers(page)).to_have_text("A boat")
    expect(answers(page)).to_have_attribute("aria-busy", "true")
    expect(page.locator("#chat .previews img")).to_have_count(0)
    gate.open()
    expect(answers(page).locator(".text")).to_have_text("A boat under way.")
    expect(answers(page)).not_to_have_attribute("aria-busy", "true")
    expect(answers(page).locator("strong")).to_have_text("boat")
    expect(answers(page).locator("footer")).to_contain_text("41 tokens read, 7 written")
    expect(page.locator(".message.user img")).to_have_js_property("naturalWidth", 480)
    path, body = stand_in.requests[0]
    assert path == "/v1/chat/completions"
    picture, words = body["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert words == {"type": "text", "text": "What is shown?"}
    assert (body["model"], body["stream"], body["stream_options"]) == (
        "pictogram",
        True,
        {"include_usage": True},
    )


def test_takes_several_pictures_each_way_and_removes_one(page, stand_in):
    choose(page, PNG)
    hand_over(page, "paste", FISH)
    hand_over(page, "drop", PNG, FISH)
    expect(page.locator("#chat .previews li")).to_have_count(4)
    page.get_by_role("button", name="Remove boat.png").first.click()
    expect(page.locator("#chat .previews li")).to_have_count(3)
    ask(page, "And now?")
    expect(answers(page).locator(".text")).to_have_text("A plain answer.")
    kinds = [part["type"] for part in stand_in.requests[0][1]["messages"][0]["content"]]
    assert kinds == ["image_url"] * 3 + ["text"]


def test_refuses_what_is_no_picture(page):
    choose(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}, PNG)
    expect(page.get_by_role("alert").filter(has_text="notes.txt")).to_contain_text(
        "PNG, JPEG, WebP, GIF and BMP"
    )
    expect(page.locator("#chat .previews li")).to_have_count(1)


def test_needs_a_question_or_a_picture(page, stand_in):
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert").filter(has_text="Write a question")).to_be_visible()
    expect(page.get_by_label("Your question")).to_be_focused()
    assert stand_in.requests == []


def test_stops(page, stand_in):
    gate = Gate()
    stand_in.chats.append(answer("The beginning", gate, " and the end."))
    ask(page, "Tell me all.")
    expect(answers(page).locator(".text")).to_have_text("The beginning")
    page.get_by_role("button", name="Stop").click()
    expect(answers(page).locator("footer")).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    assert gate.left.wait(10), "the server was not told"
    ask(page, "And then?")
    expect(answers(page)).to_have_count(2)
    expect(answers(page).last.locator(".text")).to_have_text("A plain answer.")
    said = stand_in.requests[1][1]["messages"]
    assert [(m["role"], m["content"]) for m in said] == [
        ("user", "Tell me all."),
        ("assistant", "The beginning"),
        ("user", "And then?"),
    ]


def test_keeps_pictures_over_turns_and_starts_anew(page, stand_in):
    choose(page, PNG)
    ask(page, "What is it?")
    expect(answers(page).locator("footer")).to_be_visible()
    ask(page, "Which colour?")
    expect(answers(page).last.locator("footer")).to_be_visible()
    assert [m["role"] for m in stand_in.requests[1][1]["messages"]] == ["user", "assistant", "user"]
    assert stand_in.requests[1][1]["messages"][0]["content"][0]["type"] == "image_url"
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".message")).to_have_count(0)
    ask(page, "Hello")
    expect(answers(page).locator("footer")).to_be_visible()
    assert [m["content"] for m in stand_in.requests[2][1]["messages"]] == ["Hello"]


def test_enter_sends_and_shift_enter_does_not(page, stand_in):
    page.get_by_label("Your question").press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert stand_in.requests == []
    page.keyboard.press("Enter")
    expect(answers(page).locator("footer")).to_be_visible()
    assert stand_in.requests[0][1]["messages"][0]["content"] == "one\ntwo"


def test_copies_the_markdown_of_an_answer(open_page, stand_in):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    stand_in.chats.append(answer("A **boat**\n\n- at sea"))
    ask(page, "What?")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == "A **boat**\n\n- at sea"


def test_copies_where_the_clipboard_is_not_offered(open_page, stand_in):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }"
    )
    ask(page, "What?")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == "A plain answer."


def test_asks_the_chosen_model(page, stand_in):
    page.get_by_label("Model").select_option("internlm-xcomposer2-7b")
    ask(page, "Hello")
    expect(answers(page).locator("footer")).to_be_visible()
    published = stand_in.requests[0][1]
    assert published["model"] == "internlm-xcomposer2-7b"
    assert published["top_p"] == 0.8 and published["repetition_penalty"] == 1.005
    page.get_by_label("Model").select_option("pictogram")
    ask(page, "Hello")
    expect(answers(page).last.locator("footer")).to_be_visible()
    assert stand_in.requests[1][1]["temperature"] == 0


def test_says_when_an_answer_was_cut_off(page, stand_in):
    stand_in.chats.append(answer("Long", reason="length"))
    ask(page, "Hello")
    expect(answers(page).locator("footer")).to_contain_text("cut off")


@pytest.mark.parametrize(
    "script, message",
    [
        (
            Refusal(400, "messages[0].content[0]: at most 16 images are allowed, got 17"),
            "at most 16 images are allowed, got 17",
        ),
        (
            Refusal(503, "", body="<html>proxy</html>"),
            "The server answered 503 Service Unavailable.",
        ),
        (
            [
                chunk("Half an "),
                Gate,
                {"error": {"message": "all workers died", "type": "server_error"}},
            ],
            "all workers died",
        ),
        ([chunk("Half an "), Gate, BREAK], "The connection broke before the answer was complete."),
        ([chunk("Half an ")], "The connection broke before the answer was complete."),
        ([BREAK], "The connection broke before the answer was complete."),
        ([chunk("Half an "), "data: {not JSON\n\n"], "The server sent something that is not JSON."),
    ],
    ids=["refused", "proxy", "error", "break", "end", "break-at-once", "garbage"],
)
def test_tells_errors_and_tries_again(page, stand_in, script, message):
    page.expected_errors += [FAILED]
    gate = Gate()
    if isinstance(script, list):
        script = [gate if step is Gate else step for step in script]
    stand_in.chats += [script, answer("All ", "is well.")]
    ask(page, "What?")
    if isinstance(script, list) and gate in script:
        expect(answers(page).locator(".text")).to_have_text("Half an")
        gate.open()
    expect(answers(page).get_by_role("alert")).to_have_text(re.compile(re.escape(message)))
    if isinstance(script, list) and script[0] is not BREAK:
        expect(answers(page).locator(".text")).to_have_text("Half an")
    page.get_by_role("button", name="Try again").click()
    expect(answers(page)).to_have_count(1)
    expect(answers(page).locator(".text")).to_have_text("All is well.")
    assert [m["content"] for m in stand_in.requests[1][1]["messages"]] == ["What?"]


def test_goes_on_after_an_error(page, stand_in):
    page.expected_errors += [FAILED]
    stand_in.chats.append(Refusal(503, "all workers are busy"))
    ask(page, "One?")
    expect(answers(page).get_by_role("alert")).to_have_text("all workers are busy")
    ask(page, "Two?")
    expect(answers(page).last.locator(".text")).to_have_text("A plain answer.")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    assert [m["content"] for m in stand_in.requests[1][1]["messages"]] == ["Two?"]


def test_tells_that_the_server_is_gone(page, stand_in):
    page.expected_errors += [FAILED, "net::ERR"]
    page.context.set_offline(True)
    ask(page, "What?")
    expect(answers(page).get_by_role("alert")).to_have_text("The server cannot be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(answers(page).locator(".text")).to_have_text("A plain answer.")


def test_text_of_the_model_stays_text(page, stand_in):
    hostile = (
        "<img src=x onerror=\"document.title='broken'\"> "
        "<script>document.title='broken'</script>\n\n"
        "[click](javascript:document.title='broken') <svg onload=alert(1)>\n\n"
        "```\n</code><iframe src=//e.org>\n```\n"
    )
    stand_in.chats.append([chunk(letter) for letter in hostile] + chat_end())
    ask(page, "<b>mine</b>")
    expect(answers(page).locator("footer")).to_be_visible()
    expect(answers(page).locator(".text")).to_contain_text(
        "<script>document.title='broken'</script>"
    )
    expect(answers(page).locator(".text")).to_contain_text(
        "[click](javascript:document.title='broken')"
    )
    expect(page.locator(".message.user .words")).to_have_text("<b>mine</b>")
    assert (
        page.locator("#messages").evaluate(
            "(node) => node.querySelectorAll('img, script, svg, iframe, a, b').length"
        )
        == 0
    )
    assert page.title() == "Triptych"


def test_follows_a_long_answer(page, stand_in):
    stand_in.chats.append(answer(*[f"Paragraph {i}.\n\n" for i in range(80)], "The end."))
    ask(page, "Go on.")
    expect(page.get_by_text("The end.")).to_be_in_viewport()
