# -*- test-case-name: ler.test.test_translation_ollama_answers -*-
"""
Tests of L{ler.web.translation.ollama.answers}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import UpstreamError
from ler.test.ollama_case import VLLM_STREAM, call, choice, chunk
from ler.web.translation.ollama.answers import Listener, Said
from ler.web.translation.ollama.figures import Figures


def listener(tops: int = 0) -> Listener:
    """
    @return: what listens to one answer.
    """
    return Listener(str, Figures(Clock().seconds), tops)


class ListenerTests(SynchronousTestCase):
    """
    L{Listener}.
    """

    def test_text(self) -> None:
        """Text is heard of a chat's pieces, of a whole chat, and of a plain completion."""
        for answer in [
            choice({"content": "Hi"}),
            chunk(choices=[{"message": {"role": "assistant", "content": "Hi"}}]),
            chunk(choices=[{"text": "Hi"}]),
        ]:
            self.assertEqual(Said("Hi"), listener().hear(answer))

    def test_thinking(self) -> None:
        """Thinking is heard once, by whichever name it has."""
        for delta in [
            {"reasoning_content": "hm"},
            {"reasoning": "hm"},
            {"reasoning": "hm", "reasoning_content": "hm"},
        ]:
            self.assertEqual(Said(thinking="hm"), listener().hear(choice(delta)))

    def test_nothing(self) -> None:
        """Events that say nothing are heard as nothing."""
        for event in [
            choice({"role": "assistant", "content": ""}),
            choice({"role": "assistant", "content": None}),
            choice({}),
            chunk(choices=[]),
            chunk(choices=None, usage=None),
            chunk(),
        ]:
            self.assertFalse(listener().hear(event))

    def test_other_choices(self) -> None:
        """Of several choices only the first is heard."""
        second = {"index": 1, "delta": {"content": "b"}}
        first = {"index": 0, "delta": {"content": "a"}}
        self.assertEqual(Said("a"), listener().hear(chunk(choices=[second, first])))
        self.assertEqual(Said(), listener().hear(chunk(choices=[second])))

    def test_calls_wait(self) -> None:
        """Calls are heard when the engine has a reason to finish, and not before."""
        hearing = listener()
        heard = [hearing.hear(event) for event in VLLM_STREAM]
        self.assertEqual([0, 0, 0, 0, 0, 0, 0, 2, 0], [len(said.calls) for said in heard])
        self.assertEqual(Said(), hearing.rest())

    def test_cut_call(self) -> None:
        """A call that did not fit is left out, and the reason tells of it."""
        hearing = listener()
        hearing.hear(call(0, name="get", arguments='{"city": "K'))
        self.assertEqual(Said(), hearing.hear(choice({}, "length")))
        self.assertEqual("length", hearing.ending()["done_reason"])

    def test_senseless_call(self) -> None:
        """A call that makes no sense is an error."""
        hearing = listener()
        hearing.hear(call(0, name="get", arguments="city: Bonn"))
        error = self.assertRaises(UpstreamError, hearing.hear, choice({}, "tool_calls"))
        self.assertIn("the tool get", error.message)

    def test_call(self) -> None:
        """A call is heard in Ollama's form, and has an id of nine characters if it has none."""
        hearing = Listener(lambda: "1".ljust(32, "0"), Figures(Clock().seconds), 0)
        hearing.hear(call(2, name="get", arguments='{"city": "K'))
        hearing.hear(call(2, arguments='\\u00f6ln"}'))
        hearing.hear(call(1, name="put"))
        self.assertEqual(
            [
                {"id": "100000000", "function": {"index": 1, "name": "put", "arguments": {}}},
                {
                    "id": "100000000",
                    "function": {"index": 2, "name": "get", "arguments": {"city": "Köln"}},
                },
            ],
            hearing.hear(choice({}, "tool_calls")).calls,
        )

    def test_unfinished_call(self) -> None:
        """A call without an end is left out."""
        hearing = listener()
        hearing.hear(call(0, name="get", arguments='{"city": "K'))
        self.assertEqual(Said(), hearing.rest())

    def test_all(self) -> None:
        """A whole answer may have calls, and no reason to finish."""
        tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        message = {"content": "Hi", "tool_calls": [tool]}
        said = listener().hear_all({"choices": [{"message": message, "finish_reason": None}]})
        self.assertEqual(("Hi", 1), (said.text, len(said.calls)))

    def test_no_choice(self) -> None:
        """A whole answer must have a choice."""
        odd: tuple[Any, ...] = ({}, {"choices": []}, {"choices": [{"index": 1}]})
        for answer in odd:
            self.assertRaises(UpstreamError, listener().hear_all, answer)

    def test_reasons(self) -> None:
        """Ollama knows one reason where there are many, and hears of the unusual ones."""
        for reason, done in [
            (None, "stop"),
            ("stop", "stop"),
            ("tool_calls", "stop"),
            ("content_filter", "stop"),
            ("length", "length"),
            ("abort", "abort"),
        ]:
            hearing = listener()
            hearing.hear(choice({}, reason))
            self.assertEqual(done, hearing.ending()["done_reason"])

    def test_usage(self) -> None:
        """The last count is the one that counts, wherever it stands."""
        hearing = listener()
        hearing.hear({**choice({"content": "a"}), "usage": {"completion_tokens": 1}})
        hearing.hear({**choice({}, "stop"), "usage": {"completion_tokens": 2}})
        hearing.hear(chunk(choices=[], usage=None))
        self.assertEqual(2, hearing.ending()["eval_count"])

    def test_error(self) -> None:
        """What tells of an error is raised, and what is no object at all."""
        for answer, words in (({"error": "no"}, "no"), ([], "must be an object")):
            for hear in (listener().hear, listener().hear_all):
                error = self.assertRaises(UpstreamError, hear, answer)
                self.assertIn(words, error.message)

    def test_refusal(self) -> None:
        """That the model will not answer is said."""
        self.assertEqual(Said("No."), listener().hear(choice({"content": None, "refusal": "No."})))

    def test_odd(self) -> None:
        """What is not what an engine says is an error that names the place."""
        for event, place in [
            (chunk(choices={}), "'choices' must be a list"),
            (chunk(choices=["x"]), "'choices[0]' must be an object"),
            (choice({"content": ["x"]}), "'choices[0].delta.content' must be a string"),
            (choice({"tool_calls": [1]}), "'choices[0].delta.tool_calls[0]' must be an object"),
            (chunk(usage=3), "'usage' must be an object"),
            (chunk(usage={"prompt_tokens": "3"}), "'usage.prompt_tokens' must be an integer"),
        ]:
            error = self.assertRaises(UpstreamError, listener().hear, event)
            self.assertEqual(f"the engine's answer cannot be read: {place}", error.message)


class ProbabilityTests(SynchronousTestCase):
    """
    The probabilities that a L{Listener} hears.
    """

    def heard(self, logprobs: Any, tops: int = 1) -> list[dict[str, Any]]:
        """
        @return: what becomes of C{logprobs}.
        """
        return listener(tops).hear(choice({}, logprobs=logprobs)).logprobs

    def test_bare(self) -> None:
        """A token may come without bytes and alternatives, and without a text."""
        self.assertEqual(
            [{"token": "a", "logprob": -1.0}, {"token": "", "logprob": 0.0}],
            self.heard({"content": [{"token": "a", "logprob": -1.0, "bytes": None}, {}]}),
        )

    def test_alternatives(self) -> None:
        """There are no more alternatives than were wanted."""
        tops = [{"token": letter, "logprob": -1.0} for letter in "abc"]
        entry = {"token": "a", "logprob": -1.0, "top_logprobs": tops}
        [said] = self.heard({"content": [entry]}, tops=2)
        self.assertEqual(tops[:2], said["top_logprobs"])

    def test_older(self) -> None:
        """The three lists of older completions may be short, or hold nulls."""
        self.assertEqual(
            [
                {"token": "a", "logprob": 0.0},
                {"token": "b", "logprob": -1.0, "top_logprobs": [{"token": "c", "logprob": -0.5}]},
            ],
            self.heard(
                {
                    "tokens": ["a", "b"],
                    "token_logprobs": [None, -1.0],
                    "top_logprobs": [None, {"c": -0.5}],
                }
            ),
        )
        self.assertEqual([{"token": "a", "logprob": 0.0}], self.heard({"tokens": ["a"]}))
