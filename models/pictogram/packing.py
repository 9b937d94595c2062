"""Packing for training: many questions share one picture's rows, or those of four candidates."""
import torch

from questions import CANDIDATES, LETTERS, START


def padded(lines, value):
    longest = max(map(len, lines))
    return torch.tensor([line + [value] * (longest - len(line)) for line in lines])


def additive(allowed):
    """bool [n, t, t] -> float mask [n, 1, t, t]."""
    return torch.zeros(allowed.shape).masked_fill(~allowed, -1e9).unsqueeze(1)


def one_picture(words, image_rows):
    """What all questions about a picture have in front: ids, -1 on image rows, and the spans of these."""
    ids = words.ids(START)
    return ids + [-1] * image_rows, [(len(ids), len(ids) + image_rows)]


def four_pictures(words, image_rows):
    """The same for a choice among four pictures."""
    ids, spans = words.ids(START + CANDIDATES), []
    for letter in LETTERS:
        ids += words.ids(f"{letter}.")
        spans.append((len(ids), len(ids) + image_rows))
        ids += [-1] * image_rows + words.ids("\n")
    return ids, spans


def pack(words, front, sets):
    """front: one_picture() or four_pictures(), the same in the whole batch; sets: for each member of the batch its (text, answer) pairs,
    which do not see one another. Returns ids (-1 on image rows), positions, mask, targets (-1: no loss), spans of image rows."""
    head, spans = front
    ids, positions, parts, targets = [], [], [], []
    for pairs in sets:
        line, place, part, target = list(head), list(range(len(head))), [0] * len(head), [-1] * len(head)
        for n, (text, answer) in enumerate(pairs, 1):
            asked, said = words.ids(text), words.ids(answer)
            line += asked + said
            place += range(len(head), len(head) + len(asked) + len(said))
            part += [n] * (len(asked) + len(said))
            target += [-1] * (len(asked) - 1) + said + [-1]
        ids.append(line), positions.append(place), parts.append(part), targets.append(target)
    part = padded(parts, -2)
    order = torch.arange(part.shape[1])
    allowed = ((part[:, None, :] == 0) | (part[:, None, :] == part[:, :, None])) & (order[None, :] <= order[:, None])
    return padded(ids, 0), padded(positions, 0), additive(allowed), padded(targets, -1), spans
