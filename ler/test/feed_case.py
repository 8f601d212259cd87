"""
What the tests of the feed have in common: a router with three engines, of which
one lives beside the others, without a socket.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.engines.catalog import Catalog, Entry
from ler.errors import RouterError
from ler.interfaces import Residency, SettleReport
from ler.journal import Journal, RequestEntry
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.slots import Slots
from ler.slot.swap import Swap
from ler.test.http import FakeAgent
from ler.test.test_engine_logs import FakeLog
from ler.testing import FakeEngine, FakeMemory
from ler.upstream import Upstream
from ler.web.engine_logs import Logs
from ler.web.feed import Feed
from ler.web.status import Status

A, B, SMALL = Residency("a"), Residency("b"), Residency("small")

WALL = 1_700_000_000.0


class ReadMemory(FakeMemory):
    """
    Memory that can be looked at.

    @ivar free: how much is free.
    @ivar curves: how it came back before.
    """

    def __init__(self, report: SettleReport) -> None:
        super().__init__(report)
        self.free = 100
        self.curves: list[dict[str, Any]] = []

    def describe(self) -> dict[str, Any]:
        """
        @see: L{FakeMemory.describe}
        """
        return {"free": {"mem": self.free}, "ledger": {}, "curves": self.curves}


class FeedCase(SynchronousTestCase):
    """
    A feed of a router whose slots are empty.
    """

    def setUp(self) -> None:
        """
        Put it together.
        """
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.journal = Journal(self.clock, self.wall)
        self.engines = {key: FakeEngine(key, f"http://{key}:1") for key in ("a", "b", "small")}
        self.memory = ReadMemory(SettleReport("settled", 0.5))
        self.slots = Slots(
            {key: self.engines[key] for key in ("a", "b")},
            {SMALL: self.engines["small"]},
            make_policy=Join,
            memory=self.memory,
            private_memory=FakeMemory(SettleReport("already_free", 0.0)),
            clock=self.clock,
            options=SlotOptions(),
            swapped=self.swapped,
        )
        self.slots.adopt()
        upstreams = {
            key: Upstream(engine.base_url, FakeAgent(), self.clock, 1)
            for key, engine in self.engines.items()
        }
        catalog = Catalog([Entry("model-a", "a", "a", "Model A")], {"alias": "model-a"})
        status = Status(self.slots, self.engines, upstreams, catalog, self.memory)
        self.log = FakeLog("hello")
        self.logs = Logs(FakeLog(), {"a": self.log}, self.engines)
        self.feed = Feed(
            status.document,
            self.slots,
            self.journal,
            self.memory,
            self.logs,
            self.clock,
            self.wall,
        )

    def wall(self) -> float:
        """
        @return: the time of day.
        """
        return WALL + self.clock.seconds()

    def swapped(self, swap: Swap) -> None:
        """
        A swap has ended.
        """
        self.journal.swap_ended("exclusive", swap.describe(self.clock.seconds()))

    def request(self, id: str) -> RequestEntry:
        """
        @return: the entry of a request that has just come.
        """

        def cancel(reason: RouterError) -> None:
            raise AssertionError("nobody cancels it")

        return self.journal.begin(
            id, engine="a", model="model-a", path="/v1/x", key=None, cancel=cancel
        )
