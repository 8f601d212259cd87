"""
Tests for L{ler.lines}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.lines import LINES, TOTAL, Lines


class LinesTests(SynchronousTestCase):
    """
    L{Lines}
    """

    def setUp(self) -> None:
        """
        Keep three lines.
        """
        self.lines = Lines(str.upper)
        for line in ("one", "two", "three"):
            self.lines.add(line)
        self.heard: list[str] = []

    def test_last(self) -> None:
        """The last lines can be had, as far as there are any, and without their secrets."""
        self.assertEqual(["TWO", "THREE"], self.lines.last(2))
        self.assertEqual(["ONE", "TWO", "THREE"], self.lines.last(9))
        self.assertEqual([], self.lines.last(0))

    def test_follow(self) -> None:
        """Who follows is told the last lines, and each further one."""
        self.lines.follow(self.heard.append, 2)
        self.assertEqual(["TWO", "THREE"], self.heard)
        self.lines.add("four")
        self.assertEqual(["TWO", "THREE", "FOUR"], self.heard)

    def test_stop(self) -> None:
        """Until that is ended, which can be said twice, and concerns nobody else."""
        others: list[str] = []
        stop = self.lines.follow(self.heard.append, 0)
        self.lines.follow(others.append, 0)
        stop()
        stop()
        self.lines.add("four")
        self.assertEqual(([], ["FOUR"]), (self.heard, others))

    def test_stop_when_told(self) -> None:
        """A follower may have enough while it is told."""

        def told(line: str) -> None:
            self.heard.append(line)
            stop()

        stop = self.lines.follow(told, 0)
        self.lines.follow(self.heard.append, 0)
        self.lines.add("four")
        self.lines.add("five")
        self.assertEqual(["FOUR", "FOUR", "FIVE"], self.heard)

    def test_bounds(self) -> None:
        """Number and sum of the lines are bounded."""
        for _ in range(LINES + 5):
            self.lines.add("x")
        self.assertEqual(LINES, len(self.lines.last(LINES + 5)))
        for _ in range(3):
            self.lines.add("x" * (TOTAL // 2))
        self.assertEqual(2, len(self.lines.last(LINES)))

    def test_clear(self) -> None:
        """They can be forgotten."""
        self.lines.clear()
        self.assertEqual([], self.lines.last(9))
        self.lines.add("x" * TOTAL)
        self.assertEqual(1, len(self.lines.last(9)))
