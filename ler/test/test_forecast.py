# -*- test-case-name: ler.test.test_forecast -*-
"""
Tests of L{ler.slot.forecast}.
"""

from __future__ import annotations

from math import exp
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.interfaces import Residency
from ler.slot.forecast import Expectation, forecast, least_waits
from ler.slot.policy import Join
from ler.slot.simulator import Simulation
from ler.slot.traces import Arrival, Trace, poisson
from ler.slot.view import Costs, Line, SlotView
from ler.slot.wish import NEVER

A, B, C = Residency("a"), Residency("b"), Residency("c")

SERVICE = 4.0
SWAP = 20.0


class ForecastTests(SynchronousTestCase):
    """
    L{forecast}, at 100 s: every answer takes 4 s, two at a time, and every swap
    20 s.
    """

    costs = Costs(free=1.0, start=SWAP - 1.0, service=SERVICE, places=2)

    def expect(
        self,
        *lines: Line,
        target: Residency = B,
        due: float = 160.0,
        ahead: int = 0,
        delay: float = 0.0,
        **view: Any,
    ) -> Expectation:
        """
        @return: what a request for C{b} may expect.
        """
        view = {"resident": A, "leases": 0, "costs": dict.fromkeys((A, B, C), self.costs), **view}
        return forecast(SlotView(now=100.0, lines=lines, **view), target, ahead, due, delay)

    def test_resident(self) -> None:
        """
        Whoever wants the resident waits for a place, if there is none.
        """
        for leases, ahead, seconds in ((0, 0, 0.0), (1, 0, 0.0), (2, 0, 4.0), (2, 1, 4.0)):
            expected = self.expect(target=A, leases=leases, ahead=ahead)
            self.assertEqual(expected, Expectation(1 + ahead, seconds))
        self.assertEqual(self.expect(target=A, leases=2, ahead=2), Expectation(3, 8.0))

    def test_no_limit(self) -> None:
        """
        A resident with places for all lets everybody in.
        """
        expected = self.expect(target=A, leases=99, ahead=99, costs={A: Costs(service=SERVICE)})
        self.assertEqual(expected.seconds, 0.0)

    def test_idle_resident(self) -> None:
        """
        An idle resident goes at once.
        """
        self.assertEqual(self.expect(), Expectation(1, SWAP))

    def test_empty_slot(self) -> None:
        """
        Where nothing is there nothing has to go.
        """
        self.assertEqual(self.expect(resident=None), Expectation(1, SWAP - 1.0))

    def test_busy_resident(self) -> None:
        """
        Running answers, and those who wait for the resident, come first.
        """
        self.assertEqual(self.expect(leases=1), Expectation(1, SERVICE + SWAP))
        own = Line(A, 3, 1, 99.0, 159.0)
        self.assertEqual(self.expect(own, leases=1), Expectation(4, 2 * SERVICE + SWAP))

    def test_hot_resident(self) -> None:
        """
        A resident that more is asked of than it can answer goes when the
        request is due, and not before its running answers have ended.
        """
        costs = {A: Costs(free=1.0, service=SERVICE, places=2, rate=1.0), B: self.costs}
        self.assertEqual(self.expect(leases=2, costs=costs).seconds, 60.0)
        late = self.expect(leases=2, costs=costs, due=90.0)
        self.assertEqual(late.seconds, SERVICE + SWAP)
        self.assertEqual(self.expect(leases=2, costs=costs, due=NEVER).seconds, NEVER)

    def test_those_who_are_bound_to_come(self) -> None:
        """
        While it works, more come for the resident: as many as came lately.
        """
        for places, factor in ((2.0, 2.0), (NEVER, exp(1.0))):
            costs = {A: Costs(1.0, service=SERVICE, places=places, rate=0.25), B: self.costs}
            seconds = self.expect(leases=1, costs=costs).seconds
            self.assertAlmostEqual(seconds, factor * SERVICE + SWAP)

    def test_rivals(self) -> None:
        """
        Rivals that are due earlier have their turns before, those that are due
        later do not.
        """
        early, late = Line(C, 4, 1, 90.0, 150.0), Line(C, 4, 1, 99.0, 170.0)
        self.assertEqual(self.expect(early), Expectation(5, SWAP + 2 * SERVICE + SWAP))
        self.assertEqual(self.expect(late), Expectation(1, SWAP))

    def test_own_line(self) -> None:
        """
        Its own line is not a rival, but those ahead in it take the places.
        """
        own = Line(B, 5, 1, 90.0, 150.0)
        self.assertEqual(self.expect(own, ahead=5), Expectation(6, SWAP + 2 * SERVICE))

    def test_turn_of_the_line(self) -> None:
        """
        A newcomer's turn is that of its line, also when it could wait for
        longer; of lines that are due at the same time the older one is first.
        """
        own, rival = Line(B, 5, 1, 90.0, 150.0), Line(C, 4, 2, 90.0, 150.0)
        self.assertEqual(self.expect(own, rival, due=NEVER, ahead=5).position, 6)
        rival = Line(C, 4, 0, 90.0, 150.0)
        self.assertEqual(self.expect(own, rival, due=NEVER, ahead=5).position, 10)

    def test_delay(self) -> None:
        """
        What has to happen before comes on top.
        """
        self.assertEqual(self.expect(target=A, delay=7.0).seconds, 7.0)
        self.assertEqual(self.expect(delay=7.0).seconds, 7.0 + SWAP)


class LeastWaitsTests(SynchronousTestCase):
    """
    L{least_waits} tells what no policy can promise less than.
    """

    def costs(self, load: float) -> Costs:
        """
        @return: those of a target that keeps one place busy for a share of
            the time.
        """
        return Costs(free=0.0, start=SWAP, service=SERVICE, rate=load / SERVICE, places=1)

    def test_cycle(self) -> None:
        """
        It is the time of a cycle of swaps and answers, less one's own answers:
        for two with a quarter of the load each, and 20 s a swap, 60 s.
        """
        waits = least_waits({A: self.costs(0.25), B: self.costs(0.25)})
        self.assertEqual(waits, {A: 60.0, B: 60.0})

    def test_unequal(self) -> None:
        """
        Who has much to do waits less for the others.
        """
        waits = least_waits({A: self.costs(0.5), B: self.costs(0.0)})
        self.assertEqual(waits, {A: 40.0, B: 80.0})

    def test_alone(self) -> None:
        """
        Who is alone waits for nobody, and nobody waits for none.
        """
        self.assertEqual(least_waits({A: self.costs(0.5)}), {A: 0.0})
        self.assertEqual(least_waits({}), {})

    def test_overload(self) -> None:
        """
        With more work than time nothing can be promised.
        """
        self.assertEqual(least_waits({A: self.costs(0.5), B: self.costs(0.5)})[A], NEVER)

    def test_simulated(self) -> None:
        """
        Where everybody is let in, one in ten waits for about as long.
        """
        random, mean = Random(1), 1.0
        rate = 0.25 / mean
        arrivals: list[Arrival] = []
        for target in (A, B):
            arrivals += poisson(random, target, rate, mean, 4000.0)
        trace = Trace({A: SWAP, B: SWAP}, {A: 1, B: 1}, arrivals)
        outcome = Simulation(trace, Join()).run()
        promised = least_waits(
            dict.fromkeys((A, B), Costs(free=0.0, start=SWAP, service=mean, rate=rate, places=1))
        )[A]
        self.assertApproximates(outcome.percentile(0.9) / promised, 1.0, 0.2)
