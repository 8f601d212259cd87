# -*- test-case-name: ler.test.test_translation_to_ollama -*-
"""
What an Ollama says: its whole answers, and the lines of its streams.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ler.web.translation.fields import Fields, readable, unreadable


@dataclass(frozen=True)
class Call:
    """
    A call of a tool.

    @ivar id: the engine's name for it; older ones have none.
    @ivar name: the tool.
    @ivar arguments: a JSON object, as text, or nothing.
    """

    id: str | None
    name: str
    arguments: str


@dataclass(frozen=True)
class Said:
    """
    An answer, or the next piece of one.

    @ivar text: what is for the user.
    @ivar thinking: what the model thought before.
    @ivar logprobs: a L{dict} for each token, as OpenAI's chats have them.
    @ivar cut: whether the answer was ended for its length.
    @ivar read: how many tokens the prompt had, 0 where the engine does not
        say, as for one that it remembers.
    @ivar written: how many the answer had.  Only the last piece knows this,
        and the two before.
    """

    text: str = ""
    thinking: str = ""
    calls: list[Call] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    cut: bool = False
    read: int = 0
    written: int = 0


def chatted(answer: object) -> Said:
    """
    @param answer: of C{/api/chat}.
    @raise UpstreamError: when it is an error, or makes no sense.
    """
    fields = _answered(answer, "message")
    message = fields.fields("message")
    calls = [_call(call) for call in message.each("tool_calls")]
    return _said(fields, message.text("content"), message.text("thinking"), calls)


def generated(answer: object) -> Said:
    """
    @param answer: of C{/api/generate}.
    @raise UpstreamError: when it is an error, or makes no sense.
    """
    fields = _answered(answer, "response")
    return _said(fields, fields.text("response"), fields.text("thinking"), [])


def tokens(answer: Fields, key: str) -> int:
    """
    @return: how many the engine counted, 0 where it does not say.
    """
    return max(answer.integer(key) or 0, 0)


def _answered(answer: object, key: str) -> Fields:
    """
    @param key: the member that every answer has, but perhaps a last one.
    """
    fields = readable(answer)
    if fields.value(key) is None and fields.value("done") is not True:
        raise unreadable(f"'{key}' is missing")
    return fields


def _said(answer: Fields, text: str | None, thinking: str | None, calls: list[Call]) -> Said:
    return Said(
        text or "",
        thinking or "",
        calls,
        [_logprob(token) for token in answer.each("logprobs")],
        answer.value("done_reason") == "length",
        tokens(answer, "prompt_eval_count"),
        tokens(answer, "eval_count"),
    )


def _call(call: Fields) -> Call:
    function = call.fields("function")
    return Call(call.text("id"), function.required("name"), function.written("arguments"))


def _logprob(token: Fields) -> dict[str, Any]:
    others = [_alternative(other) for other in token.each("top_logprobs")]
    return {**_alternative(token), "top_logprobs": others}


def _alternative(token: Fields) -> dict[str, Any]:
    return {
        "token": token.text("token") or "",
        "logprob": token.number("logprob") or 0.0,
        "bytes": token.value("bytes"),
    }
