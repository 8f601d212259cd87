# -*- test-case-name: ler.test.test_translation_anthropic_blocks -*-
"""
The content blocks of a stream, one after the other.

A chat completion may go on with any of its tool calls at any time.  Anthropic's
clients read one block to its end before the next begins, so what belongs to
later blocks waits until it is clear that nothing is missing from the first.
"""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from ler.web.translation.anthropic.answers import Block, call_block, text_block, thinking_block
from ler.web.translation.fields import unreadable
from ler.web.translation.tool_calls import Call

Event = dict[str, Any]
Delta = dict[str, str]


class _Block(abc.ABC):
    """
    One content block, and the pieces of its text.

    @cvar delta: the type of its deltas, and the name of the text in them.
    @cvar last: the deltas that stand at its end.
    @ivar begun: whether the client has heard of it.
    @ivar ended: whether the client has heard its end.
    """

    delta: ClassVar[tuple[str, str]]
    last: ClassVar[tuple[Delta, ...]] = ()

    def __init__(self) -> None:
        self.begun = False
        self.ended = False
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """
        @param piece: the next one.
        """
        self._pieces.append(piece)

    def can_begin(self) -> bool:
        """
        @return: whether enough is known of it.
        """
        return True

    def is_complete(self) -> bool:
        """
        @return: whether nothing is missing, now that other blocks follow.
        """
        return True

    @abc.abstractmethod
    def start(self) -> Block:
        """
        @return: it, still empty.
        """

    def deltas(self) -> list[Delta]:
        """
        @return: what is new of it.
        """
        text = "".join(self._pieces)
        self._pieces.clear()
        kind, key = self.delta
        return [{"type": kind, key: text}] if text else []


class _Text(_Block):
    """
    What the model says.
    """

    delta = ("text_delta", "text")

    def start(self) -> Block:
        """
        @see: L{_Block.start}
        """
        return text_block()


class _Thinking(_Block):
    """
    What the model thinks.
    """

    delta = ("thinking_delta", "thinking")
    last = ({"type": "signature_delta", "signature": ""},)

    def start(self) -> Block:
        """
        @see: L{_Block.start}
        """
        return thinking_block()


class _ToolUse(_Block):
    """
    A call of a tool.
    """

    delta = ("input_json_delta", "partial_json")

    def __init__(self, call: Call, new_id: Callable[[], str]) -> None:
        """
        @param new_id: makes up its id if it has none.
        """
        super().__init__()
        self._call = call
        self._new_id = new_id

    def add(self, piece: str) -> None:
        """
        @see: L{_Block.add}
        """
        if self.ended and piece.strip():
            raise unreadable(f"it goes on with a call of '{self._call.name}' that was complete")
        super().add(piece)

    def can_begin(self) -> bool:
        """
        @see: L{_Block.can_begin}
        """
        return bool(self._call.name)

    def is_complete(self) -> bool:
        """
        @see: L{_Block.is_complete}
        """
        return self._call.is_whole

    def start(self) -> Block:
        """
        @see: L{_Block.start}
        """
        return call_block(self._call, self._new_id, {})


class BlockStream:
    """
    Puts the pieces of an answer in order.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        """
        @param new_id: makes up the id of a call that has none.
        """
        self._new_id = new_id
        self._index = 0
        # The first one is before the client, if it is begun; the others wait.
        self._blocks: deque[_Block] = deque()
        self._calls: dict[int, _ToolUse] = {}

    def thinking(self, piece: str) -> list[Event]:
        """
        @param piece: the next thing that the model thought.
        @return: the events for the client.
        """
        return self._write(_Thinking, piece)

    def text(self, piece: str) -> list[Event]:
        """
        @param piece: the next thing that the model said.
        @return: the events for the client.
        """
        return self._write(_Text, piece)

    def call(self, call: Call, piece: str) -> list[Event]:
        """
        @param piece: the next one of the arguments of C{call}.
        @return: the events for the client.
        @raise UpstreamError: when the call was complete before.
        """
        block = self._calls.get(call.index)
        if block is None:
            block = self._calls[call.index] = _ToolUse(call, self._new_id)
            self._blocks.append(block)
        block.add(piece)
        return self._advance()

    def end(self) -> list[Event]:
        """
        @return: the events that end the last block, after those that waited.
            What never could begin is left out.
        """
        return self._advance(over=True)

    def _write(self, kind: type[_Text] | type[_Thinking], piece: str) -> list[Event]:
        if not piece:
            return []
        if not self._blocks or type(self._blocks[-1]) is not kind:
            self._blocks.append(kind())
        self._blocks[-1].add(piece)
        return self._advance()

    def _advance(self, over: bool = False) -> list[Event]:
        """
        @param over: whether nothing more comes.
        @return: what can be said now.
        """
        events: list[Event] = []
        while self._blocks:
            block = self._blocks[0]
            if not block.begun:
                if not block.can_begin():
                    if not over:
                        break
                    self._blocks.popleft()
                    continue
                block.begun = True
                events.append(
                    {
                        "type": "content_block_start",
                        "index": self._index,
                        "content_block": block.start(),
                    }
                )
            events += map(self._delta, block.deltas())
            if not over and (len(self._blocks) == 1 or not block.is_complete()):
                break
            events += map(self._delta, block.last)
            events.append({"type": "content_block_stop", "index": self._index})
            self._blocks.popleft()
            block.ended = True
            self._index += 1
        return events

    def _delta(self, delta: Delta) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}
