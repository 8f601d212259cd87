# -*- test-case-name: ler.test.test_settle -*-
"""
Curves of memory coming back, and releases that follow them on a fake clock;
for the tests and the benchmark.

Sizes are GiB and times are seconds; time 0 is when the engine is told to stop.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ler.interfaces import SettleReport
from ler.memory.hidden import HiddenMemory
from ler.memory.release import NOISE_INTERVAL, Release, Terms
from ler.memory.settle import FROM_FREE
from ler.memory.tuning import GIB
from ler.testing import FakeMemoryChannel

Shape = Callable[[float], float]


def lin(amount: float, start: float, duration: float) -> Shape:
    """
    @return: C{amount} released evenly over C{duration}, from C{start} on.
    """
    return lambda t: amount * min(1.0, max(0.0, (t - start) / duration))


def total(*shapes: Shape) -> Shape:
    """
    @return: the sum of C{shapes}.
    """
    return lambda t: sum(shape(t) for shape in shapes)


def stairs(count: int, height: float, start: float, every: float) -> Shape:
    """
    @return: C{count} steps up, each C{height} high.
    """
    return lambda t: height * sum(t >= start + every * k for k in range(count))


def points(*known: tuple[float, float]) -> Shape:
    """
    @return: a recording, with straight lines between its points.
    """
    times = [t for t, _ in known]

    def shape(t: float) -> float:
        after = bisect_right(times, t)
        if after == 0:
            return known[0][1]
        if after == len(known):
            return known[-1][1]
        (t0, r0), (t1, r1) = known[after - 1], known[after]
        return r0 + (r1 - r0) * (t - t0) / (t1 - t0)

    return shape


def sawtooth(height: float, rise: float, fall: float) -> Shape:
    """
    @return: somebody who takes C{height} in C{rise} seconds, gives it back in
        C{fall}, and begins again.
    """

    def shape(t: float) -> float:
        phase = max(0.0, t) % (rise + fall)
        if phase < rise:
            return -height * phase / rise
        return -height * (rise + fall - phase) / fall

    return shape


def nothing(t: float) -> float:
    """
    Nothing comes back, or nobody else is there.
    """
    return 0.0


@dataclass(frozen=True)
class Curve:
    """
    One way in which memory comes back.

    @ivar back: what the engine has returned, over time.
    @ivar expect: what it took, by the ledger; L{None} for no ledger.
    @ivar others: what other programs changed meanwhile.
    @ivar noise: each reading is off by up to this, either way.
    @ivar base: what was free when the engine was told to stop.
    @ivar dead: when its last process was gone.
    """

    name: str
    back: Shape
    expect: float | None = 80.0
    others: Shape = nothing
    noise: float = 0.0
    base: float = 32.0
    dead: float = 0.0

    def read(self, t: float, random: Random) -> int:
        """
        @return: the bytes that a channel shows at C{t}.
        """
        seen = self.base + self.back(t) + self.others(t)
        if self.noise:
            seen += random.uniform(-self.noise, self.noise)
        return int(seen * GIB)


CURVES: Sequence[Curve] = (
    Curve("instant", lambda t: 80.0 if t >= 0 else 0.0),
    Curve("already_free", nothing, expect=0.0),
    Curve("linear_2s", lin(80, 0, 2), dead=2.02),
    Curve("linear_20s_slow", lin(30, 0, 20), expect=30.0),
    Curve("linear_40s", lin(80, 0, 40)),
    Curve("exp_tail", lambda t: 80 * (1 - 2.718281828 ** (-max(0.0, t) / 0.7))),
    Curve("stairs_0.8", stairs(8, 10, 0.1, 0.8)),
    Curve("stairs_1.3", stairs(8, 10, 0.1, 1.3)),
    Curve("stairs16_1.3", stairs(16, 5, 0.1, 1.3)),
    Curve("late_big_drop", lin(80, 3.0, 0.6)),
    Curve("driver_lag", total(lin(12, 0, 0.2), lin(68, 4.2, 0.7)), dead=0.3),
    Curve("noise_300", lin(80, 0, 2), noise=300 / 1024),
    Curve("noise_free", nothing, expect=0.0, noise=300 / 1024),
    Curve("concurrent_growth", lin(80, 0, 2), others=lin(-12, 0.5, 4)),
    Curve("concurrent_release", lin(80, 0, 2), others=lin(6, 2.5, 0.3)),
    Curve("residue", lin(78.5, 0, 1)),
    Curve("slow_leak_other", lin(80, 0, 1), others=lambda t: -0.2 * max(0.0, t)),
    Curve("never_returns", nothing),
    Curve("half_pooled", lin(40, 0, 1)),
    Curve("page_cache_heavy", lin(80, 0, 2)),
    Curve("sawtooth", lin(80, 0, 2), others=sawtooth(4, 1.2, 0.3)),
    Curve("numa_two_step", total(lin(48, 0, 0.4), lin(32, 0.9, 0.4))),
    Curve("pcp_drip", total(lin(79.5, 0, 0.8), lin(0.5, 0.8, 3.1))),
    Curve(
        "pcp_shortfall",
        points(
            *((0, 0), (0.21, 0), (0.32, 0.02), (0.42, 0.35), (0.52, 0.42), (0.62, 0.52)),
            *((0.72, 0.69), (0.82, 1.07), (0.92, 1.67), (1.02, 2.07), (1.32, 3.29), (1.63, 4.37)),
            *((1.93, 5.60), (2.23, 5.93), (2.53, 5.96), (3.15, 5.98), (3.76, 5.98)),
        ),
        expect=8.0,
        dead=2.0,
    ),
    Curve("small_engine", lin(3, 0, 0.5), expect=3.0),
    Curve("ghost_ledger", nothing),
    Curve("ledger_low", lin(80, 0, 2), expect=64.0),
    Curve("ledger_high", lin(64, 0, 2), base=48.0),
    Curve("respawn", lin(80, 0, 1), others=lambda t: -10.0 * max(0.0, t - 1.5)),
    Curve("gpu_and_host", lin(6, 0, 0.2), expect=6.0),
    Curve("container", lin(80, 0, 2)),
    Curve("suspend", lin(80, 0, 2)),
    Curve(
        "loaded_shm",
        points(
            *((0, 0), (1.11, 0.02), (1.51, 0.16), (1.91, 0.71), (2.32, 1.35), (2.73, 2.14)),
            *((3.14, 2.86), (3.55, 3.98), (3.95, 5.28), (4.36, 6.32), (4.76, 7.60)),
            *((5.17, 8.09), (5.57, 8.19), (5.98, 8.23)),
        ),
        expect=8.2,
    ),
    Curve(
        "loaded_4k",
        points(
            *((0, 0), (0.19, 0), (0.25, 0.19), (0.31, 0.41), (0.72, 1.84), (1.12, 3.00)),
            *((1.52, 4.49), (1.92, 5.97), (2.32, 7.17), (2.73, 7.17), (3.14, 7.22)),
            *((4.35, 7.24), (5.97, 7.26)),
        ),
        expect=7.2,
    ),
    Curve(
        "thp",
        points((0, 0), (0.021, 2.82), (0.041, 5.10), (0.061, 7.83), (1, 7.83)),
        expect=7.8,
    ),
)

BY_NAME = {curve.name: curve for curve in CURVES}


def random_curve(random: Random, longest_stall: float, longest: float) -> tuple[Curve, float]:
    """
    @param longest_stall: seconds that a pause may last.
    @param longest: seconds that the whole release may last.
    @return: a release of up to a dozen pieces, each at a rate of its own, with
        pauses between them and a late start; and when it is complete.
    """
    while True:
        amount = random.uniform(4, 110)
        cuts = sorted(random.random() for _ in range(random.randint(0, 11)))
        shares = [b - a for a, b in zip([0.0, *cuts], [*cuts, 1.0], strict=True)]
        t = end = random.uniform(0, 2.5)
        known = [(0.0, 0.0), (t, 0.0)]
        for returned, share in zip(accumulate(shares), shares, strict=True):
            end = t + share * amount / 10 ** random.uniform(-0.30103, 2.30103)
            known.append((end, returned * amount))
            t = end + random.uniform(0, longest_stall)
            known.append((t, returned * amount))
        if end <= longest:
            return Curve("random", points(*known), expect=amount), end


class FakeHidden(HiddenMemory):
    """
    Hidden memory that is what a function says.

    @ivar looks: how often it was looked at.
    @ivar orders: the verbs that were asked for.
    """

    def __init__(
        self,
        look: Callable[[], float] = lambda: 0.0,
        verbs: Collection[str] = (),
        bring_out: Callable[[str], Deferred[bool]] = lambda verb: succeed(True),
    ) -> None:
        """
        @param look: GiB in hiding.
        @param bring_out: like L{HiddenMemory.bring_out}.
        """
        super().__init__(verbs, lambda *args: succeed(None))
        self._look = look
        self._obey = bring_out
        self.looks = 0
        self.orders: list[str] = []

    def look(self) -> int:
        self.looks += 1
        return int(self._look() * GIB)

    def bring_out(self, verb: str) -> Deferred[bool]:
        self.orders.append(verb)
        return self._obey(verb)


@dataclass
class Outcome:
    """
    How a release on a fake clock ended.

    @ivar at: when.
    @ivar reads: readings taken since the engine was told to stop.
    """

    report: SettleReport
    at: float
    reads: int


class Simulation:
    """
    A release that follows curves, on a fake clock.

    @ivar clock: its clock.
    @ivar hidden: its hidden memory.
    @ivar channels: its channels.
    """

    DRAIN = 1.2

    def __init__(
        self,
        curves: Curve | Mapping[str, Curve],
        *,
        random: Random,
        need: float | None = None,
        firm: bool = True,
        sizing: str = FROM_FREE,
        ratio: float = 1.0,
        intervals: Mapping[str, float] | None = None,
        hidden: Shape = nothing,
        verbs: Collection[str] = (),
        bring_out: Callable[[str], Deferred[bool]] = lambda verb: succeed(True),
        liveness: bool = True,
    ) -> None:
        """
        @param curves: one for each channel; one alone is that of the host.
        @param need: GiB that the incoming engine needs, in every channel.
        @param ratio: the share of what it took that the engine tends to return.
        @param hidden: GiB in hiding, over time.
        @param liveness: whether anybody knows if the tree exists.
        """
        self.clock = Clock()
        self._random = random
        self._curves = {"mem": curves} if isinstance(curves, Curve) else dict(curves)
        self.hidden = FakeHidden(lambda: hidden(self.now), verbs, bring_out)
        self.channels = [
            self._channel(name, (intervals or {}).get(name, 0.005)) for name in self._curves
        ]
        self.terms = Terms(
            outgoing="old",
            expect=lambda name, bases: self._expected(name, ratio),
            needs={} if need is None else dict.fromkeys(self._curves, int(need * GIB)),
            firm=firm,
            sizing=sizing,
            timeout=25.0,
            alive=lambda: self.alive() if liveness else None,
        )
        self.release = Release(
            self.terms, self.channels, self.clock, self.hidden, ended=lambda release, report: None
        )

    @property
    def now(self) -> float:
        """
        Seconds since the engine was told to stop.
        """
        return self.clock.seconds() - self.DRAIN

    def alive(self) -> bool:
        """
        @return: whether a process of the outgoing engine exists.
        """
        return any(self.now < curve.dead for curve in self._curves.values())

    def drain(self) -> None:
        """
        Come to the moment at which the engine is told to stop.
        """
        for _ in range(round(self.DRAIN / NOISE_INTERVAL)):
            self.clock.advance(NOISE_INTERVAL)
        for channel in self.channels:
            channel.reads = 0
        self.release.stopping()

    def wait(self) -> Deferred[Outcome]:
        """
        @return: a L{Deferred} firing with how the release ended.
        """
        return self.release.wait().addCallback(
            lambda report: Outcome(
                report, self.now, sum(channel.reads for channel in self.channels)
            )
        )

    def run(self) -> Outcome:
        """
        Drain, stop, and follow the curves to the end of the wait; the reactor
        comes around every 5 to 7 ms.

        @return: how it ended.
        """
        self.drain()
        outcomes: list[Outcome] = []
        self.wait().addCallback(outcomes.append)
        while not outcomes:
            self.clock.advance(self._random.uniform(0.005, 0.007))
        return outcomes[0]

    def _channel(self, name: str, interval: float) -> FakeMemoryChannel:
        curve = self._curves[name]
        channel = FakeMemoryChannel(lambda: curve.read(self.now, self._random), interval)
        channel.name = name
        return channel

    def _expected(self, name: str, ratio: float) -> int | None:
        expect = self._curves[name].expect
        return None if expect is None else int(expect * ratio * GIB)
