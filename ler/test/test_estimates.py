# -*- test-case-name: ler.test.test_estimates -*-
"""
Tests of L{ler.slot.estimates}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineStartFailed
from ler.interfaces import Residency
from ler.slot.estimates import GAIN, MEMORY_S, Average, Estimates, Tally
from ler.slot.swap import Swap
from ler.slot.view import GUESS

A, LARGE = Residency("a"), Residency("b", "hub/large")


class AverageTests(SynchronousTestCase):
    """
    L{Average} follows its samples.
    """

    def test_follows(self) -> None:
        """
        Each sample moves the mean, and the usual distance from it, by the same
        share of the way.
        """
        average = Average(10.0, 5.0).with_sample(30.0)
        self.assertEqual(average, Average(10.0 + GAIN * 20.0, 5.0 + GAIN * 15.0))

    def test_steady(self) -> None:
        """
        After many equal samples that is what it says, without doubt.
        """
        average = Average(10.0, 5.0)
        for _ in range(100):
            average = average.with_sample(3.0)
        self.assertAlmostEqual(average.mean, 3.0)
        self.assertAlmostEqual(average.spread, 0.0)


class TallyTests(SynchronousTestCase):
    """
    L{Tally} counts what was lately.
    """

    def test_fades(self) -> None:
        """
        A request counts for less the longer ago it was.
        """
        tally = Tally().with_arrival(100.0)
        self.assertEqual(tally.left(100.0), 1.0)
        self.assertAlmostEqual(tally.left(100.0 + MEMORY_S), 1 / 2.718281828)

    def test_steady_rate(self) -> None:
        """
        At a steady rate it comes to as many as fall into its memory.
        """
        tally = Tally()
        for second in range(10 * int(MEMORY_S)):
            tally = tally.with_arrival(float(second))
        self.assertAlmostEqual(tally.count / MEMORY_S, 1.0, 2)


class EstimatesTests(SynchronousTestCase):
    """
    L{Estimates} learn, by target.
    """

    def setUp(self) -> None:
        self.estimates = Estimates()

    def swap(
        self,
        outgoing: Residency | None = None,
        incoming: Residency | None = None,
        error: EngineStartFailed | None = None,
        **phases: float,
    ) -> None:
        """
        A swap ends that took so long.
        """
        clock = Clock()
        swap = Swap(outgoing, incoming, "request", 0.0, 0.0)
        for phase, seconds in phases.items():
            swap.enter(phase, clock.seconds())
            clock.advance(seconds)
        swap.end(clock.seconds(), error)
        self.estimates.swapped(swap)

    def test_unknown(self) -> None:
        """
        What is not known is guessed.
        """
        self.assertEqual(self.estimates.costs(A, 0.0), GUESS)

    def test_places(self) -> None:
        """
        How many places there are is told, not learned.
        """
        self.assertEqual(self.estimates.costs(A, 0.0, 3).places, 3)

    def test_swap(self) -> None:
        """
        Of a swap the way out is learned of what went, with the memory's way
        back; and the start of what came.  Running answers are nobody's cost.
        """
        self.swap(A, LARGE, drain=100.0, free=3.0, settle=0.5, start=40.0)
        self.assertEqual(self.estimates.costs(A, 0.0).free, 3.5)
        self.assertEqual(self.estimates.costs(LARGE, 0.0).start, 40.0)
        self.assertEqual(self.estimates.costs(A, 0.0).start, GUESS.start)

    def test_one_end(self) -> None:
        """
        A swap may have one end only.
        """
        self.swap(A, None, free=3.0, settle=0.0)
        self.swap(None, A, settle=7.0, start=20.0)
        costs = self.estimates.costs(A, 0.0)
        self.assertEqual((costs.free, costs.start), (3.0, 20.0))

    def test_failed_swap(self) -> None:
        """
        A swap that failed teaches nothing.
        """
        self.swap(A, LARGE, EngineStartFailed("no"), free=3.0, settle=0.0, start=1.0)
        self.assertEqual(self.estimates.describe(), {})

    def test_warm_start(self) -> None:
        """
        The first start since the router began is kept apart from later ones,
        which are what is expected from then on.
        """
        self.swap(None, A, start=100.0)
        self.assertEqual(self.estimates.costs(A, 0.0).start, 100.0)
        self.swap(None, A, start=4.0)
        self.assertEqual(self.estimates.costs(A, 0.0).start, 4.0)
        self.swap(None, A, start=8.0)
        self.assertEqual(self.estimates.costs(A, 0.0).start, 5.0)

    def test_service(self) -> None:
        """
        How long answers take is learned.
        """
        self.estimates.answered(A, 8.0)
        self.estimates.answered(A, 4.0)
        self.assertEqual(self.estimates.costs(A, 0.0).service, 7.0)

    def test_gap(self) -> None:
        """
        It is learned how long a target goes without requests.
        """
        self.assertIsNone(self.estimates.costs(A, 0.0).gap)
        self.estimates.arrived(A, 5.0)
        self.assertIsNone(self.estimates.costs(A, 5.0).gap)
        self.estimates.unused(A, 10.0)
        self.estimates.arrived(A, 14.0)
        costs = self.estimates.costs(A, 14.0)
        self.assertEqual((costs.gap, costs.spread), (4.0, 2.0))

    def test_gap_ends_once(self) -> None:
        """
        Only the first request ends a gap.
        """
        self.estimates.unused(A, 10.0)
        self.estimates.arrived(A, 14.0)
        self.estimates.arrived(A, 99.0)
        self.assertEqual(self.estimates.costs(A, 99.0).gap, 4.0)

    def test_rate(self) -> None:
        """
        The rate of requests is that of the last minutes.
        """
        for second in range(60):
            self.estimates.arrived(A, float(second))
        rate = self.estimates.costs(A, 60.0).rate
        self.assertAlmostEqual(rate, 60 / MEMORY_S, 2)
        self.assertEqual(self.estimates.wanted_lately(60.0), [A])
        self.assertEqual(self.estimates.wanted_lately(60.0 + 10 * MEMORY_S), [])

    def test_restart(self) -> None:
        """
        What was learned can be kept as JSON; the first start after a restart
        is a first start again.
        """
        self.swap(A, LARGE, free=3.0, settle=0.0, start=100.0)
        self.swap(None, LARGE, start=4.0)
        self.estimates.answered(A, 8.0)
        again = Estimates()
        again.restore(json.loads(json.dumps(self.estimates.as_json())), ("a", "b"))
        self.assertEqual(again.describe(), self.estimates.describe())
        self.assertEqual(again.costs(LARGE, 0.0).start, 100.0)

    def test_other_engines(self) -> None:
        """
        What is known of engines that are no more is forgotten.
        """
        self.estimates.answered(A, 8.0)
        self.estimates.answered(LARGE, 8.0)
        again = Estimates()
        again.restore(self.estimates.as_json(), ("b",))
        self.assertEqual(list(again.describe()), ["b/hub/large"])

    def test_nothing_kept(self) -> None:
        """
        There need not be anything to begin with.
        """
        self.estimates.restore(None, ("a",))
        self.assertEqual(self.estimates.describe(), {})

    def test_damaged(self) -> None:
        """
        What is damaged is forgotten as a whole, with a warning.
        """
        good = {"service": [1.0, 1.0]}
        damaged: tuple[Any, ...] = (
            [],
            {"a": []},
            {"a": {"service": 1.0}},
            {"a": {"service": [1.0]}},
            {"a": {"service": [1.0, "1"]}},
            {"a": {"service": [1.0, -1.0]}},
            {"a": {"service": [float("nan"), 1.0]}},
            {"a": {"service": [True, 1.0]}},
            {"a": good, "b": None},
        )
        for kept in damaged:
            with capturedLogs() as events:
                self.estimates.restore(kept, ("a", "b"))
            self.assertEqual(self.estimates.describe(), {}, kept)
            self.assertIn("damaged and forgotten", formatEvent(events[0]))
