# -*- test-case-name: ler.test.test_demo,ler.test.test_live_mlx -*-
"""
The tiny model as MLX reads it: a folder in the layout of Hugging Face.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from ler.demo import tiny_model

# What GGUF calls a tensor, part by part, and what Hugging Face does.
_NAMES = {
    "token_embd": "model.embed_tokens",
    "blk": "model.layers",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "output_norm": "model.norm",
    "output": "lm_head",
}


def write_model(folder: Path, words: Sequence[str]) -> None:
    """
    Write a llama model that answers everything with some of C{words}.

    @param folder: where the files go; made when it is missing.
    @param words: what the model can say.
    """
    folder.mkdir(exist_ok=True)
    vocabulary = tiny_model.vocabulary(words)
    unknown, begin, end = tiny_model.SPECIAL
    files: dict[str, dict[str, Any]] = {
        "config.json": {
            "model_type": "llama",
            "max_position_embeddings": tiny_model.CONTEXT,
            "hidden_size": tiny_model.WIDTH,
            "intermediate_size": tiny_model.HIDDEN,
            "num_hidden_layers": tiny_model.LAYERS,
            "num_attention_heads": tiny_model.HEADS,
            "rms_norm_eps": tiny_model.EPSILON,
            "vocab_size": len(vocabulary),
            "tie_word_embeddings": False,
            "bos_token_id": tiny_model.BEGIN,
            "eos_token_id": tiny_model.END,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": unknown,
            "bos_token": begin,
            "eos_token": end,
            "chat_template": tiny_model.CHAT_TEMPLATE,
        },
        "tokenizer.json": _tokenizer(vocabulary),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    tensors = {_mlx_name(name): value for name, value in tiny_model.weights(len(vocabulary))}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "mlx"})


def _tokenizer(vocabulary: Sequence[str]) -> dict[str, Any]:
    """
    @return: a tokenizer that reads bytes and says words, as the C{tokenizers}
        library has it.
    """
    return {
        "version": "1.0",
        "added_tokens": [
            {
                "id": index,
                "content": token,
                "special": True,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
            }
            for index, token in enumerate(tiny_model.SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": tiny_model.SPECIAL[tiny_model.UNKNOWN],
            "byte_fallback": True,
            "vocab": {token: index for index, token in enumerate(vocabulary)},
            "merges": [],
        },
    }


def _mlx_name(name: str) -> str:
    """
    @return: the name of the tensor that is C{name} in GGUF.
    """
    return ".".join(_NAMES.get(part, part) for part in name.split("."))
