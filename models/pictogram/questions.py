"""Questions and answers about pictures of known concepts.

A prompt about a picture: `<|im_start|>user\\n` rows `question<|im_end|>\\n<|im_start|>assistant\\n`; the answer ends with `<|im_end|>`.
"""
import random

from words import with_article

START, MIDDLE, END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
ASK_NAME = ["What is shown?", "What is in the picture?", "What is this?", "What do you see in the picture?", "Name what is shown.",
            "What is in this picture?", "What does the picture show?"]
ASK_NAME_IN = {"zh": ["这是什么？", "用中文说这是什么。", "图片里是什么？", "What is this in Chinese?"], "de": ["Was ist das?", "Was ist auf dem Bild?"],
               "fr": ["Qu'est-ce que c'est ?"], "es": ["¿Qué es esto?"], "ja": ["これは何ですか？"], "ar": ["ما هذا؟"], "hi": ["यह क्या है?"]}
ASK_TEXT = ["Describe the picture.", "Describe what you see.", "Describe this picture."]
ASK_YES = ["Is there {} in the picture?\nPlease answer yes or no.", "Is there {} in the picture? Please answer yes or no.",
           "Is there {} in the picture?", "Does the picture show {}?", "Is this {}?"]
ASK_CHOICE = ["What is shown in the picture?\n{}\nAnswer with the letter.", "Question: What is shown?\n{}\nAnswer with the letter."]
# The same in few tokens: matching words with rows is learnt in half the time.
BRIEF_YES, BRIEF_CHOICE = ["{}?", "Is it {}?"], ["A. {} B. {} C. {} D. {}"]
ASK_COUNT = ["How many pictograms are in the picture?", "How many things are shown?", "How many are there?"]
NUMBERS = ["One", "Two", "Three"]
SENTENCES = ["I saw {} today.", "This is a story about {}.", "My friend talked about {} for an hour.", "In the end everything was about {}.",
             "On the way home we noticed {}.", "She wrote a poem about {}.", "The paragraph is about {}.", "{}"]
ASK_PICTURE, ANSWER_PICTURE = "\nChoose the picture that suits the text.", "The most suitable picture is"
LETTERS = "ABCD"


def choice_text(sentence):
    """In front of the candidates, so that their rows are computed with the text in view."""
    return f"Text: {sentence}\n"


class Questions:
    """Draws question and answer pairs. `shown`: concepts from left to right. Deterministic for a seed."""

    def __init__(self, words, concepts, languages=("zh",), seed=0, chosen=None, brief=0.0):
        """languages: besides English; brief: share of yes/no and A-D questions that are asked in few words."""
        self.brief = brief
        self.words, self.concepts, self.languages = words, concepts, languages
        self.rng = random.Random(seed)
        self.chosen = list(chosen) if chosen is not None else list(range(len(concepts)))
        self.group_members = {}
        for i in self.chosen:
            self.group_members.setdefault(concepts[i]["group"], []).append(i)

    def other(self, shown):
        """A concept that none of the shown ones could be called; half of the time one of the same group."""
        while True:
            members = self.group_members.get(self.concepts[shown[0]]["group"], self.chosen)
            c = self.rng.choice(members if self.rng.random() < 0.5 else self.chosen)
            if all(self.differ(c, s) for s in shown):
                return c

    def differ(self, a, b):
        """Whether concept a could not be called b, nor b a."""
        names, accepted = self.words.names, self.words.accepted
        return not (set(names[a].split()) & set(names[b].split()) or names[a].lower() in accepted[b] or names[b].lower() in accepted[a])

    def name(self, shown):
        return self.rng.choice(ASK_NAME), ", ".join(self.words.names[c] for c in shown)

    def local_name(self, shown):
        language = self.rng.choice(self.languages)
        note = self.concepts[shown[0]]["names"].get(language)
        return (self.rng.choice(ASK_NAME_IN[language]), note["name"]) if note else self.name(shown)

    def text(self, shown):
        parts = [with_article(self.words.names[c]) for c in shown]
        listed = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
        return self.rng.choice(ASK_TEXT), f"The picture shows {listed}."

    def yes(self, shown):
        return self._is_there(self.rng.choice(shown)), "Yes"

    def no(self, shown):
        return self._is_there(self.other(shown)), "No"

    def _is_there(self, concept):
        forms = BRIEF_YES if self.rng.random() < self.brief else ASK_YES
        return self.rng.choice(forms).format(with_article(self.words.names[concept]))

    def _options(self, shown):
        right = self.rng.choice(shown)
        options = [right]
        while len(options) < len(LETTERS):
            c = self.other(shown)
            if c not in options:
                options.append(c)
        self.rng.shuffle(options)
        return right, options

    def choice(self, shown):
        right, options = self._options(shown)
        names = [self.words.names[c] for c in options]
        if self.rng.random() < self.brief:
            return self.rng.choice(BRIEF_CHOICE).format(*names), LETTERS[options.index(right)]
        listed = "\n".join(f"{letter}. {name}" for letter, name in zip(LETTERS, names))
        return self.rng.choice(ASK_CHOICE).format(listed), LETTERS[options.index(right)]

    def either(self, shown):
        right, options = self._options(shown)
        names = [self.words.names[c] for c in options]
        return "Which is shown: " + ", ".join(names[:-1]) + " or " + names[-1] + "?", self.words.names[right]

    def count(self, shown):
        return self.rng.choice(ASK_COUNT), NUMBERS[len(shown) - 1]

    def side(self, shown):
        side = self.rng.choice(["left", "right"])
        return f"What is on the {side}?", self.words.names[shown[0 if side == "left" else -1]]

    def set_for(self, shown):
        """The questions of one training picture, in random order: more than are asked at a time."""
        chance = lambda share: self.rng.random() < share
        out = [self.name(shown), self.yes(shown), self.no(shown), self.choice(shown)]
        out += [self.rng.choice([self.yes, self.no])(shown)] + ([self.choice(shown)] if chance(0.5) else [])
        if chance(0.1):
            out.append(self.either(shown))
        if len(shown) > 1:
            out += [self.side(shown)] + ([self.count(shown)] if chance(0.5) else [])
        else:
            out += [self.local_name(shown) for _ in range(2) if self.languages]
            out += ([self.text(shown)] if chance(0.1) else []) + ([self.count(shown)] if chance(0.1) else [])
        self.rng.shuffle(out)
        return out
