# -*- test-case-name: ler.test.test_translation_anthropic_answers -*-
"""
What chat completions say, in the shapes of Anthropic's messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ler.web.translation.chat_answers import Usage, text_of, thinking_of
from ler.web.translation.fields import Fields
from ler.web.translation.tool_calls import Call, Calls

Block = dict[str, Any]

_STOPS = {"length": "max_tokens", "content_filter": "refusal"}


def counts(usage: Usage | None) -> dict[str, int]:
    """
    @return: a C{usage}: there the prompt is all of it, here only what was not
        in a cache.
    """
    used = usage or Usage()
    return {
        "input_tokens": max(0, used.read - used.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.written,
    }


def stop_of(choice: Fields, called: bool, stops: Collection[str]) -> dict[str, str | None]:
    """
    @param called: whether the model called a tool.
    @param stops: the texts that may have ended the answer.  vLLM and SGLang
        say which one did.
    @return: C{stop_reason} and C{stop_sequence}.
    """
    reason = choice.text("finish_reason")
    for key in ("stop_reason", "matched_stop"):
        stop = choice.value(key)
        if isinstance(stop, str) and stop in stops:
            return stopped("stop_sequence", stop)
    # Some engines say "stop" beside a call, and some "tool_calls" without one.
    return stopped(_STOPS.get(reason or "") or ("tool_use" if called else "end_turn"))


def stopped(reason: str | None = None, sequence: str | None = None) -> dict[str, str | None]:
    """
    @return: why an answer ended, if it has.
    """
    return {"stop_reason": reason, "stop_sequence": sequence}


def text_block(text: str = "") -> Block:
    """
    @return: a block of text.
    """
    return {"type": "text", "text": text}


def thinking_block(thinking: str = "") -> Block:
    """
    @return: a block of thinking.  The typed clients insist on a signature.
    """
    return {"type": "thinking", "thinking": thinking, "signature": ""}


def call_block(call: Call, new_id: Callable[[], str], input: dict[str, Any]) -> Block:
    """
    @param new_id: makes up the id of a call that has none.
    @return: a call of a tool.
    """
    id = call.id or f"toolu_{new_id()}"
    return {"type": "tool_use", "id": id, "name": call.name, "input": input}


def content_of(
    message: Fields, new_id: Callable[[], str], begun: str = "", cut: bool = False
) -> list[Block]:
    """
    @param new_id: makes up the id of a call that has none.
    @param begun: what the client began the answer with, if it is repeated.
    @param cut: whether the answer has reached its limit of tokens.
    @return: a whole message, in blocks.
    """
    blocks = []
    if thinking := thinking_of(message):
        blocks.append(thinking_block(thinking))
    if text := text_of(message).removeprefix(begun):
        blocks.append(text_block(text))
    calls = Calls()
    calls.hear(message)
    for call in calls.all():
        given = call.arguments
        # Half a call is none: the reason to stop says so.
        if not call.name or (given is None and not cut):
            raise call.mistake()
        blocks.append(call_block(call, new_id, given or {}))
    return blocks
