"""Makes the pictures of docs/page.md, with the stand-in's answers."""

import io
import pathlib
import sys

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from conftest import CHROMIUM, SIZES
from pictures import scene
from stand_in import StandIn, answer

OUT = pathlib.Path(__file__).resolve().parents[2] / "docs/page"
MAX_BYTES = 150_000


def save(page, name):
    """As a PNG file of at most 256 colours."""
    image = (
        Image.open(io.BytesIO(page.screenshot()))
        .convert("RGB")
        .quantize(256, dither=Image.Dither.NONE)
    )
    image.save(OUT / f"{name}.png", optimize=True)
    size = (OUT / f"{name}.png").stat().st_size
    assert size < MAX_BYTES, f"{name}.png has {size} bytes"
    print(f"{name}.png: {size} bytes", file=sys.stderr)


def chat(page, stand_in):
    stand_in.chats += [
        answer(
            "A small **sailing boat** with a white and a red sail, on a calm sea.\n\n"
            "- hull: brown\n- sails: one white, one red\n"
        ),
        answer("The first picture shows the boat by day, the second a **lighthouse** at sunset."),
    ]
    pictures = [
        {"name": "boat.png", "mimeType": "image/png", "buffer": scene("boat")},
        {"name": "lighthouse.png", "mimeType": "image/png", "buffer": scene("lighthouse", 1)},
    ]
    for question, picture in (
        ("What is shown?", pictures[0]),
        ("And how does this one differ?", pictures[1]),
    ):
        page.locator("#chat input[type=file]").set_input_files([picture])
        expect(page.locator("#chat .previews img")).to_be_visible()
        page.get_by_label("Your question").fill(question)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("article", name="Answer").last.locator("footer")).to_be_visible()
    page.evaluate("document.activeElement.blur()")


def compose(page, stand_in):
    page.get_by_label("A title, or what to write").fill("A day at the harbour")
    page.get_by_role("button", name="Compose").click()
    expect(page.locator("#exports")).to_be_visible()
    for image in page.locator("#article img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("naturalWidth", 480)
    page.evaluate(
        "document.activeElement.blur(); document.querySelector('#article').scrollIntoView()"
    )


def main():
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for size, options in SIZES.items():
            for name, path, act, scheme in (
                ("chat", "", chat, "light"),
                ("compose", "#compose", compose, "dark" if size == "phone" else "light"),
            ):
                stand_in = StandIn()
                page = browser.new_context(color_scheme=scheme, **options).new_page()
                page.goto(stand_in.url + path)
                expect(page.locator("#model")).to_be_enabled()
                act(page, stand_in)
                save(page, f"{name}-{size}")
                stand_in.stop()
        browser.close()


main()
