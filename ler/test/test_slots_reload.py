# -*- test-case-name: ler.test.test_slots_reload -*-
"""
Tests of what L{ler.slot.slots} does when the configuration changes.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import Paused, UnknownModel
from ler.interfaces import Residency
from ler.slot.leases import Lease
from ler.slot.options import SlotOptions
from ler.slot.policy import Fifo, Join
from ler.slot.slots import Slots
from ler.slot.states import State
from ler.test.slot_case import SETTLED, A, B
from ler.testing import FakeEngine, FakeMemory

SMALL = Residency("small")
BESIDE, LARGE = Residency("b", "beside"), Residency("b", "large")

ONE_EACH = SlotOptions(max_concurrency={"a": 1, "small": 1})


class SlotsReloadTests(SynchronousTestCase):
    """
    L{Slots}: C{a} and C{b} are rivals, C{small} lives beside them, and so does
    one model of C{b}.
    """

    def setUp(self) -> None:
        """
        Nothing runs.
        """
        self.clock = Clock()
        self.events: list[str] = []
        self.replaced: list[str] = []
        self.a, self.b, self.small, self.face = map(self.engine, ("a", "b", "small", "b"))
        self.exclusive = {"a": self.a, "b": self.b}
        self.private = {SMALL: self.small, BESIDE: self.face}
        self.slots = Slots(
            self.exclusive,
            self.private,
            make_policy=Join,
            memory=FakeMemory(SETTLED),
            private_memory=FakeMemory(SETTLED),
            clock=self.clock,
            options=ONE_EACH,
            replaced=self.replaced.append,
        )
        self.slots.adopt()

    def engine(self, key: str) -> FakeEngine:
        """
        @return: a new engine.
        """
        return FakeEngine(key, events=self.events)

    def reload(
        self, exclusive: Mapping[str, FakeEngine], private: Mapping[Residency, FakeEngine]
    ) -> None:
        """
        The engines are these now.
        """
        self.slots.reload(exclusive, private, make_policy=Join, options=ONE_EACH)

    def run_on(self, target: Residency, engine: FakeEngine) -> Lease:
        """
        @return: a request that runs on C{engine}, which was started for it.
        """
        lease = self.slots.acquire(target)
        engine.started()
        return self.successResultOf(lease)

    def wait_for(self, target: Residency) -> Deferred[Lease]:
        """
        @return: a request that waits.
        """
        lease = self.slots.acquire(target)
        self.assertNoResult(lease)
        return lease

    def test_unchanged(self) -> None:
        """
        Where nothing has changed nothing happens.
        """
        self.run_on(A, self.a)
        self.run_on(SMALL, self.small)
        before, slots = list(self.events), self.slots.all
        self.reload(self.exclusive, self.private)
        self.assertEqual(before, self.events)
        self.assertEqual(slots, self.slots.all)

    def test_policy(self) -> None:
        """
        All slots have the new policy and the new settings, those that come
        later, too.
        """
        self.slots.reload(
            self.exclusive,
            {**self.private, Residency("new"): self.engine("new")},
            make_policy=Fifo,
            options=SlotOptions(),
        )
        policies = {slot.describe()["policy"] for slot in self.slots.all}
        self.assertEqual({"fifo"}, policies)

    def test_added(self) -> None:
        """
        A new slot looks at what its engine holds.
        """
        new = self.engine("new")
        new.holding = (Residency("new"),)
        self.reload(self.exclusive, {**self.private, Residency("new"): new})
        self.successResultOf(self.slots.acquire(Residency("new")))
        self.assertEqual("new", self.slots.of(Residency("new")).name)
        self.assertIn("new", self.replaced)

    def test_removed(self) -> None:
        """
        A slot is there until nothing is left of it; who comes later is told.
        """
        lease = self.run_on(SMALL, self.small)
        waiting = self.wait_for(SMALL)
        self.reload(self.exclusive, {BESIDE: self.face})
        self.failureResultOf(waiting, UnknownModel)
        self.failureResultOf(self.slots.acquire(SMALL), UnknownModel)
        self.failureResultOf(self.slots.bring_up(SMALL), UnknownModel)
        self.slots.keep(SMALL, 1.0)
        self.assertEqual(["exclusive", "b/beside", "small"], [s.name for s in self.slots.all])
        self.assertTrue(self.slots.is_stale("small"))
        self.assertEqual(1, self.slots.running("small"))
        self.assertNotIn("small", self.replaced)
        lease.release()
        self.small.freed()
        self.assertEqual(["exclusive", "b/beside"], [slot.name for slot in self.slots.all])
        self.assertEqual("small close", self.events[-1])
        self.assertEqual("small", self.replaced[-1])

    def test_removed_and_back(self) -> None:
        """
        One that comes back while the old one drains waits for that.
        """
        lease = self.run_on(SMALL, self.small)
        self.reload(self.exclusive, {BESIDE: self.face})
        new = self.engine("small")
        self.reload(self.exclusive, {BESIDE: self.face, SMALL: new})
        waiting = self.wait_for(SMALL)
        self.assertEqual(1, self.events.count("small bring_up"))
        lease.release()
        self.small.freed()
        self.assertEqual(2, self.events.count("small bring_up"))
        new.started()
        self.assertIs(new, self.successResultOf(waiting).engine)

    def test_out_of_the_shared_slot(self) -> None:
        """
        An engine that need not be alone any more is drained and freed where it
        was; who waits for it waits on, and gets it where it is now.
        """
        lease = self.run_on(A, self.a)
        waiting, leaving = self.wait_for(A), self.wait_for(A)
        rival = self.wait_for(B)
        new = self.engine("a")
        self.reload({"b": self.b}, {**self.private, A: new})
        self.assertNoResult(waiting)
        leaving.cancel()
        self.failureResultOf(leaving, CancelledError)
        self.assertNotIn("a", self.replaced)
        lease.release()
        self.a.freed()
        self.assertEqual("a", self.replaced[-1])
        for engine in (new, self.b):
            engine.started()
        self.assertIs(new, self.successResultOf(waiting).engine)
        self.successResultOf(rival)

    def test_into_the_shared_slot(self) -> None:
        """
        An engine that has to be alone from now on is drained and freed where
        it was; others may move memory meanwhile.
        """
        lease = self.run_on(SMALL, self.small)
        waiting = self.wait_for(SMALL)
        new = self.engine("small")
        self.reload({**self.exclusive, "small": new}, {BESIDE: self.face})
        self.assertNoResult(waiting)
        self.assertIs(State.SETTLING, self.slots.exclusive.state)
        self.run_on(BESIDE, self.face)
        lease.release()
        self.small.freed()
        new.started()
        self.assertIs(new, self.successResultOf(waiting).engine)
        self.assertIs(self.slots.exclusive, self.slots.of(SMALL))

    def test_several_slots(self) -> None:
        """
        A server that holds models in several slots is replaced in all of them
        before the new one starts in any.
        """
        beside = self.run_on(BESIDE, self.face)
        large = self.run_on(LARGE, self.b)
        new, face = self.engine("b"), self.engine("b")
        self.reload({"a": self.a, "b": new}, {SMALL: self.small, BESIDE: face})
        waiting = [self.wait_for(LARGE), self.wait_for(BESIDE)]
        beside.release()
        self.face.freed()
        self.assertNotIn("b", self.replaced)
        self.assertEqual(2, len([event for event in self.events if "bring_up" in event]))
        large.release()
        self.b.freed()
        self.assertIn("b", self.replaced)
        for engine in (face, new):
            engine.started()
        engines = [self.successResultOf(lease).engine for lease in waiting]
        self.assertEqual([new, face], engines)

    def test_stale(self) -> None:
        """
        An engine that lives in one slot is kept until it is freed anyway.
        """
        lease = self.run_on(SMALL, self.small)
        self.reload(self.exclusive, {**self.private, SMALL: self.engine("small")})
        lease.release()
        self.assertTrue(self.slots.is_stale("small"))
        self.assertIs(self.small, self.successResultOf(self.slots.acquire(SMALL)).engine)

    def test_paused(self) -> None:
        """
        A pause goes for slots that come later, too.
        """
        self.slots.pause("gaming")
        target, new = Residency("new"), self.engine("new")
        new.holding = (target,)
        self.reload(self.exclusive, {**self.private, target: new})
        self.assertEqual("new free", self.events[-1])
        self.failureResultOf(self.slots.acquire(target), Paused)
        new.freed()
        self.slots.resume()
        self.run_on(target, new)

    def test_close(self) -> None:
        """
        When the router stops, what had to go is gone, too.
        """
        self.run_on(SMALL, self.small).release()
        self.reload(self.exclusive, {BESIDE: self.face})
        closed = self.slots.close()
        self.assertNoResult(closed)
        self.small.freed()
        self.successResultOf(closed)
        self.assertEqual([], self.clock.getDelayedCalls())
