# -*- test-case-name: ler.test.test_traces -*-
"""
Tests of L{ler.slot.traces}.
"""

from __future__ import annotations

from random import Random
from statistics import mean, pstdev

from twisted.trial.unittest import SynchronousTestCase

from ler.slot.traces import SPREAD, TRACES, A, B, agent, poisson, service_time


class TraceTests(SynchronousTestCase):
    """
    Each trace is made from a seed.
    """

    def test_again(self) -> None:
        """
        The same seed gives the same trace.
        """
        for make in TRACES.values():
            self.assertEqual(make(Random(1)), make(Random(1)))

    def test_whole(self) -> None:
        """
        Everything that is wanted has a cost and places, and something else
        than what is there is wanted.
        """
        for name, make in TRACES.items():
            trace = make(Random(0))
            wanted = {arrival.target for arrival in trace.arrivals}
            wanted |= {agent.target for agent in trace.agents}
            self.assertLessEqual(wanted, trace.swap.keys(), name)
            self.assertEqual(trace.swap.keys(), trace.places.keys(), name)
            self.assertIs(trace.resident, A, name)
            self.assertGreater(len(wanted), 1, name)

    def test_described(self) -> None:
        """
        Each says what it is.
        """
        for make in TRACES.values():
            self.assertRegex(make.__doc__ or "", r"\w")


class PartsTests(SynchronousTestCase):
    """
    What traces are made of.
    """

    def test_service_time(self) -> None:
        """
        Answers take the time that they are to take, on the average, more or
        less.
        """
        random = Random(3)
        times = [service_time(random, 4.0) for _ in range(20000)]
        self.assertApproximates(mean(times), 4.0, 0.1)
        self.assertApproximates(pstdev(times), 4.0 * SPREAD, 0.1)

    def test_poisson(self) -> None:
        """
        Requests come at the rate at which they are to come, in order, until
        the end.
        """
        arrivals = poisson(Random(3), B, 0.5, 1.0, 10000.0)
        self.assertApproximates(len(arrivals), 5000, 200)
        times = [arrival.at for arrival in arrivals]
        self.assertEqual(times, sorted(times))
        self.assertLess(times[-1], 10000.0)
        self.assertEqual({arrival.target for arrival in arrivals}, {B})

    def test_agent(self) -> None:
        """
        An agent has as many steps as it is to have, with gaps in their bounds.
        """
        steps = agent(Random(3), A, 50, (1.0, 2.0), 4.0).steps
        self.assertEqual(len(steps), 50)
        self.assertTrue(all(1.0 <= gap <= 2.0 and service > 0 for gap, service in steps))
