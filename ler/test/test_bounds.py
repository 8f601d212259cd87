# -*- test-case-name: ler.test.test_bounds -*-
"""
Tests of L{ler.slot.bounds}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from ler.interfaces import Residency
from ler.slot.bounds import NO_TIME, Bound, exact, least
from ler.slot.fair import Fair
from ler.slot.policy import Fifo, Join
from ler.slot.simulator import Simulation
from ler.slot.traces import TRACES, A, Agent, Arrival, B, C, Trace
from ler.slot.wish import NEVER

TARGETS = (A, B, C)


def small(random: Random) -> Trace:
    """
    @return: a trace of six requests for two or three targets.
    """
    targets = TARGETS[: random.choice((2, 3))]
    return Trace(
        {target: random.uniform(1, 6) for target in targets},
        dict.fromkeys(targets, 1),
        [
            Arrival(random.choice(targets), random.uniform(0, 20), random.uniform(0.2, 3))
            for _ in range(6)
        ],
    )


def schedules(trace: Trace, max_wait: float) -> Iterator[Bound]:
    """
    @return: what each order of targets takes, whoever waits for the same being
        answered in order, as far as it keeps to C{max_wait}.
    """
    lines = {
        target: sorted((a for a in trace.arrivals if a.target == target), key=lambda a: a.at)
        for target in trace.swap
    }
    for order in set(permutations(arrival.target for arrival in trace.arrivals)):
        result = _follow(trace, {t: list(line) for t, line in lines.items()}, order, max_wait)
        if result is not None:
            yield result


def _follow(
    trace: Trace,
    lines: dict[Residency, list[Arrival]],
    order: Iterable[Residency],
    max_wait: float,
) -> Bound | None:
    resident, now, swaps = trace.resident, 0.0, 0
    for target in order:
        arrival = lines[target].pop(0)
        if target != resident:
            resident, now, swaps = target, now + trace.swap[target], swaps + 1
        now = max(now, arrival.at)
        if now - arrival.at > max_wait + NO_TIME:
            return None
        now += arrival.service
    return Bound(swaps, now)


class LeastTests(SynchronousTestCase):
    """
    L{least} is a bound for any trace.
    """

    def test_open(self) -> None:
        """
        All the work, and one swap for each that is wanted and not there.
        """
        trace = Trace(
            {A: 9.0, B: 10.0, C: 99.0},
            {A: 2, B: 1, C: 1},
            [Arrival(A, 1.0, 4.0), Arrival(B, 2.0, 5.0)],
        )
        self.assertEqual(least(trace), Bound(1, 1.0 + 4.0 / 2 + 5.0 + 10.0))

    def test_last(self) -> None:
        """
        The last answer cannot end before its request has come.
        """
        self.assertEqual(least(Trace({A: 1.0}, {A: 1}, [Arrival(A, 50.0, 4.0)])).makespan, 54.0)

    def test_agent(self) -> None:
        """
        An agent does one thing after the other.
        """
        trace = Trace({A: 1.0}, {A: 4}, (), [Agent(A, [(2.0, 3.0), (4.0, 5.0)])])
        self.assertEqual(least(trace), Bound(0, 14.0))

    def test_nothing(self) -> None:
        """
        A trace of nothing takes nothing.
        """
        self.assertEqual(least(Trace({A: 1.0}, {A: 1})), Bound(0, 0.0))

    def test_held(self) -> None:
        """
        No policy does better.
        """
        for name, make in TRACES.items():
            bound = least(make(Random(1)))
            for policy in (Fifo(), Join(), Fair()):
                outcome = Simulation(make(Random(1)), policy).run()
                self.assertGreaterEqual(outcome.swaps, bound.swaps, name)
                self.assertGreaterEqual(outcome.makespan, bound.makespan - NO_TIME, name)


class ExactTests(SynchronousTestCase):
    """
    L{exact} tries all schedules without trying each.
    """

    def test_every_schedule(self) -> None:
        """
        It finds the same as trying each does.
        """
        for seed in range(60):
            random = Random(seed)
            trace = small(random)
            max_wait = random.choice((4.0, 8.0, 12.0, NEVER))
            each = list(schedules(trace, max_wait))
            found = exact(trace, max_wait)
            if found is None:
                self.assertEqual(each, [], seed)
            else:
                self.assertEqual(found.swaps, min(bound.swaps for bound in each), seed)
                makespan = min(bound.makespan for bound in each)
                self.assertApproximates(found.makespan, makespan, NO_TIME)

    def test_alternate(self) -> None:
        """
        The shorter the waits that are asked for, the more swaps it takes, until
        it cannot be done.
        """
        trace = TRACES["T1 alternate"](Random(0))
        swaps = []
        for max_wait in (NEVER, 120.0, 90.0, 60.0, 45.0):
            bound = exact(trace, max_wait)
            assert bound is not None
            swaps.append(bound.swaps)
        self.assertEqual(swaps, [1, 2, 3, 4, 6])
        self.assertIsNone(exact(trace, 30.0))

    def test_held(self) -> None:
        """
        No policy does better.
        """
        for seed in range(20):
            trace = small(Random(seed))
            bound = exact(trace)
            assert bound is not None
            for policy in (Fifo(), Join(), Fair()):
                outcome = Simulation(trace, policy).run()
                self.assertGreaterEqual(outcome.swaps, bound.swaps, seed)
                self.assertGreaterEqual(outcome.makespan, bound.makespan - NO_TIME, seed)
