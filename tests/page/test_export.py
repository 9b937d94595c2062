"""What an article is exported as: the files are opened and compared with what the stand-in sent."""

import io
import pathlib
import re
import zipfile
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from stand_in import StandIn
from test_compose import composer, edit, finish, picture  # noqa: F401  (composer is a fixture)

MARKDOWN = """# A day at the harbour

![A boat in the morning](pictures/01.png)

Boats leave **early**, while the town still sleeps.

The lighthouse has watched over them for a century.

![The old lighthouse](pictures/02.png)

In the evening the gulls come back.

---

- A boat in the morning: CC0
- The old lighthouse: drawn for the tests, CC0
"""


def exported(page, button):
    """(name, bytes) of the file that a button gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.suggested_filename, pathlib.Path(download.value.path()).read_bytes()


def chosen_pictures(stand_in: StandIn):
    return [
        stand_in.pictures[
            stand_in.illustration(0, "", kind, chosen)["illustration"]["image_sha256"]
        ]
        for kind, chosen in (("boat", 0), ("lighthouse", 1))
    ]


def test_markdown_with_pictures(composer, stand_in):  # noqa: F811
    finish(composer)
    name, data = exported(composer, "Markdown with pictures")
    assert name == "A-day-at-the-harbour.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["article.md", "pictures/01.png", "pictures/02.png"]
        assert archive.read("article.md").decode() == MARKDOWN
        assert [archive.read(name) for name in archive.namelist()[1:]] == chosen_pictures(stand_in)


def test_exports_what_was_edited(composer, stand_in):  # noqa: F811
    finish(composer)
    editor = edit(composer, "Boats")
    editor.get_by_label("The paragraph").fill("Edited.")
    editor.get_by_role("button", name="Apply").click()
    composer.locator("#article > h2").fill("My harbour")
    composer.keyboard.press("Enter")
    picture(composer, 1).locator(".candidates img").nth(3).click()
    picture(composer, 0).get_by_role("button", name="Remove the picture").click()
    _, data = exported(composer, "Markdown with pictures")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["article.md", "pictures/01.png"]
        assert archive.read("article.md").decode() == (
            "# My harbour\n\nEdited.\n\n"
            "The lighthouse has watched over them for a century.\n\n"
            "![The old lighthouse](pictures/01.png)\n\nIn the evening the gulls come back.\n"
        )
        other = stand_in.illustration(0, "", "lighthouse", 3)["illustration"]["image_sha256"]
        assert archive.read("pictures/01.png") == stand_in.pictures[other]


@pytest.mark.parametrize("zipped", [False, True])
def test_web_page(composer, stand_in, tmp_path, zipped):  # noqa: F811
    composer.get_by_label("Language").select_option("en")
    finish(composer)
    name, data = exported(composer, "Web page (.zip)" if zipped else "Web page (.html)")
    if zipped:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None and archive.namelist() == ["article.html"]
            data = archive.read("article.html")
    assert name == ("A-day-at-the-harbour-page.zip" if zipped else "A-day-at-the-harbour.html")
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', data.decode()) == []
    assert '<html lang="en">' in data.decode()
    file = tmp_path / "article.html"
    file.write_bytes(data)
    shown = composer.context.browser.new_page()
    requests = []
    shown.on("request", lambda request: requests.append(unquote(request.url)))
    shown.goto(file.as_uri())
    expect(shown.locator("h1")).to_have_text("A day at the harbour")
    expect(shown.locator("strong")).to_have_text("early")
    expect(shown.locator("figcaption")).to_have_text(
        ["A boat in the morning", "The old lighthouse"]
    )
    expect(shown.locator("footer li")).to_have_text(
        ["A boat in the morning: CC0", "The old lighthouse: drawn for the tests, CC0"]
    )
    for image in shown.locator("img").all():
        expect(image).to_have_js_property("naturalWidth", 480)
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    shown.close()
