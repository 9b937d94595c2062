"""Asks a running cluster about held-out and trained designs and publishes what came of it.

usage: models/pictogram/evaluate --router HOST:PORT --data DATA [--out models/pictogram/evaluation]

Greedy, over gRPC. Concepts: the first 400 of the common ones (words.py) in an order fixed by seed 1; OpenMoji was never trained on. Every
picture is asked for its name, for its Chinese name, two balanced yes/no questions and a choice of four names; then groups of four pictures for
the one that suits a sentence. Writes result.json, answers.json and mistakes.png (a contact sheet of wrong names). Needs grpcio-tools, numpy
and pillow.
"""
import argparse
import importlib
import io
import json
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import questions as asking
from words import common_concepts, load_index, plain, with_article

HERE = Path(__file__).parent
DESIGNS = {"openmoji": 400, "noto": 200, "twemoji": 200}  # pictures of each
CHOICES = 200                                             # groups of four pictures, first design
PARALLEL = 16


class Names:
    """What asking.Questions needs of words.Words, without a tokenizer."""

    def __init__(self, concepts):
        from words import accepted_names, english_name
        self.names = [english_name(c) for c in concepts]
        self.accepted = [accepted_names(c) for c in concepts]


def load_api():
    """The public API's module, generated from the proto."""
    from grpc_tools import protoc
    proto, out = HERE.parents[1] / "proto", tempfile.mkdtemp()
    include = Path(importlib.import_module("grpc_tools").__file__).parent / "_proto"
    if protoc.main(["protoc", f"-I{proto}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}", "triptych/v1/inference.proto"]):
        sys.exit("evaluate: the proto could not be compiled")
    sys.path.insert(0, out)
    return importlib.import_module("triptych.v1.inference_pb2"), importlib.import_module("triptych.v1.inference_pb2_grpc")


class Model:
    """A model behind a router."""

    def __init__(self, router):
        import grpc
        self.api, stubs = load_api()
        self.stub = stubs.InferenceStub(grpc.insecure_channel(router))

    def answer(self, parts, beginning="", most=24):
        """Greedy text for a user's turn. parts: text and PNG bytes; beginning: of the answer, which goes on from there."""
        api = self.api
        part = lambda p: api.Part(text=p) if isinstance(p, str) else api.Part(image=api.Image(data=p))
        messages = [api.Message(role=api.ROLE_USER, parts=[part(p) for p in parts])]
        if beginning:
            messages.append(api.Message(role=api.ROLE_ASSISTANT, parts=[api.Part(text=beginning)]))
        request = api.GenerateRequest(prompt=api.Prompt(conversation=api.Conversation(messages=messages)),
                                      stopping=api.Stopping(max_new_tokens=most))
        return "".join(e.delta.text for e in self.stub.Generate(request, timeout=600) if e.HasField("delta")).strip()


def png_on_white(rgba):
    """uint8 [size, size, 4] premultiplied -> PNG file."""
    rgb = (rgba[..., :3].astype(int) + 255 - rgba[..., 3:]).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


def is_name(text, concept, names):
    """(the CLDR name, that or a CLDR keyword)."""
    said = plain(text)
    return said == plain(names.names[concept]), said == plain(names.names[concept]) or said in names.accepted[concept]


def ask_about(model, ask, concept, picture, concepts, names):
    """All questions about one picture: {kind: right or not}, and the answers."""
    told = {"concept": names.names[concept], "name": model.answer([picture, "What is shown?"])}
    right = dict(zip(("name_exact", "name"), is_name(told["name"], concept, names)))
    if chinese := concepts[concept]["names"].get("zh"):
        told["zh"] = model.answer([picture, "用中文说这是什么。"], most=32)
        right["zh"] = told["zh"] == chinese["name"]
    for kind, (question, expected) in ask:
        told[f"{kind} ({question})"] = said = model.answer([picture, question], most=4)
        right[kind] = said.split(".")[0].split(",")[0].strip().lower() == expected.lower()
    return right, told


def ask_design(model, data, index, design, limit, names, pool):
    """(shares of right answers, answers, [(picture row, concept, said)] of wrong names) for one design."""
    concepts = index["concepts"]
    row_of = {concept: row for row, (concept, d) in enumerate(index["rows"]) if d == design}
    order = common_concepts(index)
    random.Random(1).shuffle(order)
    chosen = [c for c in order if c in row_of][:limit]
    questions = asking.Questions(names, concepts, seed=5)
    asked = [[("yes", questions.yes([c])), ("no", questions.no([c])), ("choice", questions.choice([c]))] for c in chosen]
    work = lambda c, ask: ask_about(model, ask, c, png_on_white(data[row_of[c]]), concepts, names)
    results = list(pool.map(work, chosen, asked))
    share = lambda *kinds: round(float(np.mean([r[k] for r, _ in results for k in kinds if k in r])), 4)
    figures = {"pictures": len(chosen), "name": share("name"), "name_exact": share("name_exact"), "yes_no": share("yes", "no"),
               "yes": share("yes"), "no": share("no"), "choice": share("choice"), "chinese": share("zh")}
    wrong = [(row_of[c], names.names[c], told["name"]) for c, (right, told) in zip(chosen, results) if not right["name"]]
    return figures, [told for _, told in results], wrong, [(c, row_of[c]) for c in chosen]


def ask_choices(model, data, shown, count, names, pool):
    """Share of `count` groups of four pictures in which the one that suits a sentence is chosen."""
    rng = random.Random(7)

    def one(group, right, sentence):
        parts = [asking.choice_text(sentence)]
        for letter, (_, row) in zip(asking.LETTERS, group):
            parts[-1:] = [parts[-1] + f"{letter}.", png_on_white(data[row]), "\n"]
        parts[-1] = asking.ASK_PICTURE
        return model.answer(parts, beginning=asking.ANSWER_PICTURE, most=2)[:1] == asking.LETTERS[right]

    groups = [rng.sample(shown, 4) for _ in range(count)]
    rights = [rng.randrange(4) for _ in groups]
    sentences = [rng.choice(asking.SENTENCES).format(with_article(names.names[g[r][0]])) for g, r in zip(groups, rights)]
    return round(float(np.mean(list(pool.map(one, groups, rights, sentences)))), 4)


def contact_sheet(path, data, wrong, columns=8):
    """Pictures whose name was wrong: right name above, what was said below."""
    size, width, height = data.shape[1], 150, data.shape[1] + 34
    sheet = Image.new("RGB", (columns * width, max(1, -(-len(wrong) // columns)) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (row, name, said) in enumerate(wrong):
        x, y = i % columns * width, i // columns * height
        draw.text((x + 4, y + 2), name[:23], fill="#0a6b2f")
        sheet.paste(Image.open(io.BytesIO(png_on_white(data[row]))), (x + (width - size) // 2, y + 15))
        draw.text((x + 4, y + size + 17), said[:23].encode("ascii", "replace").decode(), fill="#b00020")
    sheet.quantize(48).save(path, optimize=True)


def main():
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--router", required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder that render.py wrote")
    parser.add_argument("--out", type=Path, default=HERE / "evaluation")
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures: less for a first look")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    index, data = load_index(args.data), np.load(args.data / "pictures.npy", mmap_mode="r")
    names, model = Names(index["concepts"]), Model(args.router)
    result, answers = {}, {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        for n, (design, limit) in enumerate(DESIGNS.items()):
            begin = time.time()
            figures, answers[design], wrong, shown = ask_design(model, data, index, design, round(limit * args.share), names, pool)
            if n == 0:
                figures["picture_choice"] = ask_choices(model, data, shown, round(CHOICES * args.share), names, pool)
                contact_sheet(args.out / "mistakes.png", data, wrong)
            result[design] = {**figures, "seconds": round(time.time() - begin, 1)}
            print(design, json.dumps(result[design]), flush=True)
    (args.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    (args.out / "answers.json").write_text(json.dumps(answers, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
