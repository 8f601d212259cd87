# -*- test-case-name: ler.test.test_wizard_document -*-
"""
The configuration that is written.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from ler.config import ConfigError, Loaded, load
from ler.wizard.draft import Draft
from ler.wizard.preset import INDENT, Preset, quoted, scalar

HEAD = """\
# Configuration of engine-router, written by "engine-router init".
#
# One engine at a time has the memory, unless it is exclusive: false.  After a
# change, "routerctl check" says whether this file is right.
"""

NO_MODELS = """\
# Every engine tells its models itself; list one here to say more of it:
#   - id: some-model
#     engine: {key}
#     context_length: 32768
models: []
"""


def compose(drafts: Iterable[Draft], *, host: str, port: int, api_key: str | None = None) -> str:
    """
    @param drafts: at least one.
    @param host: where the router shall listen.
    @param api_key: what shall open it, if anything.
    @return: the text of the configuration.
    """
    head = [HEAD, f"host: {scalar(host)}", f"port: {port}"]
    if api_key is not None:
        head += ["# Clients send it as a bearer token.", "api_keys:", f"  - {quoted(api_key)}"]
    engines, models = ["", "engines:"], list[str]()
    keys, ids = set[str](), set[str]()
    for draft in drafts:
        key = _unlike(_as_key(draft.key), keys)
        engines += [f"  # {draft.title}", f"  {scalar(key)}:", *draft.block.lines, ""]
        for model in draft.models:
            id = _unlike(model.id, ids)
            models += [f"  - id: {quoted(id)}", f"{INDENT}engine: {scalar(key)}"]
            models += model.block.lines
    listed = ["models:", *models, ""] if models else [NO_MODELS.format(key=min(keys))]
    return "\n".join([*head, *engines, *listed])


def example(ollama: Preset, llamacpp: Preset) -> str:
    """
    @return: a configuration to begin with: an Ollama where it usually is, and
        the rest in comments.
    """
    draft = Draft("An Ollama, where it usually is", "ollama", ollama.engine, ())
    text = compose([draft], host="127.0.0.1", port=8077)
    block = ["  llamacpp:", *llamacpp.engine.lines]
    commented = "\n".join(f"  # {line[2:]}".rstrip() for line in block)
    advice = (
        "  # A llama-server of your own; put the GGUF file, a name for the model, and the\n"
        "  # GiB that it takes in place of the words in capitals:\n  #\n"
    )
    return text.replace("\n# Every engine", f"\n{advice}{commented}\n\n# Every engine", 1)


def _as_key(text: str) -> str:
    """
    @return: C{text} as the key of an engine may look.
    """
    key = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:60]
    return key or "engine"


def _unlike(wanted: str, taken: set[str]) -> str:
    """
    Take a name.

    @return: C{wanted}, with a number if it is taken.
    """
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    taken.add(name)
    return name


def write(path: str, text: str, environ: Mapping[str, str]) -> tuple[Loaded, str | None]:
    """
    Write a configuration, if it is right: all of it or nothing, for its owner
    to read.  What was there is kept beside it.

    @return: what the loader made of it, and where the old file is now, if
        there was one.
    @raise ConfigError: when it is not right; nothing is written.
    @raise OSError: when it cannot be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".config-", suffix=".yaml", dir=folder)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        loaded = _read(draft, path, environ)
        old = None
        if os.path.lexists(path):
            old = next(name for name in _old_names(path) if not os.path.lexists(name))
            os.rename(path, old)
        os.rename(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
    return loaded, old


def _read(draft: str, path: str, environ: Mapping[str, str]) -> Loaded:
    """
    @param draft: where the file is now.
    @param path: where it will be, which is how problems shall call it.
    """
    try:
        loaded = load(draft, environ)
    except ConfigError as e:
        raise ConfigError(path, e.problems) from None
    warnings = tuple(warning.replace(draft, path, 1) for warning in loaded.warnings)
    return replace(loaded, warnings=warnings)


def _old_names(path: str) -> Iterable[str]:
    yield f"{path}.old"
    number = 2
    while True:
        yield f"{path}.old{number}"
        number += 1
