# -*- test-case-name: ler.test.test_translation_anthropic_blocks -*-
"""
Tests of L{ler.web.translation.anthropic.blocks}.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import UpstreamError
from ler.test.spoken import accumulated
from ler.web.translation.anthropic.blocks import BlockStream, Event
from ler.web.translation.fields import readable
from ler.web.translation.tool_calls import Calls


def start(index: int, block: dict[str, Any]) -> Event:
    """
    @return: the event that begins a block.
    """
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **text: str) -> Event:
    """
    @return: an event that goes on with one.
    """
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **text}}


def stop(index: int) -> Event:
    """
    @return: the event that ends one.
    """
    return {"type": "content_block_stop", "index": index}


TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def tool(id: str, name: str) -> dict[str, Any]:
    """
    @return: a block that calls a tool.
    """
    return {"type": "tool_use", "id": id, "name": name, "input": {}}


class BlockStreamTests(SynchronousTestCase):
    """
    Tests of L{BlockStream}.
    """

    def setUp(self) -> None:
        """
        Make a stream.
        """
        ids = count(1)
        self.stream = BlockStream(lambda: str(next(ids)))
        self.calls = Calls()

    def call(
        self, index: int, arguments: str | None = None, name: str | None = None, **more: str
    ) -> list[Event]:
        """
        @param more: C{id}.
        @return: the events for a fragment of a call.
        """
        function = {"name": name, "arguments": arguments}
        message = readable({"tool_calls": [{"index": index, "function": function, **more}]})
        [(call, piece)] = self.calls.hear(message)
        return self.stream.call(call, piece)

    def test_text(self) -> None:
        """Text begins with a block, and goes on in it."""
        said = self.stream.text("A ")
        self.assertEqual([start(0, TEXT), delta(0, "text_delta", text="A ")], said)
        self.assertEqual([delta(0, "text_delta", text="wren.")], self.stream.text("wren."))
        self.assertEqual([stop(0)], self.stream.end())

    def test_nothing(self) -> None:
        """Nothing said is no block."""
        events = [*self.stream.thinking(""), *self.stream.text(""), *self.stream.end()]
        self.assertEqual([], events)

    def test_thinking(self) -> None:
        """Thoughts end with a signature, as typed clients expect, before the text begins."""
        thought = self.stream.thinking("Hm.")
        self.assertEqual([start(0, THINKING), delta(0, "thinking_delta", thinking="Hm.")], thought)
        self.assertEqual(
            [
                delta(0, "signature_delta", signature=""),
                stop(0),
                start(1, TEXT),
                delta(1, "text_delta", text="A wren."),
            ],
            self.stream.text("A wren."),
        )

    def test_interleaved_thinking(self) -> None:
        """Thoughts and text may take turns."""
        events = [
            *self.stream.text("a"),
            *self.stream.thinking("b"),
            *self.stream.text("c"),
            *self.stream.end(),
        ]
        self.assertEqual(["text", "thinking", "text"], [b["type"] for b in accumulated(events)])

    def test_call(self) -> None:
        """Arguments are passed on as they come."""
        self.assertEqual([start(0, tool("c", "look"))], self.call(0, "", id="c", name="look"))
        self.assertEqual(
            [delta(0, "input_json_delta", partial_json='{"at": ')], self.call(0, '{"at": ')
        )
        self.assertEqual(
            [delta(0, "input_json_delta", partial_json='"it"}')], self.call(0, '"it"}')
        )
        self.assertEqual([stop(0)], self.stream.end())

    def test_next_call(self) -> None:
        """A call whose arguments are complete ends when the next begins."""
        self.call(0, "{}", id="c", name="look")
        self.assertEqual(
            [stop(0), start(1, tool("d", "wait")), delta(1, "input_json_delta", partial_json="{")],
            self.call(1, "{", id="d", name="wait"),
        )

    def test_interleaved_calls(self) -> None:
        """What belongs to the second waits until the first is complete."""
        self.call(0, '{"a": ', id="c", name="look")
        self.assertEqual([], self.call(1, '{"b": ', id="d", name="wait"))
        self.assertEqual([delta(0, "input_json_delta", partial_json="{}")], self.call(0, "{}"))
        self.assertEqual([], self.call(1, "2"))
        self.assertEqual(
            [
                delta(0, "input_json_delta", partial_json="}"),
                stop(0),
                start(1, tool("d", "wait")),
                delta(1, "input_json_delta", partial_json='{"b": 2'),
            ],
            self.call(0, "}"),
        )
        self.assertEqual([delta(1, "input_json_delta", partial_json="}")], self.call(1, "}"))
        self.assertEqual([stop(1)], self.stream.end())

    def test_no_arguments(self) -> None:
        """A call without arguments may get some yet, until the end."""
        first = self.call(0, None, id="c", name="look")
        self.assertEqual([], self.call(1, "{}", id="d", name="wait"))
        self.assertEqual([], self.stream.text("Well."))
        self.assertEqual(
            [tool("c", "look"), tool("d", "wait"), {"type": "text", "text": "Well."}],
            accumulated([*first, *self.stream.end()]),
        )

    def test_text_behind(self) -> None:
        """Text ends a call that is complete."""
        self.call(0, "{}", id="c", name="look")
        self.assertEqual(
            [stop(0), start(1, TEXT), delta(1, "text_delta", text="Well.")],
            self.stream.text("Well."),
        )

    def test_late_piece(self) -> None:
        """Space behind a call that has ended is nothing, more of it is a mistake."""
        self.call(0, "{}", id="c", name="look")
        self.stream.text("Well.")
        self.assertEqual([], self.call(0, "\n"))
        error = self.assertRaises(UpstreamError, self.call, 0, "}")
        self.assertEqual(
            "the engine's answer cannot be read: it goes on with a call of 'look' that was "
            "complete",
            error.message,
        )

    def test_late_name(self) -> None:
        """A call begins when its tool is known."""
        self.assertEqual([], self.call(0, "{", id="c"))
        self.assertEqual(
            [start(0, tool("c", "look")), delta(0, "input_json_delta", partial_json="{}")],
            self.call(0, "}", name="look"),
        )

    def test_no_name(self) -> None:
        """A call whose tool is never known is left out, and holds up nothing."""
        self.assertEqual([], self.call(0, "{}", id="c"))
        self.assertEqual([], self.stream.text("Well."))
        events = self.stream.end()
        self.assertEqual([{"type": "text", "text": "Well."}], accumulated(events))

    def test_no_id(self) -> None:
        """A call without an id is given one."""
        self.assertEqual([start(0, tool("toolu_1", "look"))], self.call(0, name="look"))

    def test_late_id(self) -> None:
        """A call that begins late has the id that the engine gave it meanwhile."""
        self.assertEqual([], self.call(0))
        self.assertEqual([start(0, tool("c", "look"))], self.call(0, name="look", id="c"))

    def test_cut(self) -> None:
        """Half a call is passed on as it is: the client may make something of it."""
        self.call(0, '{"a', id="c", name="look")
        self.assertEqual([stop(0)], self.stream.end())
