"""Packing for training: many questions share one picture's rows."""
import torch

from questions import ANSWER_PICTURE, ASK_PICTURE, END, LETTERS, MIDDLE, START


def padded(lines, value):
    longest = max(map(len, lines))
    return torch.tensor([line + [value] * (longest - len(line)) for line in lines])


def additive(allowed):
    """bool [n, t, t] -> float mask [n, 1, t, t]."""
    return torch.zeros(allowed.shape).masked_fill(~allowed, -1e9).unsqueeze(1)


def pack(words, sets, image_rows):
    """sets: for each picture its (question, answer) pairs, which do not see one another. Returns ids (-1 on image rows), positions, mask,
    targets (-1: no loss), spans of image rows."""
    head = words.ids(START)
    first = len(head) + image_rows
    ids, positions, parts, targets = [], [], [], []
    for questions in sets:
        line, place, part, target = head + [-1] * image_rows, list(range(first)), [0] * first, [-1] * first
        for n, (question, answer) in enumerate(questions, 1):
            asked, said = words.ids(question + MIDDLE), words.ids(answer + END)
            line += asked + said
            place += range(first, first + len(asked) + len(said))
            part += [n] * (len(asked) + len(said))
            target += [-1] * (len(asked) - 1) + said + [-1]
        ids.append(line), positions.append(place), parts.append(part), targets.append(target)
    part = padded(parts, -2)
    order = torch.arange(part.shape[1])
    allowed = ((part[:, None, :] == 0) | (part[:, None, :] == part[:, :, None])) & (order[None, :] <= order[:, None])
    return padded(ids, 0), padded(positions, 0), additive(allowed), padded(targets, -1), [(len(head), first)]


def pack_pictures(words, sentences, image_rows, answers):
    """Four candidate pictures after each sentence. Texts are padded on the left, so that the image rows of a batch lie in line."""
    heads = [words.ids(START + ASK_PICTURE.format(s)) for s in sentences]
    longest = max(map(len, heads))
    ids, targets, spans = [], [], []
    for head, answer in zip(heads, answers):
        line, spans = [0] * (longest - len(head)) + head, []
        for letter in LETTERS:
            line += words.ids(f"{letter}.")
            spans.append((len(line), len(line) + image_rows))
            line += [-1] * image_rows + words.ids("\n")
        said = words.ids(f" {answer}")
        line += words.ids(MIDDLE + ANSWER_PICTURE)
        targets.append([-1] * (len(line) - 1) + said + [-1])
        ids.append(line + said)
    padding = torch.tensor([longest - len(head) for head in heads])
    ids = torch.tensor(ids)
    order = torch.arange(ids.shape[1])
    allowed = (order[None, :] <= order[:, None]) & (order[None, None, :] >= padding[:, None, None]) | (order[None, :] == order[:, None])
    return ids, (order - padding[:, None]).clamp(min=0), additive(allowed), torch.tensor(targets), spans
