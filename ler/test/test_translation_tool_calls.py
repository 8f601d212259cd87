# -*- test-case-name: ler.test.test_translation_tool_calls -*-
"""
Tests of L{ler.web.translation.tool_calls}.
"""

from __future__ import annotations

import json
import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import UpstreamError
from ler.web.translation.fields import readable
from ler.web.translation.tool_calls import Call, Calls, decoded


def fragment(index: int | None = None, id: str | None = None, **function: Any) -> dict[str, Any]:
    """
    @return: a fragment as engines send it.
    """
    return {"index": index, "id": id, "type": "function", "function": function}


def hear(calls: Calls, *fragments: dict[str, Any]) -> list[tuple[Call, str]]:
    """
    Tell C{calls} of fragments that come at one time.
    """
    return calls.hear(readable({"tool_calls": list(fragments)}))


def gathered(*fragments: dict[str, Any]) -> list[Any]:
    """
    @param fragments: what comes one after the other.
    @return: index, id, name and arguments of each call.
    """
    calls = Calls()
    for one in fragments:
        hear(calls, one)
    return [(call.index, call.id, call.name, call.arguments) for call in calls.all()]


class CallsTests(SynchronousTestCase):
    """
    L{Calls}.
    """

    def test_pieces(self) -> None:
        """Arguments that come in pieces are put together."""
        self.assertEqual(
            [(0, "call_1", "get", {"city": "Köln"})],
            gathered(
                fragment(0, "call_1", name="get", arguments=""),
                fragment(0, arguments='{"ci'),
                fragment(0, arguments='ty": "K\\u00'),
                fragment(0, arguments='f6ln"}'),
            ),
        )

    def test_mixed(self) -> None:
        """Fragments of several calls may come in any order."""
        texts = ['{"a": "\\ud83d\\ude00"}', '{"b": [1, 2, {"c": "\\\\"}]}', "{}"]
        shuffle = random.Random(7)
        for _ in range(50):
            pending = [
                [fragment(index, f"id{index}", name=f"f{index}")]
                + [fragment(index, arguments=letter) for letter in text]
                for index, text in enumerate(texts)
            ]
            mixed = []
            while any(pending):
                mixed.append(shuffle.choice([queue for queue in pending if queue]).pop(0))
            self.assertEqual(
                [(i, f"id{i}", f"f{i}", json.loads(text)) for i, text in enumerate(texts)],
                gathered(*mixed),
            )

    def test_no_numbers(self) -> None:
        """Where calls are not numbered, each begins with its name."""
        self.assertEqual(
            [(0, "1", "get", {"a": 1}), (1, "2", "put", {})],
            gathered(
                fragment(id="1", name="get", arguments='{"a":'),
                fragment(arguments=" 1}"),
                fragment(id="2", name="put", arguments="{}"),
            ),
        )

    def test_repeated(self) -> None:
        """Names and ids that are repeated, or change, count once."""
        self.assertEqual(
            [(0, "1", "get", {})],
            gathered(
                fragment(0, "1", name="get", arguments="{"),
                fragment(0, "2", name="get", arguments="}"),
            ),
        )

    def test_one_number(self) -> None:
        """An engine may give all calls one number, or none, and each call an id."""
        for index in (0, None):
            self.assertEqual(
                [(0, "1", "get", {"a": 1}), (1, "2", "put", {}), (2, "3", "put", {"b": 2})],
                gathered(
                    fragment(index, "1", name="get", arguments='{"a":'),
                    fragment(index, "1", name="get", arguments=" 1}"),
                    fragment(index, "2", name="put", arguments="{}"),
                    fragment(index, "3", name="put", arguments={"b": 2}),
                ),
            )

    def test_one_tool(self) -> None:
        """A tool that is named again, where nothing is numbered, is called again once the call
        before is complete."""
        self.assertEqual(
            [(0, "", "get", {"a": 1}), (1, "", "get", {"a": 2})],
            gathered(
                fragment(name="get", arguments='{"a":'),
                fragment(name="get", arguments=" 1}"),
                fragment(name="get", arguments='{"a": 2}'),
            ),
        )
        numbered = [fragment(0, name="get", arguments="{}"), fragment(0, name="get", arguments="")]
        self.assertEqual([(0, "", "get", {})], gathered(*numbered))

    def test_places(self) -> None:
        """Calls that come together without numbers are told apart by where they stand."""
        calls = Calls()
        hear(calls, fragment(name="get"), fragment(name="get", arguments="{"))
        hear(calls, fragment(arguments='{"a": 1}'), fragment(arguments="}"))
        self.assertEqual([{"a": 1}, {}], [call.arguments for call in calls.all()])

    def test_taken_number(self) -> None:
        """No two calls have one index, whatever the engine says."""
        self.assertEqual(
            [(0, "1", "get", {}), (1, "2", "put", {}), (2, "3", "set", {})],
            gathered(
                fragment(0, "1", name="get"),
                fragment(0, "2", name="put"),
                fragment(1, "3", name="set"),
            ),
        )

    def test_late(self) -> None:
        """Id and name may come when the call has begun."""
        self.assertEqual(
            [(0, "1", "get", {"a": 1})],
            gathered(fragment(0, arguments='{"a":'), fragment(0, "1", name="get", arguments=" 1}")),
        )

    def test_heard(self) -> None:
        """Each piece comes with the call that it is of."""
        calls = Calls()
        [(first, piece)] = hear(calls, fragment(0, "1", name="get", arguments='{"a":'))
        self.assertEqual(('{"a":', '{"a":', False), (piece, first.text, first.is_whole))
        [(second, _), (same, piece)] = hear(calls, fragment(1), fragment(0, arguments=" 1}"))
        self.assertIs(first, same)
        self.assertIsNot(first, second)
        self.assertEqual((" 1}", '{"a": 1}', True), (piece, first.text, first.is_whole))

    def test_no_arguments(self) -> None:
        """A call without arguments has an empty object of them, but some may yet come."""
        empty: tuple[Any, ...] = ("", " ", "null", None)
        for nothing in empty:
            [(call, _)] = hear(Calls(), fragment(0, "1", name="get", arguments=nothing))
            self.assertEqual(({}, False), (call.arguments, call.is_whole))

    def test_object(self) -> None:
        """Arguments that are an object already become a text like others."""
        [(call, piece)] = hear(Calls(), fragment(0, "1", name="get", arguments={"a": "ö"}))
        self.assertEqual('{"a": "ö"}', piece)
        self.assertEqual({"a": "ö"}, call.arguments)

    def test_senseless(self) -> None:
        """Arguments that are no object of JSON are an error that names the tool."""
        for text in ("{", "[]", "1", '"{}"', '{"a": NaN}', "[" * 100_000, "9" * 5000):
            [(call, _)] = hear(Calls(), fragment(0, "1", name="get", arguments=text))
            self.assertIsNone(call.arguments)
            self.assertEqual(
                "the model called the tool get with arguments that are no JSON object; ask again",
                call.mistake().message,
            )

    def test_nameless(self) -> None:
        """A call of no tool is an error once the engine is done with it."""
        calls = Calls()
        hear(calls, fragment(0, "1", arguments="{}"))
        error = self.assertRaises(UpstreamError, calls.complete)
        self.assertEqual("the model called a tool without naming it; ask again", error.message)
        hear(calls, fragment(0, name="get"))
        calls.complete()

    def test_odd(self) -> None:
        """What is no call is the engine's mistake, with its place."""
        odd: tuple[tuple[Any, str], ...] = (
            (1, "'tool_calls[0]' must be an object"),
            ({"index": "0"}, "'tool_calls[0].index' must be an integer"),
            ({"id": 1}, "'tool_calls[0].id' must be a string"),
            ({"function": []}, "'tool_calls[0].function' must be an object"),
            (fragment(0, arguments=[]), "'tool_calls[0].function.arguments' must be a JSON object"),
        )
        for one, place in odd:
            error = self.assertRaises(UpstreamError, hear, Calls(), one)
            self.assertEqual(f"the engine's answer cannot be read: {place}", error.message)


class DecodedTests(SynchronousTestCase):
    """
    L{decoded}.
    """

    def test_object(self) -> None:
        """Only a whole JSON object is one."""
        self.assertEqual({"a": {}}, decoded('{"a": {}}\n'))
        for text in ("", "{", '{"a": {}', "1", "null", "{}{}", '{"a": NaN}', "[" * 100_000):
            self.assertIsNone(decoded(text))
