# -*- test-case-name: ler.test.test_settle -*-
"""
The rule that decides when memory has come back, reading by reading.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from ler.memory.settle import (
    ABSOLUTE,
    ALREADY_FREE,
    FROM_FREE,
    GROWTH_SENSITIVE,
    INSUFFICIENT,
    SETTLED,
    SETTLED_SHORT,
    TARGET_MET,
    TIMEOUT,
    UNREADABLE,
    Ask,
    Detector,
    Goal,
    noise,
    worst,
)
from ler.memory.tuning import GIB, MIB
from ler.test.settle_curves import lin

STEP = 0.005


def goal(
    base: float = 32.0,
    expect: float | None = 80.0,
    need: float | None = None,
    *,
    firm: bool = True,
    sizing: str = FROM_FREE,
    sigma: float = 0.0,
    hidden: float = 0.0,
    timeout: float = 25.0,
) -> Goal:
    """
    @return: a goal, whose sizes are given in GiB.
    """
    return Goal(
        base=int(base * GIB),
        expect=None if expect is None else int(expect * GIB),
        need=None if need is None else int(need * GIB),
        firm=firm,
        sizing=sizing,
        sigma=sigma * GIB,
        hidden=int(hidden * GIB),
        timeout=timeout,
    )


class Watcher:
    """
    Feeds a detector every 5 ms, and answers what it asks.

    @ivar assists: when hidden memory was to be brought out.
    """

    def __init__(
        self,
        goal: Goal,
        free: Callable[[float], float | None],
        *,
        alive: Callable[[float], bool | None] = lambda t: False,
        hidden: Callable[[float], float] = lambda t: 0.0,
        cache: float = 0.0,
    ) -> None:
        """
        @param free: GiB that are free at a time, or L{None}.
        @param hidden: GiB that are free in hiding.
        @param cache: GiB of page cache that the channel does not show.
        """
        self.detector = Detector(goal)
        self.t = 0.0
        self.assists: list[float] = []
        self._free = free
        self._alive = alive
        self._hidden = hidden
        self._cache = cache

    def feed(self) -> None:
        """
        Take the reading of this moment.
        """
        value = self._free(self.t)
        self.detector.feed(self.t, None if value is None else int(value * GIB), self._alive(self.t))

    def ask(self) -> str | None:
        """
        @return: the verdict of this moment, if there is one.
        """
        answer = self.detector.decide()
        while answer is Ask.HIDDEN:
            self.detector.feed_hidden(int(self._hidden(self.t) * GIB), int(self._cache * GIB))
            answer = self.detector.decide()
        if answer is Ask.ASSIST:
            self.assists.append(self.t)
        return None if isinstance(answer, Ask) else answer

    def run(self) -> str:
        """
        @return: the verdict; C{t} is its time then.
        """
        while True:
            self.feed()
            verdict = self.ask()
            if verdict is not None:
                return verdict
            self.t += STEP


class ExpectationTests(SynchronousTestCase):
    """
    What is known of the engine that goes.
    """

    def test_unknown(self) -> None:
        """
        With nothing known of what the engine took, a second and a half of
        silence is the end.
        """
        watcher = Watcher(goal(expect=None), lambda t: 32 + lin(80, 0, 2)(t))
        self.assertEqual(SETTLED, watcher.run())
        self.assertTrue(3.45 <= watcher.t <= 3.55, watcher.t)

    def test_low(self) -> None:
        """
        An account that is a fifth too low ends no wait while memory rises.
        """
        watcher = Watcher(goal(expect=64), lambda t: 32 + lin(80, 0, 2)(t))
        self.assertEqual(SETTLED, watcher.run())
        self.assertTrue(2.02 <= watcher.t <= 2.04, watcher.t)

    def test_high(self) -> None:
        """
        An account that is a fifth too high costs five seconds, and a verdict
        that says what is missing.
        """
        watcher = Watcher(goal(expect=100), lambda t: 32 + lin(80, 0, 2)(t))
        self.assertEqual(SETTLED_SHORT, watcher.run())
        self.assertEqual(20 * GIB, watcher.detector.missing)
        self.assertTrue(6.9 <= watcher.t <= 7.1, watcher.t)

    def test_little_missing(self) -> None:
        """
        The less is missing, the sooner it is given up.
        """
        times = []
        for missing in (2, 4, 8, 16, 40):
            watcher = Watcher(goal(), lin(112 - missing, -1, 1))
            self.assertEqual(SETTLED_SHORT, watcher.run())
            times.append(round(watcher.t, 1))
        self.assertEqual([1.5, 2.0, 3.0, 5.0, 5.0], times)


class LivenessTests(SynchronousTestCase):
    """
    What is known of the tree that goes.
    """

    def test_blocks(self) -> None:
        """
        No memory has settled while a process of the tree exists.
        """
        watcher = Watcher(goal(expect=0), lambda t: 32, alive=lambda t: t < 3)
        self.assertEqual(SETTLED, watcher.run())
        self.assertEqual(3, round(watcher.t, 1))
        self.assertEqual(3, round(watcher.detector.died or 0, 1))

    def test_unknown(self) -> None:
        """
        A tree of which nothing is known blocks nothing.
        """
        watcher = Watcher(goal(expect=0), lambda t: 32, alive=lambda t: None)
        self.assertEqual(SETTLED, watcher.run())
        self.assertLess(watcher.t, 0.05)
        self.assertIsNone(watcher.detector.died)

    def test_never_dies(self) -> None:
        """
        A tree that does not end is left to the timeout.
        """
        watcher = Watcher(goal(timeout=4), lambda t: 32, alive=lambda t: True)
        self.assertEqual(TIMEOUT, watcher.run())
        self.assertEqual(4, round(watcher.t, 1))


class NeedTests(SynchronousTestCase):
    """
    What is known of the engine that comes.
    """

    def test_one_reading_of_noise(self) -> None:
        """
        A need that only one reading meets is not met.
        """

        def free(t: float) -> float:
            return 100 if 0.1 < t < 0.106 else 32 + lin(80, 1, 1)(t)

        watcher = Watcher(goal(need=90, sizing=ABSOLUTE), free)
        self.assertEqual(TARGET_MET, watcher.run())
        self.assertTrue(1.7 <= watcher.t <= 1.8, watcher.t)

    def test_already_free(self) -> None:
        """
        What suffices from the start is told from the first reading, even
        beside an old tree that still exists.
        """
        watcher = Watcher(goal(need=20, sizing=ABSOLUTE), lambda t: 32, alive=lambda t: True)
        self.assertEqual(ALREADY_FREE, watcher.run())
        self.assertEqual(0, watcher.t)

    def test_from_free(self) -> None:
        """
        An engine that fills whatever is free waits for all of it.
        """
        watcher = Watcher(goal(need=20), lambda t: 32 + lin(80, 0, 2)(t))
        self.assertEqual(SETTLED, watcher.run())
        self.assertTrue(2.02 <= watcher.t <= 2.04, watcher.t)

    def test_growth_sensitive(self) -> None:
        """
        An engine that fails on growing memory waits for the rise to end, and
        stands a few percent missing.
        """
        watcher = Watcher(goal(need=90, sizing=GROWTH_SENSITIVE), lambda t: 32 + lin(77, 0, 2)(t))
        self.assertEqual(TARGET_MET, watcher.run())
        self.assertTrue(2.02 <= watcher.t <= 2.04, watcher.t)

    def test_growth_sensitive_stall(self) -> None:
        """
        A pause with much still missing is no end of the rise.
        """
        watcher = Watcher(
            goal(need=50, sizing=GROWTH_SENSITIVE),
            lambda t: 32 + lin(40, 0, 0.5)(t) + lin(40, 1, 0.5)(t),
        )
        self.assertEqual(TARGET_MET, watcher.run())
        self.assertTrue(1.5 <= watcher.t <= 1.55, watcher.t)

    def test_insufficient(self) -> None:
        """
        All is back, and it is too little: that is known in a quarter second.
        """
        watcher = Watcher(goal(need=120), lambda t: 32 + lin(80, 0, 2)(t))
        self.assertEqual(INSUFFICIENT, watcher.run())
        self.assertTrue(2.25 <= watcher.t <= 2.3, watcher.t)

    def test_learned(self) -> None:
        """
        A need that was only learned refuses nothing.
        """
        watcher = Watcher(goal(need=120, firm=False), lambda t: 32 + lin(80, 0, 2)(t))
        self.assertEqual(SETTLED, watcher.run())
        watcher = Watcher(goal(need=120, firm=False), lambda t: 32 + lin(60, 0, 2)(t))
        self.assertEqual(SETTLED_SHORT, watcher.run())

    def test_learned_shortens(self) -> None:
        """
        A learned need that is met ends the wait.
        """
        watcher = Watcher(
            goal(need=72, firm=False, sizing=ABSOLUTE), lambda t: 32 + lin(80, 0, 2)(t)
        )
        self.assertEqual(TARGET_MET, watcher.run())
        self.assertTrue(1.0 <= watcher.t <= 1.05, watcher.t)


class HiddenTests(SynchronousTestCase):
    """
    Memory that is free and does not look it.
    """

    def test_counts_as_back(self) -> None:
        """
        What grew in hiding since the base line has come back.
        """
        watcher = Watcher(
            goal(hidden=1), lambda t: 32 + lin(78, 0, 2)(t), hidden=lambda t: 1 + lin(2, 0, 1)(t)
        )
        self.assertEqual(SETTLED, watcher.run())
        self.assertLess(watcher.t, 2.1)
        self.assertEqual(3 * GIB, watcher.detector.hidden)
        self.assertEqual(80 * GIB, watcher.detector.recovered)

    def test_old_hiding(self) -> None:
        """
        What hid before the engine stopped is none of what it took.
        """
        watcher = Watcher(goal(hidden=2), lambda t: 110, hidden=lambda t: 2)
        self.assertEqual(SETTLED_SHORT, watcher.run())

    def test_counts_as_room(self) -> None:
        """
        A need that hidden memory covers is asked to be uncovered, once; where
        that does not work it is no reason to refuse.
        """
        watcher = Watcher(goal(need=112), lambda t: 110, hidden=lambda t: 2)
        self.assertEqual(SETTLED, watcher.run())
        self.assertEqual(1, len(watcher.assists))
        self.assertLess(watcher.assists[0], 0.05)

    def test_cache_is_no_room(self) -> None:
        """
        Page cache that the channel does not show has come back, yet is no room
        for an engine that looks at this channel.
        """
        watcher = Watcher(goal(need=90), lambda t: 45, cache=67)
        self.assertEqual(INSUFFICIENT, watcher.run())
        self.assertLess(watcher.t, 0.35)
        self.assertEqual(1, len(watcher.assists))

    def test_fresh_for_verdict(self) -> None:
        """
        No verdict rests on an old look: pages may have left their hiding, and
        would be counted twice.
        """
        watcher = Watcher(
            goal(),
            lambda t: 32 + (78 if t < 0.2 else 79),
            hidden=lambda t: 1.0 if t < 0.04 else 0.0,
        )
        self.assertEqual(SETTLED_SHORT, watcher.run())

    def test_leaves_hiding(self) -> None:
        """
        What only leaves its hiding has not come back.
        """
        watcher = Watcher(
            goal(hidden=2), lambda t: 32 + lin(80, 0, 1)(t), hidden=lambda t: 2 - lin(2, 0, 1)(t)
        )
        self.assertEqual(SETTLED_SHORT, watcher.run())
        self.assertEqual(78 * GIB, watcher.detector.recovered)

    def test_all_in_hiding(self) -> None:
        """
        Where all is back, and part of it in hiding, it is brought out at once:
        the next engine may look before it takes.
        """
        watcher = Watcher(goal(), lambda t: 110, hidden=lambda t: 2)
        self.assertEqual(SETTLED, watcher.run())
        self.assertEqual(1, len(watcher.assists))
        self.assertLess(watcher.assists[0], 0.05)

    def test_assist_after_silence(self) -> None:
        """
        What nothing shows is looked for after two seconds of silence.
        """
        watcher = Watcher(goal(), lambda t: 32 + lin(40, 0, 1)(t))
        self.assertEqual(SETTLED_SHORT, watcher.run())
        self.assertEqual([3.0], [round(t, 1) for t in watcher.assists])


class LimitTests(SynchronousTestCase):
    """
    How long a wait may last.
    """

    def test_timeout_starts_with_the_question(self) -> None:
        """
        The time until somebody asks went into the stop, and does not count.
        """
        watcher = Watcher(goal(timeout=4), lambda t: 32, alive=lambda t: True)
        for _ in range(2000):
            watcher.feed()
            watcher.t += STEP
        self.assertEqual(TIMEOUT, watcher.run())
        self.assertEqual(14, round(watcher.t, 1))

    def test_progress_extends(self) -> None:
        """
        A release that is slow but moves is not cut off.
        """
        watcher = Watcher(goal(), lambda t: 32 + lin(80, 0, 40)(t))
        self.assertEqual(SETTLED, watcher.run())
        self.assertTrue(watcher.detector.extended)

    def test_hard_cap(self) -> None:
        """
        Nothing lasts longer than the hard cap.
        """
        watcher = Watcher(goal(), lambda t: 32 + t * 0.6)
        self.assertEqual(TIMEOUT, watcher.run())
        self.assertEqual(120, round(watcher.t))

    def test_zero(self) -> None:
        """
        With a timeout of nothing only memory on its way is waited for.
        """
        watcher = Watcher(goal(timeout=0), lambda t: 32)
        self.assertEqual(TIMEOUT, watcher.run())
        self.assertLess(watcher.t, 0.02)


class SensorTests(SynchronousTestCase):
    """
    Readings that fail, jump, or come late.
    """

    def test_hiccup(self) -> None:
        """
        Four failed readings in a row are forgiven.
        """
        watcher = Watcher(goal(), lambda t: None if t < 0.018 else 112)
        self.assertEqual(SETTLED, watcher.run())
        self.assertEqual(4, watcher.detector.errors)

    def test_dead(self) -> None:
        """
        Five are not.
        """
        watcher = Watcher(goal(), lambda t: None)
        self.assertEqual(UNREADABLE, watcher.run())

    def test_spike(self) -> None:
        """
        One reading is no level: a spike neither makes progress nor a peak.
        """
        watcher = Watcher(goal(expect=0), lambda t: 90 if t == 0 else 32)
        self.assertEqual(SETTLED, watcher.run())
        self.assertEqual(32 * GIB, watcher.detector.peak)

    def test_noise(self) -> None:
        """
        Noise makes the rule blunter, and keeps it from seeing progress.
        """
        random = Random(3)
        watcher = Watcher(goal(expect=0, sigma=0.18), lambda t: 32 + random.uniform(-0.3, 0.3))
        self.assertEqual(SETTLED, watcher.run())
        self.assertLess(watcher.t, 0.04)

    def test_late_reading(self) -> None:
        """
        A gap between readings is no silence, and the clock may go backwards.
        """
        detector = Detector(goal(expect=0))
        for now in (0.0, 30.0, 29.0):
            detector.feed(now, 32 * GIB, False)
        self.assertEqual(0.01, detector.quiet)
        self.assertEqual(1.0, detector.elapsed)

    def test_respawn(self) -> None:
        """
        Memory that falls while it should come back is somebody else's doing.
        """
        watcher = Watcher(goal(), lambda t: 32 + lin(70, 0, 1)(t) - lin(20, 1.2, 1)(t))
        self.assertEqual(SETTLED_SHORT, watcher.run())
        self.assertTrue(watcher.detector.competing)

    def test_stalls(self) -> None:
        """
        Pauses of the release are counted, and the longest is kept.
        """
        watcher = Watcher(goal(), lambda t: 32 + lin(40, 0, 0.2)(t) + lin(40, 1.0, 0.2)(t))
        self.assertEqual(SETTLED, watcher.run())
        self.assertEqual(1, watcher.detector.stalls)
        self.assertEqual(0.8, round(watcher.detector.longest_stall, 1))
        self.assertTrue(190 * GIB < watcher.detector.rate_max < 410 * GIB)


class NoiseTests(SynchronousTestCase):
    """
    How much readings scatter.
    """

    def test_few(self) -> None:
        """
        A handful of readings says nothing.
        """
        self.assertEqual(0, noise([1, 100, 1, 100, 1]))

    def test_scatter(self) -> None:
        """
        The figure comes near the standard deviation.
        """
        random = Random(5)
        readings = [int(random.gauss(32 * GIB, 100 * MIB)) for _ in range(2000)]
        self.assertTrue(95 * MIB < noise(readings) < 105 * MIB)

    def test_jump(self) -> None:
        """
        One jump is not noise.
        """
        self.assertEqual(0, noise([5] * 10 + [50] * 10))


class WorstTests(SynchronousTestCase):
    """
    One verdict of several.
    """

    def test_worst(self) -> None:
        """
        The worst counts.
        """
        self.assertEqual(SETTLED_SHORT, worst([TARGET_MET, SETTLED_SHORT, SETTLED]))
        self.assertEqual(INSUFFICIENT, worst([TIMEOUT, INSUFFICIENT]))

    def test_unreadable(self) -> None:
        """
        A channel that cannot be read has a say only where none can.
        """
        self.assertEqual(SETTLED, worst([UNREADABLE, SETTLED]))
        self.assertEqual(UNREADABLE, worst([UNREADABLE, UNREADABLE]))
        self.assertEqual(UNREADABLE, worst([]))
