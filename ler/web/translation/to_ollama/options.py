# -*- test-case-name: ler.test.test_translation_to_ollama_options -*-
"""
How the model is to answer, from OpenAI's dialect to Ollama's: sampling,
length, format, thinking.

What the client does not say is left to the model's own file: OpenAI's defaults
are no better for it.
"""

from __future__ import annotations

from typing import Any

from ler.errors import BadRequest
from ler.web.translation.fields import Fields

_NUMBERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "repetition_penalty": "repeat_penalty",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
"""Ollama's names of numbers, by those of OpenAI, vLLM and llama.cpp."""

_INTEGERS = ("seed", "top_k", "repeat_last_n", "mirostat")

_LEVELS: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "ultra": "max",
    "max": "max",
}
"""Ollama's C{think}, by OpenAI's C{reasoning_effort}."""

_FORMAT = "send 'response_format' in its place"

_LOST: dict[str, tuple[Any, str]] = {
    "n": (1, "leave it out, and ask more than once"),
    "best_of": (1, "leave it out"),
    "echo": (False, "leave it out"),
    "logit_bias": ({}, "leave it out"),
    "modalities": (["text"], "leave it out"),
    "functions": ([], "send 'tools' in its place"),
    "grammar": ("", _FORMAT),
    "json_schema": ({}, _FORMAT),
    "guided_json": ({}, _FORMAT),
    "guided_choice": ([], _FORMAT),
    "guided_regex": ("", _FORMAT),
    "guided_grammar": ("", _FORMAT),
    "structured_outputs": ({}, _FORMAT),
}
"""What Ollama has no word for, though the answer depends on it: the value that
says nothing, and the cure for any other."""


def refuse_lost(body: Fields) -> None:
    """
    @param body: of a completion, or chat completion.
    @raise BadRequest: when it asks for an answer that Ollama cannot give.
    """
    for key, (nothing, cure) in _LOST.items():
        value = body.value(key)
        if value is not None and value != nothing:
            raise BadRequest(
                f"'{key}' is beyond the engine of this model, which speaks Ollama's API: {cure}"
            )


def settings(body: Fields) -> dict[str, Any]:
    """
    @param body: of a completion, or chat completion.
    @return: what chats and completions alike tell Ollama beside the prompt.
    @raise BadRequest: when a value is wrong.
    """
    result = {"options": _options(body), "format": _format(body), "think": _think(body)}
    return {key: value for key, value in result.items() if value not in (None, {})}


def _options(body: Fields) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key, name in _NUMBERS.items():
        number = body.number(key)
        if number is not None:
            options[name] = number
    for key in _INTEGERS:
        integer = body.integer(key)
        if integer is not None:
            options[key] = integer
    stops = body.texts("stop")
    if stops:
        options["stop"] = stops
    budget = _budget(body)
    if budget is not None:
        options["num_predict"] = budget
    return options


def _budget(body: Fields) -> int | None:
    for key in ("max_completion_tokens", "max_tokens"):
        budget = body.integer(key)
        if budget == 0:
            # To Ollama, no tokens means no end.
            raise body.wrong(key, "at least 1")
        if budget is not None:
            return max(budget, -1)
    return None


def _format(body: Fields) -> Any:
    wanted = body.fields("response_format")
    kind = wanted.value("type")
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return wanted.object("schema") or "json"
    if kind == "json_schema":
        return wanted.fields("json_schema").object("schema") or "json"
    raise wanted.wrong("type", "text, json_object or json_schema")


def _think(body: Fields) -> bool | str | None:
    template = body.fields("chat_template_kwargs")
    enabled = template.flag("enable_thinking")
    if enabled is None:
        enabled = template.flag("thinking")
    effort = body.text("reasoning_effort") or body.fields("reasoning").text("effort")
    if enabled is False or effort is None:
        return enabled
    level = _LEVELS.get(effort.lower())
    if level is None:
        raise BadRequest(f"'reasoning_effort' must be one of {', '.join(_LEVELS)}")
    return level
