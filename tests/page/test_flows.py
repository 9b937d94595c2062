"""The ways through the page from end to end. They hold for the stand-in and for a real router
(TRIPTYCH_PAGE_URL) alike, so they look at what is there, not at certain words."""

import io
import pathlib
import zipfile

from playwright.sync_api import expect

from conftest import SIZES
from pictures import scene


def test_chat(page):
    page.locator("#chat input[type=file]").set_input_files(
        [{"name": "boat.png", "mimeType": "image/png", "buffer": scene("boat")}]
    )
    expect(page.locator("#chat .previews img")).to_be_visible()
    for question in ("What is shown?", "Is it red?"):
        page.get_by_label("Your question").fill(question)
        page.get_by_role("button", name="Send").click()
        last = page.get_by_role("article", name="Answer").last
        expect(last.locator("footer")).to_contain_text("tokens read")
        expect(last.locator(".text")).not_to_be_empty()
        expect(last.get_by_role("button", name="Copy")).to_be_visible()
    expect(page.locator(".message.user")).to_have_count(2)


def test_article(open_page, size):
    page = open_page("#compose", **SIZES[size])
    page.get_by_label("A title, or what to write").fill("A day at the harbour")
    page.get_by_label("Pictures at most").fill("2")
    page.get_by_role("button", name="Compose").click()
    expect(page.locator("#article .text").first).not_to_be_empty()
    expect(page.locator("#compose-progress")).to_contain_text("complete")
    title = page.locator("#article > h2").text_content()
    texts = page.locator("#article .text").all_text_contents()
    images = page.locator("#article figure > img")
    for image in images.all():
        page.wait_for_function("(image) => image.naturalWidth > 0", arg=image.element_handle())
    assert title and texts
    with page.expect_download() as download:
        page.get_by_role("button", name="Markdown with pictures").click()
    with zipfile.ZipFile(io.BytesIO(pathlib.Path(download.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "article.md" and len(names) == 1 + images.count()
        markdown = archive.read("article.md").decode()
        assert markdown.startswith(f"# {title}".replace("<", "&lt;"))
        assert all(f"]({name})" in markdown for name in names[1:])
    with page.expect_download() as download:
        page.get_by_role("button", name="Web page (.html)").click()
    html = pathlib.Path(download.value.path()).read_text()
    assert html.count('src="data:image/') == images.count()
