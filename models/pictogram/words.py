"""The concepts' names: as token ids that image rows spell, and as what counts for a right answer."""
import json
import re
from pathlib import Path

from tokenizers import Tokenizer

GRID = 6            # patches in a row at 84 pixels
ENGLISH_LINES = 4   # of the grid's lines, these spell the English name, those below it the Chinese one
COMMON_GROUPS = ("animals", "food", "travel", "activities", "objects")


class Words:
    """Names of the concepts of index.json under one tokenizer."""

    def __init__(self, concepts, tokenizer):
        """tokenizer: the text of a tokenizer.json."""
        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.names = [english_name(c) for c in concepts]
        self.accepted = [accepted_names(c) for c in concepts]
        comma, self.blank = self.ids(",")[0], self.ids("\n")[0]
        cap = GRID * (GRID - ENGLISH_LINES) - 1
        self._spelled = []  # for each concept what its English and its Chinese lines repeat
        for concept, name in zip(concepts, self.names):
            english = self.ids(" " + name)[:5] + [comma]
            chinese = concept["names"].get("zh", {}).get("name")
            self._spelled.append((english, self.ids(chinese)[:cap] + [comma] if chinese else english))
        self.vocabulary = sorted({t for both in self._spelled for line in both for t in line} | {self.blank})
        self.place = {t: i for i, t in enumerate(self.vocabulary)}

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def pattern(self, concept):
        """Row-major token ids for a whole picture of one concept: its English name again and again, then its Chinese one."""
        english, chinese = self._spelled[concept]
        stride = GRID if len(english) != GRID else GRID + 1  # no column may miss a token for ever
        upper = [english[(line * stride + column) % len(english)] for line in range(ENGLISH_LINES) for column in range(GRID)]
        return upper + [chinese[i % len(chinese)] for i in range(GRID * (GRID - ENGLISH_LINES))]


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
