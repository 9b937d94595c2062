#!/usr/bin/env python3
"""Makes byte_bpe/tokenizer.json, a small tokenizer, and byte_bpe/cases.json: what the tokenizers library makes of texts by it and by variants
of it, and which characters its classes match.

    pip install tokenizers==0.23.3 && python3.11 make_byte_bpe.py
"""
import copy
import json
import pathlib
import re
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))
import make_unicode_additions  # noqa: E402

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>"]

TRAINING = """
The quick brown fox jumps over the lazy dog. It's what they're saying, and we've heard that she'll come; I'm sure he'd agree. Don't you?
What is in this picture? A small red house stands on a green hill under a blue sky, and there are two white sheep beside the house.
There were 12 apples, 345 pears and 6789 plums in the year 2024; that is 3.14 times what there was in 1999.
def main(argc, argv):\n    for i in range(argc):\n        print(argv[i], end=" ")\n    return 0\n
Die Größe des Hauses überrascht; schöne Grüße aus München, wo die Straßen naß sind. Ça va très bien, où est l'école? El niño comió piñas.
Что изображено на этой картинке? Маленький красный дом стоит на зелёном холме, и рядом с домом две белые овцы.
Τι υπάρχει σε αυτή την εικόνα; Ένα μικρό κόκκινο σπίτι στέκεται πάνω σε έναν πράσινο λόφο.
这张图片里有什么？一座红色的小房子坐落在绿色的山坡上，天空是蓝色的，房子旁边有两只白色的羊。
この写真には何が写っていますか？緑の丘の上に小さな赤い家があり、家のそばに白い羊が二匹います。
이 그림에는 무엇이 있습니까? 푸른 하늘 아래 초록 언덕 위에 작고 빨간 집이 있습니다.
ماذا يوجد في هذه الصورة؟ بيت أحمر صغير يقف على تل أخضر تحت سماء زرقاء.
מה יש בתמונה הזאת? בית אדום קטן עומד על גבעה ירוקה מתחת לשמיים כחולים.
इस तस्वीर में क्या है? नीले आसमान के नीचे एक हरी पहाड़ी पर एक छोटा लाल घर है।
ในภาพนี้มีอะไร บ้านสีแดงหลังเล็กตั้งอยู่บนเนินเขาสีเขียวใต้ท้องฟ้าสีฟ้า
Trong bức ảnh này có gì? Một ngôi nhà nhỏ màu đỏ đứng trên đồi xanh. 👍🏽 👨‍👩‍👧‍👦 🐑🐑 ❤️
"""

TEXTS = [
    "",
    " ",
    "a",
    "Hello, world! What is in this picture?",
    "It's they're we've she'll I'm he'd don't IT'S THEY'RE O'Neill's 'tis ''s 's",
    "It’s they’re ‘quoted’ “we’ve” ʼs",
    "'s't're've'm'll'd'x",
    "12 apples, 345 pears; 6789.01e-5 0x1F 007",
    "٣٤٥ and ۱۲۳ and १२३ and ๑๒๓ and 𝟙𝟚𝟛 and ４５６",
    "½ ¾ ² ³ Ⅷ ⅻ 〇一二三 ① ㊿ ৴ ௰ 𐄇𐄈",
    "two  spaces   three    four",
    "tab\tand\t\ttabs \t mixed",
    "line\nfeed\n\nand\r\nreturn\r\n\r\nend\n",
    " leading and trailing  ",
    "   \n   x",
    "x \n \n y",
    "no-break\u00a0space\u00a0\u00a0x \u00a0 y",
    "ideographic\u3000space\u3000\u3000、x",
    "\u2003em\u2003\u2003quad \u2028line\u2029paragraph \u0085next \u1680ogham\u205fmath\u202fnarrow",
    "zero\u200bwidth \u180emongolian\u180e\u180e \ufeffbom",
    "\x00nul\x01\x1c\x1d\x1e\x1f\x7f controls\x0b\x0c",
    "Die Größe überrascht. Ça va très bien, où est l'école? El niño.",
    "cafe\u0301 nai\u0308ve Z\u0351\u036b\u0343\u036a\u0302algo \u0301alone",
    "Что изображено на этой картинке? Две овцы.",
    "Τι υπάρχει σε αυτή την εικόνα; ΣΊΣΥΦΟΣ",
    "这张图片里有什么？一座红色的小房子。「引用」，30％",
    "この写真には何が写っていますか？カタカナ、ﾊﾝｶｸ、々ー",
    "이 그림에는 무엇이 있습니까? ㄱㅏ \u1112\u1161\u11ab",
    "ماذا يوجد في هذه الصورة؟ بَيْتٌ أَحْمَرُ \u200f١٢\u200e",
    "מה יש בתמונה הזאת? בְּרֵאשִׁית",
    "इस तस्वीर में क्या है? क्षत्रिय हिन्दी।",
    "ในภาพนี้มีอะไร น้ำผึ้ง",
    "বাংলা ਪੰਜਾਬੀ ગુજરાતી தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල",
    "ქართული հայերեն አማርኛ ខ្មែរ ລາວ မြန်မာ བོད་ཡིག ᐃᓄᒃᑎᑐᑦ ᏣᎳᎩ",
    "😀 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 #️⃣ ❤️ x😀y",
    "𠀀𠮷 𐐷𐑊 𓀀𓂀 𒀀 🂡 𝒜𝓁𝑔𝑒𝒷𝓇𝒶",
    "new: \U00031350\U0002ebf0 \U00016d40\U00016d70 \ua7cb\ua7cd \U0001fae8\U0001faf7 \U00011de0\U00011de1 \U00016ff4x \U0001e4d0",
    "def f(x):\n    if x > 0:\n\t\treturn x ** 2  # why\n\n\n    return {'a': [1, 2], \"b\": None}\n",
    "https://example.org/a-b_c?d=e&f=%20#g user@host.net C:\\dir\\file",
    "!!!??? ... --- *** $100 €5 £3 ¥7 @me #tag <b>&amp;</b> ~`^|\\",
    "MiXeD CaSe snake_case camelCase SCREAMING_CASE kebab-case",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "abababababababababababababababab the the the thethethethe",
    "                                  deep",
    "\n\n\n\n\n\n\n\n",
    "x\ufffdy \U0010ffff \ue000 \ufdd0",
]

SPELLINGS = [
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end|>",
    "<|im_end|><|im_end|> <|im_end|>",
    "x<|im_end|>y  <|endoftext|>  z",
    "<|im_en<|im_end|>d|> <|IM_END|> <|im_end| > <file_sep",
]

MIXED = [
    [("<|im_start|>user\n", True), ("What is<|im_end|> this?", False), ("<|im_end|>\n<|im_start|>assistant\n", True)],
    [("<|im_", True), ("end|>", False), ("<|im_end|>", True)],
    [("<|im_end", False), ("|>", True)],
    [("Hel", True), ("lo wor", False), ("ld's", True), ("  ", False), (" x", True)],
    [("", False), ("it", True), ("'", False), ("s 12", True), ("34", False)],
    [("<file_sep>", True), ("<file_sep>", False), ("<file_sep>", True)],
]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+"]
DEEPSEEK_V3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
               r"\s*[\r\n]+|\s+(?!\S)|\s+")
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+|"
         r"\p{Han}+|\d{2,}|\p{N}|\S|\s+")


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern if isinstance(pattern, dict) else {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(use_regex, add_prefix_space=False):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": use_regex}


def sequence(*elements):
    return {"type": "Sequence", "pretokenizers": list(elements)}


def added(number, content, special=False, normalized=False):
    return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": normalized, "special": special}


def variants(base):
    """Names and what is put over the base by JSON merge patch (RFC 7386)."""
    first = max(base["model"]["vocab"].values()) + 1
    behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    yield "gpt2 with a space in front", {"pre_tokenizer": byte_level(True, add_prefix_space=True) | {"pretokenizers": None}}
    yield "digits in runs, spaces in front", {
        "pre_tokenizer": sequence({"type": "Digits", "individual_digits": False}, byte_level(True, add_prefix_space=True))}
    yield "merges as lines", {"model": {"merges": ["#version: 0.2"] + [" ".join(m) for m in base["model"]["merges"]], "type": None}}
    yield "llama 3", {"pre_tokenizer": sequence(split(LLAMA3), byte_level(False)), "model": {"ignore_merges": True}}
    yield "deepseek", {"pre_tokenizer": sequence(*map(split, DEEPSEEK), {"type": "Digits", "individual_digits": True}, byte_level(False))}
    yield "deepseek 3", {"pre_tokenizer": sequence(split(r"\p{N}{1,3}"), split(DEEPSEEK[3]), split(DEEPSEEK_V3), byte_level(False))}
    yield "cased", {"pre_tokenizer": sequence(split(CASED, "Removed", True), byte_level(False))}
    for behavior in behaviors:
        for invert in (False, True):
            yield f"{behavior}{' inverted' if invert else ''}", {
                "pre_tokenizer": sequence(split({"String": " "}, behavior, invert), split(r"[a-f.]", behavior, invert), byte_level(False))}
    unused = {c: None for c in ["\u0107", "\u0108", "\u0113", "Á"]}  # bytes 07, 08, 13, c1
    yield "bytes without a token", {"model": {"vocab": unused}}
    yield "bytes that are unknown", {"model": {"vocab": unused, "unk_token": "<|endoftext|>"}}
    yield "bytes that are unknown together", {"model": {"vocab": unused, "unk_token": "<|endoftext|>", "fuse_unk": True}}
    yield "added tokens", {"added_tokens": base["added_tokens"] + [
        added(first, "hou"), added(first + 1, "house and"), added(first + 2, "é ", normalized=True), added(base["model"]["vocab"]["use"], "use", normalized=True),
        added(first + 3, "<|im_end|>\n", special=True)]}


FEW = [0, 1, 3, 4, 5, 7, 8, 9, 10, 12, 13, 16, 17, 20, 22, 25, 28, 34, 37, 39, 40]
EXTRA = {
    "bytes": ["\x07\x08 a\x07\x08b \x13c", "\x07", "x\x13"],
    "added": ["the house and the use of houses, café  e\u0301 ", "housouse anduse", "<|im_end|>\n<|im_end|>"],
    "Removed": [" a b", "abc", "x.", "   "],
}


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=len(SPECIAL) + 256 + 640, special_tokens=[AddedToken(t, special=True, normalized=False) for t in SPECIAL],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([TRAINING] * 3, trainer)
    return json.loads(tokenizer.to_str())


def merge_patch(target, patch):
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge_patch(target.get(key), value)
    return target


def encode(tokenizer, text, trusted):
    tokenizer.encode_special_tokens = not trusted
    return tokenizer.encode(text, add_special_tokens=False).ids


def encode_runs(tokenizer, special, runs):
    """The reference knows no runs: special spellings whose bytes are all trusted are cut out, the rest is untrusted text."""
    text = "".join(t for t, _ in runs)
    trusted = [trust for t, trust in runs for _ in t]
    ids, begin = [], 0
    for match in re.finditer("|".join(re.escape(s) for s in sorted(special, key=len, reverse=True)), text):
        if all(trusted[match.start() : match.end()]):
            ids += encode(tokenizer, text[begin : match.start()], False) + [special[match.group()]]
            begin = match.end()
    return ids + encode(tokenizer, text[begin:], False)


def cases_of(tokenizer_json, texts, with_runs):
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json))
    special = {t["content"]: t["id"] for t in tokenizer_json["added_tokens"] if t["special"]}
    cases = [{"runs": [[text, trusted]], "ids": encode(tokenizer, text, trusted)} for text in texts for trusted in (False, True)
             if not trusted or "<" in text]
    if with_runs:
        cases += [{"runs": runs, "ids": encode_runs(tokenizer, special, runs)} for runs in MIXED]
    return cases


def ranges(characters):
    result = []
    for c in sorted(map(ord, characters)):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return [number for pair in result for number in pair]


def classes():
    """First and last characters of what the reference's classes match."""
    names = [r"\s", r"\p{L}", r"\p{N}", r"\p{P}", r"\p{M}", r"\p{Lu}", r"\d"]
    found = {name: make_unicode_additions.matching(name) for name in names}
    found[r"\p{N}"] |= make_unicode_additions.digits()
    # The digits of Unicode 17, known to the reference's Digits alone; 16ff4 to 16ff6 are not all decimal.
    found[r"\d"] |= make_unicode_additions.digits() - make_unicode_additions.matching(r"\p{N}")
    return {name: ranges(characters) for name, characters in found.items()}


def main():
    base = train()
    folder = FOLDER / "byte_bpe"
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(base, ensure_ascii=False, separators=(",", ":")) + "\n")
    result = {"cases": cases_of(base, TEXTS + SPELLINGS, True), "variants": []}
    for name, patch in variants(base):
        texts = [TEXTS[i] for i in FEW] + SPELLINGS[:2]
        for key, extra in EXTRA.items():
            texts += extra if name.startswith(key) else []
        cases = cases_of(merge_patch(copy.deepcopy(base), patch), texts, name == "added tokens")
        result["variants"].append({"name": name, "patch": patch, "cases": cases})
    result["classes"] = classes()
    lines = json.dumps(result, ensure_ascii=True, separators=(",", ":")).replace('{"name"', '\n{"name"').replace('{"runs"', '\n{"runs"')
    (folder / "cases.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
