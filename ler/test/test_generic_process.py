# -*- test-case-name: ler.test.test_generic_process -*-
"""
Tests for L{ler.engines.generic_process}.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IAgent
from twisted.web.static import Data
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ler.config.model import GenericProcess
from ler.engines.generic_process import GenericProcessEngine, signal_number
from ler.engines.port import CLOSE_S
from ler.engines.records import SECTION
from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStartTimeout,
    EngineStuck,
    RouterError,
)
from ler.interfaces import IEngine, ILog, IModelLister, Residency
from ler.test.fakeprocess import (
    FakeGuardian,
    FakeProcessReactor,
    FakeTable,
    environment,
    no_threads,
)
from ler.test.played_server import PlayedServer
from ler.testing import FakeEngineWatcher, FakeStateStore


@implementer(IAgent)
class FakeAgent:
    """
    An agent for an engine that listens when the test says so.

    @ivar ready: whether it does.
    """

    ready = False

    def request(self, *arguments: Any, **more: Any) -> Deferred[Any]:
        """
        @see: L{IAgent.request}
        """
        if not self.ready:
            return fail(ConnectionRefusedError())
        page = Data(b"{}", "application/json")
        page.isLeaf = True
        answer: Deferred[Any] = RequestTraversalAgent(page).request(*arguments, **more)
        return answer


class EngineCase(SynchronousTestCase):
    """
    An engine whose guardian, port and HTTP the test plays.
    """

    def setUp(self) -> None:
        """
        Make an engine and the world around it.
        """
        self.reactor = FakeProcessReactor()
        self.agent: Any = FakeAgent()
        self.store = FakeStateStore()
        self.table = FakeTable()
        self.table.add(os.getpid(), "i:a")
        self.watcher = FakeEngineWatcher()
        self.folder = os.path.abspath(self.mktemp())
        self.engine = self.make()

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual([], self.reactor.getReaders())

    def make(self, *, unified: bool = False, **settings: Any) -> GenericProcessEngine:
        """
        @return: an engine with changed settings.
        """
        config: dict[str, Any] = {
            "base_url": "http://127.0.0.1:8000/",
            "start_cmd": ("server", "--port", "8000"),
            "start_timeout_s": 60.0,
            **settings,
        }
        engine = GenericProcessEngine(
            GenericProcess(key="a", **config),
            reactor=self.reactor,
            agent=self.agent,
            store=self.store,
            state_dir=self.folder,
            instance="i",
            environ={"PATH": "/bin", "NOTIFY_SOCKET": "/run/x"},
            threads=no_threads,
            model_name="m",
            unified=unified,
            redact=lambda line: line.replace("SECRET", "***"),
            table=self.table,
        )
        engine.watch(self.watcher)
        return engine

    @property
    def guardian(self) -> FakeGuardian:
        """
        The one that was launched last.
        """
        return self.reactor.guardians[-1]

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
        self.guardian.reports("pid 42")
        self.agent.ready = True
        self.reactor.advance(0.1)
        self.successResultOf(starting)

    def vanish(self) -> None:
        """
        The guardian says that the engine has ended, and exits.
        """
        self.agent.ready = False
        self.guardian.reports("exited 0")
        self.guardian.exits()
        self.reactor.advance(0)

    def message(self, failing: Deferred[Any], error: type[RouterError]) -> str:
        """
        @return: what a call failed with.
        """
        reason = self.failureResultOf(failing, error).value
        assert isinstance(reason, RouterError)
        return reason.message


class BringUpTests(EngineCase):
    """
    L{GenericProcessEngine.bring_up}
    """

    def test_interface(self) -> None:
        """
        It is an engine.
        """
        verifyObject(IEngine, self.engine)
        self.assertEqual(("a", "http://127.0.0.1:8000"), (self.engine.key, self.engine.base_url))

    def test_ready(self) -> None:
        """
        It is up once its server answers.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.reactor.advance(10)
        self.assertNoResult(starting)
        self.agent.ready = True
        self.reactor.advance(0.25)
        self.assertIsNone(self.successResultOf(starting))
        self.assertTrue(self.engine.alive())
        self.assertEqual((Residency("a"),), self.successResultOf(self.engine.loaded()))

    def test_launch(self) -> None:
        """
        The guardian is told what is configured.
        """
        self.engine = self.make(
            env={"CUDA_VISIBLE_DEVICES": "0"},
            cwd="/srv",
            stop_cmd=("docker", "stop", "x"),
            stop_signal="SIGINT",
            stop_scope="group",
            stop_timeout_s=12.0,
        )
        self.bring_up()
        state = os.path.join(self.folder, "guardians", "a")
        self.assertEqual(
            {
                "argv": ["server", "--port", "8000"],
                "cwd": "/srv",
                "stop_cmd": ["docker", "stop", "x"],
                "stop_signal": signal.SIGINT,
                "stop_group": True,
                "stop_timeout": 12.0,
                "fifo": f"{state}.fifo",
                "log": f"{state}.log",
            },
            self.guardian.spec,
        )
        self.assertEqual(
            {
                b"PATH": b"/bin",
                b"CUDA_VISIBLE_DEVICES": b"0",
                b"ENGINE_ROUTER_INSTANCE": b"i:a",
            },
            environment(self.guardian),
        )

    def test_recorded(self) -> None:
        """
        The guardian is on record while it lives.
        """
        self.bring_up()
        record = self.store.get(SECTION)["a"]
        self.assertEqual(os.getpid(), record["pid"])
        self.assertEqual(os.getpid() * 10, record["start_time"])
        self.assertEqual("i:a", record["marker"])
        self.vanish()
        self.assertEqual({}, self.store.get(SECTION))

    def test_no_process(self) -> None:
        """
        A system without room for another process fails the start.
        """
        self.reactor.refuses = OSError("Resource temporarily unavailable")
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.assertIn("temporarily unavailable", self.message(starting, EngineStartFailed))
        self.assertFalse(self.engine.alive())
        self.successResultOf(self.engine.free())

    def test_stranger(self) -> None:
        """
        A port that is taken fails the start before anything is launched, and
        nobody is killed.
        """
        starting = self.engine.bring_up(None)
        self.port_open()
        self.assertIn("port 8000 of 127.0.0.1 already", self.message(starting, EngineStartFailed))
        self.assertEqual([], self.reactor.guardians)
        self.successResultOf(self.engine.free())
        self.assertEqual([], self.table.signals)

    def test_exits(self) -> None:
        """
        An engine that exits while it starts fails the start at once, with its
        code and last words.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.guardian.prints("".join(f"line {number}\n" for number in range(9)))
        self.guardian.reports("exited 1")
        self.reactor.advance(0)
        self.assertEqual(
            "engine a exited with code 1 before it was ready; its last output: "
            "line 4 | line 5 | line 6 | line 7 | line 8",
            self.message(starting, EngineStartFailed),
        )
        self.guardian.exits()
        self.assertEqual([], self.watcher.lost)

    def test_exec_fails(self) -> None:
        """
        A program that cannot be launched fails the start at once.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.guardian.reports("exec-failed server: No such file or directory")
        self.reactor.advance(0)
        self.assertEqual(
            "engine a could not be launched (server: No such file or directory) "
            "before it was ready",
            self.message(starting, EngineStartFailed),
        )
        self.guardian.exits()

    def test_memory(self) -> None:
        """
        An engine that found too little memory is told apart.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.guardian.prints("torch.OutOfMemoryError: CUDA out of memory.\nbye\n")
        self.guardian.reports("exited 1")
        self.reactor.advance(0)
        self.assertIn("was not back yet, or is too", self.message(starting, EngineStartFailed))
        self.guardian.exits()

    def test_earlier_output(self) -> None:
        """
        A start is not blamed for what an earlier one printed.
        """
        self.bring_up()
        self.guardian.prints("CUDA out of memory\n")
        self.vanish()
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.guardian.reports("exited 1")
        self.reactor.advance(0)
        self.assertEqual(
            "engine a exited with code 1 before it was ready",
            self.message(starting, EngineStartFailed),
        )
        self.guardian.exits()

    def test_too_slow(self) -> None:
        """
        An engine that is not ready in time fails the start, and is still there
        to be freed.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.reactor.pump([1] * 60)
        self.assertIn(
            "engine a was not ready within 60 s (Connection was refused",
            self.message(starting, EngineStartTimeout),
        )
        self.assertTrue(self.engine.alive())
        freed = self.engine.free()
        self.vanish()
        self.port_closed()
        self.successResultOf(freed)

    def test_cancelled(self) -> None:
        """
        A start that is cancelled ends at once and leaves something to free.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        freed = self.engine.free()
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(freed)

    def test_cancelled_early(self) -> None:
        """
        A start that is cancelled before the launch launches nothing.
        """
        starting = self.engine.bring_up(None)
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        self.assertEqual([], self.reactor.guardians)
        self.successResultOf(self.engine.free())


class FreeTests(EngineCase):
    """
    L{GenericProcessEngine.free}
    """

    def test_free(self) -> None:
        """
        It is freed when the guardian is gone and the port is closed.
        """
        self.bring_up()
        freed = self.engine.free()
        self.assertEqual(["stop"], self.guardian.orders)
        self.assertNoResult(freed)
        self.vanish()
        self.assertFalse(self.engine.alive())
        self.assertNoResult(freed)
        self.port_closed()
        self.successResultOf(freed)
        self.assertEqual([], self.watcher.lost)
        self.assertEqual((), self.successResultOf(self.engine.loaded()))

    def test_nothing(self) -> None:
        """
        An engine that does not run is free.
        """
        self.successResultOf(self.engine.free())

    def test_together(self) -> None:
        """
        All who free it are told when it is freed.
        """
        self.bring_up()
        freed = [self.engine.free(), self.engine.free()]
        self.vanish()
        self.port_closed()
        self.port_closed()
        for one in freed:
            self.successResultOf(one)

    def test_pending_start(self) -> None:
        """
        A start that is under way is abandoned.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        freed = self.engine.free()
        self.assertIn("was abandoned", self.message(starting, EngineStartFailed))
        self.vanish()
        self.port_closed()
        self.successResultOf(freed)

    def test_stuck(self) -> None:
        """
        A tree that does not go fails it, and it may be tried again.
        """
        self.bring_up()
        freed = self.engine.free()
        self.reactor.advance(40)
        self.assertIn("does not stop", self.message(freed, EngineStuck))
        self.assertTrue(self.engine.alive())
        again = self.engine.free()
        self.vanish()
        self.port_closed()
        self.successResultOf(again)

    def test_stop_command_takes_time(self) -> None:
        """
        A stop command has a time limit of its own.
        """
        self.engine = self.make(stop_cmd=("stop",), stop_timeout_s=30.0)
        self.bring_up()
        freed = self.engine.free()
        self.reactor.advance(69)
        self.assertNoResult(freed)
        self.reactor.advance(1)
        self.failureResultOf(freed, EngineStuck)
        self.vanish()

    def test_port_stays_open(self) -> None:
        """
        A port that stays open when all is gone fails it, until it is closed.
        """
        self.bring_up()
        freed = self.engine.free()
        self.vanish()
        self.port_open()
        self.reactor.advance(CLOSE_S)
        self.assertNoResult(freed)
        self.port_open()
        self.assertIn("listens on port 8000", self.message(freed, EngineStuck))
        again = self.engine.free()
        self.port_closed()
        self.successResultOf(again)
        self.successResultOf(self.engine.free())


class CloseTests(EngineCase):
    """
    L{GenericProcessEngine.close}
    """

    def test_close(self) -> None:
        """
        It is closed when it is gone.
        """
        self.bring_up()
        closed = self.engine.close()
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.assertNoResult(closed)
        self.port_closed()
        self.successResultOf(closed)
        self.successResultOf(self.engine.close())

    def test_pending_start(self) -> None:
        """
        A start that is under way is abandoned.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        closed = self.engine.close()
        self.message(starting, EngineStartFailed)
        self.vanish()
        self.port_closed()
        self.successResultOf(closed)


class SleepTests(EngineCase):
    """
    An engine that gives its memory back by sleeping.
    """

    def setUp(self) -> None:
        """
        Play its server, too.
        """
        super().setUp()
        self.server = PlayedServer("http://127.0.0.1:8000")
        self.agent = self.server.agent
        self.engine = self.make(on_free="sleep")

    def tearDown(self) -> None:
        """
        Nothing is left unanswered.
        """
        super().tearDown()
        self.server.is_quiet()

    def bring_up(self) -> None:
        """
        Have the engine running and ready.
        """
        starting = self.engine.bring_up(None)
        self.launched(starting)

    def launched(self, starting: Deferred[None]) -> None:
        """
        The start launches a process, which is soon ready.
        """
        self.port_closed()
        self.guardian.reports("pid 42")
        self.server.answer("GET /health")
        self.successResultOf(starting)

    def falls_asleep(self) -> None:
        """
        The server does as it is told.
        """
        self.server.answer("POST /sleep?level=1&mode=abort")
        self.server.answer("GET /is_sleeping", {"is_sleeping": True})

    def asleep(self) -> None:
        """
        Have the engine sleeping.
        """
        self.bring_up()
        freed = self.engine.free()
        self.falls_asleep()
        self.successResultOf(freed)

    def test_free(self) -> None:
        """
        It is freed when it sleeps, and then holds nothing, though its process
        is there.
        """
        self.bring_up()
        freed = self.engine.free()
        self.assertNoResult(freed)
        self.assertTrue(self.engine.alive())
        self.falls_asleep()
        self.successResultOf(freed)
        self.assertEqual([], self.guardian.orders)
        self.assertIsNone(self.engine.alive())
        described = self.engine.describe()
        self.assertEqual((True, True), (described["process_running"], described["asleep"]))
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.successResultOf(self.engine.free())

    def test_free_together(self) -> None:
        """
        All who free it are told when it sleeps.
        """
        self.bring_up()
        freed = [self.engine.free(), self.engine.free()]
        self.server.is_asked("POST /sleep?level=1&mode=abort")
        self.assertNoResult(freed[1])
        self.falls_asleep()
        for one in freed:
            self.successResultOf(one)
        self.assertEqual([], self.guardian.orders)

    def test_insomnia(self) -> None:
        """
        An engine that does not fall asleep is stopped.
        """
        self.bring_up()
        freed = self.engine.free()
        self.server.answer("POST /sleep?level=1&mode=abort", status=404)
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(freed)
        self.assertIs(False, self.engine.alive())

    def test_dies_of_it(self) -> None:
        """
        An engine that ends when it is told to sleep is as good as stopped, and
        not lost.
        """
        self.bring_up()
        freed = self.engine.free()
        self.server.answer("POST /sleep?level=1&mode=abort")
        self.vanish()
        self.server.answer("GET /is_sleeping", {"is_sleeping": True})
        self.port_closed()
        self.successResultOf(freed)
        self.assertIs(False, self.engine.alive())
        self.assertEqual([], self.watcher.lost)

    def test_cancelled(self) -> None:
        """
        When nobody waits for it to sleep, the next who frees it stops it.
        """
        self.bring_up()
        freed = self.engine.free()
        freed.cancel()
        self.failureResultOf(freed, CancelledError)
        self.server.is_given_up("POST /sleep?level=1&mode=abort")
        again = self.engine.free()
        self.vanish()
        self.port_closed()
        self.successResultOf(again)

    def test_not_ready(self) -> None:
        """
        An engine that is not ready yet is stopped.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.server.answer("GET /health", status=503)
        freed = self.engine.free()
        self.message(starting, EngineStartFailed)
        self.vanish()
        self.port_closed()
        self.successResultOf(freed)

    def test_wakes(self) -> None:
        """
        It is brought up by waking, and can sleep again.
        """
        self.asleep()
        starting = self.engine.bring_up(None)
        self.server.answer("POST /wake_up")
        self.server.answer("GET /is_sleeping", {"is_sleeping": False})
        self.assertNoResult(starting)
        self.assertEqual("m", self.server.answer("POST /v1/chat/completions")["model"])
        self.successResultOf(starting)
        self.assertEqual(1, len(self.reactor.guardians))
        self.assertTrue(self.engine.alive())
        self.assertEqual((Residency("a"),), self.successResultOf(self.engine.loaded()))
        freed = self.engine.free()
        self.falls_asleep()
        self.successResultOf(freed)

    def test_lost_again(self) -> None:
        """
        An engine that woke can be lost like any other.
        """
        self.test_wakes()
        starting = self.engine.bring_up(None)
        self.server.answer("POST /wake_up")
        self.server.answer("GET /is_sleeping", {"is_sleeping": False})
        self.server.answer("POST /v1/chat/completions")
        self.successResultOf(starting)
        self.vanish()
        self.assertEqual(["a"], [key for key, _ in self.watcher.lost])

    def test_does_not_wake(self) -> None:
        """
        An engine that does not wake is stopped wholly, and started anew.
        """
        self.asleep()
        starting = self.engine.bring_up(None)
        self.server.answer("POST /wake_up", status=500)
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.launched(starting)
        self.assertEqual(2, len(self.reactor.guardians))

    def test_abandoned_waking(self) -> None:
        """
        Waking that is abandoned leaves something to stop.
        """
        self.asleep()
        starting = self.engine.bring_up(None)
        freed = self.engine.free()
        self.message(starting, EngineStartFailed)
        self.server.is_given_up("POST /wake_up")
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(freed)

    def test_dies_asleep(self) -> None:
        """
        The end of an engine that sleeps is noticed; nobody has lost it, and it
        is started anew.
        """
        self.asleep()
        self.guardian.reports("exited 1")
        self.reactor.advance(0)
        self.assertTrue(self.engine.alive())
        self.assertEqual("exited with code 1", self.engine.describe()["exit"])
        self.assertEqual([], self.watcher.lost)
        starting = self.engine.bring_up(None)
        self.assertEqual(["stop"], self.guardian.orders)
        self.guardian.exits()
        self.port_closed()
        self.launched(starting)

    def test_close(self) -> None:
        """
        When the router goes, it does not sleep on.
        """
        self.asleep()
        closed = self.engine.close()
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(closed)

    def test_close_meanwhile(self) -> None:
        """
        One that is closed while it falls asleep is stopped all the same.
        """
        self.bring_up()
        freed, closed = self.engine.free(), self.engine.close()
        self.falls_asleep()
        self.assertEqual({"stop"}, set(self.guardian.orders))
        self.assertNoResult(freed)
        self.vanish()
        self.port_closed()
        self.port_closed()
        self.successResultOf(freed)
        self.successResultOf(closed)

    def test_leave(self) -> None:
        """
        An engine that sleeps is of no use to the next router.
        """
        self.asleep()
        left = self.engine.leave()
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(left)

    def test_unified(self) -> None:
        """
        Where host and GPU share their memory, level 1 gives nothing back: the
        engine is stopped.
        """
        self.engine = self.make(on_free="sleep", unified=True)
        self.bring_up()
        freed = self.engine.free()
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(freed)


class ListModelsTests(EngineCase):
    """
    L{GenericProcessEngine.list_models}
    """

    def setUp(self) -> None:
        """
        Have the engine running, and play its server.
        """
        super().setUp()
        self.server = PlayedServer("http://127.0.0.1:8000")
        self.agent = self.server.agent
        self.engine = self.make()
        starting = self.engine.bring_up(None)
        self.port_closed()
        self.server.answer("GET /health")
        self.successResultOf(starting)

    def test_interface(self) -> None:
        """
        It is a lister.
        """
        verifyObject(IModelLister, self.engine)

    def test_models(self) -> None:
        """
        It tells the ids that its server lists.
        """
        models = self.engine.list_models()
        self.server.answer("GET /v1/models", {"data": [{"id": "a", "name": "An A"}, {"id": "b"}]})
        self.assertEqual(["a", "b"], self.successResultOf(models))

    def test_unusable(self) -> None:
        """
        An answer that is no list, or none in time, tells nothing.
        """
        for document, status in [({"data": []}, 404), ({"models": []}, 200), ([], 200)]:
            models = self.engine.list_models()
            self.server.answer("GET /v1/models", document, status)
            self.assertIsNone(self.successResultOf(models))
        models = self.engine.list_models()
        self.reactor.advance(5)
        self.assertIsNone(self.successResultOf(models))

    def test_down(self) -> None:
        """
        It is not asked when it does not run.
        """
        self.vanish()
        self.assertIsNone(self.successResultOf(self.engine.list_models()))
        self.server.is_quiet()


class LossTests(EngineCase):
    """
    An engine that ends by itself.
    """

    def test_lost(self) -> None:
        """
        Whoever watches hears of it at once, with code and last words.
        """
        self.bring_up()
        self.guardian.prints("Segmentation fault\n")
        self.guardian.reports("exited -11")
        self.reactor.advance(0)
        ((key, reason),) = self.watcher.lost
        self.assertEqual("a", key)
        self.assertIsInstance(reason, EngineDied)
        self.assertEqual(
            "engine a was killed by SIGSEGV; its last output: Segmentation fault", reason.message
        )
        self.assertTrue(self.engine.alive())
        self.assertEqual("was killed by SIGSEGV", self.engine.describe()["exit"])
        freed = self.engine.free()
        self.guardian.exits()
        self.port_closed()
        self.successResultOf(freed)

    def test_guardian_lost(self) -> None:
        """
        The death of the guardian is the engine's, and its tree is killed.
        """
        self.bring_up()
        self.table.add(43, "i:a")
        self.guardian.is_killed()
        self.reactor.advance(0)
        self.assertEqual("engine a ended", self.watcher.lost[0][1].message.split(";")[0])
        self.assertIn((43, signal.SIGKILL), self.table.signals)
        freed = self.engine.free()
        self.reactor.advance(0.1)
        self.port_closed()
        self.successResultOf(freed)

    def test_starts_again(self) -> None:
        """
        It can be brought up again when it was freed.
        """
        self.bring_up()
        self.vanish()
        freed = self.engine.free()
        self.port_closed()
        self.successResultOf(freed)
        self.bring_up()
        self.assertEqual(2, len(self.reactor.guardians))
        self.assertIsNone(self.engine.describe()["exit"])


class DescribeTests(EngineCase):
    """
    L{GenericProcessEngine.describe}
    """

    def test_down(self) -> None:
        """
        There is little to say before it was up.
        """
        self.assertEqual(
            {
                "type": "generic_process",
                "base_url": "http://127.0.0.1:8000",
                "process_running": False,
                "asleep": False,
                "pid": None,
                "uptime_s": None,
                "exit": None,
                "last_lines": [],
            },
            self.engine.describe(),
        )

    def test_up(self) -> None:
        """
        Process, age and output are told of a running one.
        """
        self.bring_up()
        self.guardian.prints("hello\n")
        self.reactor.advance(5)
        described = self.engine.describe()
        self.assertEqual((True, 42), (described["process_running"], described["pid"]))
        self.assertEqual((5, ["hello"]), (described["uptime_s"], described["last_lines"]))

    def test_lines(self) -> None:
        """
        Its last lines can be had, and followed, without secrets.
        """
        self.assertTrue(verifyObject(ILog, self.engine))
        self.bring_up()
        self.guardian.prints("one\ntwo\n")
        self.assertEqual(["two"], self.successResultOf(self.engine.last_lines(1)))
        heard: list[str] = []
        stop = self.engine.follow(heard.append, 1)
        self.guardian.prints("it is SECRET\n")
        self.assertEqual(["two", "it is ***"], heard)
        stop()
        self.guardian.prints("four\n")
        self.assertEqual(["two", "it is ***"], heard)

    def test_log_file(self) -> None:
        """
        The output is in the configured file.
        """
        path = os.path.abspath(self.mktemp())
        self.engine = self.make(log_file=path)
        self.bring_up()
        self.guardian.prints("hello\n")
        self.assertEqual(path, self.guardian.spec["log"])
        self.vanish()
        with open(path, encoding="utf-8") as file:
            self.assertEqual("hello\n", file.read())


class LeaveTests(EngineCase):
    """
    L{GenericProcessEngine.leave} and L{GenericProcessEngine.loaded} after it.
    """

    def leave(self, listening: bool = True) -> None:
        """
        Record a guardian, as an earlier router does.

        @param listening: whether it was left, and not abandoned.
        """
        state = os.path.join(self.folder, "guardians", "a")
        os.makedirs(os.path.dirname(state))
        with open(f"{state}.log", "w", encoding="utf-8") as file:
            file.write("guardian: exited -9\n")
        if listening:
            os.mkfifo(f"{state}.fifo")
            control = os.open(f"{state}.fifo", os.O_RDONLY | os.O_NONBLOCK)
            self.addCleanup(os.close, control)
        record = {
            "pid": os.getpid(),
            "start_time": os.getpid() * 10,
            "marker": "i:a",
            "fifo": f"{state}.fifo",
            "log": f"{state}.log",
        }
        self.store.put(SECTION, {"a": record})

    def end(self) -> None:
        """
        The guardian of the earlier router exits.
        """
        self.agent.ready = False
        del self.table.running[os.getpid()]
        (watch,) = self.reactor.getReaders()
        watch.doRead()
        self.reactor.advance(0)

    def test_leave(self) -> None:
        """
        A ready engine is left, and stays on record.
        """
        self.bring_up()
        left = self.engine.leave()
        self.assertEqual(["leave"], self.guardian.orders)
        self.assertNoResult(left)
        self.guardian.reports("left")
        self.successResultOf(left)
        self.assertIn("a", self.store.get(SECTION))

    def test_kept(self) -> None:
        """
        An engine that cannot be left is stopped.
        """
        self.bring_up()
        left = self.engine.leave()
        self.guardian.reports("kept No space left on device")
        self.assertEqual(["leave", "stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(left)

    def test_not_ready(self) -> None:
        """
        An engine that is not ready is of no use to the next router.
        """
        starting = self.engine.bring_up(None)
        self.port_closed()
        left = self.engine.leave()
        self.message(starting, EngineStartFailed)
        self.assertEqual(["stop"], self.guardian.orders)
        self.vanish()
        self.port_closed()
        self.successResultOf(left)

    def test_nothing(self) -> None:
        """
        Without a record there is nothing to take back.
        """
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.assertEqual([], self.reactor.tcpClients)

    def test_taken_back(self) -> None:
        """
        An engine that was left and answers is taken back.
        """
        self.leave()
        self.agent.ready = True
        self.assertEqual((Residency("a"),), self.successResultOf(self.engine.loaded()))
        self.assertTrue(self.engine.alive())
        self.assertEqual((Residency("a"),), self.successResultOf(self.engine.loaded()))
        self.successResultOf(self.engine.leave())

    def test_lines_after(self) -> None:
        """
        What it printed since is in a file, as long as it lives.
        """
        self.leave()
        self.agent.ready = True
        self.successResultOf(self.engine.loaded())
        with open(os.path.join(self.folder, "guardians", "a.log"), "a", encoding="utf-8") as log:
            log.write("it is SECRET\n")
        lines = self.engine.last_lines(2)
        self.assertEqual(["guardian: exited -9", "it is ***"], self.successResultOf(lines))
        self.end()
        lines = self.engine.last_lines(1)
        self.assertEqual(["it is ***"], self.successResultOf(lines))

    def test_lost_after(self) -> None:
        """
        Its end is told, with what it printed since it was left.
        """
        self.leave()
        self.agent.ready = True
        self.successResultOf(self.engine.loaded())
        self.end()
        self.assertEqual(
            "engine a ended; its last output: guardian: exited -9",
            self.watcher.lost[0][1].message,
        )
        self.assertEqual({}, self.store.get(SECTION))

    def test_freed_after(self) -> None:
        """
        It is freed as one that this router launched.
        """
        self.leave()
        self.agent.ready = True
        self.successResultOf(self.engine.loaded())
        freed = self.engine.free()
        self.assertEqual([(os.getpid(), signal.SIGTERM)], self.table.signals)
        self.end()
        self.port_closed()
        self.successResultOf(freed)

    def test_useless(self) -> None:
        """
        One that was left and does not answer is stopped.
        """
        self.leave()
        held = self.engine.loaded()
        self.reactor.advance(10)
        self.assertEqual([(os.getpid(), signal.SIGTERM)], self.table.signals)
        self.assertNoResult(held)
        self.end()
        self.port_closed()
        self.assertEqual((), self.successResultOf(held))

    def test_asked_twice(self) -> None:
        """
        Whoever asks while it is being taken back waits for the same answer.
        """
        self.leave()
        held = [self.engine.loaded(), self.engine.loaded()]
        self.agent.ready = True
        self.reactor.advance(0.1)
        for one in held:
            self.assertEqual((Residency("a"),), self.successResultOf(one))
        self.successResultOf(self.engine.leave())

    def test_being_stopped(self) -> None:
        """
        One whose router was killed is waited for.
        """
        self.leave(listening=False)
        held = self.engine.loaded()
        self.assertNoResult(held)
        self.end()
        self.port_closed()
        self.assertEqual((), self.successResultOf(held))

    def test_stuck(self) -> None:
        """
        One that does not go is told of, and looked at again by a later free.
        """
        self.leave(listening=False)
        held = self.engine.loaded()
        self.reactor.advance(40)
        self.message(held, EngineStuck)
        freed = self.engine.free()
        self.end()
        self.port_closed()
        self.successResultOf(freed)

    def test_guardian_killed(self) -> None:
        """
        What a guardian that was killed left behind is killed.
        """
        self.leave(listening=False)
        self.table.running.clear()
        self.table.add(43, "i:a")
        held = self.engine.loaded()
        self.assertEqual([(43, signal.SIGKILL)], self.table.signals)
        self.reactor.advance(0.1)
        self.assertEqual((), self.successResultOf(held))
        self.assertEqual({}, self.store.get(SECTION))

    def test_reused_pid(self) -> None:
        """
        A stranger who has the guardian's pid is not touched.
        """
        self.leave(listening=False)
        self.table.add(os.getpid(), "x")
        held = self.engine.loaded()
        self.reactor.advance(0)
        self.assertEqual((), self.successResultOf(held))
        self.assertEqual([], self.table.signals)
        self.assertEqual([], self.reactor.tcpClients)


class SignalNumberTests(SynchronousTestCase):
    """
    L{signal_number}
    """

    def test_numbers(self) -> None:
        """
        Signals have names and numbers.
        """
        self.assertEqual((15, 2, 9), tuple(map(signal_number, ["SIGTERM", "SIGINT", "9"])))
