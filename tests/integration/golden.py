"""A golden set: a tiny checkpoint with the reference's inputs and outputs."""

import json
import pathlib

import numpy as np

LOGPROB_TOLERANCE = 1e-3  # of the reference's, through the cluster


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    dtypes = {"F32": np.float32, "I64": np.int64, "U8": np.uint8}
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        out[name] = np.frombuffer(data[8 + size + begin:8 + size + end], dtypes[entry["dtype"]]).reshape(entry["shape"])
    return out


class Case:
    def __init__(self, folder, entry):
        self.id = entry["id"]
        self.mode = entry["mode"]
        self.question = entry["q"]
        self.meta = entry.get("meta_instruction", "") if entry.get("meta") else ""
        self.history = entry.get("history", [])
        self.images = [(folder / name).read_bytes() for name in entry["images"]]
        self.max_tiles = entry.get("hd_num_used") or 0
        mode = entry.get("infer_mode", "base")
        self.adapter = "" if mode == "base" else mode
        self.greedy = entry["greedy_ids"]
        self.generate = entry.get("generate", {})
        self.candidates = entry.get("candidates", [])
        self.tensors = read_safetensors(folder / entry["file"])

    def prompt(self, api):
        """The case as a client would send it."""
        images = iter([api.Part(image=api.Image(data=image, max_tiles=self.max_tiles)) for image in self.images])

        def parts(text):
            made = []
            for i, piece in enumerate(text.split("<ImageHere>")):
                if i:
                    made.append(next(images))
                if piece:
                    made.append(api.Part(text=piece))
            return made

        if self.mode == "eval":  # [BOS] image text, unless the text places its picture
            placed = "<ImageHere>" in self.question
            return api.Prompt(raw=api.RawPrompt(parts=parts(self.question) if placed else [*images, api.Part(text=self.question)]))
        if self.images and "<ImageHere>" not in self.question:  # 2.5 puts a picture that is not placed in front of the whole prompt
            start, end = "[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]\n"
            text = f"{start}system\n{self.meta}{end}{start}user\n{self.question}{end}{start}assistant\n"
            return api.Prompt(raw=api.RawPrompt(parts=[*images, api.Part(text=text)]))
        messages = [api.Message(role=api.ROLE_SYSTEM, parts=[api.Part(text=self.meta)])]
        for question, answer in self.history:
            messages.append(api.Message(role=api.ROLE_USER, parts=parts(question)))
            messages.append(api.Message(role=api.ROLE_ASSISTANT, parts=[api.Part(text=answer)]))
        messages.append(api.Message(role=api.ROLE_USER, parts=parts(self.question)))
        return api.Prompt(conversation=api.Conversation(messages=messages))

    def token_prompt(self, api, behind):
        """The case's own ids, with its pictures where their rows are, and some more ids behind them."""
        ids = [int(i) for i in self.tensors["input_ids"]]
        begins = [i for i, token in enumerate(ids) if token < 0 and (i == 0 or ids[i - 1] >= 0)]
        assert len(begins) == len(self.images)
        placed = [api.TokenPrompt.PlacedImage(index=sum(token >= 0 for token in ids[:begin]), image=api.Image(data=image, max_tiles=self.max_tiles))
                  for begin, image in zip(begins, self.images)]
        return api.Prompt(tokens=api.TokenPrompt(ids=[token for token in ids if token >= 0] + behind, images=placed))

    def reference_logprobs(self):
        """Of every text token that has something before it, in order."""
        ids = self.tensors["input_ids"]
        logits = self.tensors["logits"].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return np.array([logprobs[i - 1, ids[i]] for i in range(1, len(ids)) if ids[i] >= 0])


class GoldenSet:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.manifest = json.loads((self.folder / "manifest.json").read_text())
        self.stop_ids = self.manifest["stop_ids"]
        self.cases = [Case(self.folder, entry) for entry in self.manifest["cases"]]

    def case(self, has_images):
        return next(c for c in self.cases if bool(c.images) == has_images)
