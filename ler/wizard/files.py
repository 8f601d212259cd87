# -*- test-case-name: ler.test.test_wizard_files -*-
"""
Model files that lie on this machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

MAGIC = b"GGUF"

DEEPEST = 8
"""How many folders below a place are looked into."""

PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")
"""A file that holds a part of a model, without its ending."""

NO_MODEL = re.compile(
    r"mmproj|ggml-vocab|(^|[-_.])(lora|adapter|rerank\w*)([-_.]|$)", re.IGNORECASE
)
"""Files of the same kind that are no models one can chat with or embed by."""


@dataclass(frozen=True)
class ModelFile:
    """
    A model.

    @ivar path: its file, or the first of them.
    @ivar name: what to call it.
    @ivar size: the bytes of all its files.
    """

    path: str
    name: str
    size: int


def embeds(name: str) -> bool:
    """
    @return: whether a model makes vectors of texts, going by its name.
    """
    return re.search(r"embed|(^|[-_./])(bge|gte|e5)[-_.]", name, re.IGNORECASE) is not None


def places(environ: Mapping[str, str]) -> list[str]:
    """
    @return: where models usually lie.  Ollama's are not here: only Ollama knows
        which of its files are what.
    """
    home = environ.get("HOME") or os.path.expanduser("~")
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    hub = environ.get("HF_HUB_CACHE") or os.path.join(
        environ.get("HF_HOME") or os.path.join(cache, "huggingface"), "hub"
    )
    return [
        os.path.join(home, "models"),
        hub,
        environ.get("LLAMA_CACHE") or os.path.join(cache, "llama.cpp"),
        os.path.join(home, ".lmstudio", "models"),
        os.path.join(cache, "lm-studio", "models"),
    ]


def model_files(folders: Iterable[str]) -> list[ModelFile]:
    """
    @return: the models below C{folders}, each once, by name.
    """
    found: dict[str, ModelFile] = {}
    for folder in folders:
        for path in _files(folder):
            model = _model(path)
            if model is not None:
                # The hub has links to files that are named by their content.
                found.setdefault(os.path.realpath(path), model)
    return sorted(found.values(), key=lambda model: (model.name.lower(), model.path))


def _files(folder: str) -> Iterator[str]:
    base = folder.rstrip(os.sep).count(os.sep)
    for inner, folders, names in os.walk(folder):
        if inner.count(os.sep) - base >= DEEPEST:
            folders.clear()
        yield from (os.path.join(inner, name) for name in sorted(names))


def _model(path: str) -> ModelFile | None:
    """
    @return: the model that begins in a file, if one does.
    """
    stem, ending = os.path.splitext(os.path.basename(path))
    if ending.lower() != ".gguf" or NO_MODEL.search(stem) or not path.isprintable():
        return None
    part = PART.fullmatch(stem)
    if part is not None and int(part["number"]) != 1:
        return None
    paths = [path]
    if part is not None:
        folder, count = os.path.dirname(path), part["count"]
        paths = [
            os.path.join(folder, f"{part['name']}-{number:05}-of-{count}{ending}")
            for number in range(1, int(count) + 1)
        ]
    with suppress(OSError), open(path, "rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            size = sum(os.path.getsize(each) for each in paths)
            return ModelFile(path, stem if part is None else part["name"], size)
    return None
