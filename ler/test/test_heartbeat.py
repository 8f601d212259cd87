# -*- test-case-name: ler.test.test_heartbeat -*-
"""
Tests of L{ler.web.heartbeat}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.web.heartbeat import Heartbeat

INTERVAL = 10.0
GRACE = 2.0


class HeartbeatTests(SynchronousTestCase):
    """
    L{Heartbeat} beats in every interval of silence.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.beats: list[float] = []
        self.last = 0.0
        self.heartbeat = Heartbeat(
            self.clock, INTERVAL, lambda: self.clock.seconds() - self.last, self.beat
        )

    def beat(self) -> None:
        """
        A beat has come.
        """
        self.last = self.clock.seconds()
        self.beats.append(self.last)

    def assert_quiet(self) -> None:
        """
        Nothing is left to happen by itself.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rhythm(self) -> None:
        """
        The first beat comes after the delay, and then one comes an interval.
        """
        self.heartbeat.begin(GRACE)
        self.clock.pump([0.5] * 90)
        self.assertEqual(self.beats, [2.0, 12.0, 22.0, 32.0, 42.0])
        self.heartbeat.stop()
        self.assert_quiet()

    def test_no_beat_before(self) -> None:
        """
        There is no beat before the delay is over, and none without a start.
        """
        self.clock.advance(100.0)
        self.heartbeat.begin(GRACE)
        self.clock.advance(1.99)
        self.assertEqual(self.beats, [])
        self.clock.advance(0.01)
        self.assertEqual(self.beats, [102.0])
        self.heartbeat.stop()

    def test_at_once(self) -> None:
        """
        Without a delay the first beat comes in the next turn.
        """
        self.heartbeat.begin(0.0)
        self.assertEqual(self.beats, [])
        self.clock.advance(0)
        self.assertEqual(self.beats, [0.0])
        self.heartbeat.stop()

    def test_new_delay(self) -> None:
        """
        Before the first beat, a new delay takes the place of the old.
        """
        self.heartbeat.begin(GRACE)
        self.clock.advance(1.0)
        self.heartbeat.begin(INTERVAL)
        self.clock.advance(9.0)
        self.assertEqual(self.beats, [])
        self.clock.advance(1.0)
        self.assertEqual(self.beats, [11.0])
        self.heartbeat.stop()
        self.assert_quiet()

    def test_new_delay_too_late(self) -> None:
        """
        After the first beat a new delay changes nothing.
        """
        self.heartbeat.begin(GRACE)
        self.clock.advance(GRACE)
        self.heartbeat.begin(1.0)
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.beats, [2.0, 12.0])
        self.heartbeat.stop()
        self.assert_quiet()

    def test_something_said(self) -> None:
        """
        No beat follows soon on something that was said; the next interval has
        one again.
        """
        self.heartbeat.begin(GRACE)
        self.clock.advance(GRACE)
        self.clock.advance(8.0)
        self.last = self.clock.seconds()
        self.clock.advance(2.0)
        self.assertEqual(self.beats, [2.0])
        self.clock.advance(10.0)
        self.assertEqual(self.beats, [2.0, 22.0])
        self.heartbeat.stop()

    def test_silence_is_bounded(self) -> None:
        """
        Whenever something is said, no silence lasts for more than one and a
        half intervals.
        """
        self.heartbeat.begin(0.0)
        for said in range(0, 200, 7):
            while self.clock.seconds() < said * 1.5:
                self.clock.advance(0.5)
                self.assertLessEqual(self.clock.seconds() - self.last, INTERVAL * 1.5)
            self.last = self.clock.seconds()
        self.heartbeat.stop()

    def test_stop_before_the_first(self) -> None:
        """
        Stopped before its first beat, it has none.
        """
        self.heartbeat.begin(GRACE)
        self.heartbeat.stop()
        self.assert_quiet()

    def test_stop_twice(self) -> None:
        """
        It can be stopped without having begun, and more than once.
        """
        self.heartbeat.stop()
        self.heartbeat.begin(GRACE)
        self.clock.advance(GRACE)
        self.heartbeat.stop()
        self.heartbeat.stop()
        self.assert_quiet()
        self.assertEqual(self.beats, [2.0])

    def test_stop_from_a_beat(self) -> None:
        """
        A beat may be the one that ends it, the first as well as a later one.
        """

        def beats_until(last: int) -> int:
            beats: list[float] = []

            def beat() -> None:
                beats.append(self.clock.seconds())
                if len(beats) == last:
                    heartbeat.stop()

            heartbeat = Heartbeat(self.clock, INTERVAL, lambda: INTERVAL, beat)
            heartbeat.begin(GRACE)
            self.clock.pump([1.0] * 40)
            return len(beats)

        self.assertEqual(beats_until(1), 1)
        self.assertEqual(beats_until(2), 2)
        self.assert_quiet()

    def test_bug(self) -> None:
        """
        A beat that breaks is logged, and ends it.
        """

        def beat() -> None:
            beats.append(self.clock.seconds())
            if len(beats) == 2:
                raise ZeroDivisionError

        beats: list[float] = []
        heartbeat = Heartbeat(self.clock, INTERVAL, lambda: INTERVAL, beat)
        heartbeat.begin(GRACE)
        self.clock.pump([1.0] * 40)
        self.assertEqual(beats, [2.0, 12.0])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_quiet()
