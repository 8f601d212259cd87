# -*- test-case-name: ler.test.test_translation_responses_answer -*-
"""
A response, as it comes about while an engine answers a chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ler.web.translation.chat_answers import (
    Usage,
    first_choice,
    message_of,
    only_choice,
    text_of,
    thinking_of,
    usage_of,
)
from ler.web.translation.contract import Circumstances
from ler.web.translation.fields import Fields, readable
from ler.web.translation.responses.items import (
    SAID,
    CallItem,
    Event,
    FreeformCall,
    FunctionCall,
    Item,
    Message,
    Prose,
    Reasoning,
    Wording,
)
from ler.web.translation.responses.tools import Offer
from ler.web.translation.tool_calls import Call, Calls

_CUT: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a response is incomplete, by the reason that the chat has for its end."""


class Answer:
    """
    One response.

    Prose is over when something else begins; calls of tools stay open until
    the engine is done with all of them, as their pieces may come mixed.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        offer: Offer,
        thoughts: Wording,
        circumstances: Circumstances,
    ) -> None:
        """
        @param settings: what the response repeats of the request.
        @param offer: the tools that the engine may call.
        @param thoughts: as what the client reads the thoughts of the model.
        """
        self._settings = settings
        self._offer = offer
        self._thoughts = thoughts
        self._circumstances = circumstances
        self._id = f"resp_{circumstances.new_id()}"
        self._created = int(circumstances.wall())
        self._items: list[Item] = []
        self._prose: Prose | None = None
        self._calls = Calls()
        self._called: dict[int, CallItem] = {}
        self._cut: str | None = None
        self._usage: Usage | None = None
        self._sequence = 0

    def whole(self, answer: object) -> dict[str, Any]:
        """
        @param answer: the engine's, at once.
        @return: the response.
        @raise UpstreamError: when it is an error, or makes no sense.
        """
        said = readable(answer)
        self._read(only_choice(said))
        self._usage = usage_of(said)
        self._calls.complete()
        self._close()
        return self._ended()

    def piece(self, event: object) -> list[Event]:
        """
        @param event: the next one of the engine's stream.
        @return: the events of the response.
        @raise UpstreamError: when it is an error, or makes no sense.
        """
        said = readable(event)
        self._usage = usage_of(said) or self._usage
        events = self._begun()
        choice = first_choice(said)
        if choice is not None:
            events += self._read(choice)
        return self._numbered(events)

    def end(self) -> list[Event]:
        """
        @return: the last events of the response.
        """
        events = [*self._begun(), *self._close()]
        response = self._ended()
        events.append({"type": f"response.{response['status']}", "response": response})
        return self._numbered(events)

    def _begun(self) -> list[Event]:
        if self._sequence:
            return []
        response = self._response("in_progress")
        return [
            {"type": f"response.{what}", "response": response}
            for what in ("created", "in_progress")
        ]

    def _read(self, choice: Fields) -> list[Event]:
        message = message_of(choice)
        logprobs = choice.fields("logprobs").items("content")
        events: list[Event] = []
        if thought := thinking_of(message):
            events += self._write(thought, self._thoughts, [])
        if said := text_of(message):
            events += self._write(said, SAID, logprobs)
        for call, piece in self._calls.hear(message):
            events += self._call(call, piece)
        if reason := choice.text("finish_reason"):
            self._cut = _CUT.get(reason)
            if self._cut is None:
                self._calls.complete()
            events += self._close()
        return events

    def _write(self, text: str, wording: Wording, logprobs: list[Any]) -> list[Event]:
        prose = self._prose
        events: list[Event] = []
        if prose is None or prose.wording is not wording:
            events += self._leave_prose()
            kind = Message if wording is SAID else Reasoning
            prose = self._prose = kind(*self._place(), wording)
            events += self._begin(prose)
        return [*events, *prose.write(text, logprobs)]

    def _call(self, call: Call, piece: str) -> list[Event]:
        item = self._called.get(call.index)
        if item is not None:
            return item.write(piece) if piece else []
        if not call.name:
            return []
        events = self._leave_prose()
        tool = self._offer.tool(call.name)
        kind = FreeformCall if tool.freeform else FunctionCall
        item = self._called[call.index] = kind(*self._place(), tool, call.id)
        events += self._begin(item)
        return [*events, *item.write(call.text)] if call.text else events

    def _place(self) -> tuple[str, int]:
        return self._circumstances.new_id(), len(self._items)

    def _begin(self, item: Item) -> list[Event]:
        self._items.append(item)
        return item.begin()

    def _leave_prose(self) -> list[Event]:
        prose, self._prose = self._prose, None
        return [] if prose is None else prose.finish("completed")

    def _close(self) -> list[Event]:
        """
        Finish what is open.  What was written last is what was cut.
        """
        self._prose = None
        self._calls = Calls()
        self._called.clear()
        opened = [item for item in self._items if item.is_open]
        events: list[Event] = []
        for item in opened:
            cut = self._cut is not None and item is opened[-1]
            events += item.finish("incomplete" if cut else "completed")
        return events

    def _response(self, status: str, usage: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "model": self._circumstances.model,
            "output": [item.value() for item in self._items],
            "error": None,
            "incomplete_details": None if self._cut is None else {"reason": self._cut},
            "usage": usage,
            **self._settings,
        }

    def _ended(self) -> dict[str, Any]:
        # Clients insist on figures, even where an engine has none.
        usage = _usage(self._usage or Usage())
        if self._cut is not None:
            return self._response("incomplete", usage)
        completed = self._response("completed", usage)
        return {**completed, "completed_at": int(self._circumstances.wall())}

    def _numbered(self, events: list[Event]) -> list[Event]:
        for event in events:
            event["sequence_number"] = self._sequence
            self._sequence += 1
        return events


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.read,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.written,
        "output_tokens_details": {"reasoning_tokens": usage.thought},
        "total_tokens": usage.read + usage.written,
    }
