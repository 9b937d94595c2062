"""Articles from a cluster of real processes, over a golden model whose words mean nothing: what counts is that they are well formed, that they are the
same after a death, and that the command line writes them."""

import base64
import hashlib
import html.parser
import importlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import urllib.request

import grpc
import pytest
from PIL import Image

from cluster import wait_until

INSTRUCTION = "a red square, a green circle and a blue field"
COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (30, 60, 200), "yellow": (230, 210, 40), "grey": (128, 128, 128), "black": (0, 0, 0)}


@pytest.fixture(scope="module")
def library(tmp_path_factory, bin_dir):
    """A library of six pictures, made by the command line; and its folder."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in COLOURS.items():
        Image.new("RGB", (64, 48), colour).save(folder / f"{name}.png")
        (folder / f"{name}.json").write_text(json.dumps({"caption": f"a {name} square", "licence": "CC0", "source": "a test"}))
    root = tmp_path_factory.mktemp("libraries")
    run(bin_dir, "library", "add", "--root", root, "colours", folder)
    return root / "colours"


@pytest.fixture(scope="module")
def cluster(bin_dir, api, tiny, library):
    from cluster import Cluster
    cluster = Cluster(bin_dir, api, tiny.folder, ["--decoders", "2", "--library", library])
    yield cluster
    cluster.stop()


def run(bin_dir, *arguments):
    done = subprocess.run([bin_dir / "triptych", *map(str, arguments)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Article:
    def __init__(self, cluster, api, on_event=lambda event: None, **fields):
        self.started, self.text, self.placements, self.illustrations, self.page, self.pictures, self.finished = None, "", [], [], b"", {}, None
        for event in cluster.stub.Compose(api.ComposeRequest(page=True, pictures=True, max_new_tokens=120, **fields), timeout=240):
            assert self.finished is None
            on_event(event)
            kind = event.WhichOneof("event")
            value = getattr(event, kind)
            if kind == "article":
                self.text += value.text
            elif kind == "placement":
                self.placements.append(value)
            elif kind == "illustration":
                self.illustrations.append(value)
            elif kind == "page":
                self.page += value.html
            elif kind == "picture":
                self.pictures[value.image_sha256] = self.pictures.get(value.image_sha256, b"") + value.data
            else:
                setattr(self, kind, value)

    def outcome(self):
        return (self.text, self.page, self.pictures, self.finished.markdown, [i.SerializeToString() for i in self.illustrations])

    def check(self):
        """That it is well formed."""
        paragraphs = [line for line in self.text.split("\n") if line.strip(" \t\r\u3000\xa0")]
        places = [i.after_paragraph for i in self.illustrations]
        assert len(set(places)) == len(places)
        assert all(place < min(len(paragraphs), 60) for place in places)
        assert list(self.finished.illustrations) == self.illustrations
        for illustration in self.illustrations:
            assert illustration.image_sha256 == illustration.candidates[illustration.chosen].image_sha256
            assert hashlib.sha256(self.pictures[illustration.image_sha256]).hexdigest() == illustration.image_sha256
            assert f"]({illustration.image_url})" in self.finished.markdown
        page = Page(self.page.decode())
        assert page.open == []
        assert [hashlib.sha256(p).hexdigest() for p in page.pictures] == [i.image_sha256 for i in sorted(self.illustrations, key=lambda i: i.after_paragraph)]
        assert self.finished.markdown.startswith("# ")


class Page(html.parser.HTMLParser):
    """Checks that tags are closed in order and nothing is loaded from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.pictures = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "iframe", "link", "object")
        if tag == "img":
            media_type, data = re.fullmatch(r"data:(image/\w+);base64,([A-Za-z0-9+/=]+)", dict(attributes)["src"]).groups()
            self.pictures.append(base64.b64decode(data))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_an_article_is_well_formed_and_the_same_for_the_same_seed(cluster, api):
    fields = {"instruction": INSTRUCTION, "max_images": 2, "sampling": api.Sampling(temperature=1, top_k=50, seed=3)}
    first = Article(cluster, api, **fields)
    first.check()
    assert first.started.seed == 3 and first.finished.title == INSTRUCTION
    assert 1 <= len(first.illustrations) <= 2
    assert all(i.licence == "CC0" and i.source == "a test" for i in first.illustrations)
    assert Article(cluster, api, **fields).outcome() == first.outcome()
    picture = first.illustrations[0]
    with urllib.request.urlopen(f"http://{cluster.http}{picture.image_url}", timeout=10) as reply:
        assert reply.headers["Content-Type"] == "image/png"
        assert reply.read() == first.pictures[picture.image_sha256]


def test_the_users_pictures_come_first(cluster, api, tmp_path):
    Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / "own.png")
    own = (tmp_path / "own.png").read_bytes()
    article = Article(cluster, api, instruction=INSTRUCTION, images=[api.Image(data=own)], max_images=3, sampling=api.Sampling(seed=5))
    article.check()
    first = min(article.illustrations, key=lambda i: i.after_paragraph)
    assert article.pictures[first.image_sha256] == own


def test_an_article_survives_its_decoder(cluster, api):
    fields = {"instruction": INSTRUCTION, "max_images": 2, "sampling": api.Sampling(temperature=1, top_k=50, seed=8)}
    undisturbed = Article(cluster, api, **fields)

    def disturbed():
        """The same with the first decoder that is seen busy killed. A request may still end between being seen and the kill."""
        killed = []

        def kill(event):
            if killed:
                return
            killed.extend(w["id"] for w in cluster.status()["workers"] if "decoder" in w["roles"] and cluster.metric(
                "triptych_worker_live_requests", w["metrics_address"]))
            for name in killed:
                os.kill(cluster.pids(name)[name], signal.SIGKILL)

        article = Article(cluster, api, kill, **fields)
        assert article.outcome() == undisturbed.outcome()
        wait_until(lambda: cluster.stub.ListModels(api.ListModelsRequest()).models[0].ready_decoders == 2, 60, "the decoder's return")
        return article.finished.timings.migrations

    assert any(disturbed() >= 1 for _ in range(8))


def test_the_command_line_writes_pages_and_markdown(cluster, bin_dir, tmp_path):
    page, text = tmp_path / "article.html", tmp_path / "article.md"
    arguments = [INSTRUCTION, "--router", cluster.grpc, "--max-images", 2, "--max-new-tokens", 60, "--seed", 3]
    run(bin_dir, "compose", *arguments, "--out", page)
    run(bin_dir, "compose", *arguments, "--out", text)
    pictures = Page(page.read_text()).pictures
    assert pictures
    links = re.findall(r"!\[[^\n]*\]\((article_pictures/[0-9a-f]{64}\.png)\)", text.read_text())
    assert [(tmp_path / link).read_bytes() for link in links] == pictures
    refused = subprocess.run([bin_dir / "triptych", "compose", "x", "--out", "article.pdf"], capture_output=True, text=True, timeout=20)
    assert refused.returncode != 0 and ".html or .md" in refused.stderr


def test_libraries_are_listed_searched_and_shortened(bin_dir, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "black_cat.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    added = subprocess.run([bin_dir / "triptych", "library", "add", "--root", tmp_path / "root", "mine", tmp_path], capture_output=True, text=True, timeout=20)
    assert added.returncode != 0 and "broken.png: left out" in added.stderr and "1 of 2 pictures" in added.stdout
    found = json.loads(run(bin_dir, "library", "search", "--root", tmp_path / "root", "--json", "mine", "cats"))
    assert [p["caption"] for p in found] == ["black cat"]
    run(bin_dir, "library", "remove", "--root", tmp_path / "root", "mine", found[0]["sha256"][:12])
    assert run(bin_dir, "library", "list", "--root", tmp_path / "root", "mine") == ""


def embed(cluster, texts):
    """The vectors of texts, and their space; raises grpc.RpcError."""
    vectors_pb2 = importlib.import_module("triptych.v1.text_vectors_pb2")
    stub = importlib.import_module("triptych.v1.text_vectors_pb2_grpc").TextVectorsStub(cluster.channel)
    answer = stub.Embed(vectors_pb2.EmbedRequest(texts=texts), timeout=60)
    return [list(vector.values) for vector in answer.vectors], answer.space


def test_texts_have_vectors(cluster):
    (red, again, blue), space = embed(cluster, [" red", " red", " blue"])
    assert red == again != blue and any(red) and len(red) == len(blue)
    assert embed(cluster, [" blue"]) == ([blue], space)
    for texts, field in [([], "texts"), (["x"] * 65, "texts"), (["x", ""], "texts[1]"), (["x" * 3_000_000], "texts"),
                          (["x y " * 9000], "texts[0]")]:
        with pytest.raises(grpc.RpcError) as refused:
            embed(cluster, texts)
        assert refused.value.code().name == "INVALID_ARGUMENT" and field in refused.value.details()


def test_libraries_have_vectors(cluster, bin_dir, api, tmp_path):
    """With a router `add` makes them, without one `embed` does so later; search takes them where they are; other models' are not compared."""
    def library(command, *arguments):
        return run(bin_dir, "library", command, "--root", tmp_path / "root", "mine", *arguments)

    def captions(*arguments):
        return [p["caption"] for p in json.loads(library("search", "--json", *arguments))]

    def count():
        with sqlite3.connect(tmp_path / "root/mine/pictures.sqlite") as database:
            return database.execute("select count(*) from vectors").fetchone()[0]

    for n, name in enumerate(["red", "green", "blue"]):
        Image.new("RGB", (8, 8 + n), COLOURS[name]).save(tmp_path / f"{name}.png")
    library("add", tmp_path / "red.png")
    assert count() == 0 and captions("--router", cluster.grpc, "nothing") == []
    assert "1 of 1 pictures" in library("embed", "--router", cluster.grpc)
    assert "0 of 1 pictures" in library("embed", "--router", cluster.grpc)
    library("add", "--router", cluster.grpc, tmp_path / "green.png", tmp_path / "blue.png")
    assert count() == 3
    assert captions("--router", cluster.grpc, "--by", "vectors", "-n", "1", "The Blue") == ["blue"]
    assert captions("--router", cluster.grpc, "--by", "words", "zebra") == captions("zebra") == []
    assert sorted(captions("--router", cluster.grpc, "zebra")) == ["blue", "green", "red"]
    without = subprocess.run([bin_dir / "triptych", "library", "search", "--root", tmp_path / "root", "mine", "--by", "both", "x"], capture_output=True, text=True)
    assert without.returncode != 0 and "--router" in without.stderr
    with sqlite3.connect(tmp_path / "root/mine/pictures.sqlite") as database:
        database.execute("update vectors set vector = x'00' where picture = 1")
    damaged = subprocess.run([bin_dir / "triptych", "library", "search", "--root", tmp_path / "root", "mine", "--router", cluster.grpc, "x"], capture_output=True, text=True)
    assert damaged.returncode == 1 and "embed --again" in damaged.stderr
    assert "3 of 3 pictures" in library("embed", "--again", "--router", cluster.grpc)
    assert captions("--router", cluster.grpc, "--by", "vectors", "-n", "1", "red") == ["red"]
    library("remove", json.loads(library("search", "--json", "red"))[0]["sha256"])
    assert count() == 2
    with sqlite3.connect(tmp_path / "root/mine/pictures.sqlite") as database:
        database.execute("update vectors set space = 'another model'")
    assert captions("--router", cluster.grpc, "zebra") == []


def test_requests_are_checked(cluster, api):
    for fields, code in [({"instruction": ""}, "INVALID_ARGUMENT"), ({"instruction": "x", "library": "attic"}, "NOT_FOUND"),
                         ({"instruction": "x", "candidates": 99}, "INVALID_ARGUMENT")]:
        with pytest.raises(grpc.RpcError) as refused:
            list(cluster.stub.Compose(api.ComposeRequest(**fields)))
        assert refused.value.code().name == code
        assert next(iter(fields.keys() - {"instruction"}), "instruction") in refused.value.details()
