# -*- test-case-name: ler.test.test_translation_anthropic -*-
"""
Clients that speak Anthropic's Messages API, engines with chat completions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from ler.errors import BadRequest
from ler.web.translation.anthropic.answers import (
    Block,
    content_of,
    counts,
    stop_of,
    stopped,
)
from ler.web.translation.anthropic.blocks import BlockStream, Event
from ler.web.translation.anthropic.request import begun_by, chat_request
from ler.web.translation.chat_answers import (
    Usage,
    first_choice,
    message_of,
    only_choice,
    text_of,
    thinking_of,
    usage_of,
)
from ler.web.translation.chat_requests import CHAT, streaming
from ler.web.translation.contract import Circumstances, ITranslation
from ler.web.translation.fields import Fields, readable
from ler.web.translation.tool_calls import Calls


@implementer(ITranslation)
class AnthropicMessages:
    """
    C{/v1/messages} to C{/v1/chat/completions}.
    """

    path = CHAT

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the request cannot be read, or asks for what
            no engine has.
        """
        fields = Fields(body, BadRequest)
        self.streams = fields.flag("stream") is True
        self._request = chat_request(fields)
        self._stops = self._request.get("stop", [])
        self._circumstances = circumstances
        # Of a stream:
        self._calls = Calls()
        self._blocks = BlockStream(circumstances.new_id)
        self._started = False
        self._last = readable({})
        self._usage: Usage | None = None

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        return {"model": model, **self._request, **(streaming() if self.streams else {})}

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """

    def document(self, answer: object) -> dict[str, Any]:
        """
        @see: L{ITranslation.document}
        """
        fields = readable(answer)
        choice = only_choice(fields)
        content = content_of(
            message_of(choice),
            self._circumstances.new_id,
            # Of all engines llama.cpp alone repeats it, and this is its mark.
            begun=begun_by(self._request["messages"]) if fields.value("timings") else "",
            cut=choice.text("finish_reason") == "length",
        )
        called = any(block["type"] == "tool_use" for block in content)
        return self._message(content, stop_of(choice, called, self._stops), usage_of(fields))

    def event(self, event: object) -> list[Event]:
        """
        @see: L{ITranslation.event}
        """
        fields = readable(event)
        self._usage = usage_of(fields) or self._usage
        events = self._start()
        choice = first_choice(fields)
        if choice is None:
            return events
        delta = message_of(choice)
        events += self._blocks.thinking(thinking_of(delta))
        events += self._blocks.text(text_of(delta))
        for call, piece in self._calls.hear(delta):
            events += self._blocks.call(call, piece)
        reason = choice.text("finish_reason")
        if reason:
            self._last = choice
            if reason != "length":
                self._calls.complete()
        return events

    def end(self) -> list[Event]:
        """
        @see: L{ITranslation.end}
        """
        called = any(call.name for call in self._calls.all())
        return [
            *self._start(),
            *self._blocks.end(),
            {
                "type": "message_delta",
                "delta": stop_of(self._last, called, self._stops),
                "usage": counts(self._usage),
            },
            {"type": "message_stop"},
        ]

    def _start(self) -> list[Event]:
        """
        @return: what begins a stream, once.
        """
        if self._started:
            return []
        self._started = True
        return [{"type": "message_start", "message": self._message([], stopped(), self._usage)}]

    def _message(
        self, content: list[Block], stop: Mapping[str, str | None], usage: Usage | None
    ) -> dict[str, Any]:
        return {
            "id": f"msg_{self._circumstances.new_id()}",
            "type": "message",
            "role": "assistant",
            "model": self._circumstances.model,
            "content": content,
            **stop,
            "usage": counts(usage),
        }
