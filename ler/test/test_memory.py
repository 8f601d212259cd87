# -*- test-case-name: ler.test.test_memory -*-
"""
The memory of this machine, as a slot sees it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import IMemory, SettleReport
from ler.memory.ledger import Ledger, with_margin
from ler.memory.memory import CURVES_KEPT, Memory
from ler.memory.release import Release
from ler.memory.settle import (
    ABSOLUTE,
    ALREADY_FREE,
    INSUFFICIENT,
    SETTLED,
    SETTLED_SHORT,
    TARGET_MET,
    TIMEOUT,
)
from ler.memory.tuning import GIB
from ler.test.settle_curves import FakeHidden
from ler.testing import FakeMemoryChannel, FakeStateStore

SIZES = ("large", "small", "new")


class Machine:
    """
    A machine with fake memory.

    @ivar free: GiB that are free, by channel; to be changed at will.
    @ivar in_hiding: GiB that hide.
    @ivar observed: what was told of the waits that ended.
    """

    def __init__(
        self,
        *,
        free: Mapping[str, float] | None = None,
        needs: Mapping[str, float] | None = None,
        sizing: Mapping[str, str] | None = None,
        store: FakeStateStore | None = None,
    ) -> None:
        self.clock = Clock()
        self.free: dict[str, float | None] = dict(free or {"mem": 112})
        self.in_hiding = 0.0
        self.store = FakeStateStore() if store is None else store
        self.observed: list[tuple[str | None, str | None, SettleReport]] = []
        self.memory = Memory(
            [self._channel(name) for name in self.free],
            self.clock,
            self.store,
            needs={key: int(need * GIB) for key, need in (needs or {}).items()},
            sizing=sizing or {},
            timeout=25.0,
            assist=FakeHidden(lambda: self.in_hiding),
            observe=lambda *args: self.observed.append(args),
        )

    def _channel(self, name: str) -> FakeMemoryChannel:
        def read() -> int | None:
            free = self.free[name]
            return None if free is None else int(free * GIB)

        channel = FakeMemoryChannel(read)
        channel.name = name
        return channel

    def take(self, amount: float) -> None:
        """
        Somebody takes C{amount} GiB of the host, or gives them back.
        """
        free = self.free["mem"]
        assert free is not None
        self.free["mem"] = free - amount

    def start(self, engine: str, took: float) -> None:
        """
        C{engine} starts and takes C{took} GiB.
        """
        self.memory.starting(engine)
        self.take(took)
        self.memory.started(engine)

    def begin(self, outgoing: str | None, incoming: str | None) -> Release:
        """
        @return: a release of a tree that is gone.
        """
        return self.memory.begin(outgoing, incoming, lambda: False)

    def finish(self, release: Release) -> SettleReport:
        """
        @return: how the wait ends, with nothing else happening meanwhile.
        """
        reports: list[SettleReport] = []
        release.wait().addCallback(reports.append)
        while not reports:
            self.clock.advance(0.005)
        return reports[0]

    def swap(
        self, outgoing: str | None, incoming: str | None, returned: float = 0.0
    ) -> SettleReport:
        """
        C{outgoing} gives back C{returned} GiB at once.

        @return: how the wait for that ended.
        """
        release = self.begin(outgoing, incoming)
        release.stopping()
        self.take(-returned)
        return self.finish(release)


class ShortfallTests(SynchronousTestCase):
    """
    The look before anything is stopped.
    """

    def test_fits(self) -> None:
        """
        What is free, and what the outgoing engine holds, is room.
        """
        machine = Machine(needs={"b": 110})
        self.assertIsNone(machine.memory.shortfall(None, "b"))
        machine.start("a", 80)
        self.assertIsNone(machine.memory.shortfall("a", "b"))

    def test_reload(self) -> None:
        """
        Another configuration has other needs.
        """
        machine = Machine(needs={"b": 500})
        self.assertIsNotNone(machine.memory.shortfall(None, "b"))
        machine.memory.reload(needs={"b": GIB}, sizing={}, timeout=1.0)
        self.assertIsNone(machine.memory.shortfall(None, "b"))

    def test_does_not_fit(self) -> None:
        """
        What nobody could free is refused with the figures.
        """
        machine = Machine(needs={"b": 113})
        machine.start("a", 80)
        error = machine.memory.shortfall("a", "b")
        assert error is not None
        self.assertEqual("b", error.engine)
        self.assertEqual(113 * GIB, error.need)
        self.assertEqual(112 * GIB, error.room)
        self.assertIn("32.0 GiB are free, engine a holds 80.0 GiB", error.message)

    def test_models(self) -> None:
        """
        What is not said of a model is as for its engine.
        """
        machine = Machine(needs={"b": 113, "b/small": 8})
        for fits in ("a/large", "b/small"):
            self.assertIsNone(machine.memory.shortfall(None, fits))
        error = machine.memory.shortfall(None, "b/hf.co/large")
        assert error is not None
        self.assertEqual("b/hf.co/large", error.engine)

    def test_hidden(self) -> None:
        """
        Hidden free memory is room.
        """
        machine = Machine(needs={"b": 113})
        machine.in_hiding = 2
        self.assertIsNone(machine.memory.shortfall(None, "b"))

    def test_container(self) -> None:
        """
        The least of all channels is the room; what hides in the host is none
        in a container.
        """
        machine = Machine(free={"mem": 112, "cgroup": 50}, needs={"b": 51})
        machine.in_hiding = 2
        error = machine.memory.shortfall(None, "b")
        assert error is not None
        self.assertEqual(50 * GIB, error.room)

    def test_page_cache(self) -> None:
        """
        Page cache is room, whoever does not see it.
        """
        machine = Machine(free={"mem": 112, "free": 20}, needs={"b": 100})
        self.assertIsNone(machine.memory.shortfall(None, "b"))

    def test_unknown_holder(self) -> None:
        """
        Nothing is refused while an engine runs of which no account exists.
        """
        machine = Machine(free={"mem": 10}, needs={"b": 100})
        self.assertIsNone(machine.memory.shortfall("a", "b"))

    def test_learned(self) -> None:
        """
        A need that was only learned refuses nothing.
        """
        machine = Machine(sizing={"a": ABSOLUTE})
        machine.start("a", 80)
        self.assertIsNone(machine.memory.shortfall(None, "a"))

    def test_unreadable(self) -> None:
        """
        Nor does a channel that cannot be read.
        """
        machine = Machine(needs={"b": 100})
        machine.free["mem"] = None
        self.assertIsNone(machine.memory.shortfall(None, "b"))


class SwapTests(SynchronousTestCase):
    """
    From one engine to the next.
    """

    def setUp(self) -> None:
        """
        Hear what is logged.
        """
        capture = ExitStack()
        self.events = capture.enter_context(capturedLogs())
        self.addCleanup(capture.close)

    def logged(self, level: LogLevel) -> list[str]:
        """
        @return: what was logged at that level.
        """
        return [str(formatEvent(e)) for e in self.events if e["log_level"] is level]

    def test_interface(self) -> None:
        """
        A memory provides L{IMemory}.
        """
        self.assertTrue(verifyObject(IMemory, Machine().memory))

    def test_settled(self) -> None:
        """
        The account says how much has to come back.
        """
        machine = Machine()
        machine.start("a", 80)
        report = machine.swap("a", "b", 80)
        self.assertEqual(SETTLED, report.verdict)
        self.assertEqual(80 * GIB, report.fields["expect"])
        self.assertLess(report.waited, 0.05)
        self.assertEqual([("a", "b", report)], machine.observed)
        (text,) = self.logged(LogLevel.info)
        self.assertIn("settle a->b verdict=settled", text)
        self.assertEqual([], machine.clock.getDelayedCalls())

    def test_hidden(self) -> None:
        """
        What hid when an engine started, and was used by it, is part of what it
        took.
        """
        machine = Machine()
        machine.take(2)
        machine.in_hiding = 2
        machine.memory.starting("a")
        machine.in_hiding = 0
        machine.take(78)
        machine.memory.started("a")
        report = machine.swap("a", "b", 80)
        self.assertEqual(SETTLED, report.verdict)
        self.assertEqual(80 * GIB, report.fields["expect"])

    def test_last_bit(self) -> None:
        """
        What is not waited for, being within the tolerance, is expected the
        next time: it may have been on its way.
        """
        machine = Machine()
        machine.start("a", 80)
        for _ in range(5):
            report = machine.swap("a", "a", 79.5)
            self.assertEqual(SETTLED, report.verdict)
            self.assertEqual(80 * GIB, report.fields["expect"])
            machine.start("a", 79.5)

    def test_empty(self) -> None:
        """
        Where nothing went, nothing is waited for.
        """
        report = Machine().swap(None, "a")
        self.assertEqual(SETTLED, report.verdict)
        self.assertLess(report.waited, 0.05)

    def test_crashed_long_ago(self) -> None:
        """
        An engine that has died by itself has nothing left to give back.
        """
        machine = Machine()
        machine.start("a", 80)
        machine.take(-80)
        report = machine.swap("a", "b")
        self.assertEqual(SETTLED, report.verdict)
        self.assertLess(report.waited, 0.05)

    def test_unknown(self) -> None:
        """
        An engine without an account is waited for blindly.
        """
        report = Machine().swap("a", "b")
        self.assertEqual(SETTLED, report.verdict)
        self.assertTrue(1.5 <= report.waited < 1.55, report.waited)

    def test_residue(self) -> None:
        """
        A residue is missed the first time, and expected the next.
        """
        machine = Machine()
        machine.start("a", 80)
        first = machine.swap("a", None, 77)
        self.assertEqual(SETTLED_SHORT, first.verdict)
        self.assertEqual(3 * GIB, first.missing)
        self.assertEqual(1, len(self.logged(LogLevel.warn)))
        machine.start("a", 80)
        second = machine.swap("a", None, 77)
        self.assertEqual(SETTLED, second.verdict)
        self.assertLess(second.waited, 0.05)

    def test_configured_need(self) -> None:
        """
        Too little for the configured need is a verdict.
        """
        machine = Machine(needs={"b": 100})
        machine.start("a", 80)
        report = machine.swap("a", "b", 60)
        self.assertEqual(INSUFFICIENT, report.verdict)
        self.assertEqual(100 * GIB, report.need)
        self.assertEqual(92 * GIB, report.available)

    def test_accounts_of_models(self) -> None:
        """
        Each model of an engine has an account of its own, and the engine's
        way of sizing itself.
        """
        machine = Machine(sizing={"b": ABSOLUTE})
        machine.start("b/large", 80)
        machine.swap("b/large", None, returned=80)
        machine.start("b/small", 5)
        machine.swap("b/small", None, returned=5)
        needs = [machine.finish(machine.begin(None, f"b/{model}")).need for model in SIZES]
        self.assertEqual([None if need is None else need // GIB for need in needs], [81, 5, None])

    def test_learned_need(self) -> None:
        """
        A learned need shortens the wait for an engine of fixed size.
        """
        machine = Machine(sizing={"b": ABSOLUTE})
        machine.start("b", 20)
        machine.swap("b", "a", 20)
        machine.start("a", 80)
        report = machine.swap("a", "b")
        self.assertEqual(ALREADY_FREE, report.verdict)
        self.assertEqual(with_margin(20 * GIB), report.need)

    def test_learned_need_unmet(self) -> None:
        """
        Less than the learned need is free: that is a warning, and no more.
        """
        machine = Machine(sizing={"b": ABSOLUTE})
        machine.start("b", 100)
        machine.swap("b", "a", 100)
        machine.take(20)
        machine.start("a", 80)
        report = machine.swap("a", "b", 80)
        self.assertEqual(SETTLED, report.verdict)
        (text,) = self.logged(LogLevel.warn)
        self.assertEqual(
            "engine b may want 102.0 GiB, by its last life, and 92.0 GiB are free", text
        )

    def test_learned_from_free(self) -> None:
        """
        What an engine took that fills whatever is free is no need of it.
        """
        machine = Machine()
        machine.start("b", 20)
        machine.swap("b", "a", 20)
        machine.start("a", 80)
        self.assertIsNone(machine.swap("a", "b", 80).need)

    def test_started_early(self) -> None:
        """
        Memory that was still on its way when the next engine started belongs
        to what that engine found.
        """
        machine = Machine(needs={"b": 40}, sizing={"b": ABSOLUTE})
        machine.start("a", 80)
        release = machine.begin("a", "b")
        release.stopping()
        machine.take(-20)
        self.assertEqual(TARGET_MET, machine.finish(release).verdict)
        machine.memory.starting("b")
        machine.take(-60 + 40)
        machine.memory.started("b")
        self.assertEqual(40 * GIB, Ledger(machine.store).holds("b", "mem", 72 * GIB))

    def test_dropped(self) -> None:
        """
        What an engine owes is not forgotten when nobody waited for it to the
        end: neither as room nor as something to wait for.
        """
        machine = Machine(needs={"b": 110})
        machine.start("a", 80)
        release = machine.begin("a", "b")
        release.stopping()
        release.cancel()
        self.assertIsNone(machine.memory.shortfall(None, "b"))
        report = machine.swap(None, "b", 80)
        self.assertEqual(80 * GIB, report.fields["expect"])
        self.assertEqual("a", machine.observed[-1][0])
        self.assertEqual(0, machine.swap(None, "b").fields["expect"])

    def test_early_owes(self) -> None:
        """
        Nor when the next engine could have started early, and was not wanted
        any more.
        """
        machine = Machine(needs={"b": 20}, sizing={"b": ABSOLUTE})
        machine.start("a", 80)
        self.assertEqual(ALREADY_FREE, machine.swap("a", "b").verdict)
        self.assertEqual(80 * GIB, machine.swap(None, "c", 80).fields["expect"])

    def test_timeout_owes(self) -> None:
        """
        Nor when it took too long.
        """
        machine = Machine()
        machine.start("a", 80)
        release = machine.memory.begin("a", None, lambda: True)
        self.assertEqual(TIMEOUT, machine.finish(release).verdict)
        self.assertEqual(80 * GIB, machine.swap(None, "b", 80).fields["expect"])

    def test_taken_before_the_start(self) -> None:
        """
        Memory that somebody took between verdict and start is warned of.
        """
        machine = Machine(needs={"b": 100})
        machine.swap(None, "b")
        machine.take(11.9)
        machine.memory.starting("b")
        self.assertEqual([], self.logged(LogLevel.warn))
        machine.take(5)
        machine.memory.starting("b")
        (text,) = self.logged(LogLevel.warn)
        self.assertIn("engine b starts with 95.1 GiB free, and needs 100.0 GiB", text)

    def test_page_cache_is_no_account(self) -> None:
        """
        Of the channel that page cache moves no account is kept; it expects
        what the host does.
        """
        machine = Machine(free={"mem": 112, "free": 100})
        machine.memory.starting("a")
        machine.free = {"mem": 32, "free": 10}
        machine.memory.started("a")
        release = machine.begin("a", "b")
        release.stopping()
        machine.free = {"mem": 112, "free": 90}
        self.assertEqual(SETTLED, machine.finish(release).verdict)
        self.assertEqual(
            [80 * GIB, 80 * GIB], [watch.detector.goal.expect for watch in release.watches]
        )
        self.assertIsNone(Ledger(machine.store).holds("a", "free", 0))

    def test_no_account_to_borrow(self) -> None:
        """
        With the host unreadable nothing is known of that channel either.
        """
        machine = Machine(free={"mem": 112, "free": 100})
        machine.memory.starting("a")
        machine.free["mem"] = None
        self.assertIsNone(machine.finish(machine.begin("a", "b")).fields["expect"])

    def test_restart(self) -> None:
        """
        A router that is started anew knows what a running engine took.
        """
        before = Machine()
        before.start("a", 80)
        after = Machine(free={"mem": 32}, store=before.store)
        self.assertEqual(80 * GIB, after.swap("a", "b", 80).fields["expect"])


class DescribeTests(SynchronousTestCase):
    """
    What C{/status} shows.
    """

    def test_readings(self) -> None:
        """
        Readings, hiding and accounts, as JSON.
        """
        machine = Machine(free={"mem": 112, "cgroup": 50})
        machine.in_hiding = 2
        machine.start("a", 80)
        machine.free["cgroup"] = None
        described = json.loads(json.dumps(machine.memory.describe()))
        self.assertEqual({"mem": 32 * GIB}, described["free"])
        self.assertEqual(2 * GIB, described["hidden"])
        self.assertEqual(80 * GIB, described["ledger"]["a"]["mem"]["took"])
        self.assertEqual([], described["curves"])

    def test_curves(self) -> None:
        """
        The last curves are kept, as seconds and bytes.
        """
        machine = Machine()
        for _ in range(CURVES_KEPT + 1):
            machine.start("a", 80)
            machine.swap("a", "b", 80)
        curves = json.loads(json.dumps(machine.memory.describe()))["curves"]
        self.assertEqual(CURVES_KEPT, len(curves))
        self.assertEqual(
            ["a", "b", "settled", "mem"],
            [curves[0][name] for name in ("from", "to", "verdict", "channel")],
        )
        self.assertEqual([0, 32 * GIB], curves[0]["points"][0])
        self.assertEqual(112 * GIB, curves[0]["points"][-1][1])
