# -*- test-case-name: ler.test.test_wizard_drafts -*-
"""
An engine as the wizard would configure it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ler.wizard.files import embeds
from ler.wizard.preset import Block

GIB = 1 << 30


class Undraftable(Exception):
    """
    It cannot be configured by itself; the text says why, and what to do.
    """


@dataclass
class ModelDraft:
    """
    A model of a L{Draft}.

    @ivar id: what clients would call it, if nothing else is called so.
    @ivar block: what else is to be said of it.
    """

    id: str
    block: Block


@dataclass
class Draft:
    """
    An engine that may be configured.

    @ivar title: what it is, in a line.
    @ivar key: the key of the engine, if no other has it.
    @ivar block: its settings.
    @ivar models: its models, as far as it does not tell them itself.
    @ivar advice: what is left to the user, in sentences.
    """

    title: str
    key: str
    block: Block
    models: Sequence[ModelDraft]
    advice: Sequence[str] = ()


def model_of_server(id: str) -> ModelDraft:
    """
    @return: a model of a server that holds several.  Those that make vectors
        are small, and may stay beside others.
    """
    block = Block([])
    if embeds(id):
        block.put("exclusive", "false")
    return ModelDraft(id, block)


def put_memory(block: Block, size: int, total: int) -> None:
    """
    Say how much memory an engine needs, going by the size of its model; unless
    that is more than there is, since then a GPU may have memory of its own.

    @param size: bytes, or 0 when that is not known.
    @param total: bytes of the machine.
    """
    need = round(size * 1.1 / GIB + 0.3, 1)
    if size and need * GIB < total:
        block.put("memory", str(need), "GiB: the size of the model, and some for its context.")
    else:
        block.drop("memory")


def client_name(model: str) -> str:
    """
    @return: what clients should call a model, of which a server may only know
        in which file it is.
    """
    if model.startswith(os.sep) or model.lower().endswith(".gguf"):
        return os.path.basename(model.rstrip(os.sep)).removesuffix(".gguf")
    return model
