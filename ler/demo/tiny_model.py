# -*- test-case-name: ler.test.test_demo -*-
"""
A language model of half a megabyte: a real llama in shape, random in content.

Here is what it consists of; L{ler.demo.tiny_gguf} and L{ler.demo.tiny_mlx}
write it as files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

CONTEXT = 4096
WIDTH = 64
HIDDEN = 128
HEADS = 4
LAYERS = 2
EPSILON = 1e-5

# Input that is not one of the words is read byte by byte.
SPECIAL = ("<unk>", "<s>", "</s>")
UNKNOWN, BEGIN, END = range(3)
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
FIRST_WORD = len(SPECIAL) + len(BYTES)

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def vocabulary(words: Sequence[str]) -> list[str]:
    """
    @param words: what the model can say.
    @return: its tokens: L{SPECIAL}, L{BYTES}, and then the words.
    """
    # In SentencePiece's notation a word carries the space before it.
    return [*SPECIAL, *BYTES, *("\u2581" + word for word in words)]


def weights(size: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """
    Make random weights, the same at each call, that can end in words only.

    @param size: the number of tokens.
    @return: the tensors, under the names that GGUF has for them.
    """
    random = np.random.default_rng(seed=1)

    def tensor(*shape: int, spread: float = 0.1) -> NDArray[np.float32]:
        return random.normal(0, spread, shape).astype(np.float32)

    def untouching(*shape: int) -> NDArray[np.float32]:
        # What is added to the channels from layer to layer leaves the first two alone.
        added = tensor(*shape)
        added[:2] = 0
        return added

    norm = np.ones(WIDTH, np.float32)

    # Channel 0 is alike for every token, so that the output can use it as a bias; channel 1 tells
    # the prompt's bytes from the words that were said.
    embedding = tensor(size, WIDTH)
    embedding[:, 0] = 1
    embedding[:FIRST_WORD, 1] = 1
    embedding[FIRST_WORD:, 1] = 0
    yield "token_embd.weight", embedding

    for layer in (f"blk.{index}" for index in range(LAYERS)):
        yield f"{layer}.attn_norm.weight", norm
        for part in ("q", "k", "v"):
            yield f"{layer}.attn_{part}.weight", tensor(WIDTH, WIDTH)
        yield f"{layer}.attn_output.weight", untouching(WIDTH, WIDTH)
        yield f"{layer}.ffn_norm.weight", norm
        yield f"{layer}.ffn_gate.weight", tensor(HIDDEN, WIDTH)
        yield f"{layer}.ffn_up.weight", tensor(HIDDEN, WIDTH)
        yield f"{layer}.ffn_down.weight", untouching(WIDTH, HIDDEN)
    yield "output_norm.weight", norm

    # Say words only, and end now and then, but never before the first word.
    output = tensor(size, WIDTH, spread=0.05)
    output[:, :2] = 0
    output[:FIRST_WORD, 0] = -100
    output[END, :2] = -0.3, -100
    yield "output.weight", output
