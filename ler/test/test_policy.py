# -*- test-case-name: ler.test.test_policy -*-
"""
Tests of L{ler.slot.policy}: what each policy makes of a view of the slot.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import IPolicy, Residency
from ler.slot.policy import EVERYONE, Decision, Fifo, Join, Line, SlotView, make_policy

A, B, C = Residency("a"), Residency("b"), Residency("c")

MAX_WAIT = 60.0


def view(
    *lines: Line, resident: Residency | None = A, leases: int = 0, now: float = 100.0
) -> SlotView:
    """
    @return: a view in which C{lines} wait.
    """
    return SlotView(now, resident, leases, lines)


class EveryPolicyTests(SynchronousTestCase):
    """
    What every policy must do.
    """

    policies: Sequence[IPolicy] = (Fifo(), Join(MAX_WAIT))

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
            self.assertIs(type(make_policy(policy.name, MAX_WAIT)), type(policy))

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
            self.assertEqual(policy.decide(view(Line(A, 3, 1, 0.0))), Decision(EVERYONE))

    def test_empty_slot(self) -> None:
        """
        An empty slot goes to whoever came first, and nobody is let in before.
        """
        for policy in self.policies:
            decision = policy.decide(view(Line(C, 9, 4, 99.0), Line(B, 1, 2, 98.0), resident=None))
            self.assertIs(decision.switch, B)
            self.assertIsNone(decision.look_again)

    def test_idle_resident(self) -> None:
        """
        An idle resident that nobody wants goes at once.
        """
        for policy in self.policies:
            self.assertIs(policy.decide(view(Line(B, 1, 7, 100.0))).switch, B)

    def test_oldest_rival(self) -> None:
        """
        Of several rivals the one with the oldest head is next, however long
        the other's line is.
        """
        for policy in self.policies:
            decision = policy.decide(view(Line(C, 50, 4, 90.0), Line(B, 1, 3, 90.0)))
            self.assertIs(decision.switch, B)


class FifoTests(SynchronousTestCase):
    """
    L{Fifo} keeps the order of arrival.
    """

    policy = Fifo()

    def test_before_the_rival(self) -> None:
        """
        Only those who came before the first rival are let in, then the rival
        has its turn.
        """
        decision = self.policy.decide(view(Line(A, 3, 1, 0.0), Line(B, 1, 2, 0.0), leases=2))
        self.assertEqual(decision, Decision(admit_before=2, switch=B))


class JoinTests(SynchronousTestCase):
    """
    L{Join} lets all that want the resident in, until a rival has waited for
    too long.
    """

    policy = Join(MAX_WAIT)

    def test_turn_goes_on(self) -> None:
        """
        While requests run, everybody for the resident is let in, and the
        policy asks to look again when the rival is due.
        """
        decision = self.policy.decide(view(Line(A, 2, 5, 99.0), Line(B, 1, 2, 70.0), leases=1))
        self.assertEqual(decision, Decision(EVERYONE, None, 130.0))

    def test_waiters_keep_the_turn(self) -> None:
        """
        A resident that runs nothing but is wanted keeps its turn.
        """
        decision = self.policy.decide(view(Line(A, 1, 5, 99.0), Line(B, 1, 2, 70.0)))
        self.assertEqual(decision, Decision(EVERYONE, None, 130.0))

    def test_running_keep_the_turn(self) -> None:
        """
        A resident that nobody waits for keeps its turn while it answers.
        """
        self.assertIsNone(self.policy.decide(view(Line(B, 1, 2, 70.0), leases=1)).switch)

    def test_age_bound(self) -> None:
        """
        Once the oldest rival has waited for the bound, it is next and nobody
        is let in before it.
        """
        lines = Line(A, 2, 1, 0.0), Line(B, 1, 2, 40.0)
        self.assertEqual(
            self.policy.decide(view(*lines, leases=1)), Decision(admit_before=0, switch=B)
        )

    def test_just_before_the_bound(self) -> None:
        """
        A moment before the bound the turn goes on.
        """
        decision = self.policy.decide(view(Line(B, 1, 2, 40.0), leases=1, now=99.999))
        self.assertEqual(decision, Decision(EVERYONE, None, 100.0))

    def test_another_model_of_the_engine(self) -> None:
        """
        Another model of the resident's engine is a rival like any other.
        """
        line = Line(Residency("a", "large"), 1, 1, 0.0)
        self.assertEqual(self.policy.decide(view(line)).switch, line.target)


class SlotViewTests(SynchronousTestCase):
    """
    L{SlotView} sorts the lines into rivals and the resident's own.
    """

    def test_rivals(self) -> None:
        """
        The rivals are the other lines, oldest head first.
        """
        lines = Line(C, 1, 3, 0.0), Line(A, 1, 1, 0.0), Line(B, 1, 2, 0.0)
        self.assertEqual(view(*lines).rivals, [lines[2], lines[0]])

    def test_waiting_for_resident(self) -> None:
        """
        It tells whether anybody waits for the resident.
        """
        self.assertTrue(view(Line(A, 1, 1, 0.0)).waiting_for_resident)
        self.assertFalse(view(Line(B, 1, 1, 0.0)).waiting_for_resident)
        self.assertFalse(view(Line(B, 1, 1, 0.0), resident=None).waiting_for_resident)
