# -*- test-case-name: ler.test.test_translation_responses_answer -*-
"""
The items that the output of a response consists of, and the events that tell
of their growth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ler.web.translation.responses.freeform import FreeformReader
from ler.web.translation.responses.tools import Tool

Event = dict[str, Any]

KEPT = "engine-router:"
"""What stands before the thoughts that clients keep for us unread."""

_OPEN = "in_progress"


class Item:
    """
    One item.  What happens to it is a method that returns the events of it.
    """

    prefix: ClassVar[str]

    def __init__(self, new_id: str, index: int) -> None:
        """
        @param index: its place in the output.
        """
        self._id = f"{self.prefix}_{new_id}"
        self._index = index
        self._status = _OPEN

    @property
    def is_open(self) -> bool:
        """
        @return: whether it may grow yet.
        """
        return self._status == _OPEN

    def value(self) -> dict[str, Any]:
        """
        @return: the item.
        """
        return {"id": self._id, "status": self._status}

    def begin(self) -> list[Event]:
        """
        It is there, and empty.
        """
        return [self._item("added")]

    def finish(self, status: str) -> list[Event]:
        """
        It is whole, or will never be.

        @param status: C{completed}, or C{incomplete}.
        """
        self._status = status
        return [self._item("done")]

    def _item(self, what: str) -> Event:
        return {
            "type": f"response.output_item.{what}",
            "output_index": self._index,
            "item": self.value(),
        }

    def _event(self, name: str, /, **members: Any) -> Event:
        return {
            "type": f"response.{name}",
            "item_id": self._id,
            "output_index": self._index,
            **members,
        }


@dataclass(frozen=True)
class Wording:
    """
    The words for one kind of text.

    @ivar type: of the part of the item that holds the text.
    @ivar listed: the member of the item that lists its parts.
    @ivar part: the events that tell of the part.
    @ivar text: the events that tell of its text.
    """

    type: str
    listed: str
    part: str
    text: str


SAID = Wording("output_text", "content", "content_part", "output_text")
THOUGHT = Wording("reasoning_text", "content", "content_part", "reasoning_text")
SUMMARY = Wording("summary_text", "summary", "reasoning_summary_part", "reasoning_summary_text")


class Prose(Item):
    """
    An item with one part, which is text.
    """

    def __init__(self, new_id: str, index: int, wording: Wording) -> None:
        super().__init__(new_id, index)
        self.wording = wording
        self._pieces: list[str] = []
        self._logprobs: list[Any] = []

    def value(self) -> dict[str, Any]:
        """
        @see: L{Item.value}
        """
        return {**super().value(), self.wording.listed: [] if self.is_open else [self._part()]}

    def begin(self) -> list[Event]:
        """
        @see: L{Item.begin}
        """
        return [*super().begin(), self._event(f"{self.wording.part}.added", part=self._part())]

    def write(self, text: str, logprobs: list[Any]) -> list[Event]:
        """
        It grows.

        @param logprobs: of the tokens of C{text}.
        """
        self._pieces.append(text)
        self._logprobs += logprobs
        return [self._event(f"{self.wording.text}.delta", delta=text, **self._beside(logprobs))]

    def finish(self, status: str) -> list[Event]:
        """
        @see: L{Item.finish}
        """
        members = {"text": self._text, **self._beside(self._logprobs)}
        return [
            self._event(f"{self.wording.text}.done", **members),
            self._event(f"{self.wording.part}.done", part=self._part()),
            *super().finish(status),
        ]

    @property
    def _text(self) -> str:
        return "".join(self._pieces)

    def _event(self, name: str, /, **members: Any) -> Event:
        return super()._event(name, **{f"{self.wording.listed}_index": 0}, **members)

    def _beside(self, logprobs: list[Any]) -> dict[str, Any]:
        """
        @return: what stands wherever the text does.
        """
        return {}

    def _part(self) -> dict[str, Any]:
        return {"type": self.wording.type, "text": self._text, **self._beside(self._logprobs)}


class Message(Prose):
    """
    What the model says.
    """

    prefix = "msg"

    def value(self) -> dict[str, Any]:
        """
        @see: L{Item.value}
        """
        return {"type": "message", "role": "assistant", **super().value()}

    def _beside(self, logprobs: list[Any]) -> dict[str, Any]:
        return {"logprobs": list(logprobs)}

    def _part(self) -> dict[str, Any]:
        return {**super()._part(), "annotations": []}


class Reasoning(Prose):
    """
    What the model thinks.
    """

    prefix = "rs"

    def value(self) -> dict[str, Any]:
        """
        @see: L{Item.value}
        """
        item = {"type": "reasoning", "summary": [], **super().value()}
        if not self.is_open:
            # Some clients show us this again and nothing else of a reasoning,
            # Codex among them; models that call tools need to have it back.
            item["encrypted_content"] = KEPT + self._text
        return item


class CallItem(Item):
    """
    A call of a tool.
    """

    def __init__(self, new_id: str, index: int, tool: Tool, call_id: str) -> None:
        """
        @param call_id: what the engine calls the call, empty if it has no name
            for it.
        """
        super().__init__(new_id, index)
        self._call_id = call_id or f"call_{new_id}"
        self._tool = tool

    def value(self) -> dict[str, Any]:
        """
        @see: L{Item.value}
        """
        item = {**super().value(), "call_id": self._call_id, "name": self._tool.name}
        if self._tool.namespace is not None:
            item["namespace"] = self._tool.namespace
        return item

    def write(self, fragment: str) -> list[Event]:
        """
        It grows.

        @param fragment: of the arguments, which are JSON.
        """
        raise NotImplementedError


class FunctionCall(CallItem):
    """
    A call of a function.
    """

    prefix = "fc"

    def __init__(self, new_id: str, index: int, tool: Tool, call_id: str) -> None:
        super().__init__(new_id, index, tool, call_id)
        self._arguments: list[str] = []

    def value(self) -> dict[str, Any]:
        """
        @see: L{Item.value}
        """
        arguments = "" if self.is_open else "".join(self._arguments)
        return {"type": "function_call", **super().value(), "arguments": arguments}

    def write(self, fragment: str) -> list[Event]:
        """
        @see: L{CallItem.write}
        """
        self._arguments.append(fragment)
        return [self._event("function_call_arguments.delta", delta=fragment)]

    def finish(self, status: str) -> list[Event]:
        """
        @see: L{Item.finish}
        """
        # Engines may leave out arguments that a function does not have.
        events = [] if any(self._arguments) else self.write("{}")
        arguments = "".join(self._arguments)
        done = self._event(
            "function_call_arguments.done", name=self._tool.name, arguments=arguments
        )
        return [*events, done, *super().finish(status)]


class FreeformCall(CallItem):
    """
    A call of a tool of free form.
    """

    prefix = "ctc"

    def __init__(self, new_id: str, index: int, tool: Tool, call_id: str) -> None:
        super().__init__(new_id, index, tool, call_id)
        self._reader = FreeformReader()
        self._input = ""

    def value(self) -> dict[str, Any]:
        """
        @see: L{Item.value}
        """
        return {"type": "custom_tool_call", **super().value(), "input": self._input}

    def write(self, fragment: str) -> list[Event]:
        """
        @see: L{CallItem.write}
        """
        return self._grown(self._reader.feed(fragment))

    def finish(self, status: str) -> list[Event]:
        """
        @see: L{Item.finish}
        """
        self._input, rest = self._reader.finish()
        done = self._event("custom_tool_call_input.done", input=self._input)
        return [*self._grown(rest), done, *super().finish(status)]

    def _grown(self, text: str) -> list[Event]:
        return [self._event("custom_tool_call_input.delta", delta=text)] if text else []
