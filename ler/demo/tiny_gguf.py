# -*- test-case-name: ler.test.test_demo -*-
"""
The tiny model as llama.cpp reads it: one GGUF file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gguf import GGUFWriter, TokenType

from ler.demo import tiny_model


def write_model(path: Path, name: str, words: Sequence[str]) -> None:
    """
    Write a llama model that answers everything with some of C{words}.

    @param path: the GGUF file; replaced at once, so that a server which has
        it mapped is not disturbed.
    @param name: the model's name in the file's metadata.
    @param words: what it can say.
    """
    vocabulary = tiny_model.vocabulary(words)
    special = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    types = special + [TokenType.BYTE] * len(tiny_model.BYTES) + [TokenType.NORMAL] * len(words)
    unfinished = path.with_suffix(f".{os.getpid()}")
    writer = GGUFWriter(unfinished, "llama")
    writer.add_name(name)
    writer.add_context_length(tiny_model.CONTEXT)
    writer.add_embedding_length(tiny_model.WIDTH)
    writer.add_feed_forward_length(tiny_model.HIDDEN)
    writer.add_block_count(tiny_model.LAYERS)
    writer.add_head_count(tiny_model.HEADS)
    writer.add_rope_dimension_count(tiny_model.WIDTH // tiny_model.HEADS)
    writer.add_layer_norm_rms_eps(tiny_model.EPSILON)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(vocabulary)
    writer.add_token_scores([0.0] * len(vocabulary))
    writer.add_token_types(types)
    writer.add_unk_token_id(tiny_model.UNKNOWN)
    writer.add_bos_token_id(tiny_model.BEGIN)
    writer.add_eos_token_id(tiny_model.END)
    writer.add_chat_template(tiny_model.CHAT_TEMPLATE)
    for tensor, value in tiny_model.weights(len(vocabulary)):
        writer.add_tensor(tensor, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)
