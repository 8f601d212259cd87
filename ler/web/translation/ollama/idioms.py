# -*- test-case-name: ler.test.test_translation_ollama_idioms -*-
"""
What Ollama's clients say about residency rather than about text: requests
without a question, which load or unload a model, and C{keep_alive}.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from ler.errors import BadRequest
from ler.web.translation.contract import Circumstances
from ler.web.translation.ollama.figures import timestamp

Kind = Literal["chat", "generate", "embed", "embeddings"]
"""An endpoint under C{/api}."""

_QUESTIONS: Mapping[Kind, str] = {
    "chat": "messages",
    "generate": "prompt",
    "embed": "input",
    "embeddings": "prompt",
}

# As Go writes durations, with both characters that serve as a micro sign.
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = re.compile(rf"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)({'|'.join(_UNITS)})")
_DURATION = re.compile(rf"([-+]?)((?:{_PART.pattern})+|0)")


def is_load(kind: Kind, body: Mapping[str, Any]) -> bool:
    """
    @param body: a request to the endpoint C{kind}.
    @return: whether it asks nothing, so that the model is to be loaded, or
        unloaded if it is a chat or a generation whose L{keep_alive_of} is 0.
    """
    return body.get(_QUESTIONS[kind]) in (None, "", [])


def keep_alive_of(body: Mapping[str, Any]) -> float | None:
    """
    @return: for how many seconds the client wants the model kept after its
        answer: 0 to unload it at once, infinity for ever, L{None} when it does
        not say.
    @raise BadRequest: when it is no duration.
    """
    value = body.get("keep_alive")
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _bounded(value)
    duration = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if duration is None:
        raise BadRequest(
            '\'keep_alive\' is no duration: give seconds, a text such as "5m" or "1h30m", '
            "-1 to keep the model, or 0 to unload it"
        )
    seconds = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(duration[2]))
    return _bounded(-seconds if duration[1] == "-" else seconds)


def _bounded(seconds: float) -> float:
    # An integer may be too large for a float, so it is compared first.
    return float(seconds) if 0 <= seconds <= 1e12 else math.inf


def loaded(kind: Kind, circumstances: Circumstances, *, unloaded: bool = False) -> dict[str, Any]:
    """
    Answer a request that asks nothing.

    @param unloaded: whether the model was unloaded rather than loaded.
    @return: one JSON object, whether the client wants a stream or not.
    """
    if kind == "embed":
        return {"model": circumstances.model, "embeddings": []}
    if kind == "embeddings":
        return {"embedding": []}
    said = {"message": {"role": "assistant", "content": ""}} if kind == "chat" else {"response": ""}
    return {
        "model": circumstances.model,
        "created_at": timestamp(circumstances.wall()),
        **said,
        "done": True,
        "done_reason": "unload" if unloaded else "load",
    }
