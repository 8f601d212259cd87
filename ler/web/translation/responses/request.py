# -*- test-case-name: ler.test.test_translation_responses -*-
"""
A request for a response, as one for a chat completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ler.errors import BadRequest
from ler.web.translation.chat_requests import in_schema
from ler.web.translation.fields import Fields
from ler.web.translation.responses.conversation import messages
from ler.web.translation.responses.items import SUMMARY, THOUGHT, Wording
from ler.web.translation.responses.tools import Offer

_KEPT: Mapping[str, str] = {
    "previous_response_id": "no earlier answers; send the whole input",
    "conversation": "no conversations; send the whole input",
    "prompt": "no templates; send the text as 'instructions'",
    "background": "no answers to be fetched later; leave it out, and wait for the answer",
}
"""What only a service that keeps things can do, and what to do instead."""

_SAME = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stop",
)
"""What both APIs call the same, the engines' own additions to them included."""


def chat_request(body: Fields, offer: Offer) -> dict[str, Any]:
    """
    @param body: the request.
    @param offer: the tools in it.
    @return: the body for the engine, without the model and what is said of
        streaming.
    @raise BadRequest: when it cannot be read, or asks for what only OpenAI's
        own service can do.
    """
    for key, lack in _KEPT.items():
        if body.value(key):
            raise BadRequest(f"'{key}' cannot be used: the router keeps {lack}")
    return {
        "messages": messages(body),
        **_sampling(body),
        **_reasoning(body),
        **_format(body),
        **_calling(body, offer),
    }


def wording(body: Fields) -> Wording:
    """
    @param body: the request.
    @return: as what the client reads the thoughts of the model.  One that
        asks for a summary shows nothing else: it gets the whole text as that.
    """
    reasoning = body.fields("reasoning")
    asked = reasoning.text("summary") or reasoning.text("generate_summary") or "none"
    return THOUGHT if asked == "none" else SUMMARY


def repeated(body: Fields) -> dict[str, Any]:
    """
    @param body: the request.
    @return: its settings, as the answer repeats them.
    @raise BadRequest: when one of them is wrong.
    """
    text = body.object("text")
    parallel = body.flag("parallel_tool_calls")
    return {
        "background": False,
        "instructions": body.text("instructions"),
        "max_output_tokens": body.integer("max_output_tokens"),
        "metadata": body.object("metadata"),
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **body.object("reasoning")},
        "store": False,
        "temperature": body.number("temperature"),
        "text": {**text, "format": text.get("format") or {"type": "text"}},
        "tool_choice": body.value("tool_choice") or "auto",
        "tools": body.items("tools"),
        "top_logprobs": body.integer("top_logprobs") or 0,
        "top_p": body.number("top_p"),
        "truncation": "disabled",
    }


def _sampling(body: Fields) -> dict[str, Any]:
    result = {key: body.value(key) for key in _SAME if body.value(key) is not None}
    most = body.integer("max_output_tokens")
    if most is not None:
        result["max_tokens"] = most
    alternatives = body.integer("top_logprobs")
    if alternatives or "message.output_text.logprobs" in body.items("include"):
        result["logprobs"] = True
    if alternatives:
        result["top_logprobs"] = alternatives
    return result


def _reasoning(body: Fields) -> dict[str, Any]:
    """
    @return: how hard to think.  Engines have levels of their own, and name
        them when they refuse another; but few know the two that ask for no
        thinking, or hardly any.
    """
    effort = body.fields("reasoning").text("effort")
    result: dict[str, Any] = {}
    kwargs = dict(body.object("chat_template_kwargs"))
    if effort in ("none", "minimal"):
        kwargs.setdefault("enable_thinking", False)
    if kwargs:
        result["chat_template_kwargs"] = kwargs
    if effort not in (None, "none"):
        result["reasoning_effort"] = "low" if effort == "minimal" else effort
    return result


def _format(body: Fields) -> dict[str, Any]:
    wanted = body.fields("text").fields("format")
    kind = wanted.text("type") or "text"
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"response_format": {"type": kind}}
    if kind != "json_schema":
        raise wanted.wrong("type", "text, json_object or json_schema")
    more = {
        key: wanted.value(key) for key in ("description", "strict") if wanted.value(key) is not None
    }
    schema = in_schema(wanted.object("schema"), wanted.required("name"), **more)
    return {"response_format": schema}


def _calling(body: Fields, offer: Offer) -> dict[str, Any]:
    choice = offer.choose(body)
    if not offer.functions:
        # Engines refuse a choice among nothing, and clients send one always.
        return {}
    result: dict[str, Any] = {"tools": offer.functions}
    if choice is not None:
        result["tool_choice"] = choice
    parallel = body.flag("parallel_tool_calls")
    if parallel is not None:
        result["parallel_tool_calls"] = parallel
    return result
