# -*- test-case-name: ler.test.test_demo -*-
"""
A language model of half a megabyte: a real one in shape, random in content.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from gguf import GGUFWriter, TokenType

CONTEXT = 4096
WIDTH = 64
HIDDEN = 128
HEADS = 4
LAYERS = 2

# Input that is not one of the words is read byte by byte.
_SPECIAL = {"<unk>": TokenType.UNKNOWN, "<s>": TokenType.CONTROL, "</s>": TokenType.CONTROL}
_BYTES = {f"<0x{value:02X}>": TokenType.BYTE for value in range(256)}
_UNKNOWN, _BEGIN, _END = range(3)

_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def write_model(path: str, name: str, words: Sequence[str]) -> None:
    """
    Write a llama model that answers everything with some of C{words}.

    @param path: the GGUF file; replaced at once, so that a server which has
        it mapped is not disturbed.
    @param name: the model's name in the file's metadata.
    @param words: what it can say.
    """
    # In SentencePiece's notation a word carries the space before it.
    vocabulary = _SPECIAL | _BYTES | dict.fromkeys(("\u2581" + w for w in words), TokenType.NORMAL)
    unfinished = f"{path}.{os.getpid()}"
    writer = GGUFWriter(unfinished, "llama")
    writer.add_name(name)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(vocabulary))
    writer.add_token_scores([0.0] * len(vocabulary))
    writer.add_token_types(list(vocabulary.values()))
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_bos_token_id(_BEGIN)
    writer.add_eos_token_id(_END)
    writer.add_chat_template(_CHAT_TEMPLATE)
    _add_tensors(writer, len(vocabulary), first_word=len(_SPECIAL) + len(_BYTES))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(unfinished, path)


def _add_tensors(writer: GGUFWriter, size: int, first_word: int) -> None:
    """
    Add random weights, the same at each call, that can end in words only.

    @param size: the number of tokens.
    @param first_word: the first token that may be said.
    """
    random = np.random.default_rng(seed=1)

    def add(name: str, *shape: int, spread: float = 0.1) -> None:
        tensor = random.normal(0, spread, shape).astype(np.float32)
        if name == "token_embd":
            # Channel 0 is alike for every token, so that the output can use it as a bias;
            # channel 1 tells the prompt's bytes from the words that were said.
            tensor[:, 0] = 1
            tensor[:first_word, 1] = 1
            tensor[first_word:, 1] = 0
        elif name == "output":
            # Say words only, and end now and then, but never before the first word.
            tensor[:, :2] = 0
            tensor[:first_word, 0] = -100
            tensor[_END, :2] = -0.3, -100
        elif name.endswith(("attn_output", "ffn_down")):
            # No layer touches those two.
            tensor[:2] = 0
        writer.add_tensor(f"{name}.weight", tensor)

    def add_norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))

    add("token_embd", size, WIDTH)
    for layer in (f"blk.{index}" for index in range(LAYERS)):
        add_norm(f"{layer}.attn_norm")
        for part in ("q", "k", "v", "output"):
            add(f"{layer}.attn_{part}", WIDTH, WIDTH)
        add_norm(f"{layer}.ffn_norm")
        add(f"{layer}.ffn_gate", HIDDEN, WIDTH)
        add(f"{layer}.ffn_up", HIDDEN, WIDTH)
        add(f"{layer}.ffn_down", WIDTH, HIDDEN)
    add_norm("output_norm")
    add("output", size, WIDTH, spread=0.05)
