"""The page's modules that need no page: ZIP, Markdown, event streams, articles, exports."""

import gzip
import io
import re
import zipfile
import zlib

import pytest

from stand_in import PAGE

STREAM = """async (pieces) => {
  const { EventStream } = await import("./event_stream.js");
  const stream = new EventStream();
  return pieces.map((piece) => stream.push(piece));
}"""


@pytest.mark.parametrize(
    "pieces, events",
    [
        (["data: a\n\n"], [["a"]]),
        (["data: a\n\ndata: b\n\n"], [["a", "b"]]),
        (["da", "ta: a", "\n", "\n"], [[], [], [], ["a"]]),
        (["data: a\r", "\n\r\n"], [[], ["a"]]),
        (["data: a\r\rdata: b\r\n\r\n"], [["a", "b"]]),
        (["data: a\ndata:  b\ndata\n\n"], [["a\n b\n"]]),
        ([": comment\nevent: x\nid: 1\ndatax: no\n\ndata:a\n\n"], [["a"]]),
        (["\n\n\n", "data: 中文 🙂\n\n", "data: never ended\n"], [[], ["中文 🙂"], []]),
    ],
)
def test_event_stream(in_page, pieces, events):
    assert in_page(STREAM, pieces) == events


def test_event_stream_cut_anywhere(in_page):
    text = "data: one\r\ndata: two\r\n\r\n: c\rdata: three\r\rdata: four\n\n"
    for cut in range(len(text) + 1):
        assert sum(in_page(STREAM, [text[:cut], text[cut:]]), []) == [
            "one\ntwo",
            "three",
            "four",
        ], cut


def test_crc32(in_page):
    for data in [b"", b"a", b"123456789", bytes(range(256)) * 9]:
        crc = in_page(
            "async (bytes) => (await import('./zip.js')).crc32(Uint8Array.from(bytes))", list(data)
        )
        assert crc == zlib.crc32(data)


def test_zip(in_page):
    files = [
        ["article.md", list("# Häfen 港\n".encode())],
        ["pictures/é 1.png", list(bytes(range(256)) * 300)],
        ["empty", []],
    ]
    made = in_page(
        """async (files) => {
      const { makeZip } = await import("./zip.js");
      const entries = files.map(([name, bytes]) => ({ name, bytes: Uint8Array.from(bytes) }));
      const zip = makeZip(entries, new Date(2031, 1, 3, 4, 5, 6));
      return [...new Uint8Array(await zip.arrayBuffer())];
    }""",
        files,
    )
    with zipfile.ZipFile(io.BytesIO(bytes(made))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [name for name, _ in files]
        assert [list(archive.read(name)) for name, _ in files] == [data for _, data in files]
        assert {info.date_time for info in archive.infolist()} == {(2031, 2, 3, 4, 5, 6)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_zip_refuses_too_many_files(in_page):
    error = in_page("""async () => {
      const { makeZip } = await import("./zip.js");
      const file = { name: "x", bytes: new Uint8Array() };
      try { makeZip(Array(65536).fill(file)); } catch (error) { return error.name; }
    }""")
    assert error == "RangeError"


MARKDOWN = """async (text) => {
  const { renderMarkdown } = await import("./markdown.js");
  const holder = document.createElement("div");
  holder.append(renderMarkdown(text, 3));
  return holder.innerHTML.replaceAll(' dir="auto"', "").replaceAll(' tabindex="0"', "")
    .replaceAll(' target="_blank" rel="noopener noreferrer"', "");
}"""


@pytest.mark.parametrize(
    "text, html",
    [
        ("plain", "<p>plain</p>"),
        ("a\nb\n\nc", "<p>a<br>b</p><p>c</p>"),
        ("# One\n###### Six\n#none", "<h3>One</h3><h6>Six</h6><p>#none</p>"),
        (
            "**b** *i* _i_ __b__ ~~d~~ `c`",
            "<p><strong>b</strong> <em>i</em> <em>i</em> <strong>b</strong> <del>d</del> "
            "<code>c</code></p>",
        ),
        (
            "***both*** **b *i* b**",
            "<p><strong><em>both</em></strong> <strong>b <em>i</em> b</strong></p>",
        ),
        ("2 * 3 * 4, snake_case_name, **open", "<p>2 * 3 * 4, snake_case_name, **open</p>"),
        (r"\*not\* `a \* b` ``a ` b``", "<p>*not* <code>a \\* b</code> <code>a ` b</code></p>"),
        ("- a\n- b\n  - c\n\nend", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>end</p>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("1. a\n\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("> q\n> - x\n\np", "<blockquote><p>q</p><ul><li>x</li></ul></blockquote><p>p</p>"),
        ("```py\n<b> **x**\n```\np", "<pre><code>&lt;b&gt; **x**</code></pre><p>p</p>"),
        ("```\nnot closed", "<pre><code>not closed</code></pre>"),
        ("---\np\n***", "<hr><p>p</p><hr>"),
        (
            "| a | b |\n|---|:-:|\n| 1 | **2** |\n\np",
            '<div class="table"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr>'
            "<td>1</td><td><strong>2</strong></td></tr></tbody></table></div><p>p</p>",
        ),
        (
            "[t](https://e.org/a_(b)) <https://e.org/x>",
            '<p><a href="https://e.org/a_(b)">t</a> &lt;<a href="https://e.org/x">https://e.org/x</a>&gt;</p>',
        ),
        (
            "See https://e.org/x_y_z, and",
            '<p>See <a href="https://e.org/x_y_z">https://e.org/x_y_z</a>, and</p>',
        ),
        ("![a *cat*](https://e.org/c.png)", '<p><a href="https://e.org/c.png">a *cat*</a></p>'),
        ("**粗体**文字", "<p><strong>粗体</strong>文字</p>"),
    ],
)
def test_markdown(in_page, text, html):
    assert in_page(MARKDOWN, text) == html


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "**<iframe src=javascript:alert(1)>**",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "![x](javascript:alert(1))",
    '[x](https://e.org/"onmouseover="alert(1))',
    "[<img src=x onerror=alert(1)>](https://e.org)",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "| <script> |\n|---|\n| <img src=x onerror=alert(1)> |\n",
    "&lt;script&gt;",
    "[x](//e.org)",
    "[x]( \x01javascript:alert(1))",
    "[x](file:///etc/passwd)",
    "# <style>*{display:none}</style>",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_markdown_makes_no_markup_of_text(in_page, text):
    found = in_page(
        """async (text) => {
      const { renderMarkdown } = await import("./markdown.js");
      const holder = document.createElement("div");
      holder.append(renderMarkdown(text, 3));
      const nodes = [...holder.querySelectorAll("*")];
      return { names: nodes.map((node) => node.localName),
               attributes: nodes.flatMap((node) => [...node.attributes].map((a) => a.name)),
               links: [...holder.querySelectorAll("a")].map((a) => a.protocol) };
    }""",
        text,
    )
    assert set(found["names"]) <= {
        "p",
        "pre",
        "code",
        "strong",
        "a",
        "h3",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert set(found["attributes"]) <= {"dir", "class", "tabindex", "href", "target", "rel"}
    assert set(found["links"]) <= {"https:"}


@pytest.mark.parametrize(
    "text",
    [
        "*a " * 20000,
        "`" * 20000 + "a`" * 9000,
        "[" * 50000,
        "**a" * 20000,
        "[a](b" * 10000,
        "> " * 3000,
        "- " * 3000,
        "_a" * 20000,
        "~~" * 20000,
        "|a" * 20000 + "\n" + "|-" * 20000,
        "a\n\n" * 10000,
        "".join("`" * n + "a" for n in range(1, 300)),
        "https://" * 9000,
        "![a](" * 10000,
        "*" * 40000,
    ],
    ids=range(15),
)
def test_markdown_takes_hostile_text_in_time(in_page, text):
    milliseconds = in_page(
        """async (text) => {
      const { renderMarkdown } = await import("./markdown.js");
      const started = performance.now();
      renderMarkdown(text, 3);
      return performance.now() - started;
    }""",
        text,
    )
    assert milliseconds < 5000


def test_streamed_markdown_keeps_finished_blocks(in_page):
    kept = in_page("""async () => {
      const { StreamedMarkdown } = await import("./markdown.js");
      const node = document.createElement("div");
      const markdown = new StreamedMarkdown(node, 3);
      const text = "# Title\\n\\nOne *two*\\n\\n- a";
      for (let end = 0; end <= text.length; ++end) markdown.update(text.slice(0, end));
      const [heading, paragraph] = node.children;
      markdown.update(text + "\\n- b");
      return [heading === node.children[0], paragraph === node.children[1], node.textContent];
    }""")
    assert kept == [True, True, "TitleOne twoab"]


ARTICLE = """async (events) => {
  const { Article } = await import("./article.js");
  const article = new Article("The instruction\\nmore", "");
  events.forEach((event) => article.take(event));
  EDITS
  const blocks = article.blocks.map((block) => block.kind === "paragraph"
    ? block.text : [block.caption, block.sha256, block.licence]);
  return { title: article.title, blocks };
}"""


def text(value):
    return {"article": {"text": value}}


def placement(after, caption):
    return {"placement": {"after_paragraph": after, "caption": caption}}


def illustration(after, caption, sha256, **fields):
    return {
        "illustration": {
            "after_paragraph": after,
            "caption": caption,
            "image_sha256": sha256,
            **fields,
        }
    }


@pytest.mark.parametrize(
    "events, title, blocks",
    [
        ([text("a\n"), text("\n  b"), text("b\nc")], "The instruction", ["a", "bb", "c"]),
        (
            [text("a\nb\n"), placement(1, "y"), {"placement": {}}],
            "The instruction",
            ["a", ["", None, ""], "b", ["y", None, ""]],
        ),
        (
            [
                text("a\nb"),
                placement(0, "x"),
                placement(1, "y"),
                illustration(1, "y", "22"),
                {"finished": {"title": "T"}},
            ],
            "T",
            ["a", "b", ["y", "22", ""]],
        ),
        (
            [
                text("# Head\na"),
                placement(0, "x"),
                illustration(0, "", "11", licence="CC0"),
                {"finished": {}},
            ],
            "Head",
            [["x", "11", "CC0"], "a"],
        ),
        ([text("**Title: Head**\na"), {"finished": {}}], "Head", ["a"]),
        ([text("标题：海港\na"), {"finished": {"title": "海港"}}], "海港", ["a"]),
        (
            [text("a"), illustration(0, "unannounced", "33")],
            "The instruction",
            ["a", ["unannounced", "33", ""]],
        ),
        (
            [text("\n".join(str(i) for i in range(70)))],
            "The instruction",
            [str(i) for i in range(60)],
        ),
        (
            [text("a"), placement(0, "x"), placement(0, "y")],
            "The instruction",
            ["a", ["x", None, ""], ["y", None, ""]],
        ),
        ([{"started": {}}, {"article": {}}], "The instruction", []),
    ],
)
def test_article(in_page, events, title, blocks):
    assert in_page(ARTICLE.replace("EDITS", ""), events) == {"title": title, "blocks": blocks}


def test_article_is_edited(in_page):
    candidates = [
        {"image_sha256": "11"},
        {"image_sha256": "22", "licence": "CC0"},
        {"image_sha256": "33"},
    ]
    events = [
        text("a\nb"),
        illustration(0, "x", "11", licence="MIT", candidates=candidates),
        {"finished": {}},
    ]
    ids = "const [a, x, b] = article.blocks.map((block) => block.id);"

    def after(edits):
        return in_page(ARTICLE.replace("EDITS", ids + edits), events)["blocks"]

    assert after("article.choose(x, 1)") == ["a", ["x", "22", "CC0"], "b"]
    assert after("article.choose(x, 2)") == ["a", ["x", "33", ""], "b"]
    assert after("article.choose(x, 2); article.choose(x, 0)") == ["a", ["x", "11", "MIT"], "b"]
    assert after("article.move(x, 1)") == ["a", "b", ["x", "11", "MIT"]]
    assert after("article.move(x, 1); article.move(x, 1)") == ["a", "b", ["x", "11", "MIT"]]
    assert after("article.move(x, -1); article.move(x, -1)") == [["x", "11", "MIT"], "a", "b"]
    assert after("article.insertAfter(a, 'new')") == ["a", "new", ["x", "11", "MIT"], "b"]
    assert after("article.remove(a)") == [["x", "11", "MIT"], "b"]


def test_exported_text_is_escaped(in_page):
    exported = in_page("""async () => {
      const { Article } = await import("./article.js");
      const { articleMarkdown, articlePage } = await import("./article_export.js");
      const article = new Article("<b>Title</b>", "de\\"><script>");
      article.take({ article: { text: "<script>alert(1)</script>\\n**bold** & \\"q\\"" } });
      article.take({ illustration: { after_paragraph: 1, caption: "a] <i> \\"b\\"",
                                     image_sha256: "1", licence: "<u>", source: "s" } });
      article.finish();
      const names = new Map(article.pictures().map(({ id }) => [id, "p\\".png"]));
      return [articleMarkdown(article, names), articlePage(article, names)];
    }""")
    assert exported[0] == (
        '# &lt;b>Title&lt;/b>\n\n&lt;script>alert(1)&lt;/script>\n\n**bold** & "q"\n\n'
        '![a\\] &lt;i> "b"](p".png)\n\n---\n\n- a\\] &lt;i> "b": s, &lt;u>\n'
    )
    for markup in ("<script", "<b>", "<i>", "<u>", 'p".png', 'de">'):
        assert markup not in exported[1]
    assert '<strong>bold</strong> &amp; "q"' in exported[1]


@pytest.mark.parametrize(
    "title, name",
    [
        ("A day: at/the harbour?", "A-day-at-the-harbour"),
        ("海港的一天", "海港的一天"),
        ("../..", "article"),
        ("हिन्दी में", "हिन्दी-में"),
    ],
)
def test_file_names(in_page, title, name):
    assert (
        in_page(
            "async (title) => (await import('./article_export.js')).fileNameOf({ title })", title
        )
        == name
    )


def test_conversation(in_page):
    messages = in_page("""async () => {
      const { Conversation } = await import("./conversation.js");
      const talk = new Conversation();
      talk.ask("unanswered", []);
      talk.ask("one", [{ name: "x", dataUri: "data:x" }]).text = "first";
      talk.ask("", [{ name: "y", dataUri: "data:y" }]).text = "failed";
      talk.askAgain().text = "second";
      talk.ask("two", []);
      return talk.toMessages();
    }""")
    picture = {"type": "image_url", "image_url": {"url": "data:x"}}
    assert messages == [
        {"role": "user", "content": [picture, {"type": "text", "text": "one"}]},
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:y"}}]},
        {"role": "assistant", "content": "second"},
        {"role": "user", "content": "two"},
    ]


@pytest.mark.parametrize(
    "model, kind, words",
    [
        ("internlm-xcomposer2d5-7b", "rewrite", "改写以下段落：T\n基于以下素材：M"),
        ("internlm-XComposer2-7b", "expand", "扩写以下段落：T\n基于以下素材：M"),
        ("internlm-xcomposer-7b", "shorten", "缩写以下段落：T"),
        (
            "internlm-xcomposer2-7b",
            "insert",
            "在以下两段中插入一段。\n第一段：T\n第二段：N\n插入段的大纲：M",
        ),
        (
            "pictogram",
            "rewrite",
            "Rewrite this paragraph in other words. Answer with the paragraph alone.\nT\n"
            "Use this: M",
        ),
        (
            "pictogram",
            "shorten",
            "Shorten this paragraph to what matters most. Answer with the paragraph alone.\nT",
        ),
        (
            "",
            "insert",
            "Write one paragraph that belongs between these two. Answer with the paragraph alone.\n"
            "First: T\nSecond: N\nIt is about: M",
        ),
    ],
)
def test_editing_prompts(in_page, model, kind, words):
    request = in_page(
        """async ([model, kind]) => (await import("./editing_prompts.js"))
      .editingRequest(model, kind, { text: "T", next: "N", material: "M" })""",
        [model, kind],
    )
    assert request["messages"] == [{"role": "user", "content": words}]
    assert request["model"] == model
    assert (request.get("top_k") == 40) == ("xcomposer" in model.lower())


def test_large_and_foreign_pictures_become_jpeg(in_page):
    found = in_page("""async () => {
      const { readPicture } = await import("./picture_file.js");
      const svg = (side) => `<svg xmlns="http://www.w3.org/2000/svg" width="${side}"
        height="${side / 2}"><rect width="9" height="9"/></svg>`;
      const file = (text, type) => new File([text], "drawn", { type });
      const small = await readPicture(file(svg(64), "image/svg+xml"));
      const wide = await readPicture(file(svg(20000), "image/svg+xml"));
      const image = new Image();
      image.src = wide.dataUri;
      await image.decode();
      let refused = "";
      const text = new File(["no"], "a.png", { type: "image/png" });
      try { await readPicture(text); } catch (error) { refused = error.message; }
      const types = [small, wide].map(({ dataUri }) => dataUri.slice(0, 16));
      return [...types, image.naturalWidth * image.naturalHeight, refused];
    }""")
    assert found[:2] == ["data:image/jpeg;"] * 2
    assert 35e6 < found[2] <= 40e6
    assert found[3].startswith("“a.png” is not a picture")


def test_page_is_small():
    """What the chat loads is below 60 KB as it is, all of the page compressed; and the page names
    beforehand all modules that the chat takes."""
    files = {path.name: path.read_bytes() for path in PAGE.iterdir()}
    first = {"index.html", "style.css", "icon.svg", "main.js"}
    first |= set(re.findall(r'"modulepreload" href="([^"]+)"', files["index.html"].decode()))
    imported = {"main.js"}
    while (
        new := {
            name
            for known in imported
            for name in re.findall(r'^import .* from "\./([^"]+)"', files[known].decode(), re.M)
        }
        - imported
    ):
        imported |= new
    assert imported <= first and first - imported == {"index.html", "style.css", "icon.svg"}
    assert sum(len(files[name]) for name in first) < 60_000
    assert sum(len(gzip.compress(data)) for data in files.values()) < 60_000
