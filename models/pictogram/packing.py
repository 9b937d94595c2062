"""Packing for training: many questions share one picture's rows; a choice among four pictures has its text in front of them. All examples of
a batch have one length and their image rows at the same places, so that a compiled step serves for all batches."""
import torch

from questions import LETTERS, START, choice_text

ROW, PAD = -1, -2  # among ids: image rows; nothing


def one_picture(words, image_rows):
    """What all questions about a picture have in front: ids, and the spans of image rows."""
    ids = words.ids(START)
    return ids + [ROW] * image_rows, ((len(ids), len(ids) + image_rows),)


def four_pictures(words, image_rows, sentence, text_length):
    """The same for a choice among four pictures; the text is filled up in front to `text_length` tokens. None: it is longer."""
    text = words.ids(START + choice_text(sentence) + f"{LETTERS[0]}.")
    if len(text) > text_length:
        return None
    ids, spans = [PAD] * (text_length - len(text)) + text, []
    for letter in LETTERS:
        ids += words.ids(f"\n{letter}.") if letter != LETTERS[0] else []
        spans.append((len(ids), len(ids) + image_rows))
        ids += [ROW] * image_rows
    return ids, tuple(spans)


def pack(words, fronts, sets, length):
    """fronts: the ids in front, of one length; sets: for each member of the batch its (text, answer) pairs, which do not see one another; those
    that no longer fit into `length` are left out. Returns ids, positions, mask, targets (-1: no loss), and how many pairs there are."""
    lines, places, parts, targets, packed = [], [], [], [], 0
    for front, pairs in zip(fronts, sets):
        begin = sum(i != PAD for i in front)
        line, part, target = list(front), [-1 if i == PAD else 0 for i in front], [-1] * len(front)
        place = [max(0, n - (len(front) - begin)) for n in range(len(front))]
        for n, (text, answer) in enumerate(pairs, 1):
            asked, said = words.ids(text), words.ids(answer)
            size = len(asked) + len(said)
            if len(line) + size > length:
                continue
            line += asked + said
            place += range(begin, begin + size)
            part += [n] * size
            target += [-1] * (len(asked) - 1) + said + [-1]
            packed += 1
        rest = length - len(line)
        lines.append(line + [PAD] * rest), places.append(place + [0] * rest)
        parts.append(part + [-1] * rest), targets.append(target + [-1] * rest)
    part = torch.tensor(parts)
    order = torch.arange(length)
    allowed = ((part[:, None, :] == 0) | ((part[:, None, :] == part[:, :, None]) & (part[:, None, :] > 0))) & (order[None, :] <= order[:, None])
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, -1e9).unsqueeze(1)
    return torch.tensor(lines), torch.tensor(places), mask, torch.tensor(targets), packed
