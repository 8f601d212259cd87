# -*- test-case-name: ler.test.test_translation_ollama_figures -*-
"""
Tests of L{ler.web.translation.ollama.figures}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.test.ollama_case import answered
from ler.web.translation.ollama.figures import Figures, timestamp

SECOND = 1_000_000_000


class TimestampTests(SynchronousTestCase):
    """
    L{timestamp}.
    """

    def test_zone(self) -> None:
        """A time is told in UTC, with as many digits as it has."""
        self.assertEqual("2026-01-02T03:04:05Z", timestamp(1767323045))
        self.assertEqual("2026-01-02T03:04:05.250000Z", timestamp(1767323045.25))


class FiguresTests(SynchronousTestCase):
    """
    L{Figures}.
    """

    def setUp(self) -> None:
        """
        Let a request wait for 3 seconds.
        """
        self.clock = Clock()
        self.figures = Figures(self.clock.seconds)
        self.clock.advance(3)
        self.figures.sent()

    def tokens(self, *delays: float) -> None:
        """
        Let the engine say something after each of C{delays}.
        """
        for delay in delays:
            self.clock.advance(delay)
            self.figures.token()

    def told(self, **answer: Any) -> dict[str, int]:
        """
        @return: all figures, after the engine told some.
        """
        self.figures.told(answered(answer))
        return self.figures.all()

    def test_measured(self) -> None:
        """Reading ends with the first token, writing with the last."""
        self.tokens(2, 1, 1)
        self.clock.advance(0.5)
        self.assertEqual(
            {
                "total_duration": 7.5 * SECOND,
                "load_duration": 3 * SECOND,
                "prompt_eval_duration": 2 * SECOND,
                "eval_duration": 2 * SECOND,
            },
            self.figures.all(),
        )

    def test_whole(self) -> None:
        """All the time of an answer that comes at once is taken for writing."""
        self.tokens(4)
        figures = self.figures.all()
        self.assertEqual(1, figures["prompt_eval_duration"])
        self.assertEqual(4 * SECOND, figures["eval_duration"])

    def test_silent(self) -> None:
        """An answer without a token has durations, too, and none of them is 0."""
        self.clock.advance(4)
        self.assertEqual(4 * SECOND, self.figures.all()["eval_duration"])
        silent = Figures(Clock().seconds).all()
        self.assertEqual(
            {
                "total_duration": 0,
                "load_duration": 0,
                "prompt_eval_duration": 1,
                "eval_duration": 1,
            },
            silent,
        )

    def test_integers(self) -> None:
        """Durations have no fraction."""
        self.tokens(0.1234567891, 0.1234567891)
        for figure in self.told(timings={"prompt_ms": 1.2345678}).values():
            self.assertIsInstance(figure, int)

    def test_waits(self) -> None:
        """What is not about tokens can be had alone."""
        self.clock.advance(1)
        self.assertEqual(
            {"total_duration": 4 * SECOND, "load_duration": 3 * SECOND}, self.figures.waits()
        )

    def test_usage(self) -> None:
        """The engine counts the tokens."""
        figures = self.told(usage={"prompt_tokens": 25, "completion_tokens": 0})
        self.assertEqual((25, 0), (figures["prompt_eval_count"], figures["eval_count"]))

    def test_timings(self) -> None:
        """llama.cpp's own figures are better than ours; its counts stand in for usage."""
        self.tokens(2, 2)
        timings = {
            "cache_n": 4,
            "prompt_n": 21,
            "prompt_ms": 1.5,
            "predicted_n": 3,
            "predicted_ms": 0,
        }
        self.assertEqual(
            {
                "total_duration": 7 * SECOND,
                "load_duration": 3 * SECOND,
                "prompt_eval_count": 25,
                "prompt_eval_duration": 1_500_000,
                "eval_count": 3,
                "eval_duration": 1,
            },
            self.told(timings=timings),
        )
        usage = {"prompt_tokens": 30, "completion_tokens": 2}
        figures = self.told(timings=timings, usage=usage)
        self.assertEqual((30, 2), (figures["prompt_eval_count"], figures["eval_count"]))

    def test_impossible_timings(self) -> None:
        """Times that cannot be are measured instead."""
        self.tokens(2, 2)
        for impossible in (-1, 1e308, 10**400):
            figures = self.told(timings={"predicted_ms": impossible})
            self.assertEqual(2 * SECOND, figures["eval_duration"])
