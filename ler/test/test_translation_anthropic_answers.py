# -*- test-case-name: ler.test.test_translation_anthropic_answers -*-
"""
Tests of L{ler.web.translation.anthropic.answers}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import UpstreamError
from ler.web.translation.anthropic.answers import content_of, counts, stop_of
from ler.web.translation.chat_answers import Usage
from ler.web.translation.fields import readable


def new_id() -> str:
    """
    @return: what tells a call from others.
    """
    return "1"


def call(arguments: Any, **more: Any) -> dict[str, Any]:
    """
    @return: a message with one call.
    """
    return {
        "tool_calls": [
            {"id": "call_9", "function": {"name": "look", "arguments": arguments}, **more}
        ]
    }


class CountTests(SynchronousTestCase):
    """
    Tests of L{counts}.
    """

    def counted(self, usage: Usage | None) -> tuple[int, int, int, int]:
        """
        @return: the figures.
        """
        figures = counts(usage)
        return (
            figures["input_tokens"],
            figures["cache_read_input_tokens"],
            figures["cache_creation_input_tokens"],
            figures["output_tokens"],
        )

    def test_cached(self) -> None:
        """What was in a cache is counted by itself, and is never more than all."""
        self.assertEqual((1, 35, 0, 8), self.counted(Usage(36, 35, 8)))
        self.assertEqual((0, 36, 0, 8), self.counted(Usage(35, 36, 8)))

    def test_none(self) -> None:
        """Where nothing is said of it, there was nothing."""
        self.assertEqual((0, 0, 0, 0), self.counted(None))


class StopTests(SynchronousTestCase):
    """
    Tests of L{stop_of}.
    """

    def assert_stop(self, reason: str, choice: dict[str, Any], called: bool = False) -> None:
        """
        Fail unless C{choice} ended for C{reason}.
        """
        stop = stop_of(readable(choice), called, ["END"])
        self.assertEqual({"stop_reason": reason, "stop_sequence": None}, stop)

    def test_reasons(self) -> None:
        """Reasons have other names."""
        self.assert_stop("end_turn", {"finish_reason": "stop"})
        self.assert_stop("max_tokens", {"finish_reason": "length"})
        self.assert_stop("refusal", {"finish_reason": "content_filter"})
        self.assert_stop("end_turn", {"finish_reason": "eos"})
        self.assert_stop("end_turn", {})

    def test_calls(self) -> None:
        """A call is the reason if it is there, whatever the engine says."""
        self.assert_stop("tool_use", {"finish_reason": "tool_calls"}, called=True)
        self.assert_stop("tool_use", {"finish_reason": "stop"}, called=True)
        self.assert_stop("max_tokens", {"finish_reason": "length"}, called=True)
        self.assert_stop("end_turn", {"finish_reason": "tool_calls"})

    def test_sequences(self) -> None:
        """An engine may say which text ended the answer, in its own way."""
        for key in ("stop_reason", "matched_stop"):
            stop = stop_of(readable({"finish_reason": "stop", key: "END"}), False, ["END"])
            self.assertEqual({"stop_reason": "stop_sequence", "stop_sequence": "END"}, stop)
            # The number of a token, or a text of the model's own, is the end of its turn.
            self.assert_stop("end_turn", {"finish_reason": "stop", key: 151645})
            self.assert_stop("end_turn", {"finish_reason": "stop", key: "<|im_end|>"})


class ContentTests(SynchronousTestCase):
    """
    Tests of L{content_of}.
    """

    def content(self, message: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """
        @return: the blocks of C{message}.
        """
        return content_of(readable(message), new_id, **more)

    def test_order(self) -> None:
        """Thoughts come first, then what is said, then the calls."""
        message = {"content": "A wren.", "reasoning_content": "A bird?", **call('{"at": "it"}')}
        self.assertEqual(
            [
                {"type": "thinking", "thinking": "A bird?", "signature": ""},
                {"type": "text", "text": "A wren."},
                {"type": "tool_use", "id": "call_9", "name": "look", "input": {"at": "it"}},
            ],
            self.content(message),
        )

    def test_thinking(self) -> None:
        """Thoughts have two names, which may stand for the same."""
        thought = [{"type": "thinking", "thinking": "Hm.", "signature": ""}]
        self.assertEqual(thought, self.content({"reasoning": "Hm."}))
        self.assertEqual(thought, self.content({"reasoning": "Hm.", "reasoning_content": "Hm."}))

    def test_refusal(self) -> None:
        """A model may say that it will not answer."""
        self.assertEqual(
            [{"type": "text", "text": "No."}], self.content({"content": None, "refusal": "No."})
        )

    def test_nothing(self) -> None:
        """Nothing said is no block."""
        for message in (
            {},
            {"content": None, "tool_calls": None},
            {"content": "", "reasoning": ""},
        ):
            self.assertEqual([], self.content(message))

    def test_begun(self) -> None:
        """What the client had begun with is not repeated."""
        self.assertEqual(
            [{"type": "text", "text": '"a": 1}'}], self.content({"content": '{"a": 1}'}, begun="{")
        )

    def test_arguments(self) -> None:
        """Arguments are decoded; some engines did so already, others give none."""
        for arguments, given in (
            ('{"a": 1}', {"a": 1}),
            ({"a": 1}, {"a": 1}),
            ("", {}),
            (None, {}),
        ):
            self.assertEqual(given, self.content(call(arguments))[0]["input"])

    def test_no_id(self) -> None:
        """A call without an id is given one."""
        for id in (None, ""):
            self.assertEqual("toolu_1", self.content(call("{}", id=id))[0]["id"])

    def test_half(self) -> None:
        """Half a call is none where the answer was cut, and a mistake elsewhere."""
        for arguments in ('{"a": ', "[1]", "[" * 100_000, "9" * 5000):
            self.assertEqual({}, self.content(call(arguments), cut=True)[0]["input"])
            error = self.assertRaises(UpstreamError, self.content, call(arguments))
            self.assertEqual(
                "the model called the tool look with arguments that are no JSON object; ask again",
                error.message,
            )

    def test_no_name(self) -> None:
        """A call of no tool is a mistake."""
        error = self.assertRaises(UpstreamError, self.content, {"tool_calls": [{}]})
        self.assertEqual("the model called a tool without naming it; ask again", error.message)

    def test_shapes(self) -> None:
        """Anything else is no answer."""
        for message, what in (
            ({"content": [1]}, "'content' must be a string"),
            ({"reasoning": 1}, "'reasoning' must be a string"),
            ({"tool_calls": {}}, "'tool_calls' must be a list"),
            (call(1), "'tool_calls[0].function.arguments' must be a JSON object"),
        ):
            error = self.assertRaises(UpstreamError, self.content, message)
            self.assertEqual(f"the engine's answer cannot be read: {what}", error.message)
