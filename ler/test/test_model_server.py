# -*- test-case-name: ler.test.test_model_server -*-
"""
Tests for L{ler.engines.model_server} and L{ler.engines.model_host}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.config.model import ApiSwap
from ler.engines.model_host import CONFIRM_S
from ler.engines.model_server import ModelServerEngine
from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStartTimeout,
    EngineStuck,
    ModelUnloaded,
    Refused,
    Unavailable,
    Unreachable,
    UpstreamError,
)
from ler.interfaces import IEngine, IModelLister, LoadedModel, Residency
from ler.testing import FakeEngineWatcher, FakeModelServer, FakeServiceUnit

URL = "http://127.0.0.1:5000"
TTL = 30


class Server(FakeModelServer):
    """
    A server whose port is closed when it is down.

    @ivar lie: what it lists, if that is not what it holds.
    """

    lie: list[LoadedModel] | None = None

    def loaded(self) -> Deferred[list[LoadedModel]]:
        """
        @see: L{FakeModelServer.loaded}
        """
        if not self.up:
            return fail(Refused("Connection was refused"))
        return super().loaded() if self.lie is None else succeed(self.lie)


class Unit(FakeServiceUnit):
    """
    A unit that is a server.
    """

    def __init__(self, server: Server, **more: Any) -> None:
        super().__init__(events=server.events, **more)
        self.server = server

    def start(self) -> Deferred[None]:
        """
        @see: L{FakeServiceUnit.start}
        """
        self.server.up = True
        return super().start()

    def stop(self) -> Deferred[None]:
        """
        @see: L{FakeServiceUnit.stop}
        """
        self.server.up = False
        self.server.holding = []
        return super().stop()


class ServerCase(SynchronousTestCase):
    """
    An engine made of a fake server.
    """

    def setUp(self) -> None:
        """
        Make one that does at once what it is told.
        """
        self.clock = Clock()
        self.server = Server(["m", "n"], prompt=True)
        self.watcher = FakeEngineWatcher()
        self.leave: Callable[[], object] = lambda: None
        self.engine = self.make()

    def tearDown(self) -> None:
        """
        When the router goes, nothing is left to happen.
        """
        self.server.silent, self.server.up = None, False
        self.successResultOf(self.engine.close())
        self.assertEqual([], self.clock.getDelayedCalls())

    def make(self, unit: FakeServiceUnit | None = None, **settings: Any) -> ModelServerEngine:
        """
        @return: an engine of the server; the one before lets go of it.
        """
        self.leave()
        settings = {"load_timeout_s": 10.0, "tags_cache_ttl_s": TTL, **settings}
        config = ApiSwap(key="e", base_url=f"{URL}/", **settings)
        self.engine = ModelServerEngine(config, self.server, unit=unit, clock=self.clock)
        self.engine.watch(self.watcher)
        self.leave = self.engine.leave
        return self.engine

    def hold(self, *names: str) -> None:
        """
        The server holds models, without having been told to by us.
        """
        self.server.holding = [LoadedModel(name, f"{name}:1") for name in names]

    def held(self) -> list[str]:
        """
        @return: the names of what the server holds.
        """
        return [model.name for model in self.server.holding]

    def pass_time(self, seconds: float) -> None:
        """
        Let time pass in small steps.
        """
        self.clock.pump([0.25] * round(seconds / 0.25))


class BringUpTests(ServerCase):
    """
    L{ModelServerEngine.bring_up}
    """

    def test_interfaces(self) -> None:
        """It is an engine, and knows further models."""
        verifyObject(IEngine, self.engine)
        verifyObject(IModelLister, self.engine)
        verifyObject(IEngine, self.engine.beside("n"))
        self.assertEqual(URL, self.engine.base_url)

    def test_load(self) -> None:
        """A model is there once it is loaded."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        self.assertNoResult(starting)
        self.server.load_ended()
        self.successResultOf(starting)
        self.assertEqual(["load m"], self.server.events)

    def test_loaded_already(self) -> None:
        """What is there is not loaded again."""
        self.hold("m")
        self.successResultOf(self.engine.bring_up("m"))
        self.assertEqual([], self.server.events)

    def test_words_of_a_failure(self) -> None:
        """A load that fails does so with the server's words, and its time to retry."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        words = "/load failed: CUDA out of memory"
        self.server.load_failed(UpstreamError(words, retry_after=20))
        failed = self.failureResultOf(starting, EngineStartFailed).value
        self.assertEqual(f"engine e at {URL} did not load m: {words}", failed.message)
        self.assertTrue(failed.lacked_memory)
        self.assertEqual(20, failed.retry_after)

    def test_own_failure(self) -> None:
        """A server that knows best why a start failed says so itself."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        reason = EngineStartFailed("too large")
        self.server.load_failed(reason)
        self.assertIs(reason, self.failureResultOf(starting, EngineStartFailed).value)

    def test_too_late(self) -> None:
        """A load that takes too long is given up."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        self.clock.advance(9.9)
        self.assertNoResult(starting)
        self.clock.advance(0.1)
        self.failureResultOf(starting, EngineStartTimeout)
        self.assertEqual(["load m", "given up"], self.server.events)

    def test_late_answer(self) -> None:
        """A server that keeps the time limit itself is too late all the same."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        self.clock.rightNow += 10
        self.server.load_failed(Unreachable("no answer within 10 s"))
        timeout = self.failureResultOf(starting, EngineStartTimeout).value
        self.assertIn("no answer within 10 s", timeout.message)

    def test_lied(self) -> None:
        """A server that says that it has loaded a model must list it soon."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        self.server.lie = [LoadedModel("n", "n")]
        self.server.load_ended()
        self.assertNoResult(starting)
        self.pass_time(CONFIRM_S)
        failed = self.failureResultOf(starting, EngineStartFailed).value
        self.assertIn("lists n", failed.message)

    def test_lists_late(self) -> None:
        """A model may be listed a moment after its load."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        self.server.lie = []
        self.server.load_ended()
        self.assertNoResult(starting)
        self.server.lie = None
        self.pass_time(1)
        self.successResultOf(starting)

    def test_down_without_unit(self) -> None:
        """A server that is down and is not ours to start is named, with the cure."""
        self.server.up = False
        failed = self.failureResultOf(self.engine.bring_up("m"), EngineStartFailed).value
        self.assertIn(f"nothing answers at {URL}", failed.message)
        self.assertIn("systemd_unit", failed.message)

    def test_unit(self) -> None:
        """A server that is down is started, and awaited."""
        self.server.up = False
        unit = FakeServiceUnit(events=self.server.events)
        starting = self.make(unit).bring_up("m")
        self.pass_time(2)
        self.assertNoResult(starting)
        self.server.up = True
        self.pass_time(0.25)
        self.successResultOf(starting)
        self.assertEqual(["start", "load m"], self.server.events)

    def test_unit_is_not_restarted(self) -> None:
        """A server that answers is not started."""
        self.successResultOf(self.make(Unit(self.server)).bring_up("m"))
        self.assertEqual(["load m"], self.server.events)

    def test_unit_fails(self) -> None:
        """A unit that cannot be started says why."""
        self.server.up = False
        unit = FakeServiceUnit()
        unit.broken = Unavailable("e.service: exec format error")
        failed = self.failureResultOf(self.make(unit).bring_up("m"), EngineStartFailed).value
        self.assertIn("exec format error", failed.message)

    def test_unit_without_answer(self) -> None:
        """A unit whose server does not answer in time is named."""
        self.server.up = False
        starting = self.make(FakeServiceUnit(), server_start_timeout_s=3.0).bring_up("m")
        self.pass_time(3)
        timeout = self.failureResultOf(starting, EngineStartTimeout).value
        self.assertIn("fake.service was started, but within 3 s", timeout.message)

    def test_cancel(self) -> None:
        """A start that is cancelled gives up the load."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        self.assertEqual(["load m", "given up"], self.server.events)

    def test_free_abandons(self) -> None:
        """Who frees an engine that starts abandons the start."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        freeing = self.engine.free()
        self.failureResultOf(starting, EngineStartFailed)
        self.successResultOf(freeing)

    def test_again(self) -> None:
        """After a failure the engine is freed, and can be started."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        self.server.load_failed(UpstreamError("no"))
        self.failureResultOf(starting, EngineStartFailed)
        self.successResultOf(self.engine.free())
        self.server.prompt = True
        self.successResultOf(self.engine.bring_up("m"))


class FreeTests(ServerCase):
    """
    L{ModelServerEngine.free}
    """

    def test_unload(self) -> None:
        """All models go, by their ids; it ends when they are gone."""
        self.server.prompt = False
        self.hold("m", "n")
        freeing = self.engine.free()
        self.assertEqual(["unload m:1", "unload n:1"], self.server.events)
        self.pass_time(5)
        self.assertNoResult(freeing)
        self.server.unloads_ended()
        self.pass_time(0.25)
        self.successResultOf(freeing)
        self.assertEqual(2, len(self.server.events))

    def test_nothing(self) -> None:
        """Where nothing is loaded, nothing is unloaded."""
        self.successResultOf(self.engine.free())
        self.assertEqual([], self.server.events)

    def test_stuck(self) -> None:
        """What does not go is named; later it is told to go again."""
        self.server.prompt = False
        self.hold("m")
        freeing = self.engine.free()
        self.pass_time(60)
        stuck = self.failureResultOf(freeing, EngineStuck).value
        self.assertIn("it still holds m", stuck.message)
        self.server.prompt = True
        self.successResultOf(self.engine.free())
        self.assertEqual(["unload m:1"] * 2, self.server.events)

    def test_unknown_is_not_empty(self) -> None:
        """A server that does not say what it holds is not free."""
        self.server.silent = Unreachable("no answer within 5 s")
        freeing = self.engine.free()
        self.pass_time(60)
        stuck = self.failureResultOf(freeing, EngineStuck).value
        self.assertIn("no answer within 5 s", stuck.message)

    def test_known_later(self) -> None:
        """It is asked until it says what it holds."""
        self.server.silent = Unavailable("it is loading m")
        freeing = self.engine.free()
        self.pass_time(2)
        self.assertNoResult(freeing)
        self.server.silent = None
        self.hold("m")
        self.pass_time(1)
        self.successResultOf(freeing)
        self.assertEqual(["unload m:1"], self.server.events)

    def test_down(self) -> None:
        """A server that is down holds nothing."""
        self.server.up = False
        self.successResultOf(self.engine.free())

    def test_stop(self) -> None:
        """A server that is to be stopped is, and holds nothing then."""
        self.make(Unit(self.server), on_free="stop")
        self.successResultOf(self.engine.bring_up("m"))
        self.successResultOf(self.engine.free())
        self.assertEqual(["load m", "stop"], self.server.events)

    def test_stop_of_another(self) -> None:
        """A server that answers although its unit is stopped gets its models unloaded."""
        self.make(FakeServiceUnit(events=self.server.events), on_free="stop")
        self.hold("m")
        self.successResultOf(self.engine.free())
        self.assertEqual(["stop", "unload m:1"], self.server.events)

    def test_close(self) -> None:
        """When the router goes, it stops what it started."""
        self.server.up = False
        self.make(Unit(self.server))
        self.successResultOf(self.engine.bring_up("m"))
        self.successResultOf(self.engine.close())
        self.successResultOf(self.engine.close())
        self.assertEqual(["start", "load m", "stop"], self.server.events)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_close_spares(self) -> None:
        """When the router goes, what ran before it is only unloaded."""
        self.make(Unit(self.server))
        self.successResultOf(self.engine.bring_up("m"))
        self.successResultOf(self.engine.close())
        self.assertEqual(["load m", "unload m"], self.server.events)

    def test_close_unheard(self) -> None:
        """When the router goes, it does not wait for a server of which nothing is known."""
        self.successResultOf(self.engine.bring_up("m"))
        self.server.silent = Unreachable("no answer within 5 s")
        stuck = self.failureResultOf(self.engine.close(), EngineStuck).value
        self.assertIn("nobody knows what engine e at http", stuck.message)
        self.assertIn("no answer within 5 s", stuck.message)

    def test_close_busy(self) -> None:
        """It does wait for one that is busy."""
        self.successResultOf(self.engine.bring_up("m"))
        self.server.silent = Unavailable("it is loading n")
        closing = self.engine.close()
        self.assertNoResult(closing)
        self.server.silent = None
        self.pass_time(1)
        self.successResultOf(closing)
        self.assertEqual([], self.held())

    def test_leave(self) -> None:
        """A model that is left stays loaded."""
        self.successResultOf(self.engine.bring_up("m"))
        self.successResultOf(self.engine.leave())
        self.assertEqual(["m"], self.held())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_leave_while_starting(self) -> None:
        """A start cannot be left."""
        self.server.prompt = False
        starting = self.engine.bring_up("m")
        self.successResultOf(self.engine.leave())
        self.failureResultOf(starting, EngineStartFailed)


class LoadedTests(ServerCase):
    """
    L{ModelServerEngine.loaded}
    """

    def test_loaded(self) -> None:
        """Each model is a residency, however often it is loaded."""
        self.hold("m", "n", "m")
        found = self.successResultOf(self.engine.loaded())
        self.assertEqual((Residency("e", "m"), Residency("e", "n")), found)

    def test_down(self) -> None:
        """A server that is down holds nothing."""
        self.server.up = False
        self.assertEqual((), self.successResultOf(self.engine.loaded()))

    def test_while_loading(self) -> None:
        """While the server loads something, one waits."""
        self.server.silent = Unavailable("it is loading m")
        asking = self.engine.loaded()
        self.pass_time(5)
        self.assertNoResult(asking)
        self.server.silent = None
        self.pass_time(0.25)
        self.assertEqual((), self.successResultOf(asking))

    def test_never(self) -> None:
        """One waits no longer than for a load."""
        self.server.silent = Unavailable("it is loading m")
        asking = self.engine.loaded()
        self.pass_time(10)
        self.failureResultOf(asking, EngineStuck)

    def test_list_models(self) -> None:
        """All models of the server are known, if it answers."""
        self.assertEqual(["m", "n"], self.successResultOf(self.engine.list_models()))
        self.server.up = False
        self.assertIsNone(self.successResultOf(self.engine.list_models()))

    def test_describe(self) -> None:
        """It shows what it last heard."""
        shown: dict[str, Any] = {
            "type": "api_swap",
            "base_url": URL,
            "server_up": None,
            "loaded": None,
        }
        self.assertEqual({**shown, "unit": None}, self.engine.describe())
        self.assertIsNone(self.engine.alive())
        self.make(Unit(self.server))
        self.successResultOf(self.engine.bring_up("m"))
        shown.update(server_up=True, loaded=["m"])
        self.assertEqual({**shown, "unit": "fake.service"}, self.engine.describe())


class ReconciliationTests(ServerCase):
    """
    What happens behind our back.
    """

    def setUp(self) -> None:
        """
        A model is up.
        """
        super().setUp()
        self.successResultOf(self.engine.bring_up("m"))
        self.server.events.clear()

    def lost(self, kind: type[Exception]) -> None:
        """
        The engine was lost once, for a reason of this kind.
        """
        ((key, reason),) = self.watcher.lost
        self.assertEqual("e", key)
        self.assertIs(kind, type(reason))

    def test_quiet(self) -> None:
        """When all is as it should be, nothing happens."""
        self.pass_time(3 * TTL)
        self.assertEqual(([], []), (self.watcher.lost, self.server.events))

    def test_gone(self) -> None:
        """A model that is not there any more is lost, once."""
        self.server.holding = []
        self.pass_time(TTL)
        self.lost(ModelUnloaded)
        self.pass_time(2 * TTL)
        self.lost(ModelUnloaded)

    def test_server_gone(self) -> None:
        """With a server that is down its model is lost."""
        self.server.up = False
        self.pass_time(TTL)
        self.lost(EngineDied)

    def test_no_news(self) -> None:
        """A server that does not say what it holds changes nothing."""
        self.server.silent = Unreachable("no answer within 5 s")
        self.pass_time(2 * TTL)
        self.assertEqual([], self.watcher.lost)
        self.assertIsNone(self.engine.describe()["loaded"])

    def test_stranger(self) -> None:
        """A model that nobody here asked for is unloaded."""
        self.server.holding.append(LoadedModel("n", "n:2"))
        self.pass_time(TTL)
        self.assertEqual(["unload n:2"], self.server.events)
        self.assertEqual(["m"], self.held())
        self.assertEqual([], self.watcher.lost)

    def test_adopted(self) -> None:
        """The first model found at boot is no stranger, the others are."""
        self.make()
        self.hold("n", "m")
        self.successResultOf(self.engine.loaded())
        self.pass_time(TTL)
        self.assertEqual(["n"], self.held())
        self.server.holding = []
        self.pass_time(TTL)
        self.lost(ModelUnloaded)

    def test_freed(self) -> None:
        """What was freed is not lost."""
        self.successResultOf(self.engine.free())
        self.pass_time(TTL)
        self.assertEqual([], self.watcher.lost)

    def test_not_during_a_load(self) -> None:
        """While a model loads, nobody looks."""
        self.successResultOf(self.engine.free())
        self.server.prompt = False
        self.make(load_timeout_s=1000.0)
        starting = self.engine.bring_up("n")
        self.hold("z")
        self.pass_time(2 * TTL)
        self.assertNotIn("unload z:1", self.server.events)
        self.server.load_ended()
        self.successResultOf(starting)
        self.assertEqual([], self.watcher.lost)

    def test_answer_of_another_time(self) -> None:
        """An answer that was overtaken by a change does not count."""
        answer: Deferred[list[LoadedModel]] = Deferred()
        self.patch(self.server, "loaded", lambda: answer)
        self.clock.advance(TTL)
        self.server.__dict__.pop("loaded")
        self.successResultOf(self.engine.free())
        self.successResultOf(self.engine.bring_up("m"))
        answer.callback([])
        self.assertEqual([], self.watcher.lost)

    def test_never(self) -> None:
        """With an interval of 0 nobody looks."""
        self.successResultOf(self.engine.close())
        self.successResultOf(self.make(tags_cache_ttl_s=0.0).bring_up("m"))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_bug(self) -> None:
        """A bug is logged, and does not end the looking."""
        self.server.silent = ZeroDivisionError()  # type: ignore[assignment]
        self.pass_time(TTL)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.server.silent, self.server.holding = None, []
        self.pass_time(TTL)
        self.lost(ModelUnloaded)


class BesideTests(ServerCase):
    """
    L{ModelServerEngine.beside}
    """

    def setUp(self) -> None:
        """
        Both faces have a model.
        """
        super().setUp()
        self.small = self.engine.beside("n")
        self.successResultOf(self.engine.bring_up("m"))
        self.successResultOf(self.small.bring_up("n"))

    def test_one_face(self) -> None:
        """A model has one face."""
        self.assertIs(self.small, self.engine.beside("n"))
        self.assertEqual("e", self.small.key)

    def test_free(self) -> None:
        """Each face frees its own."""
        self.successResultOf(self.small.free())
        self.assertEqual(["m"], self.held())
        self.successResultOf(self.small.bring_up("n"))
        self.successResultOf(self.engine.free())
        self.assertEqual(["n"], self.held())
        self.successResultOf(self.small.free())

    def test_loaded(self) -> None:
        """Each face finds its own."""
        found = self.successResultOf(self.engine.loaded())
        self.assertEqual((Residency("e", "m"),), found)
        self.assertEqual((Residency("e", "n"),), self.successResultOf(self.small.loaded()))

    def test_lost(self) -> None:
        """Each face loses its own."""
        other = FakeEngineWatcher()
        self.small.watch(other)
        self.server.holding.pop()
        self.pass_time(TTL)
        self.assertEqual((0, 1), (len(self.watcher.lost), len(other.lost)))

    def test_stop(self) -> None:
        """The server is stopped when the last of its faces is freed."""
        self.make(Unit(self.server), on_free="stop")
        small = self.engine.beside("n")
        self.successResultOf(self.engine.bring_up("m"))
        self.successResultOf(small.bring_up("n"))
        self.successResultOf(self.engine.free())
        self.assertEqual(["n"], self.held())
        self.successResultOf(small.free())
        self.assertEqual("stop", self.server.events[-1])
