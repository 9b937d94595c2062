#!/usr/bin/env python3
"""Adds to xcomposer1-tiny/manifest.json what the published evaluation of answers by likelihood makes of the set's prompts.

SEED-Bench's script takes of a question's candidates the one whose tokens, tokenised by themselves and without BOS, have the least mean
cross-entropy behind the prompt. The language model is written out here, in float32; its logits are first held to the set's own. Needs torch,
safetensors and sentencepiece:

    python3 tests/golden/make_xcomposer1_candidates.py
"""

import json
import pathlib

import sentencepiece
import torch
from safetensors.torch import load_file
from torch.nn import functional

SET = pathlib.Path(__file__).resolve().parent / "xcomposer1-tiny"
# The published ones, and some of several lengths.
CANDIDATES = [["A.", "B.", "C.", "D."], ["red", "a green square", "two of them, on a white wall", "no"]]


class LanguageModel:
    """InternLM with its low-rank pairs: [tokens, hidden] -> [tokens, vocab]."""

    def __init__(self, config):
        self.config = config
        stored = torch.load(SET / "pytorch_model.bin", weights_only=True)
        prefix = "internlm_model."
        self.tensors = {name.removeprefix(prefix): tensor.float() for name, tensor in stored.items() if name.startswith(prefix)}

    def linear(self, name, x):
        y = functional.linear(x, self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias"))
        if f"{name}.lora_A.weight" in self.tensors:
            lora = self.config["internlm_lora"]
            low = x @ self.tensors[f"{name}.lora_A.weight"].T @ self.tensors[f"{name}.lora_B.weight"].T
            y = y + low * lora["lora_alpha"] / lora["lora_r"]
        return y

    def norm(self, name, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.config["rms_norm_eps"]) * self.tensors[f"{name}.weight"]

    def attention(self, name, x):
        heads = self.config["num_attention_heads"]
        q, k, v = (self.linear(f"{name}.{part}_proj", x).view(len(x), heads, -1).transpose(0, 1) for part in "qkv")
        width = q.shape[-1]
        angles = torch.arange(len(x))[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
        cos, sin = (f(torch.cat([angles, angles], -1)) for f in (torch.cos, torch.sin))

        def rotated(x):
            first, second = x.chunk(2, -1)
            return x * cos + torch.cat([-second, first], -1) * sin

        mixed = functional.scaled_dot_product_attention(rotated(q)[None], rotated(k)[None], v[None], is_causal=True)[0]
        return self.linear(f"{name}.o_proj", mixed.transpose(0, 1).reshape(len(x), -1))

    def __call__(self, x):
        for layer in range(self.config["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            x = x + self.attention(f"{name}.self_attn", self.norm(f"{name}.input_layernorm", x))
            h = self.norm(f"{name}.post_attention_layernorm", x)
            gated = functional.silu(self.linear(f"{name}.mlp.gate_proj", h)) * self.linear(f"{name}.mlp.up_proj", h)
            x = x + self.linear(f"{name}.mlp.down_proj", gated)
        return self.linear("lm_head", self.norm("model.norm", x))


@torch.no_grad()
def main():
    manifest_path = SET / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    model = LanguageModel(json.loads((SET / "config.json").read_text()))
    tokenizer = sentencepiece.SentencePieceProcessor(str(SET / "tokenizer.model"))

    def mean_cross_entropy(prompt, ids):
        embeddings = torch.cat([prompt, model.tensors["model.embed_tokens.weight"][ids]])
        logits = model(embeddings)[len(prompt) - 1:-1]
        return functional.cross_entropy(logits, torch.tensor(ids)).item()

    for case in manifest["cases"]:
        tensors = load_file(SET / case["file"])
        prompt = tensors["inputs_embeds"]
        difference = (model(prompt) - tensors["logits"]).abs().max().item()
        assert difference < 2e-4, (case["id"], difference)
        case["candidates"] = []
        for texts in CANDIDATES:
            ids = [tokenizer.encode(text) for text in texts]
            case["candidates"].append([{"text": text, "ids": i, "cross_entropy": mean_cross_entropy(prompt, i)} for text, i in zip(texts, ids)])
        print(case["id"], difference, [[(c["text"], len(c["ids"]), round(c["cross_entropy"], 4)) for c in group] for group in case["candidates"]])
    manifest_path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False))


main()
