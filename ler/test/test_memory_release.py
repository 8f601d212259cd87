# -*- test-case-name: ler.test.test_memory_release -*-
"""
The loop that watches one release of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import IRelease, SettleReport
from ler.memory.hidden import DROP_SLAB, STAT_REFRESH
from ler.memory.release import BLIND_WAIT, Release, Terms
from ler.memory.settle import (
    ABSOLUTE,
    ALREADY_FREE,
    FROM_FREE,
    INSUFFICIENT,
    SETTLED,
    SETTLED_SHORT,
    UNREADABLE,
)
from ler.memory.tuning import GIB, MIB
from ler.test.settle_curves import (
    BY_NAME,
    Curve,
    FakeHidden,
    Simulation,
    lin,
    nothing,
)
from ler.testing import FakeMemoryChannel


def simulation(name: str = "linear_2s") -> Simulation:
    """
    @return: a release that follows the curve of that name.
    """
    return Simulation(BY_NAME[name], random=Random(1))


class ReleaseTests(SynchronousTestCase):
    """
    One release, from the drain to the verdict.
    """

    def test_interface(self) -> None:
        """
        A release provides L{IRelease}.
        """
        self.assertTrue(verifyObject(IRelease, simulation().release))

    def test_base_line(self) -> None:
        """
        The base line is what was free before the engine was told to stop, and
        what comes back counts from then on.
        """
        watched = simulation()
        report = watched.run().report
        self.assertEqual(32 * GIB, report.fields["base"])
        self.assertEqual(112 * GIB, report.available)
        self.assertEqual(1.0, report.fields["returned_ratio"])
        self.assertEqual([], watched.clock.getDelayedCalls())

    def test_drain_is_read_gently(self) -> None:
        """
        While answers drain, a channel is read twenty times a second.
        """
        watched = simulation()
        (channel,) = watched.channels
        for _ in range(100):
            watched.clock.advance(0.01)
        self.assertEqual(21, channel.reads)

    def test_noise_is_measured(self) -> None:
        """
        The drain tells how noisy a channel is.
        """
        sigma = simulation("noise_300").run().report.fields["sigma"]
        assert isinstance(sigma, float)
        self.assertTrue(50 * MIB < sigma < 400 * MIB, sigma)
        self.assertEqual(0, simulation().run().report.fields["sigma"])

    def test_nothing_to_stop(self) -> None:
        """
        Where nothing was to be stopped, the wait takes the base line.
        """
        watched = simulation("already_free")
        watched.clock.advance(watched.DRAIN)
        outcome = watched.wait()
        for _ in range(8):
            watched.clock.advance(0.005)
        self.assertEqual(SETTLED, self.successResultOf(outcome).report.verdict)

    def test_verdict_waits_for_the_question(self) -> None:
        """
        Memory that came back while the engine was still being stopped is told
        at once when it is asked for, and watched until then.
        """
        watched = simulation()
        watched.drain()
        for _ in range(1000):
            watched.clock.advance(0.005)
        report = self.successResultOf(watched.wait()).report
        self.assertEqual(SETTLED, report.verdict)
        self.assertEqual(5.0, round(report.waited, 3))
        self.assertEqual([], watched.clock.getDelayedCalls())

    def test_times(self) -> None:
        """
        The report tells how long after the death of the tree, and after the
        last rise, the wait ended.
        """
        report = simulation().run().report
        after_death = report.fields["waited_after_death"]
        after_rise = report.fields["after_last_rise"]
        assert isinstance(after_death, float)
        assert isinstance(after_rise, float)
        self.assertTrue(2.02 < report.waited < 2.05, report.waited)
        self.assertTrue(0.0 <= after_death < 0.03, after_death)
        self.assertTrue(0.02 < after_rise < 0.04, after_rise)

    def test_unknown_death(self) -> None:
        """
        Nothing is told of a death that nobody could see, and with no account
        either the verdict is a guess.
        """
        curve = Curve("unknown", lin(3, 0, 1), expect=None)
        fields = Simulation(curve, random=Random(1), liveness=False).run().report.fields
        self.assertIsNone(fields["waited_after_death"])
        self.assertTrue(fields["low_confidence"])

    def test_idle_channel(self) -> None:
        """
        A channel that the engine had no memory in, and that nobody asks for,
        does not count.
        """
        watched = Simulation(
            {"mem": BY_NAME["linear_2s"], "cgroup": Curve("flat", nothing, expect=0)},
            random=Random(1),
        )
        report = watched.run().report
        self.assertEqual(["mem"], [watch.channel.name for watch in watched.release.watches])
        self.assertEqual("mem", report.fields["channel"])

    def test_nothing_expected(self) -> None:
        """
        Where no channel counts for anything, that of the host does.
        """
        watched = Simulation(
            {"mem": BY_NAME["already_free"], "cgroup": Curve("flat", nothing, expect=0)},
            random=Random(1),
        )
        self.assertEqual(SETTLED, watched.run().report.verdict)
        self.assertEqual(["mem"], [watch.channel.name for watch in watched.release.watches])

    def test_insufficient_detail(self) -> None:
        """
        A verdict that nothing can start carries the account in words.
        """
        watched = Simulation(BY_NAME["half_pooled"], random=Random(1), need=100)
        report = watched.run().report
        self.assertEqual(INSUFFICIENT, report.verdict)
        self.assertEqual(100 * GIB, report.need)
        self.assertEqual(
            "72.0 GiB are free, 40.0 GiB that engine old took did not come back",
            report.fields["detail"],
        )


class CancelTests(SynchronousTestCase):
    """
    Releases that nobody wants to see the end of.
    """

    def test_draining(self) -> None:
        """
        A release can be dropped while answers drain; what follows is ignored.
        """
        watched = simulation()
        watched.release.cancel()
        watched.release.cancel()
        watched.release.stopping()
        self.assertEqual([], watched.clock.getDelayedCalls())

    def test_waiting(self) -> None:
        """
        Dropping a release fails its waiter.
        """
        watched = simulation()
        watched.drain()
        outcome = watched.release.wait()
        watched.release.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual([], watched.clock.getDelayedCalls())

    def test_cancelled_by_the_waiter(self) -> None:
        """
        A waiter that gives up stops the watch.
        """
        watched = simulation()
        watched.drain()
        outcome = watched.release.wait()
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual([], watched.clock.getDelayedCalls())

    def test_after_the_verdict(self) -> None:
        """
        After the verdict there is nothing to drop.
        """
        watched = simulation()
        watched.run()
        watched.release.cancel()


class BrokenTests(SynchronousTestCase):
    """
    Channels that fail.
    """

    def release(
        self,
        *readings: Callable[[], int | None],
        need: int | None = None,
        fails: bool = False,
    ) -> tuple[Clock, Release, list[SettleReport]]:
        """
        @param readings: one function for each channel.
        @param fails: whether the account of the end fails.
        @return: a release, its clock, and the reports that it gave.
        """
        clock = Clock()
        channels = []
        for number, reading in enumerate(readings):
            channel = FakeMemoryChannel(reading)
            channel.name = f"channel{number}"
            channels.append(channel)
        reports: list[SettleReport] = []

        def ended(release: Release, report: SettleReport) -> None:
            if fails:
                raise ZeroDivisionError
            reports.append(report)

        terms = Terms(
            outgoing=None,
            expect=lambda name, bases: 0,
            needs={} if need is None else {channel.name: need for channel in channels},
            firm=True,
            sizing=ABSOLUTE,
            timeout=25.0,
            alive=lambda: False,
        )
        release = Release(terms, channels, clock, FakeHidden(), ended=ended)
        return clock, release, reports

    def test_never_readable(self) -> None:
        """
        Where nothing can be read a fixed time is waited.
        """
        clock, release, reports = self.release(lambda: None)
        outcome = release.wait()
        clock.advance(BLIND_WAIT - 0.1)
        self.assertNoResult(outcome)
        clock.advance(0.1)
        report = self.successResultOf(outcome)
        self.assertEqual([report], reports)
        self.assertEqual(UNREADABLE, report.verdict)
        self.assertIsNone(report.available)
        self.assertEqual([], clock.getDelayedCalls())

    def test_no_channel(self) -> None:
        """
        The same where there is no channel at all.
        """
        clock, release, _ = self.release()
        outcome = release.wait()
        clock.advance(BLIND_WAIT)
        self.assertEqual(UNREADABLE, self.successResultOf(outcome).verdict)

    def test_cancelled_while_blind(self) -> None:
        """
        That fixed time can be cut short.
        """
        clock, release, reports = self.release(lambda: None)
        outcome = release.wait()
        release.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual([], clock.getDelayedCalls())
        self.assertEqual([], reports)

    def test_one_of_two(self) -> None:
        """
        A channel that stops being readable leaves the word to the others.
        """
        readings = iter([8 * GIB, 8 * GIB])
        clock, release, _ = self.release(
            lambda: 9 * GIB, lambda: next(readings, None), need=8 * GIB
        )
        outcome = release.wait()
        for _ in range(20):
            clock.advance(0.005)
        self.assertEqual(ALREADY_FREE, self.successResultOf(outcome).verdict)

    def test_bug(self) -> None:
        """
        A bug in a channel fails the wait instead of making it last for ever.
        """
        readings = iter([1, 1, 1])
        clock, release, reports = self.release(lambda: next(readings))
        outcome = release.wait()
        clock.advance(0.005)
        self.failureResultOf(outcome, StopIteration)
        self.assertEqual(1, len(self.flushLoggedErrors(StopIteration)))
        self.assertEqual([], clock.getDelayedCalls())
        self.assertEqual([], reports)

    def test_bug_before_the_question(self) -> None:
        """
        The same when it happened before anybody asked.
        """
        readings = iter([1, 1, 1])
        clock, release, _ = self.release(lambda: next(readings))
        release.stopping()
        clock.advance(0.005)
        self.failureResultOf(release.wait(), StopIteration)
        self.flushLoggedErrors(StopIteration)

    def test_bug_in_the_account(self) -> None:
        """
        Whoever keeps the account may fail; the waiter gets the verdict.
        """
        clock, release, _ = self.release(lambda: 9 * GIB, fails=True)
        outcome = release.wait()
        for _ in range(8):
            clock.advance(0.005)
        self.assertEqual(SETTLED, self.successResultOf(outcome).verdict)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))


class AssistTests(SynchronousTestCase):
    """
    Hidden memory that is brought out.
    """

    def start(
        self, verbs: tuple[str, ...], answer: Callable[[str], Deferred[bool]]
    ) -> tuple[Simulation, Deferred[SettleReport]]:
        """
        @return: a release of which half never comes, three seconds after its
            last rise, and the wait for it.
        """
        watched = Simulation(
            BY_NAME["half_pooled"], random=Random(1), verbs=verbs, bring_out=answer
        )
        watched.drain()
        outcome = watched.release.wait()
        self.pass_time(watched, 4.0)
        return watched, outcome

    def pass_time(self, watched: Simulation, seconds: float) -> None:
        """
        Let C{seconds} pass.
        """
        for _ in range(round(seconds / 0.005)):
            watched.clock.advance(0.005)

    def test_in_turn(self) -> None:
        """
        One verb is done after the other, and the report says what was done
        and what was refused.
        """
        answers: list[tuple[str, Deferred[bool]]] = []

        def bring_out(verb: str) -> Deferred[bool]:
            answers.append((verb, Deferred()))
            return answers[-1][1]

        watched, outcome = self.start((STAT_REFRESH, DROP_SLAB), bring_out)
        self.assertEqual([STAT_REFRESH], [verb for verb, _ in answers])
        answers[0][1].callback(False)
        self.assertEqual([STAT_REFRESH, DROP_SLAB], [verb for verb, _ in answers])
        answers[1][1].callback(True)
        self.pass_time(watched, 3.0)
        report = self.successResultOf(outcome)
        self.assertEqual(SETTLED_SHORT, report.verdict)
        self.assertEqual({STAT_REFRESH: "refused", DROP_SLAB: "done"}, report.fields["assists"])

    def test_verdict_waits(self) -> None:
        """
        Nothing is given up while hidden memory is being brought out.
        """
        answer: Deferred[bool] = Deferred()
        watched, outcome = self.start((DROP_SLAB,), lambda verb: answer)
        self.pass_time(watched, 10.0)
        self.assertNoResult(outcome)
        answer.callback(True)
        self.pass_time(watched, 0.01)
        self.assertEqual(SETTLED_SHORT, self.successResultOf(outcome).verdict)

    def test_cancelled(self) -> None:
        """
        A release can be dropped meanwhile.
        """
        answer: Deferred[bool] = Deferred()
        watched, outcome = self.start((DROP_SLAB,), lambda verb: answer)
        watched.release.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual([], watched.clock.getDelayedCalls())

    def test_bug(self) -> None:
        """
        A bug there is logged, and the wait goes on.
        """
        answer: Deferred[bool] = Deferred()
        watched, outcome = self.start((DROP_SLAB,), lambda verb: answer)
        answer.errback(ZeroDivisionError())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.pass_time(watched, 3.0)
        self.assertEqual(SETTLED_SHORT, self.successResultOf(outcome).verdict)

    def test_enough(self) -> None:
        """
        Once a verb has brought out what was wanted, the next is left alone.
        """
        pool = [0.0]

        def bring_out(verb: str) -> Deferred[bool]:
            pool[0] = 40.0
            return succeed(True)

        watched = Simulation(
            Curve("pooled", lambda t: lin(40, 0, 1)(t) + pool[0]),
            random=Random(1),
            sizing=FROM_FREE,
            verbs=(STAT_REFRESH, DROP_SLAB),
            bring_out=bring_out,
        )
        self.assertEqual(SETTLED, watched.run().report.verdict)
        self.assertEqual([STAT_REFRESH], watched.hidden.orders)
