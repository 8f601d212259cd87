# -*- test-case-name: ler.test.test_translation_ollama_idioms -*-
"""
Tests of L{ler.web.translation.ollama.idioms}.
"""

from __future__ import annotations

import math
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.test.odd_json import ODD
from ler.test.ollama_case import CREATED_AT, MODEL, circumstances
from ler.web.translation.ollama.idioms import Kind, is_load, keep_alive_of, loaded

QUESTIONS: dict[Kind, str] = {
    "chat": "messages",
    "generate": "prompt",
    "embed": "input",
    "embeddings": "prompt",
}


NOTHING: tuple[Any, ...] = (None, "", [])

SOMETHING: tuple[Any, ...] = ("x", ["x"], [""], {}, 0, False)

NO_DURATIONS: tuple[Any, ...] = (
    "",
    "5",
    "-1",
    "m",
    "5 m",
    "5m ",
    "1h30",
    "\u0665m",
    True,
    False,
    [],
    {},
)


class LoadTests(SynchronousTestCase):
    """
    L{is_load}.
    """

    def test_no_question(self) -> None:
        """A request without a question loads the model, whatever else it says."""
        for kind, question in QUESTIONS.items():
            self.assertTrue(is_load(kind, {"model": MODEL, "stream": True, "keep_alive": 0}))
            for nothing in NOTHING:
                self.assertTrue(is_load(kind, {question: nothing}))

    def test_question(self) -> None:
        """A request with a question does not, be the question right or wrong."""
        for kind, question in QUESTIONS.items():
            for something in SOMETHING:
                self.assertFalse(is_load(kind, {question: something}))

    def test_odd(self) -> None:
        """Whatever stands there is one or the other."""
        for kind, question in QUESTIONS.items():
            for odd in ODD:
                self.assertIn(is_load(kind, {question: odd}), (True, False))


class KeepAliveTests(SynchronousTestCase):
    """
    L{keep_alive_of}.
    """

    def test_absent(self) -> None:
        """A client may leave it open."""
        for body in ({}, {"keep_alive": None}):
            self.assertIsNone(keep_alive_of(body))

    def test_durations(self) -> None:
        """Numbers are seconds, and texts are durations as Go writes them."""
        for value, seconds in [
            (0, 0),
            (30, 30),
            (1.5, 1.5),
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("5m", 300),
            ("1h30m", 5400),
            ("1h30m10.5s", 5410.5),
            ("+1.5h", 5400),
            (".5s", 0.5),
            ("1.s", 1),
            ("300ms", 0.3),
            ("2us", 2e-6),
            ("2\u00b5s", 2e-6),
            ("2\u03bcs", 2e-6),
            ("3ns", 3e-9),
        ]:
            self.assertAlmostEqual(seconds, keep_alive_of({"keep_alive": value}) or 0, places=12)

    def test_for_ever(self) -> None:
        """What is negative, or longer than anyone lives, is for ever."""
        for value in (-1, -0.5, "-1s", "-1m", 1e300, 10**400, float("inf"), "9" * 5000 + "h"):
            self.assertEqual(math.inf, keep_alive_of({"keep_alive": value}))

    def test_wrong(self) -> None:
        """What is no duration is a mistake."""
        for value in NO_DURATIONS:
            error = self.assertRaises(BadRequest, keep_alive_of, {"keep_alive": value})
            self.assertIn("'keep_alive'", error.message)

    def test_odd(self) -> None:
        """Whatever it is, it is a duration or a mistake."""
        for odd in ODD:
            try:
                seconds = keep_alive_of({"keep_alive": odd})
            except BadRequest:
                continue
            self.assertTrue(seconds is None or seconds >= 0, odd)

    def test_long(self) -> None:
        """It takes no time to see that a long text is no duration."""
        for text in ("1" * 100_000, "1m" * 100_000 + "!", "." * 100_000):
            self.assertRaises(BadRequest, keep_alive_of, {"keep_alive": text})


class LoadedTests(SynchronousTestCase):
    """
    L{loaded}.
    """

    def test_chat(self) -> None:
        """A chat without messages is answered by an empty message."""
        self.assertEqual(
            {
                "model": MODEL,
                "created_at": CREATED_AT,
                "message": {"role": "assistant", "content": ""},
                "done": True,
                "done_reason": "load",
            },
            loaded("chat", circumstances()),
        )

    def test_generate(self) -> None:
        """A generation without a prompt is answered by an empty response."""
        self.assertEqual(
            {
                "model": MODEL,
                "created_at": CREATED_AT,
                "response": "",
                "done": True,
                "done_reason": "unload",
            },
            loaded("generate", circumstances(), unloaded=True),
        )

    def test_embeddings(self) -> None:
        """No text is answered by no vector."""
        self.assertEqual({"model": MODEL, "embeddings": []}, loaded("embed", circumstances()))
        self.assertEqual({"embedding": []}, loaded("embeddings", circumstances()))
