# -*- test-case-name: ler.test.test_leases -*-
"""
Tests of L{ler.slot.leases}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import CutByDrain, EngineDied, RouterError
from ler.interfaces import Residency
from ler.slot.leases import LOST_GRACE_S, Admission, Lease, Leases
from ler.slot.wish import Priority
from ler.testing import FakeEngine

A, B = Residency("a"), Residency("b")

REASON = CutByDrain("too long")


class LeaseTests(SynchronousTestCase):
    """
    A L{Lease} is released once, and cut at most once.
    """

    def setUp(self) -> None:
        self.released: list[Lease] = []
        self.engine = FakeEngine()
        self.lease = Lease(self.engine, A, self.released.append)
        self.reasons: list[RouterError] = []

    def test_what_it_is_for(self) -> None:
        """
        A lease tells which engine answers, and what was admitted to.
        """
        self.assertIs(self.lease.engine, self.engine)
        self.assertIs(self.lease.residency, A)

    def test_release(self) -> None:
        """
        Only the first release counts.
        """
        self.lease.release()
        self.lease.release()
        self.assertEqual(self.released, [self.lease])

    def test_cut(self) -> None:
        """
        The holder hears why its answer must end, once; it still has the lease.
        """
        self.lease.on_cut(self.reasons.append)
        self.lease.cut(REASON)
        self.lease.cut(EngineDied("gone"))
        self.assertEqual(self.reasons, [REASON])
        self.assertEqual(self.released, [])

    def test_cut_before_anybody_listens(self) -> None:
        """
        A holder that asks late hears at once.
        """
        self.lease.cut(REASON)
        self.lease.on_cut(self.reasons.append)
        self.assertEqual(self.reasons, [REASON])

    def test_cut_after_release(self) -> None:
        """
        A lease that was given back is not cut any more.
        """
        self.lease.on_cut(self.reasons.append)
        self.lease.release()
        self.lease.cut(REASON)
        self.assertEqual(self.reasons, [])

    def test_listen_after_release(self) -> None:
        """
        Whoever asks after the release hears nothing.
        """
        self.lease.release()
        self.lease.cut(REASON)
        self.lease.on_cut(self.reasons.append)
        self.assertEqual(self.reasons, [])

    def test_release_when_cut(self) -> None:
        """
        The holder may release within the call that cuts.
        """
        self.lease.on_cut(lambda reason: self.lease.release())
        self.lease.cut(REASON)
        self.assertEqual(self.released, [self.lease])

    def test_bug_of_the_holder(self) -> None:
        """
        A holder that breaks when it is cut is logged, so that it keeps nobody
        else from being cut.
        """
        self.lease.on_cut(lambda reason: self.fail("a bug"))
        self.lease.cut(REASON)
        self.assertEqual(len(self.flushLoggedErrors(self.failureException)), 1)


class LeasesTests(SynchronousTestCase):
    """
    L{Leases} knows which leases are out.
    """

    def setUp(self) -> None:
        self.leases = Leases()
        self.ended: list[Admission | None] = []

    def add(self, target: Residency = A) -> Lease:
        """
        @return: a lease that is out.
        """

        def end(lease: Lease) -> None:
            self.ended.append(self.leases.ended(lease))

        lease = Lease(FakeEngine(target.engine), target, end)
        self.leases.add(lease, Admission(target, Priority.BATCH, 1.0, 2.0))
        return lease

    def test_count(self) -> None:
        """
        They are counted, also by engine.
        """
        first, _, _ = self.add(A), self.add(Residency("a", "large")), self.add(B)
        self.assertEqual(len(self.leases), 3)
        self.assertEqual(self.leases.by_engine(), {"a": 2, "b": 1})
        first.release()
        self.assertEqual(len(self.leases), 2)
        self.assertEqual(self.leases.by_engine()["a"], 1)

    def test_admission(self) -> None:
        """
        Whoever comes back was admitted in some way; one that was given up
        before counts no more.
        """
        first, second = self.add(A), self.add(B)
        first.release()
        self.leases.give_up()
        second.release()
        self.assertEqual(self.ended, [Admission(A, Priority.BATCH, 1.0, 2.0), None])

    def test_cut(self) -> None:
        """
        All are cut, and are out until they come back.
        """
        reasons: list[RouterError] = []
        for lease in (self.add(), self.add()):
            lease.on_cut(reasons.append)
        self.leases.cut(REASON)
        self.assertEqual(reasons, [REASON, REASON])
        self.assertEqual(len(self.leases), 2)

    def test_return_when_another_is_cut(self) -> None:
        """
        A lease that comes back while others are cut is not cut any more.
        """
        first, second = self.add(), self.add()
        reasons: list[RouterError] = []

        def end_both(reason: RouterError) -> None:
            reasons.append(reason)
            first.release()
            second.release()

        first.on_cut(end_both)
        second.on_cut(end_both)
        self.leases.cut(REASON)
        self.assertEqual(reasons, [REASON])
        self.assertEqual(len(self.leases), 0)

    def test_give_up(self) -> None:
        """
        Those that are given up are not counted, and may still come back.
        """
        lease = self.add()
        self.assertEqual(self.leases.give_up(), (lease,))
        self.assertEqual(len(self.leases), 0)
        other = self.add()
        lease.release()
        self.assertEqual(len(self.leases), 1)
        self.assertEqual(self.leases.give_up(), (other,))

    def test_lose(self) -> None:
        """
        Those of a lost engine are not counted from now on, and are cut in a
        moment; those that come meanwhile are not.
        """
        clock = Clock()
        reasons: list[RouterError] = []
        later: list[RouterError] = []
        self.leases.lose(REASON, clock)
        self.assertEqual(clock.getDelayedCalls(), [])
        self.add().on_cut(reasons.append)
        self.leases.lose(REASON, clock)
        self.assertEqual(len(self.leases), 0)
        self.add().on_cut(later.append)
        self.assertEqual(reasons, [])
        clock.advance(LOST_GRACE_S)
        self.assertEqual((reasons, later), ([REASON], []))

    def test_drained(self) -> None:
        """
        The wait for the last ends when it comes back.
        """
        first, second = self.add(), self.add()
        drained = self.leases.drained()
        first.release()
        self.assertNoResult(drained)
        second.release()
        self.successResultOf(drained)

    def test_drained_already(self) -> None:
        """
        When none is out, there is nothing to wait for.
        """
        self.successResultOf(self.leases.drained())

    def test_waiting_no_more(self) -> None:
        """
        The wait may be given up.
        """
        lease, clock = self.add(), Clock()
        drained = self.leases.drained().addTimeout(5, clock, lambda result, timeout: "enough")
        clock.advance(5)
        self.assertEqual(self.successResultOf(drained), "enough")
        lease.release()
