#!/usr/bin/env python3
"""Adds to xcomposer1-tiny/manifest.json what transformers' generate() makes of the set's prompts: with repetition penalties, and with beams.

The reference is transformers' LLaMA with biases in attention and the low-rank pairs added to its weights, in float32; its logits are first held to the set's own.
The three stop tokens are ends of sequence. transformers 4.33 begins its lists with BOS, which the penalty sees. Needs torch, transformers 4.33 and safetensors:

    python3 tests/golden/make_xcomposer1_generate.py
"""

import json
import pathlib

import torch
import transformers
from safetensors.torch import load_file
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

SET = pathlib.Path(__file__).resolve().parent / "xcomposer1-tiny"
BIASED = ("q_proj", "k_proj", "v_proj", "o_proj")
RUNS = {
    "greedy_stop": dict(max_new_tokens=32, num_beams=1),
    "greedy_rep": dict(max_new_tokens=24, num_beams=1, repetition_penalty=1.3),
    "beam3": dict(max_new_tokens=12, num_beams=3, repetition_penalty=1.0, length_penalty=1.0),
    "beam5_rep": dict(max_new_tokens=12, num_beams=5, repetition_penalty=1.5, length_penalty=1.0, min_length=1),
}


def language_model(config):
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=config["vocab_size"], hidden_size=config["hidden_size"], intermediate_size=config["intermediate_size"],
        num_hidden_layers=config["num_hidden_layers"], num_attention_heads=config["num_attention_heads"],
        max_position_embeddings=config["max_position_embeddings"], rms_norm_eps=config["rms_norm_eps"], pad_token_id=0))
    for layer in model.model.layers:
        for name in BIASED:
            linear = getattr(layer.self_attn, name)
            setattr(layer.self_attn, name, nn.Linear(linear.in_features, linear.out_features, bias=True))
    stored = torch.load(SET / "pytorch_model.bin", weights_only=True)
    prefix = "internlm_model."
    tensors = {name.removeprefix(prefix): tensor.float() for name, tensor in stored.items() if name.startswith(prefix)}
    lora = config["internlm_lora"]
    for name in [name for name in tensors if name.endswith(".lora_A.weight")]:
        layer = name.removesuffix(".lora_A.weight")
        product = tensors.pop(f"{layer}.lora_B.weight") @ tensors.pop(name)
        tensors[f"{layer}.weight"] += product * lora["lora_alpha"] / lora["lora_r"]
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all("inv_freq" in name for name in missing), (missing, unexpected)
    return model.eval()


@torch.no_grad()
def main():
    config = json.loads((SET / "config.json").read_text())
    manifest_path = SET / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    model = language_model(config)
    for case in manifest["cases"]:
        tensors = load_file(SET / case["file"])
        embeddings = tensors["inputs_embeds"][None]
        difference = (model(inputs_embeds=embeddings).logits[0] - tensors["logits"]).abs().max().item()
        assert difference < 2e-4, (case["id"], difference)
        case["generate"] = {}
        for name, options in RUNS.items():
            ids = model.generate(inputs_embeds=embeddings, attention_mask=torch.ones(embeddings.shape[:2], dtype=torch.long), do_sample=False,
                                 bos_token_id=1, eos_token_id=manifest["stop_ids"], pad_token_id=0, **options)
            case["generate"][name] = {**options, "ids": ids[0].tolist()}
            assert ids[0, 0] == 1
        print(case["id"], difference, case["generate"]["beam5_rep"]["ids"])
    manifest["generate_versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    manifest_path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False))


main()
