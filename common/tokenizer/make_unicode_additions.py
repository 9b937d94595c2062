#!/usr/bin/env python3
"""Prints the table in unicode_additions.cc. Needs the `tokenizers` library, whose Oniguruma and Digits are asked for the category of every
character, and a Python with PCRE2's Unicode 14 (3.11)."""
import unicodedata

from tokenizers import Regex, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
CHARACTERS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def matching(regex):
    """All characters that a regular expression of one character matches."""
    text = "".join(CHARACTERS)
    rest = set()
    for _, (begin, end) in pre_tokenizers.Split(Regex(regex), "removed").pre_tokenize_str(text):
        rest.update(text[begin:end])
    return set(text) - rest


def digits():
    text = "".join(c + "a" for c in CHARACTERS)
    pieces = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(text)
    return {piece for piece, _ in pieces if len(piece) == 1 and piece != "a"}


def newer_categories():
    category = {}
    for name in CATEGORIES:
        category.update((c, name) for c in matching(r"\p{%s}" % name))
    for c in digits():
        category.setdefault(c, "Nd")
    return category


def bytes_of(c):
    return len(c.encode())


def main():
    assert unicodedata.unidata_version == "14.0.0"
    newer, han = newer_categories(), matching(r"\p{Han}")
    known = {}  # (category, bytes, Han) -> the first character of that kind in Unicode 14
    for c in CHARACTERS:
        if newer.get(c) == unicodedata.category(c):
            known.setdefault((newer[c], bytes_of(c), c in han), c)
    rows = []
    for c in CHARACTERS:
        if newer.get(c, "Cn") == unicodedata.category(c):
            continue
        stand_in = known[(newer[c], bytes_of(c), c in han and newer[c] == "Lo")]
        if rows and rows[-1][1] == ord(c) - 1 and rows[-1][2] == stand_in:
            rows[-1][1] = ord(c)
        else:
            rows.append([ord(c), ord(c), stand_in])
    for i in range(0, len(rows), 4):
        print("    " + " ".join("{0x%05x, 0x%05x, 0x%05x}," % (a, b, ord(c)) for a, b, c in rows[i : i + 4]))


if __name__ == "__main__":
    main()
