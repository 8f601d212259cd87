# -*- test-case-name: ler.test.test_simulator -*-
"""
Tests of L{ler.slot.simulator}, and of what L{ler.slot.fair} adds up to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from statistics import mean

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from ler.interfaces import IPolicy, Residency, SettleReport
from ler.slot.bounds import exact
from ler.slot.fair import Fair
from ler.slot.leases import Lease
from ler.slot.options import SlotOptions
from ler.slot.policy import Fifo, Join
from ler.slot.record import Answered
from ler.slot.simulator import Outcome, Simulation
from ler.slot.slot import Slot
from ler.slot.swap import Swap
from ler.slot.token import LoadingToken
from ler.slot.traces import TRACES, A, Agent, Arrival, B, Trace, poisson
from ler.slot.wish import NEVER, Priority, Terms
from ler.testing import FakeEngine, FakeMemory

MAX_WAIT = 60.0

# By trace, policy and seed: swaps, makespan, and the median, 99th percentile and longest of the
# waits, as another program, written apart from this one, reckons them.
KNOWN: dict[tuple[str, type[Fifo | Join], int], tuple[int, float, float, float, float]] = {
    ("T1 alternate", Fifo, 0): (39, 803.5, 317.0, 647.0, 647.0),
    ("T1 alternate", Join, 0): (8, 183.5, 20.0, 41.0, 41.0),
    ("T2 burst", Fifo, 0): (59, 1003.9888, 489.8573, 1001.6783, 1001.6783),
    ("T2 burst", Join, 1): (2, 144.6784, 74.6773, 142.625, 142.625),
    ("T3 nine to one", Fifo, 0): (106, 2031.7003, 327.556, 805.1962, 831.7677),
    ("T3 nine to one", Join, 1): (53, 1219.2782, 14.3076, 38.753, 47.5762),
    ("T4 three models", Fifo, 1): (217, 4301.0811, 1433.9765, 3104.6737, 3113.8413),
    ("T4 three models", Join, 0): (50, 1247.8278, 29.3001, 70.9901, 73.882),
    ("T5 agents", Fifo, 0): (60, 1544.0395, 42.8182, 49.5457, 49.5457),
    ("T5 agents", Join, 1): (59, 1537.7251, 43.31, 57.1674, 57.1674),
    ("T6 hot and rare", Fifo, 1): (16, 1570.179, 3.4926, 49.455, 51.8699),
    ("T6 hot and rare", Join, 0): (2, 1287.8957, 3.3832, 6.9738, 1211.0968),
    ("T7 batch and chat", Join, 1): (2, 890.7777, 40.7329, 142.2613, 163.2961),
    ("T8 big and slow", Fifo, 0): (149, 10333.0536, 3196.4086, 6641.0536, 6752.7146),
    ("T8 big and slow", Join, 1): (44, 3735.1703, 108.289, 237.5462, 241.4378),
}


def within(max_wait: float) -> Callable[[Residency, Priority], Terms]:
    """
    @return: terms by which every request is due after that long.
    """
    return lambda target, priority: Terms(max_wait)


def play(trace: Trace, policy: IPolicy, max_wait: float = NEVER) -> Outcome:
    """
    @return: what C{policy} makes of C{trace}.
    """
    return Simulation(trace, policy, within(max_wait)).run()


class SimulationTests(SynchronousTestCase):
    """
    L{Simulation} plays one slot.
    """

    def test_known(self) -> None:
        """
        It reckons what another program does.
        """
        for (name, policy, seed), expected in KNOWN.items():
            outcome = play(TRACES[name](Random(seed)), policy())
            found = (
                outcome.makespan,
                outcome.percentile(0.5),
                outcome.percentile(0.99),
                outcome.longest,
            )
            self.assertEqual(outcome.swaps, expected[0], (name, policy, seed))
            for mine, other in zip(found, expected[1:], strict=True):
                self.assertApproximates(mine, other, 1e-4)

    def test_story(self) -> None:
        """
        A switch waits for the running answer, takes its time, and lets nobody
        in meanwhile.
        """
        trace = Trace(
            {A: 1.0, B: 20.0},
            {A: 2, B: 2},
            [Arrival(A, 0.0, 5.0), Arrival(B, 1.0, 3.0), Arrival(A, 2.0, 4.0)],
        )
        outcome = play(trace, Fifo())
        self.assertEqual(outcome, Outcome(2, 5.0 + 20.0 + 3.0 + 1.0 + 4.0, (0.0, 24.0, 27.0)))

    def test_places(self) -> None:
        """
        As many are answered at once as there are places.
        """
        trace = Trace({A: 1.0}, {A: 2}, [Arrival(A, 0.0, 4.0) for _ in range(5)])
        self.assertEqual(play(trace, Fifo()), Outcome(0, 12.0, (0.0, 0.0, 4.0, 4.0, 8.0)))

    def test_agents(self) -> None:
        """
        An agent asks again when it has been answered.
        """
        trace = Trace({A: 1.0}, {A: 1}, (), [Agent(A, [(1.0, 4.0), (2.0, 4.0)])])
        self.assertEqual(play(trace, Join()), Outcome(0, 11.0, (0.0, 0.0)))

    def test_patient_agents(self) -> None:
        """
        An agent may be of any class.
        """
        agents = [Agent(A, [(1.0, 4.0), (0.0, 4.0)], Priority.BATCH), Agent(A, [(1.0, 4.0)] * 2)]
        trace = Trace({A: 1.0}, {A: 1}, [Arrival(A, 0.0, 4.0)], agents)
        self.assertEqual(Simulation(trace, Join()).run().waits, (0.0, 3.0, 3.0, 4.0, 7.0))

    def test_classes(self) -> None:
        """
        A request keeps its class.
        """
        trace = Trace(
            {A: 1.0},
            {A: 1},
            [
                Arrival(A, 0.0, 4.0),
                Arrival(A, 1.0, 4.0, Priority.BATCH),
                Arrival(A, 2.0, 4.0),
            ],
        )
        self.assertEqual(Simulation(trace, Join()).run().waits, (0.0, 2.0, 7.0))

    def test_queueing_theory(self) -> None:
        """
        With one model and answers of equal length, the mean wait is that of a
        queue of that kind.
        """
        load = 0.7
        arrivals = [Arrival(A, a.at, 1.0) for a in poisson(Random(1), A, load, 1.0, 20000.0)]
        waits = play(Trace({A: 1.0}, {A: 1}, arrivals), Join()).waits
        self.assertApproximates(mean(waits), load / (2 * (1 - load)), 0.15)


class TimedEngine(FakeEngine):
    """
    An engine that takes its time to come, and none to go.
    """

    def __init__(self, key: str, seconds: float, clock: Clock) -> None:
        super().__init__(key, prompt=True)
        self._seconds = seconds
        self._clock = clock

    def bring_up(self, model: str | None) -> Deferred[None]:
        """
        @see: L{IEngine.bring_up<ler.interfaces.IEngine.bring_up>}
        """
        return deferLater(self._clock, self._seconds)


class RealSlotTests(SynchronousTestCase):
    """
    A real slot does what the simulation says.
    """

    def play(self, trace: Trace, policy: IPolicy) -> Outcome:
        """
        @return: what a slot makes of C{trace}.
        """
        clock = Clock()
        engines = {t.engine: TimedEngine(t.engine, trace.swap[t], clock) for t in trace.swap}
        swaps: list[Swap] = []
        answered: list[Answered] = []
        slot = Slot(
            "played",
            engines,
            policy=policy,
            memory=FakeMemory(SettleReport("settled", 0.0)),
            token=LoadingToken(),
            clock=clock,
            options=SlotOptions(
                drain_timeout=None,
                max_concurrency={t.engine: int(places) for t, places in trace.places.items()},
            ),
            swapped=swaps.append,
            answered=answered.append,
            wall=clock.seconds,
        )

        def ask(target: Residency, service: float, steps: Iterator[tuple[float, float]]) -> None:
            def answer(lease: Lease) -> None:
                clock.callLater(service, end, lease)

            def end(lease: Lease) -> None:
                lease.release()
                go_on(target, steps)

            slot.acquire(target).addCallback(answer)

        def go_on(target: Residency, steps: Iterator[tuple[float, float]]) -> None:
            for gap, service in steps:
                clock.callLater(gap, ask, target, service, steps)
                return

        engines[trace.resident.engine].holding = (trace.resident,)
        slot.adopt()
        for arrival in trace.arrivals:
            clock.callLater(arrival.at, ask, arrival.target, arrival.service, iter(()))
        for agent in trace.agents:
            go_on(agent.target, iter(agent.steps))
        while clock.getDelayedCalls():
            clock.advance(clock.getDelayedCalls()[0].getTime() - clock.seconds())
        waits = tuple(sorted(each.waited for each in answered))
        return Outcome(len(swaps), max(each.ended for each in answered), waits)

    def test_same(self) -> None:
        """
        It swaps as often, and lets everybody in at the same time.
        """
        for name in ("T2 burst", "T3 nine to one", "T5 agents", "T7 batch and chat"):
            for policy in (Fifo(), Join(), Fair()):
                trace = TRACES[name](Random(5))
                real, simulated = self.play(trace, policy), play(trace, policy, MAX_WAIT)
                self.assertEqual(real.swaps, simulated.swaps, (name, policy.name))
                self.assertApproximates(real.makespan, simulated.makespan, 1e-6)
                for mine, other in zip(real.waits, simulated.waits, strict=True):
                    self.assertApproximates(mine, other, 1e-6)


class OutcomeTests(SynchronousTestCase):
    """
    L{Outcome} sums up.
    """

    def test_percentiles(self) -> None:
        """
        A percentile is a wait that so many did not exceed.
        """
        outcome = Outcome(0, 0.0, tuple(float(wait) for wait in range(1, 101)))
        shares = (0.0, 0.5, 0.99, 1.0)
        self.assertEqual([outcome.percentile(s) for s in shares], [1.0, 50.0, 99.0, 100.0])
        self.assertEqual(outcome.longest, 100.0)


class FairTests(SynchronousTestCase):
    """
    What L{Fair} makes of the traces, knowing nothing when it begins.
    """

    seeds = range(3)

    def play(self, name: str, policy: IPolicy, max_wait: float) -> list[Outcome]:
        """
        @return: one outcome a seed.
        """
        return [play(TRACES[name](Random(seed)), policy, max_wait) for seed in self.seeds]

    def makespan(self, name: str, policy: IPolicy, max_wait: float = NEVER) -> float:
        """
        @return: the mean.
        """
        return mean(outcome.makespan for outcome in self.play(name, policy, max_wait))

    def test_as_fast_as_join(self) -> None:
        """
        Where joining is best it is hardly slower.
        """
        for name in TRACES:
            if name[:2] not in ("T5", "T6"):
                fair, join = self.makespan(name, Fair(), MAX_WAIT), self.makespan(name, Join())
                self.assertLessEqual(fair, 1.10 * join, name)

    def test_few_swaps(self) -> None:
        """
        A burst takes one turn for each model.
        """
        swaps = mean(outcome.swaps for outcome in self.play("T2 burst", Fair(), MAX_WAIT))
        self.assertLessEqual(swaps, 3)

    def test_agents(self) -> None:
        """
        Agents keep their turn over the gaps between their requests.
        """
        self.assertLessEqual(self.makespan("T5 agents", Fair(), MAX_WAIT), 900.0)
        self.assertGreater(self.makespan("T5 agents", Join()), 1500.0)

    def test_nobody_starves(self) -> None:
        """
        A rival of a model that is never idle waits for no longer than was
        promised and a swap; by joining it waits until the end.
        """
        fair = mean(outcome.longest for outcome in self.play("T6 hot and rare", Fair(), MAX_WAIT))
        join = mean(outcome.longest for outcome in self.play("T6 hot and rare", Join(), NEVER))
        self.assertLessEqual(fair, MAX_WAIT + 20.0)
        self.assertGreater(join, 1000.0)

    def test_near_the_best(self) -> None:
        """
        It takes no more than twice the swaps of the best schedule that keeps
        the same promise and knows the future.
        """
        traces = [TRACES["T1 alternate"](Random(0))]
        for seed in range(3):
            random = Random(seed)
            arrivals = poisson(random, A, 0.25, 2.0, 600.0) + poisson(random, B, 0.04, 2.0, 600.0)
            traces.append(Trace({A: 15.0, B: 15.0}, {A: 1, B: 1}, arrivals))
        for trace in traces:
            best = exact(trace, MAX_WAIT)
            assert best is not None
            self.assertLessEqual(play(trace, Fair(), MAX_WAIT).swaps, 2 * best.swaps)
