# -*- test-case-name: ler.test.test_translation_ollama_options -*-
"""
How the model is to answer, from Ollama's dialect to OpenAI's: sampling,
length, format, thinking, probabilities.

What the client does not say is left to the engine: Ollama's defaults suit
Ollama.  What belongs to the loading of a model, such as C{num_ctx}, was decided
when the engine was configured.
"""

from __future__ import annotations

from typing import Any

from ler.web.translation.chat_requests import in_schema
from ler.web.translation.fields import Fields

_NUMBERS = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "min_p": ("min_p",),
    "typical_p": ("typical_p",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    # llama.cpp knows the first of these, vLLM and SGLang know the second.
    "repeat_penalty": ("repeat_penalty", "repetition_penalty"),
    "mirostat_tau": ("mirostat_tau",),
    "mirostat_eta": ("mirostat_eta",),
}
"""Names of numbers for OpenAI's kind of engines, by those of Ollama."""

_INTEGERS = ("seed", "top_k", "repeat_last_n", "mirostat")

_LEVELS = {"low": "low", "medium": "medium", "high": "high", "max": "high"}
"""OpenAI's C{reasoning_effort}, by Ollama's C{think}."""

_MOST_LOGPROBS = 20


def settings(body: Fields) -> dict[str, Any]:
    """
    @param body: a chat or a generation.
    @return: what it says about any kind of completion.
    @raise BadRequest: when a value is wrong.
    """
    return {**_options(body.fields("options")), **_format(body)}


def thinking(body: Fields) -> dict[str, Any]:
    """
    @param body: a chat or a generation.
    @return: what it says about a chat completion's thinking.
    @raise BadRequest: when there is no such way to think.
    """
    think = body.value("think")
    if think is None:
        return {}
    if isinstance(think, bool):
        return {"chat_template_kwargs": {"enable_thinking": think}}
    if isinstance(think, str) and think in _LEVELS:
        return {"reasoning_effort": _LEVELS[think]}
    raise body.wrong("think", f"true, false, or one of {', '.join(_LEVELS)}")


def logprobs(body: Fields) -> int | None:
    """
    @param body: a chat or a generation.
    @return: how many alternatives each token shall have, beside its own
        probability; L{None} when no probabilities are wanted.
    @raise BadRequest: when it is a number that no engine takes.
    """
    count = body.integer("top_logprobs") or 0
    if not 0 <= count <= _MOST_LOGPROBS:
        raise body.wrong("top_logprobs", f"between 0 and {_MOST_LOGPROBS}")
    return count if body.flag("logprobs") else None


def _options(options: Fields) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for key, names in _NUMBERS.items():
        number = options.number(key)
        if number is not None:
            said.update(dict.fromkeys(names, number))
    for key in _INTEGERS:
        integer = options.integer(key)
        if integer is not None:
            said[key] = integer
    # To Ollama, a budget that is not positive is none.
    budget = options.integer("num_predict")
    if budget is not None and budget > 0:
        said["max_tokens"] = budget
    stops = options.texts("stop")
    if stops:
        said["stop"] = stops
    return said


def _format(body: Fields) -> dict[str, Any]:
    wanted = body.value("format")
    if wanted is None or wanted == "":
        return {}
    if wanted == "json":
        return {"response_format": {"type": "json_object"}}
    if not isinstance(wanted, dict):
        raise body.wrong("format", '"json" or a JSON schema')
    return {"response_format": in_schema(wanted, strict=True)}
