"""Tensors, configuration and names of InternLM-XComposer2's published checkpoints, for this model's parts. Plain numpy."""
import numpy as np

from tensor_file import to_bf16

VIT = "vit.vision_tower.vision_model."
PLORA_PLACES = {"wqkv": "attention.wqkv", "wo": "attention.wo", "w1": "feed_forward.w1", "w2": "feed_forward.w2", "w3": "feed_forward.w3"}
SCALE = ".scale"  # suffix of the row scales beside an int8 tensor


TOWER_NAMES = {"cls": "embeddings.class_embedding", "patch.weight": "embeddings.patch_embedding.weight",
               "position": "embeddings.position_embedding.weight", "pre.weight": "pre_layrnorm.weight", "pre.bias": "pre_layrnorm.bias"}
PROJECTOR_NAMES = {"first.weight": "0.weight", "first.bias": "0.bias", "second.weight": "2.weight", "second.bias": "2.bias"}


def tower_name(name):
    """The published name of a tensor of tower.Tower."""
    if not name.startswith("blocks."):
        return VIT + TOWER_NAMES[name]
    _, i, part, kind = name.split(".")
    part = "self_attn." + part if part.endswith("_proj") else "mlp." + part if part.startswith("fc") else part
    return f"{VIT}encoder.layers.{i}.{part}.{kind}"


def pack_wqkv(rows, base):
    """[q rows, k rows, v rows] -> InternLM2's order: for each key/value head its query heads, itself, its values."""
    group, d = base.heads // base.kv_heads, base.head_dim
    q, k, v = np.split(rows, [base.heads * d, (base.heads + base.kv_heads) * d])
    per_group = [q.reshape(base.kv_heads, group, d, -1), k.reshape(base.kv_heads, 1, d, -1), v.reshape(base.kv_heads, 1, d, -1)]
    return np.concatenate(per_group, 1).reshape(rows.shape)


def unpack_wqkv(rows, base):
    """The inverse of pack_wqkv."""
    group, d = base.heads // base.kv_heads, base.head_dim
    q, k, v = np.split(rows.reshape(base.kv_heads, group + 2, d, -1), [group, group + 1], axis=1)
    return np.concatenate([part.reshape(-1, rows.shape[1]) for part in (q, k, v)])


def base_tensors(base):
    """The frozen language model: {published name: bfloat16's bits}."""
    out = {"model.tok_embeddings.weight": base.embedding(), "output.weight": base.embedding(), "model.norm.weight": base.norm()}
    for i in range(base.layers):
        w, p = base.layer(i), f"model.layers.{i}."
        out[p + "attention.wqkv.weight"] = pack_wqkv(np.concatenate([w["q"], w["k"], w["v"]]), base)
        for there, here in (("attention.wo", "o"), ("feed_forward.w1", "gate"), ("feed_forward.w3", "up"), ("feed_forward.w2", "down"),
                            ("attention_norm", "attention_norm"), ("ffn_norm", "ffn_norm")):
            out[f"{p}{there}.weight"] = w[here]
    return {name: to_bf16(value) for name, value in out.items()}


def config(base, vision):
    return {
        "architectures": ["InternLMXComposer2ForCausalLM"], "model_type": "internlmxcomposer2", "bias": False, "bos_token_id": 1,
        "eos_token_id": 2, "pad_token_id": 2, "hidden_act": "silu", "hidden_size": base.hidden, "initializer_range": 0.02,
        "intermediate_size": base.intermediate, "max_length": base.context, "max_position_embeddings": base.context,
        "num_attention_heads": base.heads, "num_hidden_layers": base.layers, "num_key_value_heads": base.kv_heads,
        "rms_norm_eps": base.norm_eps, "rope_scaling": None, "rope_theta": base.rope_theta, "tie_word_embeddings": False,
        "use_cache": True, "vocab_size": base.vocabulary, "img_size": vision["image_size"], "torch_dtype": "bfloat16",
        "vision_config": vision}


def quantise(tensors):
    """float32 -> what is shipped: matrices as int8 with a float32 scale for each row, all else as bfloat16's bits."""
    out = {}
    for name, value in tensors.items():
        if value.ndim < 2:
            out[name] = to_bf16(value)
            continue
        rows = value.reshape(len(value), -1)
        scale = np.maximum(np.abs(rows).max(1, keepdims=True) / 127, 1e-12).astype(np.float32)
        out[name] = np.rint(rows / scale).astype(np.int8).reshape(value.shape)
        out[name + SCALE] = scale[:, 0]
    return out


def dequantise(tensors):
    """What is shipped -> {published name: bfloat16's bits}."""
    out = {}
    for name, value in tensors.items():
        if name.endswith(SCALE):
            continue
        if value.dtype == np.int8:
            scale = tensors[name + SCALE].reshape(-1, *[1] * (value.ndim - 1))
            value = to_bf16(value.astype(np.float32) * scale)
        out[name] = value
    return out
