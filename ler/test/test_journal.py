"""
Tests for L{ler.journal}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import CutByOperator, RouterError
from ler.journal import ENDED, SWAPS, Journal, RequestEntry

WALL = 1_700_000_000.0


class JournalTests(SynchronousTestCase):
    """
    L{Journal}
    """

    def setUp(self) -> None:
        """
        Open a journal, and note what it says has moved.
        """
        self.clock = Clock()
        self.journal = Journal(self.clock, lambda: WALL + self.clock.seconds())
        self.moved: list[tuple[str, str]] = []
        self.journal.moved = lambda entry: self.moved.append((entry.id, self.state(entry)))
        self.cut: list[RouterError] = []

    def state(self, entry: RequestEntry) -> str:
        """
        @return: how a request goes.
        """
        state: str = entry.describe()["state"]
        return state

    def begin(self, id: str = "r1") -> RequestEntry:
        """
        @return: the entry of a request that has just come.
        """
        return self.journal.begin(
            id,
            engine="a",
            model="model-a",
            path="/v1/chat/completions",
            key="laptop",
            cancel=self.cut.append,
        )

    def ids(self, most: int = 10) -> list[str]:
        """
        @return: the requests that are told of.
        """
        return [entry.id for entry in self.journal.requests(most)]

    def test_request(self) -> None:
        """A request is told of from its arrival to its end."""
        entry = self.begin()
        self.clock.advance(1.5)
        told: dict[str, Any] = {
            "id": "r1",
            "at": WALL,
            "engine": "a",
            "model": "model-a",
            "path": "/v1/chat/completions",
            "key": "laptop",
            "state": "waiting",
            "waited_s": None,
            "seconds": 1.5,
            "status": None,
            "outcome": None,
            "bytes": 0,
        }
        self.assertEqual(told, entry.describe())
        entry.admitted()
        self.clock.advance(0.5)
        told.update(state="running", waited_s=1.5, seconds=2.0)
        self.assertEqual(told, entry.describe())
        entry.ended(status=200, outcome="ok", sent=99)
        self.clock.advance(5)
        told.update(state="ended", status=200, outcome="ok", bytes=99)
        self.assertEqual(told, entry.describe())
        self.assertEqual([("r1", "waiting"), ("r1", "running"), ("r1", "ended")], self.moved)

    def test_order(self) -> None:
        """Those under way come first, the oldest before, and then the last that ended."""
        entries = [self.begin(f"r{number}") for number in range(5)]
        for number in (1, 3):
            entries[number].ended(status=200, outcome="ok", sent=0)
        self.assertEqual(["r0", "r2", "r4", "r3", "r1"], self.ids())
        self.assertEqual(["r0", "r2", "r3", "r1"], self.ids(2))
        self.assertEqual(3, self.journal.under_way)

    def test_bounds(self) -> None:
        """Only so many are remembered after their end, and so many swaps."""
        for number in range(ENDED + 3):
            self.begin(f"r{number}").ended(status=200, outcome="ok", sent=0)
        self.assertEqual(ENDED, len(self.ids()))
        self.assertEqual(f"r{ENDED + 2}", self.ids()[0])
        for number in range(SWAPS + 3):
            self.journal.swap_ended("exclusive", {"at": number})
        swaps = self.journal.swaps()
        self.assertEqual(SWAPS, len(swaps))
        self.assertEqual({"slot": "exclusive", "at": SWAPS + 2}, swaps[0])

    def test_cancel(self) -> None:
        """A request that is under way can be ended by its id."""
        self.begin()
        entry = self.journal.get("r1")
        assert entry is not None
        reason = CutByOperator("enough")
        entry.cancel(reason)
        self.assertEqual([reason], self.cut)
        entry.ended(status=503, outcome="cut_by_operator", sent=0)
        self.assertIsNone(self.journal.get("r1"))

    def test_swaps_are_told(self) -> None:
        """Whoever watches hears of each swap."""
        heard: list[dict[str, Any]] = []
        self.journal.swapped = heard.append
        self.journal.swap_ended("exclusive", {"to": "a"})
        self.assertEqual([{"slot": "exclusive", "to": "a"}], heard)
