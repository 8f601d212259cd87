# -*- test-case-name: ler.test.test_memory_release -*-
"""
The loop that watches one release of memory: it feeds the rule of
L{ler.memory.settle} from the channels, and does what the rule asks for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ler.interfaces import IMemoryChannel, IRelease, SettleReport
from ler.memory.hidden import DROP_CACHE, HiddenMemory
from ler.memory.probes import AVAILABLE, FREE
from ler.memory.report import Curve, breakdown
from ler.memory.settle import (
    GROWTH_SENSITIVE,
    INSUFFICIENT,
    SETTLED,
    SETTLED_SHORT,
    UNREADABLE,
    Ask,
    Detector,
    Goal,
    noise,
    worst,
)
from ler.memory.tuning import DEFAULT_TUNING, Tuning

#: While answers drain, the noise of each channel is taken from so many
#: readings, so far apart.
NOISE_READINGS = 20
NOISE_INTERVAL = 0.05

#: How long to wait where no channel can be read.
BLIND_WAIT = 2.0


@dataclass(frozen=True)
class Terms:
    """
    What is known of the two engines of a release.

    @ivar outgoing: the key of the engine that goes, or L{None}.
    @ivar expect: from the name of a channel, and the bytes free in all of
        them, those in hiding included, to the bytes that should come back
        there; L{None} when nobody knows.
    @ivar needs: bytes that the incoming engine asks for, by channel.
    @ivar firm: whether they were configured.
    @ivar sizing: how the incoming engine sizes itself.
    @ivar timeout: seconds to wait for memory that is not on its way.
    @ivar alive: whether the outgoing tree exists; L{None} when unknown.
    """

    outgoing: str | None
    expect: Callable[[str, Mapping[str, int]], int | None]
    needs: Mapping[str, int]
    firm: bool
    sizing: str
    timeout: float
    alive: Callable[[], bool | None]


class Watch:
    """
    One channel under watch.

    @ivar verdict: how it ended, once it has.
    @ivar read_seconds: time spent in reading the channel.
    @ivar assist: pending while hidden memory is brought out.
    """

    def __init__(
        self, channel: IMemoryChannel, goal: Goal, tuning: Tuning, sample: Callable[[Watch], None]
    ) -> None:
        self.channel = channel
        self.detector = Detector(goal, tuning)
        self.loop = LoopingCall(sample, self)
        self.curve = Curve()
        self.verdict: str | None = None
        self.read_seconds = 0.0
        self.assist: Deferred[None] | None = None


@implementer(IRelease)
class Release:
    """
    One release of memory under watch.

    @ivar watches: the channels that count, since the base line was taken.
    """

    _log = Logger()

    def __init__(
        self,
        terms: Terms,
        channels: Sequence[IMemoryChannel],
        clock: IReactorTime,
        hidden: HiddenMemory,
        *,
        ended: Callable[[Release, SettleReport], None],
        tuning: Tuning = DEFAULT_TUNING,
    ) -> None:
        """
        @param ended: called with the report just before the waiter gets it.
        """
        self.watches: list[Watch] = []
        self._terms = terms
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock
        self._hidden = hidden
        self._ended = ended
        self._tuning = tuning
        self._assists: dict[str, str] = {}
        self._loops: list[LoopingCall] = []
        self._stopped_at: float | None = None
        self._blind: IDelayedCall | None = None
        self._over = False
        self._broken: Failure | None = None
        self._waiter: Deferred[SettleReport] | None = None
        self._readings: dict[str, deque[int]] = {
            name: deque(maxlen=NOISE_READINGS) for name in self._channels
        }
        self._start(LoopingCall(self._read_noise), NOISE_INTERVAL)

    def stopping(self) -> None:
        """
        @see: L{IRelease.stopping}
        """
        if self._over:
            return
        self._stop_loops()
        self._read_noise()
        self._stopped_at = self._clock.seconds()
        bases = {
            name: int(median(readings)) for name, readings in self._readings.items() if readings
        }
        hidden = self._hidden.look()
        goals = {name: self._goal(name, bases, hidden) for name in bases}
        # What must settle: what the incoming engine asks for, and what the
        # outgoing one has memory in.
        counting = [
            name
            for name, goal in goals.items()
            if goal.need is not None or (goal.expect or 0) > self._tuning.all_back
        ]
        self.watches = [
            Watch(self._channels[name], goals[name], self._tuning, self._sample)
            for name in counting or list(goals)[:1]
        ]
        for watch in self.watches:
            self._start(watch.loop, watch.channel.interval)

    def wait(self) -> Deferred[SettleReport]:
        """
        @see: L{IRelease.wait}
        """
        if self._stopped_at is None:
            self.stopping()
        waiter: Deferred[SettleReport] = Deferred(lambda _: self._stop())
        self._waiter = waiter
        if self._broken is not None:
            waiter.errback(self._broken)
        elif not self.watches:
            self._conclude()
        for watch in self.watches:
            self._judge(watch)
        return waiter

    def cancel(self) -> None:
        """
        @see: L{IRelease.cancel}
        """
        self._stop()
        if self._waiter is not None:
            self._waiter.cancel()

    # Reading.

    def _start(self, loop: LoopingCall, interval: float) -> None:
        loop.clock = self._clock
        self._loops.append(loop)
        loop.start(interval).addErrback(self._failed)

    def _stop_loops(self) -> None:
        for loop in self._loops:
            if loop.running:
                loop.stop()

    def _stop(self) -> None:
        self._over = True
        self._stop_loops()
        if self._blind is not None and self._blind.active():
            self._blind.cancel()
        for watch in self.watches:
            if watch.assist is not None:
                watch.assist.cancel()

    def _failed(self, failure: Failure) -> None:
        """
        A loop has ended on a bug of ours; nobody may wait for it for ever.
        """
        self._log.failure("could not watch the memory", failure=failure)
        self._broken = failure
        self._stop()
        if self._waiter is not None and not self._waiter.called:
            self._waiter.errback(failure)

    def _read_noise(self) -> None:
        for name, channel in self._channels.items():
            value = channel.read()
            if value is not None:
                self._readings[name].append(value)

    def _goal(self, name: str, bases: Mapping[str, int], hidden: int) -> Goal:
        """
        @return: what the release is held against in the channel C{name}.
        """
        return Goal(
            base=bases[name],
            expect=self._terms.expect(
                name, {each: base + self._hidden_of(each, hidden) for each, base in bases.items()}
            ),
            need=self._terms.needs.get(name),
            firm=self._terms.firm,
            sizing=self._terms.sizing,
            sigma=noise(self._readings[name]),
            hidden=self._hidden_of(name, hidden) + self._cache_of(name),
            interval=self._channels[name].interval,
            timeout=self._terms.timeout,
        )

    def _sample(self, watch: Watch) -> None:
        before = self._clock.seconds()
        value = watch.channel.read()
        now = self._clock.seconds()
        watch.read_seconds += now - before
        watch.detector.feed(now, value, self._terms.alive())
        if value is not None:
            watch.curve.add(watch.detector.elapsed, value)
        if self._waiter is not None:
            self._judge(watch)

    def _hidden_of(self, name: str, hidden: int) -> int:
        """
        @return: what of C{hidden}, all in the host, the channel would show.
        """
        return hidden if name in (AVAILABLE, FREE) else 0

    def _cache_of(self, name: str) -> int:
        """
        @return: bytes of page cache that the channel does not show.
        """
        available = self._channels.get(AVAILABLE)
        if name != FREE or available is None:
            return 0
        return max(0, (available.read() or 0) - (self._channels[FREE].read() or 0))

    # Judging.

    def _judge(self, watch: Watch) -> None:
        if self._over or watch.verdict is not None:
            return
        answer = watch.detector.decide()
        while answer is Ask.HIDDEN:
            name = watch.channel.name
            watch.detector.feed_hidden(
                self._hidden_of(name, self._hidden.look()), self._cache_of(name)
            )
            answer = watch.detector.decide()
        if answer is Ask.ASSIST:
            watch.assist = Deferred.fromCoroutine(self._assist(watch))
            watch.assist.addErrback(self._assist_failed).addBoth(self._assisted, watch)
        elif not isinstance(answer, Ask):
            if watch.assist is not None and answer in (SETTLED, SETTLED_SHORT, INSUFFICIENT):
                return
            watch.verdict = answer
            watch.loop.stop()
            if answer == UNREADABLE:
                self._log.warn(
                    "memory channel {channel} cannot be read", channel=watch.channel.name
                )
            self._conclude()

    async def _assist(self, watch: Watch) -> None:
        """
        Bring hidden memory out, as gently as does it.
        """
        for verb in self._hidden.verbs:
            if verb == DROP_CACHE and (
                watch.channel.name != FREE or self._terms.sizing == GROWTH_SENSITIVE
            ):
                continue
            done = await self._hidden.bring_out(verb)
            self._assists[verb] = "done" if done else "refused"
            value = watch.channel.read()
            if value is not None and not watch.detector.lacks(value):
                return

    def _assist_failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("could not bring hidden memory out", failure=failure)

    def _assisted(self, _: None, watch: Watch) -> None:
        watch.assist = None

    def _conclude(self) -> None:
        """
        End the wait if every channel has ended, or one is hopeless.
        """
        verdicts = [watch.verdict for watch in self.watches]
        if INSUFFICIENT not in verdicts and None in verdicts:
            return
        verdict = worst([v for v in verdicts if v is not None])
        self._stop()
        if verdict == UNREADABLE:
            self._blind = self._clock.callLater(BLIND_WAIT, self._finish, verdict)
        else:
            self._finish(verdict)

    def _finish(self, verdict: str) -> None:
        report = self._report(verdict)
        try:
            self._ended(self, report)
        finally:
            assert self._waiter is not None
            self._waiter.callback(report)

    def _report(self, verdict: str) -> SettleReport:
        """
        @return: how the wait ended, as the channel tells it that decided.
        """
        waited = max(0.0, self._clock.seconds() - (self._stopped_at or 0.0))
        if verdict == UNREADABLE:
            return SettleReport(verdict, waited)
        deciding = [watch for watch in self.watches if watch.verdict == verdict]
        watch = min(deciding, key=lambda watch: watch.detector.level)
        found, goal = watch.detector, watch.detector.goal
        fields = {
            "channel": watch.channel.name,
            "base": goal.base,
            "peak": found.peak,
            "expect": goal.expect,
            "returned_ratio": found.returned / goal.expect if goal.expect else None,
            "firm": goal.firm,
            "hidden": found.hidden,
            "rate_max": found.rate_max,
            "stalls": found.stalls,
            "longest_stall": found.longest_stall,
            "waited_after_death": None if found.died is None else found.elapsed - found.died,
            "after_last_rise": found.elapsed - found.last_rise,
            "samples": found.samples,
            "errors": sum(watch.detector.errors for watch in self.watches),
            "read_seconds": watch.read_seconds / max(1, found.samples),
            "sigma": goal.sigma,
            "assists": dict(self._assists),
            "assisted": "done" in self._assists.values(),
            "extended": found.extended,
            "competing": found.competing,
            "low_confidence": goal.expect is None and self._terms.alive() is None,
            "detail": breakdown(
                available=found.level,
                holder=self._terms.outgoing,
                missing=found.missing if found.missing > found.all_back else 0,
                hidden=found.hidden,
            ),
        }
        return SettleReport(verdict, waited, found.level, goal.need, found.missing, fields)
