# -*- test-case-name: ler.test.test_fair -*-
"""
Tests of L{ler.slot.fair}: the four rules, one by one.  What they add up to is
tried in L{ler.test.test_simulator}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.interfaces import Residency
from ler.slot.fair import LONGEST_PAID, Fair
from ler.slot.view import Costs, Decision, Line, SlotView, Tenure
from ler.slot.wish import NEVER

A, B, C = Residency("a"), Residency("b"), Residency("c")

SWAP = 20.0
SERVICE = 4.0
MAX_WAIT = 60.0
START = SWAP - 1.0


class FairTestCase(SynchronousTestCase):
    """
    C{a} is resident; every swap takes 20 s, of which 1 s is for the end of the
    old one, and every answer 4 s.
    """

    def view(self, *lines: Line, now: float = 100.0, leases: int = 0, **more: Any) -> SlotView:
        """
        @return: a view in which C{lines} wait, of a turn that was found.
        """
        costs = Costs(free=1.0, start=START, service=SERVICE, places=1)
        more = {
            "resident": A,
            "tenure": Tenure(served=1),
            "costs": {A: costs, B: costs, C: costs},
            **more,
        }
        return SlotView(now=now, leases=leases, lines=lines, **more)

    def line(self, target: Residency, since: float, length: int = 1, first: int = 1) -> Line:
        """
        @return: a line of interactive requests.
        """
        return Line(target, length, first, since, since + MAX_WAIT, float(length))

    def decide(self, *lines: Line, **view: Any) -> Decision:
        """
        @return: what becomes of a view.
        """
        return Fair().decide(self.view(*lines, **view))


class JoinTests(FairTestCase):
    """
    The first rule: the resident lets in all that want it, until a rival is due.
    """

    def test_until_the_swap_must_begin(self) -> None:
        """
        The turn of a busy resident ends early enough for its last answer and
        for the swap.
        """
        begin = 90.0 + MAX_WAIT - SWAP - SERVICE
        rival = self.line(B, 90.0)
        self.assertEqual(self.decide(rival, leases=1), Decision(look_again=begin))
        self.assertIsNone(self.decide(rival, leases=1, now=begin - 0.001).switch)
        self.assertEqual(
            self.decide(rival, leases=1, now=begin), Decision(admit_before=0, switch=B)
        )

    def test_nothing_to_drain(self) -> None:
        """
        Where nothing runs, and somebody waits for the resident, only the swap
        is reckoned with.
        """
        lines = self.line(A, 99.0, first=2), self.line(B, 90.0)
        self.assertEqual(self.decide(*lines), Decision(look_again=90.0 + MAX_WAIT - SWAP))

    def test_most_urgent(self) -> None:
        """
        Of several rivals the one whose swap must begin first counts, and has
        the next turn: one that starts slowly before one that came earlier.
        """
        slow = Costs(free=1.0, start=START + 10.0, service=SERVICE)
        costs = {**self.view().costs, C: slow}
        lines = self.line(B, 50.0), self.line(C, 55.0, first=2)
        decision = self.decide(*lines, leases=1, costs=costs, now=100.0)
        self.assertEqual(decision, Decision(admit_before=0, switch=C))

    def test_no_bound(self) -> None:
        """
        A rival without a bound never ends the turn of a busy resident.
        """
        self.assertEqual(self.decide(Line(B, 9, 1, -1e6), leases=1), Decision())


class PaidTurnTests(FairTestCase):
    """
    The second rule: a turn that was paid for lasts.
    """

    def until(self, **tenure: Any) -> float:
        """
        @return: when the policy wants to look again, with a rival that is long
            due and a resident that has work.
        """
        lines = self.line(A, 99.0, first=2), self.line(B, 0.0)
        decision = self.decide(*lines, leases=1, tenure=Tenure(since=95.0, **tenure))
        self.assertIsNone(decision.switch)
        return decision.look_again

    def test_as_long_as_the_swap(self) -> None:
        """
        It lasts as long as the swap before it, when that many were let in as
        waited for it.
        """
        self.assertEqual(self.until(paid=SWAP, queued=3, served=3), 95.0 + SWAP)

    def test_until_all_are_in(self) -> None:
        """
        It lasts until those who waited when it began are in, up to some times
        the swap.
        """
        expected = 95.0 + LONGEST_PAID * SWAP
        self.assertEqual(self.until(paid=SWAP, queued=3, served=2), expected)

    def test_fresh(self) -> None:
        """
        Somebody is let in, however long a rival is due, and also when the swap
        took no time at all.
        """
        lines = self.line(A, 99.0, first=2), self.line(B, 0.0)
        self.assertEqual(self.decide(*lines, tenure=Tenure(queued=1)), Decision())

    def test_no_work(self) -> None:
        """
        It ends at once when it has no work.
        """
        tenure = Tenure(since=95.0, paid=SWAP, queued=1, served=1, idle_since=99.0)
        self.assertIs(self.decide(self.line(B, 99.0), tenure=tenure).switch, B)

    def test_found(self) -> None:
        """
        A turn that was not paid for is not owed anything.
        """
        lines = self.line(A, 99.0, first=2), self.line(B, 0.0)
        self.assertIs(self.decide(*lines, leases=1).switch, B)


class HoldTests(FairTestCase):
    """
    The third rule: an idle resident is held for clients who come back soon.
    """

    def hold(
        self, gap: float | None, spread: float = 0.0, *lines: Line, now: float = 100.0
    ) -> Decision:
        """
        @return: what becomes of a resident whose last answer ended at 100 s,
            and whose clients come back after a C{gap}.
        """
        known = Costs(free=1.0, start=START, service=SERVICE, gap=gap, spread=spread)
        costs = {**self.view().costs, A: known}
        lines = lines or (self.line(B, 99.0),)
        return self.decide(*lines, costs=costs, tenure=Tenure(served=1, idle_since=100.0), now=now)

    def test_held(self) -> None:
        """
        It is held for as long as it usually takes them, and somewhat longer.
        """
        decision = self.hold(3.0, 1.0)
        self.assertEqual(decision, Decision(look_again=105.0))
        self.assertIs(self.hold(3.0, 1.0, now=105.0).switch, B)

    def test_not_known(self) -> None:
        """
        It is not held for clients of whom nothing is known.
        """
        self.assertIs(self.hold(None).switch, B)

    def test_too_long(self) -> None:
        """
        It is not held for longer than it would take to bring it back.
        """
        self.assertIsNone(self.hold(SWAP).switch)
        self.assertIs(self.hold(SWAP + 0.1).switch, B)
        self.assertIs(self.hold(SWAP - 2.0, 1.1).switch, B)

    def test_too_many(self) -> None:
        """
        It is not held when so many wait that they would lose more than the way
        there and back.
        """
        self.assertIsNone(self.hold(5.0, 0.0, self.line(B, 99.0, 8)).switch)
        self.assertIs(self.hold(5.0, 0.0, self.line(B, 99.0, 9)).switch, B)

    def test_weights(self) -> None:
        """
        Those who do not mind count for less.
        """
        self.assertIsNone(self.hold(5.0, 0.0, Line(B, 40, 1, 99.0, NEVER, 4.0)).switch)

    def test_never_past_the_close(self) -> None:
        """
        It is not held when a rival is due.
        """
        rival = self.line(B, 100.0 - MAX_WAIT + SWAP + 2.0)
        self.assertEqual(self.hold(3.0, 1.0, rival), Decision(look_again=102.0))
        self.assertIs(self.hold(3.0, 1.0, rival, now=102.0).switch, B)


class NextTests(FairTestCase):
    """
    The fourth rule: who is next.
    """

    def test_due(self) -> None:
        """
        A rival that is due goes first.
        """
        lines = self.line(B, 100.0 - MAX_WAIT + SWAP), self.line(C, 99.0, 50, 2)
        self.assertIs(self.decide(*lines).switch, B)

    def test_gain(self) -> None:
        """
        Where none is due the longer line goes first.
        """
        lines = self.line(B, 98.0), self.line(C, 99.0, 5, 2)
        self.assertIs(self.decide(*lines).switch, C)

    def test_cheap(self) -> None:
        """
        Of equal lines the one that is served sooner goes first.
        """
        costs = {**self.view().costs, C: Costs(free=1.0, start=2.0, service=SERVICE)}
        lines = self.line(B, 98.0), self.line(C, 99.0, 1, 2)
        self.assertIs(self.decide(*lines, costs=costs).switch, C)

    def test_weights(self) -> None:
        """
        A line counts by what is in it.
        """
        lines = Line(B, 5, 1, 98.0, 400.0, 2.5), self.line(C, 99.0, 3, 2)
        self.assertIs(self.decide(*lines).switch, C)

    def test_oldest(self) -> None:
        """
        Of equal lines the one with the oldest head goes first.
        """
        lines = self.line(C, 98.0, 2, 2), self.line(B, 98.0, 2, 1)
        self.assertIs(self.decide(*lines).switch, B)

    def test_weightless(self) -> None:
        """
        Lines that count for nothing are served too, the oldest first.
        """
        lines = Line(C, 1, 2, 98.0, NEVER, 0.0), Line(B, 1, 1, 98.0, NEVER, 0.0)
        self.assertIs(self.decide(*lines).switch, B)

    def test_empty_slot(self) -> None:
        """
        An empty slot goes to the one that gains most.
        """
        lines = self.line(B, 98.0), self.line(C, 99.0, 5, 2)
        self.assertIs(self.decide(*lines, resident=None).switch, C)
