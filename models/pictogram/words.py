"""The concepts' names, and what counts for a right answer."""
import json
import re
from pathlib import Path

COMMON_GROUPS = ("animals", "food", "travel", "activities", "objects")


def english_name(concept):
    name = concept["names"]["en"]["name"].replace("’", "'").replace("“", "").replace("”", "")
    return re.sub(r"^person: ", "person with ", name)


def plain(text):
    """Lower case, letters and digits only, without a leading article: how answers are compared."""
    text = re.sub(r"[^a-z0-9 ]", "", text.lower().replace("-", " ")).strip()
    return re.sub(r"^(a|an|the) ", "", text)


def accepted_names(concept):
    """The CLDR name and CLDR's keywords, plain."""
    note = concept["names"]["en"]
    return {plain(n) for n in [english_name(concept), *note["keywords"]]} - {""}


def with_article(name):
    last = name.split()[-1]
    has_one = re.match(r"(a|an|the) ", name)
    is_plural = last.endswith("s") and not last.endswith("ss")
    if has_one or is_plural or name[0].isupper() or name[0].isdigit():
        return name
    return ("an " if name[0] in "aeiou" else "a ") + name


def common_concepts(index):
    """Concepts that everybody knows, fixed before any result: animals, food, travel, activities and objects with a CLDR name of one or two
    words, drawn in at least six training designs (which leaves out the newest and the obscure)."""
    train = set(index["train_designs"])
    drawn = [0] * len(index["concepts"])
    for concept, design in index["rows"]:
        drawn[concept] += design in train
    return [i for i, c in enumerate(index["concepts"])
            if c["group"] in COMMON_GROUPS and len(c["names"]["en"]["name"].split()) <= 2 and drawn[i] >= 6]


def load_index(folder):
    return json.loads((Path(folder) / "index.json").read_text())
