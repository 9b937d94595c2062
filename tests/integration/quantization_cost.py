"""What quantising at load costs on a language model that was trained: SmolLM2-135M-Instruct, the base of the pictogram model (fetched once, 93
MB), reads a text through a cluster once for each kind of weights. Prints, over the text's tokens: the mean log-probability, perplexity, how
far a token's log-probability moves on average and at most, and what the decoder's weights take.

    ~/.cache/triptych/venv/bin/python tests/integration/quantization_cost.py [--text FILE] [--bin build/release/bin]
"""

import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile

import numpy as np

from cluster import Cluster, wait_until
from conftest import ROOT, make_api

PICTOGRAM = ROOT / "models/pictogram"
sys.path.insert(0, str(PICTOGRAM))

from base import Base, fetch  # noqa: E402
from published import base_tensors  # noqa: E402
from tensor_file import write_tensors  # noqa: E402


def write_checkpoint(folder, base):
    """In InternLM2's layout, weights in bfloat16."""
    write_tensors(folder / "model.safetensors", base_tensors(base))
    (folder / "tokenizer.json").write_text(base.tokenizer_json())
    shutil.copy(PICTOGRAM / "tokenizer_config.json", folder)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "internlm2", "bias": False, "hidden_act": "silu", "hidden_size": base.hidden, "intermediate_size": base.intermediate,
        "num_hidden_layers": base.layers, "num_attention_heads": base.heads, "num_key_value_heads": base.kv_heads, "vocab_size": base.vocabulary,
        "rms_norm_eps": base.norm_eps, "rope_theta": base.rope_theta, "max_position_embeddings": base.context, "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2}))


def score(bin_dir, api, folder, weights, text):
    """The log-probabilities of the text's tokens, and the bytes of the decoder's weights."""
    cluster = Cluster(bin_dir, api, folder, ["--weights", weights])
    try:
        prompt = api.Prompt(raw=api.RawPrompt(parts=[api.Part(text=text)]))
        answer = cluster.generate(prompt, score_only=True, timeout=600)
        log = wait_until(lambda: re.search(r"rank 0 of 1: (\d+) bytes of weights", "".join(list(cluster.log))), 10, "the log")
        return np.array([p.logprob for p in answer.finished[0].prompt_logprobs]), int(log.group(1))
    finally:
        cluster.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "docs/life_of_a_request.md")
    parser.add_argument("--characters", type=int, default=6000, help="how much of the text is read (default: %(default)s)")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--base", type=pathlib.Path, default=pathlib.Path.home() / ".cache/triptych/pictogram/base", help="where the model is kept")
    flags = parser.parse_args()
    text = flags.text.read_text()[:flags.characters]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "model").mkdir()
        write_checkpoint(folder / "model", Base(fetch(flags.base)))
        api = make_api(folder)
        print("| weights | MB | tokens | mean log-prob | perplexity | mean change | greatest change |\n| --- | --- | --- | --- | --- | --- | --- |")
        stored = None
        for weights in ("stored", "int8", "int4"):
            logprobs, size = score(flags.bin, api, folder / "model", weights, text)
            stored = logprobs if stored is None else stored
            change = np.abs(logprobs - stored)
            print(f"| {weights} | {size / 1e6:.1f} | {len(logprobs)} | {logprobs.mean():.4f} | {np.exp(-logprobs.mean()):.3f} | {change.mean():.4f} | "
                  f"{change.max():.3f} |", flush=True)


if __name__ == "__main__":
    main()
