# -*- test-case-name: ler.test.test_policy -*-
"""
Tests of L{ler.slot.policy} and L{ler.slot.view}: what each policy makes of a
view of the slot.  More of what L{Fair} does is in L{ler.test.test_fair}.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import IPolicy, Residency
from ler.slot.fair import Fair
from ler.slot.policy import Fifo, Join, make_policy
from ler.slot.view import EVERYONE, GUESS, Costs, Decision, Line, SlotView, Tenure
from ler.slot.wish import NEVER

A, B, C = Residency("a"), Residency("b"), Residency("c")
LARGE = Residency("a", "large")

MAX_WAIT = 60.0

BEGUN = Tenure(served=1)
"""A turn in which somebody has been let in."""


def line(target: Residency, length: int, first: int, since: float) -> Line:
    """
    @return: a line of interactive requests.
    """
    return Line(target, length, first, since, since + MAX_WAIT, float(length))


def view(
    *lines: Line,
    resident: Residency | None = A,
    leases: int = 0,
    now: float = 100.0,
    tenure: Tenure = BEGUN,
) -> SlotView:
    """
    @return: a view in which C{lines} wait.
    """
    return SlotView(now, resident, leases, lines, tenure)


class EveryPolicyTests(SynchronousTestCase):
    """
    What every policy must do.
    """

    policies: Sequence[IPolicy] = (Fifo(), Join(), Fair())

    def test_interface(self) -> None:
        """
        The policy provides L{IPolicy}.
        """
        for policy in self.policies:
            self.assertTrue(verifyObject(IPolicy, policy))

    def test_configured_name(self) -> None:
        """
        The policy is found by the name that it goes by.
        """
        for policy in self.policies:
            self.assertIs(type(make_policy(policy.name)), type(policy))

    def test_nobody_waits(self) -> None:
        """
        With nobody waiting, there is nothing to do.
        """
        for policy in self.policies:
            self.assertEqual(policy.decide(view()), Decision())

    def test_resident_alone(self) -> None:
        """
        With no rival, everybody who wants the resident is let in.
        """
        for policy in self.policies:
            self.assertEqual(policy.decide(view(line(A, 3, 1, 0.0))), Decision(EVERYONE))

    def test_empty_slot(self) -> None:
        """
        An empty slot goes to whoever is alone in wanting it.
        """
        for policy in self.policies:
            decision = policy.decide(view(line(B, 1, 2, 98.0), resident=None))
            self.assertIs(decision.switch, B)
            self.assertEqual(decision.look_again, NEVER)

    def test_idle_resident(self) -> None:
        """
        An idle resident that nobody wants goes at once.
        """
        for policy in self.policies:
            self.assertIs(policy.decide(view(line(B, 1, 7, 100.0))).switch, B)

    def test_oldest_rival(self) -> None:
        """
        Of several rivals that are due the one with the oldest head is next,
        however long the other's line is.
        """
        for policy in self.policies:
            decision = policy.decide(view(line(C, 50, 4, 9.0), line(B, 1, 3, 9.0)))
            self.assertIs(decision.switch, B)

    def test_another_model_of_the_engine(self) -> None:
        """
        Another model of the resident's engine is a rival like any other.
        """
        for policy in self.policies:
            self.assertEqual(policy.decide(view(line(LARGE, 1, 1, 0.0))).switch, LARGE)


class FifoTests(SynchronousTestCase):
    """
    L{Fifo} keeps the order of arrival.
    """

    policy = Fifo()

    def test_before_the_rival(self) -> None:
        """
        Those who came before the first rival are let in first.
        """
        decision = self.policy.decide(view(line(A, 3, 1, 0.0), line(B, 1, 2, 0.0), leases=2))
        self.assertEqual(decision, Decision(admit_before=2))

    def test_behind_the_rival(self) -> None:
        """
        When there are none such, the rival has its turn, and nobody is let in.
        """
        decision = self.policy.decide(view(line(A, 3, 5, 0.0), line(B, 1, 2, 0.0), leases=2))
        self.assertEqual(decision, Decision(admit_before=0, switch=B))

    def test_classes_do_not_matter(self) -> None:
        """
        Of two rivals the one that came first is next, whichever is due first.
        """
        patient = Line(B, 1, 1, 0.0)
        self.assertIs(self.policy.decide(view(line(C, 1, 2, 0.0), patient)).switch, B)


class JoinTests(SynchronousTestCase):
    """
    L{Join} lets all that want the resident in, until a rival has waited for
    too long.
    """

    policy = Join()

    def test_turn_goes_on(self) -> None:
        """
        While requests run, everybody for the resident is let in, and the
        policy asks to look again when the rival is due.
        """
        decision = self.policy.decide(view(line(A, 2, 5, 99.0), line(B, 1, 2, 70.0), leases=1))
        self.assertEqual(decision, Decision(EVERYONE, None, 130.0))

    def test_waiters_keep_the_turn(self) -> None:
        """
        A resident that runs nothing but is wanted keeps its turn.
        """
        decision = self.policy.decide(view(line(A, 1, 5, 99.0), line(B, 1, 2, 70.0)))
        self.assertEqual(decision, Decision(EVERYONE, None, 130.0))

    def test_running_keep_the_turn(self) -> None:
        """
        A resident that nobody waits for keeps its turn while it answers.
        """
        self.assertIsNone(self.policy.decide(view(line(B, 1, 2, 70.0), leases=1)).switch)

    def test_age_bound(self) -> None:
        """
        Once a rival has waited for the bound, it is next and nobody is let in
        before it.
        """
        lines = line(A, 2, 1, 0.0), line(B, 1, 2, 40.0)
        self.assertEqual(
            self.policy.decide(view(*lines, leases=1)), Decision(admit_before=0, switch=B)
        )

    def test_just_before_the_bound(self) -> None:
        """
        A moment before the bound the turn goes on.
        """
        decision = self.policy.decide(view(line(B, 1, 2, 40.0), leases=1, now=99.999))
        self.assertEqual(decision, Decision(EVERYONE, None, 100.0))

    def test_no_bound(self) -> None:
        """
        Rivals without a bound wait until the resident is idle.
        """
        patient = Line(B, 9, 2, -1e6)
        self.assertEqual(self.policy.decide(view(patient, leases=1)), Decision())
        self.assertIs(self.policy.decide(view(patient)).switch, B)

    def test_due_first(self) -> None:
        """
        The rival that is due first is next, whichever came first.
        """
        decision = self.policy.decide(view(Line(C, 1, 1, 0.0), line(B, 1, 2, 90.0)))
        self.assertIs(decision.switch, B)

    def test_paid_turn(self) -> None:
        """
        A turn that was paid for serves those who waited for it, also when a
        rival is due by then.
        """
        lines = line(A, 2, 5, 90.0), line(B, 1, 2, 0.0)
        self.assertEqual(self.policy.decide(view(*lines, tenure=Tenure())), Decision(EVERYONE))


class SlotViewTests(SynchronousTestCase):
    """
    L{SlotView} sorts the lines into rivals and the resident's own.
    """

    def test_rivals(self) -> None:
        """
        The rivals are the other lines, those that are due first before others.
        """
        lines = line(C, 1, 3, 5.0), line(A, 1, 1, 0.0), line(B, 1, 2, 0.0), Line(LARGE, 1, 0, 0.0)
        self.assertEqual(view(*lines).rivals, [lines[2], lines[0], lines[3]])

    def test_own(self) -> None:
        """
        It tells who waits for the resident.
        """
        own = line(A, 1, 1, 0.0)
        self.assertIs(view(line(B, 1, 2, 0.0), own).own, own)
        self.assertIsNone(view(line(B, 1, 1, 0.0)).own)
        self.assertIsNone(view(own, resident=None).own)

    def test_fresh(self) -> None:
        """
        A turn is fresh when somebody waits for it and nobody was let in.
        """
        self.assertTrue(view(line(A, 1, 1, 0.0), tenure=Tenure()).fresh)
        self.assertFalse(view(line(A, 1, 1, 0.0)).fresh)
        self.assertFalse(view(line(B, 1, 1, 0.0), tenure=Tenure()).fresh)

    def test_swap(self) -> None:
        """
        A swap costs the end of the one and the start of the other; what is not
        known is guessed, and an empty slot has nothing to end.
        """
        costs = {A: Costs(free=3.0), B: Costs(start=20.0)}
        self.assertEqual(SlotView(0.0, A, 0, (), costs=costs).swap_to(B), 23.0)
        self.assertEqual(SlotView(0.0, None, 0, (), costs=costs).swap_to(B), 20.0)
        self.assertEqual(SlotView(0.0, A, 0, (), costs=costs).swap_to(C), 3.0 + GUESS.start)


class CostsTests(SynchronousTestCase):
    """
    L{Costs} tells how long work takes.
    """

    def test_work(self) -> None:
        """
        Requests are answered side by side as far as there are places, and none
        faster than it takes.
        """
        costs = Costs(service=6.0, places=4)
        times = [costs.work(requests) for requests in (0, 1, 4, 6, 8)]
        self.assertEqual(times, [0.0, 6.0, 6.0, 9.0, 12.0])
        self.assertEqual(Costs(service=6.0).work(1000), 6.0)
