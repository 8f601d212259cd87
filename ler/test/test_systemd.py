"""
Tests for L{ler.engines.systemd} and L{ler.engines.unit_start}.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ler.config.model import Ds4, GenericProcess, Systemd
from ler.engines.generic_process import GenericProcessEngine
from ler.engines.port import CLOSE_S
from ler.engines.systemd import (
    LOOK_S,
    NOTICE_S,
    AnyProcess,
    SystemdEngine,
    as_process,
    make_systemd_engine,
)
from ler.engines.unit import ISystemdUnit
from ler.engines.unit_start import LOOK_S as LOOK_STARTING_S
from ler.engines.unit_status import UnitStatus
from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStartTimeout,
    EngineStuck,
    RouterError,
    Unreachable,
)
from ler.interfaces import IEngine, IModelLister, Residency
from ler.test.fakeprocess import FakeProcessReactor, FakeTable, no_threads
from ler.test.test_generic_process import FakeAgent
from ler.testing import FakeEngineWatcher, FakeStateStore

DEAD = UnitStatus("inactive", "dead", populated=False)
FAILED = UnitStatus("failed", "failed", result="exit-code", populated=False)
RUNNING = UnitStatus("active", "running", os.getpid(), "/g", run="r1", populated=True)
AGAIN = replace(RUNNING, main_pid=None, restarts=1, run="r2")


@implementer(ISystemdUnit)
class FakeUnit:
    """
    A unit that does what it is told, at once.

    @ivar events: what was asked of it, in order: C{start}, C{stop}.
    @ivar now: what L{look} answers.
    @ivar next: what it becomes when it is started.
    @ivar starting: a start that is under way, or L{None} for one that ends at
        once.
    @ivar stuck: why it does not stop, or L{None}.
    @ivar silent: whether nobody can look at it.
    @ivar lines: what L{last_lines} answers.
    """

    name = "a.service"

    def __init__(self) -> None:
        self.events: list[str] = []
        self.now = DEAD
        self.next = RUNNING
        self.starting: Deferred[None] | None = None
        self.stuck: RouterError | None = None
        self.silent = False
        self.lines: list[str] = []

    @property
    def seen(self) -> UnitStatus:
        """
        @see: L{ISystemdUnit}
        """
        return self.now

    def start(self) -> Deferred[None]:
        """
        @see: L{IServiceUnit.start}
        """
        self.events.append("start")
        self.now = self.next
        return succeed(None) if self.starting is None else self.starting

    def stop(self) -> Deferred[None]:
        """
        @see: L{IServiceUnit.stop}
        """
        self.events.append("stop")
        if self.stuck is not None:
            return fail(self.stuck)
        self.now = DEAD
        return succeed(None)

    def state(self) -> Deferred[str]:
        """
        @see: L{IServiceUnit.state}
        """
        return succeed(self.now.state)

    def look(self) -> Deferred[UnitStatus]:
        """
        @see: L{ISystemdUnit.look}
        """
        return fail(Unreachable("no bus")) if self.silent else succeed(self.now)

    def last_lines(self) -> Deferred[list[str]]:
        """
        @see: L{ISystemdUnit.last_lines}
        """
        return succeed(self.lines)


class EngineCase(SynchronousTestCase):
    """
    An engine whose unit, port and HTTP the test plays.
    """

    def setUp(self) -> None:
        """
        Make an engine and the world around it.
        """
        self.reactor = FakeProcessReactor()
        self.agent: Any = FakeAgent()
        self.unit = FakeUnit()
        self.table = FakeTable()
        self.table.add(os.getpid())
        self.watcher = FakeEngineWatcher()
        self.engine = self.make()

    def make(self, **settings: Any) -> SystemdEngine:
        """
        @return: an engine with changed settings.
        """
        config: dict[str, Any] = {"base_url": "http://127.0.0.1:8000/", "unit": "a", **settings}
        engine = SystemdEngine(
            Systemd(key="a", start_timeout_s=60.0, **config),
            unit=self.unit,
            reactor=self.reactor,
            agent=self.agent,
            threads=no_threads,
            model_name="m",
            table=self.table,
        )
        engine.watch(self.watcher)
        return engine

    def port_closed(self) -> None:
        """
        Nobody listens on the port that is being looked at.
        """
        factory = self.reactor.tcpClients.pop()[2]
        factory.clientConnectionFailed(
            self.reactor.connectors.pop(), Failure(ConnectionRefusedError())
        )

    def port_open(self) -> None:
        """
        Somebody listens on the port that is being looked at.
        """
        factory = self.reactor.tcpClients.pop()[2]
        self.reactor.connectors.pop()
        protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 8000))
        assert protocol is not None
        protocol.makeConnection(StringTransport())

    def bring_up(self) -> None:
        """
        Have the engine running and ready.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.agent.ready = True
        self.reactor.advance(0.1)
        self.successResultOf(starting)

    def end(self) -> None:
        """
        Check that nothing goes on once the router is gone.
        """
        self.agent.ready = False
        closing = self.engine.close()
        if self.reactor.tcpClients:
            self.port_closed()
        self.assertIsNone(self.successResultOf(closing))
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual([], self.reactor.getReaders())

    def main_ends(self) -> None:
        """
        The unit's first process ends, and systemd had time to notice.
        """
        (reader,) = self.reactor.getReaders()
        reader.doRead()
        self.reactor.advance(NOTICE_S)

    def message(self, failing: Deferred[Any], error: type[RouterError]) -> str:
        """
        @return: what a call failed with.
        """
        reason = self.failureResultOf(failing, error).value
        assert isinstance(reason, RouterError)
        return reason.message


class BringUpTests(EngineCase):
    """
    L{SystemdEngine.bring_up}
    """

    def test_interface(self) -> None:
        """It is an engine, and knows models."""
        self.assertTrue(verifyObject(IEngine, self.engine))
        self.assertTrue(verifyObject(IModelLister, self.engine))
        self.assertTrue(verifyObject(ISystemdUnit, self.unit))
        self.assertEqual(("a", "http://127.0.0.1:8000"), (self.engine.key, self.engine.base_url))

    def test_ready(self) -> None:
        """It is up once its server answers."""
        starting = self.engine.bring_up(None)
        self.assertEqual([], self.unit.events)
        self.port_closed()
        self.reactor.advance(10)
        self.assertNoResult(starting)
        self.agent.ready = True
        self.reactor.advance(0.25)
        self.assertIsNone(self.successResultOf(starting))
        self.assertEqual(["start"], self.unit.events)
        self.assertTrue(self.engine.alive())
        self.assertEqual((Residency("a"),), self.successResultOf(self.engine.loaded()))
        self.end()

    def test_stranger(self) -> None:
        """A port that is taken fails the start before the unit is started."""
        starting = self.engine.bring_up(None)
        self.port_open()
        self.assertIn("port 8000 of 127.0.0.1 already", self.message(starting, EngineStartFailed))
        self.assertEqual([], self.unit.events)
        self.end()

    def test_runs_already(self) -> None:
        """A unit that somebody has started is taken as it is."""
        self.unit.now = RUNNING
        self.agent.ready = True
        starting = self.engine.bring_up(None)
        self.assertIsNone(self.successResultOf(starting))
        self.end()

    def test_fails(self) -> None:
        """A unit that fails before it is ready fails the start within a second,
        with its last lines."""
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.reactor.advance(0.1)
        self.unit.now = FAILED
        self.unit.lines = ["CUDA out of memory"]
        self.reactor.advance(LOOK_STARTING_S)
        failure: Any = self.failureResultOf(starting, EngineStartFailed).value
        self.assertEqual(
            "engine a: a.service ended before it was ready; it is failed (result exit-code); the "
            "memory that it asks for was not back yet, or is too small; its last lines: CUDA out "
            "of memory",
            failure.message,
        )
        self.assertTrue(failure.lacked_memory)
        self.assertEqual([], self.watcher.lost)
        self.end()

    def test_fails_at_once(self) -> None:
        """One that has ended when its start has is not asked for anything."""
        self.unit.next = FAILED
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.failureResultOf(starting, EngineStartFailed)
        self.end()

    def test_restarts(self) -> None:
        """One that systemd restarts, or is about to, has failed."""
        for status, word in (
            (replace(RUNNING, state="activating", sub="auto-restart"), "ended"),
            (AGAIN, "was restarted"),
        ):
            self.unit.next = RUNNING
            starting = self.engine.bring_up(None)
            self.port_closed()
            self.unit.now = status
            self.reactor.advance(LOOK_STARTING_S)
            self.assertIn(word, self.message(starting, EngineStartFailed))
            self.end()

    def test_other_server(self) -> None:
        """One that has failed is not ready because another server answers."""
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.agent.ready = True
        self.unit.now = FAILED
        self.reactor.advance(0.1)
        self.failureResultOf(starting, EngineStartFailed)
        self.end()

    def test_not_started(self) -> None:
        """What systemd says to a start is the reason of its failure."""
        self.unit.starting = fail(EngineStartFailed("a.service was not started: no"))
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.assertEqual("a.service was not started: no", self.message(starting, EngineStartFailed))
        self.end()

    def test_unreachable(self) -> None:
        """If systemd cannot be asked, nothing is started; if it is silent only
        for a while, that is no failure."""
        self.unit.silent = True
        starting = self.engine.bring_up(None)
        self.assertIn("cannot start: no bus", self.message(starting, EngineStartFailed))
        self.unit.silent = False
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.unit.silent = True
        self.reactor.advance(LOOK_STARTING_S)
        self.assertNoResult(starting)
        self.unit.silent = False
        self.agent.ready = True
        self.reactor.advance(0.25)
        self.assertIsNone(self.successResultOf(starting))
        self.end()

    def test_timeout(self) -> None:
        """One that does not answer in time fails; systemd's part counts, too."""
        self.unit.starting = Deferred()
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.reactor.advance(59)
        self.unit.starting.callback(None)
        self.assertNoResult(starting)
        self.reactor.advance(1)
        message = self.message(starting, EngineStartTimeout)
        self.assertIn("not ready within 60 s", message)
        self.assertIn("a.service is active (running)", message)
        self.end()

    def test_freed(self) -> None:
        """A start that is under way is abandoned when the engine is freed."""
        starting = self.engine.bring_up(None)
        self.port_closed()
        freeing = self.engine.free()
        self.assertIn("abandoned", self.message(starting, EngineStartFailed))
        self.port_closed()
        self.assertIsNone(self.successResultOf(freeing))
        self.assertEqual(["start", "stop"], self.unit.events)
        self.end()

    def test_cancelled(self) -> None:
        """Who cancels a start is told so, and may free the engine."""
        starting = self.engine.bring_up(None)
        self.port_closed()
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        self.end()
        self.assertEqual(["start", "stop"], self.unit.events)


class FreeTests(EngineCase):
    """
    L{SystemdEngine.free}, L{SystemdEngine.close} and L{SystemdEngine.leave}
    """

    def test_free(self) -> None:
        """It is freed once its unit is stopped and its port closed, and can
        come up again."""
        self.bring_up()
        freeing = self.engine.free()
        self.port_open()
        self.assertNoResult(freeing)
        self.reactor.advance(1)
        self.port_closed()
        self.assertIsNone(self.successResultOf(freeing))
        self.assertFalse(self.engine.alive())
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.assertEqual([], self.watcher.lost)
        self.bring_up()
        self.end()

    def test_idle(self) -> None:
        """Of one that never was there no port is looked at."""
        self.assertIsNone(self.successResultOf(self.engine.free()))
        self.assertEqual([], self.reactor.tcpClients)

    def test_stuck(self) -> None:
        """A unit that does not stop is stuck until it does."""
        self.bring_up()
        self.unit.stuck = EngineStuck("a.service does not stop")
        self.failureResultOf(self.engine.free(), EngineStuck)
        self.unit.stuck = None
        self.end()

    def test_port_taken(self) -> None:
        """A port that stays open is stuck; who has it is told."""
        self.bring_up()
        freeing = self.engine.free()
        self.reactor.advance(CLOSE_S)
        self.port_open()
        self.assertIn("a.service is stopped, but", self.message(freeing, EngineStuck))
        self.end()

    def test_close(self) -> None:
        """When the router goes, the unit does, and is not looked at again."""
        self.bring_up()
        self.end()
        self.assertEqual(["start", "stop"], self.unit.events)

    def test_leave(self) -> None:
        """When it shall stay, it is systemd's; but not before it is ready."""
        self.bring_up()
        self.assertIsNone(self.successResultOf(self.engine.leave()))
        self.assertEqual(["start"], self.unit.events)
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual([], self.reactor.getReaders())

    def test_leave_starting(self) -> None:
        """One that is not ready is stopped instead."""
        starting = self.engine.bring_up(None)
        self.port_closed()
        leaving = self.engine.leave()
        self.failureResultOf(starting, EngineStartFailed)
        self.port_closed()
        self.assertIsNone(self.successResultOf(leaving))
        self.assertEqual(["start", "stop"], self.unit.events)
        self.assertEqual([], self.reactor.getDelayedCalls())


class LoadedTests(EngineCase):
    """
    L{SystemdEngine.loaded} when the router starts.
    """

    def test_nothing(self) -> None:
        """A unit that does not run holds nothing, whatever it did before."""
        for status in (DEAD, FAILED):
            self.unit.now = status
            self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.end()

    def test_resident(self) -> None:
        """One that runs and answers is resident, and watched."""
        self.unit.now = RUNNING
        self.agent.ready = True
        self.assertEqual((Residency("a"),), self.successResultOf(self.engine.loaded()))
        self.unit.now = FAILED
        self.main_ends()
        self.assertEqual(["a"], [key for key, _ in self.watcher.lost])
        self.end()

    def test_loading(self) -> None:
        """One that still loads is waited for."""
        self.unit.now = replace(RUNNING, state="activating", sub="start")
        loaded = self.engine.loaded()
        self.reactor.advance(30)
        self.assertNoResult(loaded)
        self.agent.ready = True
        self.reactor.advance(0.25)
        self.assertEqual((Residency("a"),), self.successResultOf(loaded))
        self.assertEqual([], self.unit.events)
        self.end()

    def test_never_answers(self) -> None:
        """One that does not come to answer is stopped."""
        self.unit.now = RUNNING
        loaded = self.engine.loaded()
        self.reactor.advance(60)
        self.port_closed()
        self.assertEqual((), self.successResultOf(loaded))
        self.assertEqual(["stop"], self.unit.events)
        self.end()

    def test_stopping(self) -> None:
        """One that stops is waited for; if it cannot be ended, that is told."""
        self.unit.now = replace(RUNNING, state="deactivating")
        self.unit.stuck = EngineStuck("a.service does not stop")
        self.failureResultOf(self.engine.loaded(), EngineStuck)
        self.unit.stuck = None
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.end()

    def test_unreachable(self) -> None:
        """Where systemd cannot be asked, nothing of it runs."""
        self.unit.silent = True
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.end()

    def test_starting(self) -> None:
        """While it is started it holds nothing yet."""
        starting = self.engine.bring_up(None)
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.port_closed()
        self.agent.ready = True
        self.reactor.advance(0.1)
        self.successResultOf(starting)
        self.end()


class LossTests(EngineCase):
    """
    What happens behind the router's back.
    """

    def lost(self) -> str:
        """
        @return: why the engine was lost, once.
        """
        ((key, reason),) = self.watcher.lost
        self.assertEqual("a", key)
        self.assertIsInstance(reason, EngineDied)
        return reason.message

    def test_ended(self) -> None:
        """The end of its first process is a loss at once, with its last
        lines."""
        self.bring_up()
        self.unit.now = FAILED
        self.unit.lines = ["Segmentation fault"]
        self.main_ends()
        self.assertEqual(
            "engine a ended by itself; a.service is failed (result exit-code); its last lines: "
            "Segmentation fault",
            self.lost(),
        )
        self.reactor.advance(LOOK_S)
        self.assertEqual(1, len(self.watcher.lost))
        self.end()

    def test_freed_before_noticed(self) -> None:
        """One that ended while it was freed is no loss."""
        self.bring_up()
        (reader,) = self.reactor.getReaders()
        reader.doRead()
        self.end()
        self.assertEqual([], self.watcher.lost)

    def test_not_noticed(self) -> None:
        """It is a loss, too, if systemd does not know of it yet, or does not
        answer."""
        for silent in (False, True):
            self.bring_up()
            self.unit.silent = silent
            self.main_ends()
            self.assertIn("cannot be looked at", self.lost())
            self.watcher.lost.clear()
            self.unit.silent = False
            self.end()

    def test_restarted(self) -> None:
        """A unit that systemd has restarted is lost: what it loads now was not
        asked for."""
        self.bring_up()
        self.unit.now = AGAIN
        self.main_ends()
        self.assertIn("active (running, restarts 1)", self.lost())
        self.end()
        self.assertEqual(["start", "stop"], self.unit.events)

    def test_other_main(self) -> None:
        """A unit that goes on with another first process is not lost, and that
        one is watched."""
        self.bring_up()
        self.table.add(1)
        self.unit.now = replace(RUNNING, main_pid=1)
        self.main_ends()
        self.assertEqual([], self.watcher.lost)
        self.assertEqual(1, len(self.reactor.getReaders()))
        self.end()

    def test_no_main(self) -> None:
        """Without a first process the next look finds the loss."""
        self.unit.next = replace(RUNNING, main_pid=None)
        self.bring_up()
        self.assertEqual([], self.reactor.getReaders())
        self.reactor.advance(LOOK_S)
        self.assertEqual([], self.watcher.lost)
        self.unit.now = DEAD
        self.reactor.advance(LOOK_S)
        self.assertIn("a.service is inactive", self.lost())
        self.end()

    def test_silence(self) -> None:
        """That systemd does not answer for a while is no loss."""
        self.bring_up()
        self.unit.silent = True
        self.reactor.advance(LOOK_S)
        self.assertEqual([], self.watcher.lost)
        self.unit.silent = False
        self.end()

    def test_stray(self) -> None:
        """An exclusive unit that somebody else starts is stopped."""
        self.successResultOf(self.engine.loaded())
        self.unit.events.clear()
        self.unit.now = RUNNING
        self.unit.stuck = EngineStuck("a.service does not stop")
        self.reactor.advance(LOOK_S)
        self.unit.stuck = None
        self.reactor.advance(LOOK_S)
        self.assertEqual(["stop", "stop"], self.unit.events)
        self.reactor.advance(LOOK_S)
        self.assertEqual(["stop", "stop"], self.unit.events)
        self.end()

    def test_stray_beside(self) -> None:
        """One that may live beside others may go on."""
        self.engine = self.make(exclusive=False)
        self.successResultOf(self.engine.loaded())
        self.unit.events.clear()
        self.unit.now = RUNNING
        self.reactor.advance(LOOK_S)
        self.assertEqual([], self.unit.events)
        self.end()

    def test_starting(self) -> None:
        """One that is being started is no stray."""
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.reactor.advance(LOOK_S)
        self.assertNoResult(starting)
        self.assertEqual(["start"], self.unit.events)
        self.engine.free()
        self.port_closed()
        self.failureResultOf(starting, EngineStartFailed)
        self.end()

    def test_other_time(self) -> None:
        """What was seen before the engine was freed means nothing after it."""
        self.bring_up()
        looking: Deferred[UnitStatus] = Deferred()
        self.patch(self.unit, "look", lambda: looking)
        self.reactor.advance(LOOK_S)
        freeing = self.engine.free()
        self.port_closed()
        self.successResultOf(freeing)
        looking.callback(FAILED)
        self.assertEqual([], self.watcher.lost)
        self.end()


class FaceTests(EngineCase):
    """
    What is shown of it.
    """

    def test_describe(self) -> None:
        """It shows its unit as last seen."""
        self.bring_up()
        self.reactor.advance(1)
        self.assertEqual(
            {
                "type": "systemd",
                "base_url": "http://127.0.0.1:8000",
                "unit": "a.service",
                "state": "active",
                "sub_state": "running",
                "result": "success",
                "restarts": 0,
                "process_running": True,
                "pid": os.getpid(),
                "uptime_s": 1.0,
            },
            self.engine.describe(),
        )
        self.end()
        self.assertIsNone(self.engine.describe()["uptime_s"])

    def test_models(self) -> None:
        """Its models are those of its own listing, while it runs and answers."""
        self.assertIsNone(self.successResultOf(self.engine.list_models()))
        self.bring_up()
        # The fake server has no list.
        self.assertIsNone(self.successResultOf(self.engine.list_models()))
        self.agent.ready = False
        self.assertIsNone(self.successResultOf(self.engine.list_models()))
        self.end()

    def test_any_process(self) -> None:
        """A unit's processes need no marker of ours to be followed."""
        self.assertTrue(AnyProcess().is_marked(os.getpid(), "x"))


class MakeTests(SynchronousTestCase):
    """
    L{make_systemd_engine}
    """

    def make(self, config: Systemd) -> SystemdEngine | GenericProcessEngine:
        """
        @return: what is made of C{config}.
        """
        return make_systemd_engine(
            config,
            reactor=FakeProcessReactor(),
            agent=FakeAgent(),
            store=FakeStateStore(),
            state_dir=self.mktemp(),
            instance="i",
            environ={},
            threads=no_threads,
        )

    def test_unit(self) -> None:
        """What systemd controls is a unit, by either name of the type."""
        for config in (
            Systemd(key="a", base_url="http://x", unit="a.service", control="systemd"),
            Ds4(key="a", unit="a.service"),
        ):
            engine = self.make(config)
            self.assertIsInstance(engine, SystemdEngine)
            self.assertEqual("a.service", engine.describe()["unit"])

    def test_process(self) -> None:
        """What the router controls is a process as any other."""
        config = Systemd(
            key="a",
            base_url="http://x",
            control="process",
            serve_script=("serve", "-x"),
            health_path="/up",
            ready_check="model:m",
            start_timeout_s=9.0,
            stop_timeout_s=6.0,
            log_file="/log",
            memory=4.0,
            exclusive=False,
        )
        self.assertIsInstance(self.make(config), GenericProcessEngine)
        self.assertEqual(
            GenericProcess(
                key="a",
                base_url="http://x",
                start_cmd=("serve", "-x"),
                ready_path="/up",
                ready_check="model:m",
                start_timeout_s=9.0,
                stop_timeout_s=6.0,
                log_file="/log",
                memory=4.0,
                exclusive=False,
            ),
            as_process(config),
        )
