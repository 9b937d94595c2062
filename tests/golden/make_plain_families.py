#!/usr/bin/env python3
"""Makes the golden sets of the plain families: llama*-tiny, internlm2-tiny, llava-tiny beside this file.

Each is a tiny random checkpoint in the layout of Hugging Face's transformers, stored in bfloat16, with what transformers computes from the stored
weights in float32. InternLM2 has no class there: its reference is a LLaMA whose weights are repacked under InternLM2's names. Needs torch, transformers
(4.57.1 made the committed sets), sentencepiece, pillow and numpy:

    python3 tests/golden/make_plain_families.py [FOLDER]
"""

import hashlib
import io
import json
import pathlib
import shutil
import sys

import numpy as np
import sentencepiece
import tokenizers
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlamaForCausalLM, LlamaTokenizerFast
from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 32
PENALTY = 1.3

LLAMA2_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
    "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
SMOLLM2_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
LLAMA3_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")
LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{# Render all text next #}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")

TEXT = """The router asks an encoder for the rows of a picture and a decoder for words. What is in this picture? A small boat on a calm lake.
A cluster has many workers, and a worker has many ranks. When a worker dies, its streams go on elsewhere, byte for byte, from the tokens already sent.
USER: How many birds are there? ASSISTANT: There are three birds and one cat; the cat sleeps. Please answer with a single word or a short phrase.
You are a helpful assistant named Triptych. Numbers: 0 1 2 3 4 5 6 7 8 9, 10, 1999, 3.14. Names: naïve café, Zürich, 北京, 浦语, 你好。 It is designed to be helpful, honest, and harmless.
The quick brown fox jumps over the lazy dog while five wizards box quickly. def main(): return [x for x in range(10) if x % 2 == 0]
"""


def sentencepiece_model(path):
    """As LLaMA's: BPE with byte fallback and a dummy prefix, characters as they are."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()), model_writer=model, model_type="bpe", vocab_size=384, byte_fallback=True,
        normalization_rule_name="identity", add_dummy_prefix=True, remove_extra_whitespaces=False, split_digits=True,
        character_coverage=0.98, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2)
    path.write_bytes(model.getvalue())


def byte_level_tokenizer(folder, size, special, chat_template, bos, eos):
    """As GPT-2's and SmolLM2's; `special` have the first ids."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                             initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(TEXT.splitlines(keepends=True), trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, unk_token=eos, chat_template=chat_template)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"bos_token": bos, "eos_token": eos, "chat_template": chat_template})
    return wrapped


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def randomize(model, seed):
    """Weights large enough that every part shows in the logits, rounded to bfloat16."""
    generator = torch.Generator().manual_seed(seed)
    tied = {id(p) for p in [model.get_output_embeddings().weight]}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                value = 1 + 0.2 * noise
            elif parameter.dim() < 2:
                value = 0.1 * noise
            else:
                value = noise * (1.5 if id(parameter) in tied else 1.0) / parameter[0].numel() ** 0.5
            if "embed" in name and id(parameter) not in tied:
                value = noise * 0.7
            parameter.copy_(value.to(torch.bfloat16).float())
    return model.eval()


def save_checkpoint(folder, model, rename=lambda name: name, repack=lambda tensors: tensors):
    tensors = {rename(name): tensor.detach().to(torch.bfloat16).contiguous().clone() for name, tensor in model.state_dict().items()}
    if model.config.get_text_config().tie_word_embeddings:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("lm_head.weight")}
    save_file(repack(tensors), str(folder / "model.safetensors"), metadata={"format": "pt"})


@torch.no_grad()
def run(model, ids, stop_ids, **images):
    """Logits of the prompt, the greedy continuation, and generate() with a penalty, which stops."""
    prompt = torch.tensor([ids])
    model(input_ids=prompt[:, :1])  # dynamic scaling forgets the longest sequence that it has seen only at a short one
    out = model(input_ids=prompt, use_cache=True, **images)
    logits, cache = out.logits[0].float(), out.past_key_values
    greedy, margins, last = [], [], logits[-1]
    for _ in range(STEPS):
        top = last.topk(2)
        margins.append(float(top.values[0] - top.values[1]))
        greedy.append(int(top.indices[0]))
        out = model(input_ids=torch.tensor([[greedy[-1]]]), past_key_values=cache, use_cache=True)
        last, cache = out.logits[0, -1].float(), out.past_key_values
    model(input_ids=prompt[:, :1])
    penalized = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=24,
                               repetition_penalty=PENALTY, eos_token_id=stop_ids, pad_token_id=2, **images)[0, len(ids):].tolist()
    return logits, greedy, margins, penalized


def finish(folder, name, model, cases, stop_ids, placeholder=None):
    """Computes the cases and writes cases/ and manifest.json."""
    (folder / "cases").mkdir(exist_ok=True)
    entries = []
    for case in cases:
        ids, pixels = case.pop("ids"), case.pop("pixels", None)
        tensors, image_rows = {}, []
        images = {} if pixels is None else {"pixel_values": pixels}
        if pixels is not None:
            tower = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[model.config.vision_feature_layer][:, 1:]
            rows = model.model.multi_modal_projector(tower)
            for i in range(len(pixels)):
                tensors[f"pixel_values{i}"] = pixels[i].contiguous()
                tensors[f"tower_out{i}"] = tower[i].detach().contiguous()
                tensors[f"proj_out{i}"] = rows[i].detach().contiguous()
                image_rows.append(rows.shape[1])
        logits, greedy, margins, penalized = run(model, ids, stop_ids, **images)
        shown = [-1 if i == placeholder else i for i in ids]
        tensors |= {"input_ids": torch.tensor(shown), "logits": logits.contiguous(), "greedy_ids": torch.tensor(greedy)}
        file = f"cases/{case['id']}.safetensors"
        save_file(tensors, str(folder / file))
        entries.append(case | {"file": file, "image_rows": image_rows, "greedy_ids": greedy, "min_margin": min(margins), "generate": {
            "greedy_rep": {"ids": [1] + penalized, "max_new_tokens": 24, "repetition_penalty": PENALTY}}})
        print(f"{name} {case['id']}: {len(ids)} tokens, smallest margin {min(margins):.4f}")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    for path in files:
        path.chmod(0o644)
    write_json(folder / "manifest.json", {
        "family": name, "reference": "transformers, from the stored weights in float32",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "pillow": Image.__version__,
                     "sentencepiece": sentencepiece.__version__, "tokenizers": tokenizers.__version__},
        "stop_ids": stop_ids, "penalty_sees_prompt": True,
        "note": "greedy_ids: 32 argmax steps with KV cache, never stopped; logits: of every prompt row; input_ids: -1 on image rows; tower_out is the input "
                "of the projector, proj_out its output, pixel_values the tower's input; generate: a leading 1, then the new tokens of generate(), whose "
                "repetition penalty sees the prompt",
        "cases": entries, "sha256": {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}})


def chat(name, q, system="", history=(), **more):
    return {"id": name, "mode": "chat", "q": q, "meta": bool(system), "meta_instruction": system, "history": [list(h) for h in history],
            "images": [], "preprocessed_png": []} | more


def raw(name, q):
    return {"id": name, "mode": "eval", "q": q, "history": [], "images": [], "preprocessed_png": []}


def messages_of(case):
    messages = [{"role": "system", "content": case["meta_instruction"]}] if case["meta_instruction"] else []
    for question, answer in case["history"]:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages + [{"role": "user", "content": case["q"]}]


def tokenize(tokenizer, case, bos):
    """A case's ids as transformers makes them."""
    if case["mode"] == "eval":
        return bos + tokenizer(case["q"], add_special_tokens=False).input_ids
    return list(tokenizer.apply_chat_template(messages_of(case), add_generation_prompt=True, tokenize=True, return_dict=False))


INTERNLM2_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
LLAMA31_TEMPLATE = (  # the published one without its tools
    "{{- bos_token }}\n{%- if not date_string is defined %}\n    {%- set date_string = \"26 Jul 2024\" %}\n{%- endif %}\n\n"
    "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n"
    "{%- else %}\n    {%- set system_message = \"\" %}\n{%- endif %}\n\n{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n"
    "{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n{{- \"Today Date: \" + date_string + \"\\n\\n\" }}\n{{- system_message }}\n"
    "{{- \"<|eot_id|>\" }}\n{%- for message in messages %}\n"
    "    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n")
VICUNA_TEMPLATE = (  # vicuna_v1.1 of FastChat, which publishes it as a program of its own
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + ' ' }}{% set messages = messages[1:] %}{% else %}"
    "{{ \"A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the "
    "user's questions. \" }}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' + message['content'] + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")


def make_chat_templates(root):
    """What transformers renders of the published templates; pictures are shown as <image>."""
    bare = [[("user", "Hello")],
            [("system", "Be brief."), ("user", " Hi there \n"), ("assistant", " Hi! "), ("user", "Who are you?")],
            [("user", "one"), ("assistant", "two"), ("user", "three\nfour"), ("assistant", "five"), ("user", "six")]]
    chat_ml, llama3 = ["<|im_start|>", "<|im_end|>"], ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    entries = []
    for name, template, special, bos, eos in (
            ("Llama 2", LLAMA2_TEMPLATE, [], "<s>", "</s>"), ("ChatML", SMOLLM2_TEMPLATE, chat_ml, "", "<|im_end|>"),
            ("ChatML", INTERNLM2_TEMPLATE, chat_ml, "<s>", "</s>"), ("Llama 3", LLAMA3_TEMPLATE, llama3, "<|begin_of_text|>", "<|eot_id|>"),
            ("Llama 3", LLAMA31_TEMPLATE, llama3, "<|begin_of_text|>", "<|eot_id|>"), ("Vicuna", VICUNA_TEMPLATE, [], "", "</s>"),
            ("LLaVA", LLAVA_TEMPLATE, [], "", "</s>")):
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(tokenizers.models.BPE()), bos_token=bos or None, eos_token=eos)
        rendered = []
        for talk in bare:
            messages = [{"role": role, "content": [{"type": "text", "text": text}] if name == "LLaVA" else text} for role, text in talk]
            text = tokenizer.apply_chat_template(messages, chat_template=template, add_generation_prompt=True, tokenize=False)
            rendered.append({"messages": talk, "text": text})
        if name == "LLaVA":
            parts = [{"type": "text", "text": "Compare"}, {"type": "image"}, {"type": "text", "text": "with"}, {"type": "image"}]
            text = tokenizer.apply_chat_template([{"role": "user", "content": parts}], chat_template=template, add_generation_prompt=True, tokenize=False)
            rendered.append({"messages": [("user", "Compare<image>with<image>")], "text": text})
        entries.append({"name": name, "template": template, "special": special, "bos": bos, "eos": eos, "rendered": rendered})
    write_json(root / "chat_templates.json", entries)


SMALL = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5,
             attn_implementation="eager")
TALK = [chat("chat", " Which of them is larger, 10 or 1999? ", system="You answer in one word.", history=[("Hello, who are you?", "A small model.")]),
        chat("chat_short", "How many birds are there?"),
        raw("text", "The router asks an encoder for 你好 naïve\n\n  words 🙂 and a decoder for what the cat saw when it woke")]


def fresh(root, name):
    folder = root / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def config_file(folder, config, **more):
    write_json(folder / "config.json", json.loads(config.to_json_string(use_diff=True)) | more)


def copies(cases):
    return [dict(case) for case in cases]


def make_llama(root):
    folder = fresh(root, "llama-tiny")
    sentencepiece_model(folder / "tokenizer.model")
    tokenizer = LlamaTokenizerFast(vocab_file=str(folder / "tokenizer.model"), legacy=True, add_prefix_space=True)
    tokenizer.chat_template = LLAMA2_TEMPLATE
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "legacy": True, "chat_template": LLAMA2_TEMPLATE})
    config = LlamaConfig(**SMALL, vocab_size=len(tokenizer), max_position_embeddings=512, architectures=["LlamaForCausalLM"], dtype="bfloat16")
    config_file(folder, config)
    write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
    model = randomize(LlamaForCausalLM(config), 1)
    save_checkpoint(folder, model)
    cases = copies(TALK)
    for case in cases:
        case["ids"] = tokenize(tokenizer, case, bos=[1])
    finish(folder, folder.name, model, cases, [2])


def make_llama_tied(root):
    """As SmolLM2: byte-level tokenizer, ChatML, no BOS, tied embeddings; and biases, and a head size of its own."""
    folder = fresh(root, "llama-tied-tiny")
    tokenizer = byte_level_tokenizer(folder, 400, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], SMOLLM2_TEMPLATE, "<|im_start|>", "<|im_end|>")
    config = LlamaConfig(**SMALL | dict(num_attention_heads=6, num_key_value_heads=3), head_dim=12, vocab_size=len(tokenizer), max_position_embeddings=256,
                         tie_word_embeddings=True, attention_bias=True, mlp_bias=True, rope_theta=100000.0, bos_token_id=1, eos_token_id=2,
                         architectures=["LlamaForCausalLM"], dtype="bfloat16")
    config_file(folder, config)
    model = randomize(LlamaForCausalLM(config), 2)
    save_checkpoint(folder, model)
    cases = copies(TALK)
    cases[1]["meta_instruction"] = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    for case in cases:
        case["ids"] = tokenize(tokenizer, case, bos=[])
    finish(folder, folder.name, model, cases, [2])


def make_llama3(root):
    """As Llama 3: byte-level tokenizer with a BOS, its template, and its rotary scaling with prompts beyond the length that it stretches."""
    folder = fresh(root, "llama3-tiny")
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
    tokenizer = byte_level_tokenizer(folder, 400, special, LLAMA3_TEMPLATE, special[0], special[1])
    saved = json.loads((folder / "tokenizer.json").read_text())
    saved["post_processor"] = {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": special[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {special[0]: {"id": special[0], "ids": [0], "tokens": [special[0]]}}}
    write_json(folder / "tokenizer.json", saved)
    config = LlamaConfig(**SMALL, vocab_size=len(tokenizer), max_position_embeddings=512, bos_token_id=0, eos_token_id=[1, 2],
                         rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64),
                         architectures=["LlamaForCausalLM"], dtype="bfloat16")
    config_file(folder, config)
    write_json(folder / "generation_config.json", {"bos_token_id": 0, "eos_token_id": [1, 2]})
    model = randomize(LlamaForCausalLM(config), 3)
    save_checkpoint(folder, model)
    cases = copies(TALK)
    for case in cases:
        case["ids"] = tokenize(tokenizer, case, bos=[0])
    finish(folder, folder.name, model, cases, [1, 2])


def make_internlm2(root):
    """With biases, and dynamic NTK scaling whose trained length some prompts pass."""
    folder = fresh(root, "internlm2-tiny")
    shutil.copy(HERE / "xcomposer2-vl-tiny/tokenizer.model", folder / "tokenizer.model")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    config = LlamaConfig(**SMALL, vocab_size=pieces.get_piece_size(), max_position_embeddings=80, attention_bias=True, rope_theta=1000000.0,
                         rope_scaling=dict(rope_type="dynamic", factor=5.0))
    model = randomize(LlamaForCausalLM(config), 4)
    write_json(folder / "config.json", {
        "architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2", "bias": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
        "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 160, "max_position_embeddings": 80, "num_attention_heads": 4,
        "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_scaling": {"type": "dynamic", "factor": 5.0},
        "rope_theta": 1000000, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "vocab_size": config.vocab_size})
    names = {"embed_tokens": "tok_embeddings", "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attention.wo",
             "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2", "lm_head": "output"}

    def rename(name):
        for old, new in names.items():
            name = name.replace(old, new)
        return name

    def repack(tensors):
        for layer in range(config.num_hidden_layers):
            start = f"model.layers.{layer}."
            for kind in ("weight", "bias"):
                q, k, v = (tensors.pop(f"{start}self_attn.{part}_proj.{kind}") for part in "qkv")
                grouped = [part.reshape(config.num_key_value_heads, -1, config.head_dim, *part.shape[1:]) for part in (q, k, v)]
                tensors[f"{start}attention.wqkv.{kind}"] = torch.cat(grouped, dim=1).reshape(-1, *q.shape[1:]).contiguous()
        return tensors

    save_checkpoint(folder, model, rename, repack)
    meta = ("You are an AI assistant whose name is InternLM (书生·浦语).\n- InternLM (书生·浦语) is a conversational language model that is developed by "
            "Shanghai AI Laboratory (上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n- InternLM (书生·浦语) can understand and communicate "
            "fluently in the language chosen by the user such as English and 中文.")
    cases = [chat("chat", "Which is larger?", system="One word.", history=[("Hello", "Hi.")]), chat("chat_meta", "你好", system=meta),
             raw("text", "a cat and\n two birds, and one more cat"), raw("text_long", "the row of the picture is here and " * 4)]
    for case in cases:
        text = case["q"]
        if case["mode"] == "chat":
            turns = [(m["role"], m["content"]) for m in messages_of(case)]
            text = "".join(f"[UNUSED_TOKEN_146]{role}\n{content}[UNUSED_TOKEN_145]\n" for role, content in turns) + "[UNUSED_TOKEN_146]assistant\n"
        case["ids"] = [1] + pieces.encode(text)
    finish(folder, folder.name, model, cases, [2, pieces.piece_to_id("[UNUSED_TOKEN_145]")])


def picture(path, width, height, seed):
    """Waves and noise: fine enough that every filter tap shows."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    waves = np.stack([np.sin(x / 5 + seed), np.cos(y / 7), np.sin((x + y) / 9)], axis=-1)
    Image.fromarray(np.clip(waves * 90 + 110 + noise, 0, 255).astype(np.uint8)).save(path)


def make_llava(root):
    folder = fresh(root, "llava-tiny")
    sentencepiece_model(folder / "tokenizer.model")
    tokenizer = LlamaTokenizerFast(vocab_file=str(folder / "tokenizer.model"), legacy=True, add_prefix_space=True, additional_special_tokens=["<image>"], pad_token="<pad>")
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}), tokenizer=tokenizer, patch_size=14,
        vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=LLAVA_TEMPLATE)
    write_json(folder / "chat_template.json", {"chat_template": LLAVA_TEMPLATE})
    write_json(folder / "preprocessor_config.json", processor.image_processor.to_dict())
    text = LlamaConfig(**SMALL, vocab_size=400, max_position_embeddings=512, architectures=["LlamaForCausalLM"])
    vision = CLIPVisionConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=56, patch_size=14)
    config = LlavaConfig(text_config=text, vision_config=vision, image_token_index=image_token, vision_feature_layer=-2,
                         vision_feature_select_strategy="default", tie_word_embeddings=False, image_seq_length=16, attn_implementation="eager",
                         architectures=["LlavaForConditionalGeneration"], dtype="bfloat16")
    config_file(folder, config)
    write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": tokenizer.pad_token_id})
    model = randomize(LlavaForConditionalGeneration(config), 5)

    def published(name):  # as the published checkpoints are named
        for new, old in (("model.language_model.", "language_model.model."), ("model.vision_tower.", "vision_tower."),
                         ("model.multi_modal_projector.", "multi_modal_projector."), ("lm_head.", "language_model.lm_head.")):
            if name.startswith(new):
                return old + name[len(new):]
        raise ValueError(name)

    save_checkpoint(folder, model, published)
    (folder / "images").mkdir()
    picture(folder / "images/wide.png", 131, 77, 1)
    picture(folder / "images/tall.jpg", 60, 197, 2)
    picture(folder / "images/small.png", 19, 23, 3)
    mark = "<ImageHere>"
    cases = [chat("chat_wide", f"{mark}What is in this picture?", images=["images/wide.png"]),
             chat("chat_three", f"Which of {mark} and {mark} is larger?", system="You compare pictures.", history=[(f"{mark} Hello", "Hi there.")],
                  images=["images/small.png", "images/tall.jpg", "images/wide.png"]),
             chat("text_only", "How many birds are there?"), raw("text", "USER: hello ASSISTANT:")]
    (folder / "cases").mkdir()
    for case in cases:
        messages = []
        for role, content in [(m["role"], m["content"]) for m in messages_of(case)] if case["mode"] == "chat" else []:
            parts = []
            for i, piece in enumerate(content.split(mark)):
                parts += ([{"type": "image"}] if i else []) + ([{"type": "text", "text": piece}] if piece else [])
            messages.append({"role": role, "content": parts})
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True) if messages else case["q"]
        pictures = [Image.open(folder / name).convert("RGB") for name in case["images"]]
        inputs = processor(text=prompt, images=pictures or None, return_tensors="pt")
        case["ids"], case["prompt"] = inputs.input_ids[0].tolist(), prompt
        if pictures:
            case["pixels"] = inputs.pixel_values
            plain = processor.image_processor(pictures, do_rescale=False, do_normalize=False, return_tensors="np").pixel_values
            for i, pixels in enumerate(plain):
                case["preprocessed_png"].append(f"cases/{case['id']}_pre{i}.png")
                Image.fromarray(pixels.transpose(1, 2, 0).astype(np.uint8)).save(folder / case["preprocessed_png"][-1])
    finish(folder, folder.name, model, cases, [2], placeholder=image_token)


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    torch.set_num_threads(1)
    for make in (make_chat_templates, make_llama, make_llama_tied, make_llama3, make_internlm2, make_llava):
        make(root)


if __name__ == "__main__":
    main()
