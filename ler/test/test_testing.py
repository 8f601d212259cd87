# -*- test-case-name: ler.test.test_testing -*-
"""
Tests of L{ler.testing}: the fakes do what they say.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface
from zope.interface.verify import verifyObject

from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStuck,
    EngineUnavailable,
    InsufficientMemory,
    Refused,
)
from ler.interfaces import (
    IEngine,
    IEngineWatcher,
    IHealthCheck,
    IMemory,
    IMemoryChannel,
    IModelServer,
    IRelease,
    IServiceUnit,
    IStateStore,
    LoadedModel,
    Residency,
    SettleReport,
)
from ler.testing import (
    FakeEngine,
    FakeEngineWatcher,
    FakeHealthCheck,
    FakeMemory,
    FakeMemoryChannel,
    FakeModelServer,
    FakeRelease,
    FakeServiceUnit,
    FakeStateStore,
)

SETTLED = SettleReport("settled", 0.5)


class InterfaceTests(SynchronousTestCase):
    """
    Every fake provides its interface.
    """

    def test_provided(self) -> None:
        """
        An object of each fake has all that the contract asks for.
        """
        fakes: list[tuple[type[Interface], object]] = [
            (IEngine, FakeEngine()),
            (IEngineWatcher, FakeEngineWatcher()),
            (IModelServer, FakeModelServer()),
            (IServiceUnit, FakeServiceUnit()),
            (IHealthCheck, FakeHealthCheck()),
            (IStateStore, FakeStateStore()),
            (IMemoryChannel, FakeMemoryChannel(lambda: 1)),
            (IRelease, FakeRelease(None)),
            (IMemory, FakeMemory()),
        ]
        for interface, fake in fakes:
            self.assertTrue(verifyObject(interface, fake))


class FakeEngineTests(SynchronousTestCase):
    """
    L{FakeEngine} starts and stops when the test says so.
    """

    def setUp(self) -> None:
        self.engine = FakeEngine("a")

    def test_start(self) -> None:
        """
        A start waits for the test.
        """
        starting = self.engine.bring_up("large")
        self.assertNoResult(starting)
        self.assertTrue(self.engine.alive())
        self.engine.started()
        self.successResultOf(starting)
        self.assertEqual(self.engine.events, ["a bring_up large"])

    def test_start_fails(self) -> None:
        """
        A start can fail.
        """
        starting = self.engine.bring_up(None)
        self.engine.start_failed(EngineStartFailed("exit status 1"))
        self.failureResultOf(starting, EngineStartFailed)
        self.assertEqual(self.engine.events, ["a bring_up"])

    def test_abandoned(self) -> None:
        """
        A start that is cancelled is noted, and leaves something to free.
        """
        starting = self.engine.bring_up(None)
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        self.assertEqual(self.engine.events, ["a bring_up", "a abandoned"])
        self.assertNoResult(self.engine.free())

    def test_nothing_pending(self) -> None:
        """
        A test that ends what is not pending is told.
        """
        self.assertRaises(AssertionError, self.engine.started)
        self.assertRaises(AssertionError, self.engine.start_failed, EngineDied("no"))
        self.assertRaises(AssertionError, self.engine.freed)
        self.assertRaises(AssertionError, self.engine.free_failed, EngineDied("no"))

    def test_free(self) -> None:
        """
        Every stop waits for the test, and all that are pending end together.
        """
        self.engine.running = True
        first, second = self.engine.free(), self.engine.free()
        self.assertNoResult(first)
        self.engine.freed()
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertFalse(self.engine.alive())

    def test_free_nothing(self) -> None:
        """
        What does not run is free at once.
        """
        self.successResultOf(self.engine.free())

    def test_free_fails(self) -> None:
        """
        A stop can fail, and be asked for again.
        """
        self.engine.running = True
        freeing = self.engine.free()
        self.engine.free_failed(EngineStuck("no"))
        self.failureResultOf(freeing, EngineStuck)
        self.assertTrue(self.engine.alive())
        self.assertNoResult(self.engine.free())

    def test_prompt(self) -> None:
        """
        A prompt engine starts and stops at once.
        """
        engine = FakeEngine(prompt=True)
        self.successResultOf(engine.bring_up(None))
        self.assertTrue(engine.running)
        self.successResultOf(engine.free())
        self.assertFalse(engine.running)

    def test_loaded(self) -> None:
        """
        It holds what the test says, and runs if that is anything.
        """
        self.assertEqual(self.successResultOf(self.engine.loaded()), ())
        self.assertFalse(self.engine.running)
        self.engine.holding = (Residency("a"),)
        self.assertEqual(self.successResultOf(self.engine.loaded()), (Residency("a"),))
        self.assertTrue(self.engine.running)

    def test_loaded_fails(self) -> None:
        """
        It may not be able to say.
        """
        self.engine.holding = EngineStuck("a stranger")
        self.failureResultOf(self.engine.loaded(), EngineStuck)

    def test_lose(self) -> None:
        """
        All who watch hear of its end.
        """
        watchers = [FakeEngineWatcher(), FakeEngineWatcher()]
        for watcher in watchers:
            self.engine.watch(watcher)
        self.engine.running = True
        reason = EngineDied("killed")
        self.engine.lose(reason)
        self.assertFalse(self.engine.running)
        self.assertEqual([watcher.lost for watcher in watchers], [[("a", reason)]] * 2)

    def test_close(self) -> None:
        """
        The end is like a stop, and told apart from it.
        """
        self.engine.running = True
        closing = self.engine.close()
        self.assertNoResult(closing)
        self.engine.freed()
        self.successResultOf(closing)
        self.assertEqual(self.engine.events, ["a close"])

    def test_leave(self) -> None:
        """
        Letting go is noted.
        """
        self.successResultOf(self.engine.leave())
        self.assertEqual(self.engine.events, ["a leave"])

    def test_shared_events(self) -> None:
        """
        Engines with one list of events show the order between them.
        """
        events: list[str] = []
        for key in "ab":
            FakeEngine(key, events=events).free()
        self.assertEqual(events, ["a free", "b free"])

    def test_describe(self) -> None:
        """
        It tells whether it runs.
        """
        self.assertFalse(self.engine.describe()["process_running"])


class FakeModelServerTests(SynchronousTestCase):
    """
    L{FakeModelServer} loads and unloads when the test says so.
    """

    large = LoadedModel("large", "large")

    def setUp(self) -> None:
        self.server = FakeModelServer(["large", "small"])

    def holding(self) -> list[LoadedModel]:
        """
        @return: what the server says that it holds.
        """
        return self.successResultOf(self.server.loaded())

    def test_load(self) -> None:
        """
        A load waits for the test, and what was loaded is held once.
        """
        for _ in range(2):
            loading = self.server.load("large")
            self.assertNoResult(loading)
            self.server.load_ended()
            self.successResultOf(loading)
        self.assertEqual(self.holding(), [self.large])
        self.assertEqual(self.server.events, ["load large", "load large"])

    def test_load_fails(self) -> None:
        """
        A load can fail.
        """
        loading = self.server.load("large")
        self.server.load_failed(EngineStartFailed("no such model"))
        self.failureResultOf(loading, EngineStartFailed)
        self.assertEqual(self.holding(), [])

    def test_given_up(self) -> None:
        """
        A load that nobody waits for any more may go on.
        """
        loading = self.server.load("large")
        loading.cancel()
        self.failureResultOf(loading, CancelledError)
        self.assertEqual(self.server.events, ["load large", "given up"])
        self.server.load_ended()
        self.assertEqual(self.holding(), [self.large])

    def test_unload(self) -> None:
        """
        What is to go is there until the test says otherwise.
        """
        self.server.holding = [self.large, LoadedModel("small", "small-1")]
        self.successResultOf(self.server.unload(self.server.holding[1]))
        self.assertEqual(len(self.holding()), 2)
        self.server.unloads_ended()
        self.assertEqual(self.holding(), [self.large])
        self.assertEqual(self.server.events, ["unload small-1"])

    def test_prompt(self) -> None:
        """
        A prompt server loads and unloads at once.
        """
        server = FakeModelServer(prompt=True)
        self.successResultOf(server.load("large"))
        self.assertEqual(self.successResultOf(server.loaded()), [self.large])
        self.successResultOf(server.unload(self.large))
        self.assertEqual(self.successResultOf(server.loaded()), [])

    def test_silent(self) -> None:
        """
        It may not be able to say what it holds.
        """
        self.server.silent = EngineUnavailable("it loads")
        self.failureResultOf(self.server.loaded(), EngineUnavailable)

    def test_down(self) -> None:
        """
        A server that is down answers nothing.
        """
        self.server.up = False
        self.assertIs(self.successResultOf(self.server.is_up()), False)
        for answer in (
            self.server.loaded(),
            self.server.load("large"),
            self.server.unload(self.large),
            self.server.list_models(),
        ):
            self.failureResultOf(answer, Refused)

    def test_list(self) -> None:
        """
        It lists the models that the test gave it.
        """
        self.assertEqual(self.successResultOf(self.server.list_models()), ["large", "small"])

    def test_nothing_pending(self) -> None:
        """
        A test that ends what is not pending is told.
        """
        self.assertRaises(AssertionError, self.server.load_ended)
        self.assertRaises(AssertionError, self.server.load_failed, EngineDied("no"))


class FakeServiceUnitTests(SynchronousTestCase):
    """
    L{FakeServiceUnit} does what it is told, unless the test says otherwise.
    """

    def setUp(self) -> None:
        self.unit = FakeServiceUnit()

    def state(self) -> str:
        """
        @return: what it says of itself.
        """
        return self.successResultOf(self.unit.state())

    def test_start_and_stop(self) -> None:
        """
        It starts and stops at once.
        """
        self.assertEqual(self.state(), "inactive")
        self.successResultOf(self.unit.start())
        self.assertEqual(self.state(), "active")
        self.successResultOf(self.unit.stop())
        self.assertEqual(self.state(), "inactive")
        self.assertEqual(self.unit.events, ["start", "stop"])

    def test_broken(self) -> None:
        """
        A start can fail.
        """
        self.unit.broken = EngineStartFailed("exit status 1")
        self.failureResultOf(self.unit.start(), EngineStartFailed)
        self.assertEqual(self.state(), "failed")

    def test_stuck(self) -> None:
        """
        A stop can fail.
        """
        unit = FakeServiceUnit(active=True)
        unit.stuck = EngineStuck("it would not go")
        self.failureResultOf(unit.stop(), EngineStuck)
        self.assertEqual(self.successResultOf(unit.state()), "active")


class FakeHealthCheckTests(SynchronousTestCase):
    """
    L{FakeHealthCheck} answers by a list.
    """

    def test_answers(self) -> None:
        """
        It gives one answer after the other, and the last for ever.
        """
        check = FakeHealthCheck(["loading", None])
        answers = [self.successResultOf(check.check()) for _ in range(3)]
        self.assertEqual(answers, ["loading", None, None])
        self.assertEqual(check.checks, 3)


class FakeStateStoreTests(SynchronousTestCase):
    """
    L{FakeStateStore} keeps what it is given.
    """

    def test_sections(self) -> None:
        """
        What was put is got, and nothing before.
        """
        store = FakeStateStore({"old": 1})
        self.assertIsNone(store.get("new"))
        store.put("new", [2])
        self.assertEqual((store.get("old"), store.get("new")), (1, [2]))


class FakeMemoryTests(SynchronousTestCase):
    """
    L{FakeMemory} and its parts do what the test says.
    """

    def test_channel(self) -> None:
        """
        A channel reads what a function says, and counts.
        """
        readings = [7, None]
        channel = FakeMemoryChannel(lambda: readings.pop(0))
        self.assertEqual([channel.read(), channel.read()], [7, None])
        self.assertEqual(channel.reads, 2)

    def test_release_waits(self) -> None:
        """
        The verdict comes when the test says so.
        """
        memory = FakeMemory()
        release = memory.begin("a", "b", lambda: True)
        release.stopping()
        waiting = release.wait()
        self.assertNoResult(waiting)
        release.settle(SETTLED)
        self.assertIs(self.successResultOf(waiting), SETTLED)
        self.assertEqual(memory.releases, [("a", "b", release)])
        self.assertTrue(release.stopped)

    def test_release_with_a_report(self) -> None:
        """
        A verdict that was given before comes at once.
        """
        release = FakeMemory(SETTLED).begin(None, "b", lambda: False)
        self.assertIs(self.successResultOf(release.wait()), SETTLED)

    def test_release_nobody_waits(self) -> None:
        """
        A test that settles what nobody waits for is told.
        """
        self.assertRaises(AssertionError, FakeRelease(None).settle, SETTLED)

    def test_release_cancel(self) -> None:
        """
        That nobody watches any more is noted.
        """
        release = FakeRelease(None)
        release.cancel()
        self.assertTrue(release.cancelled)

    def test_shortfall(self) -> None:
        """
        What does not fit is what the test says.
        """
        memory = FakeMemory()
        self.assertIsNone(memory.shortfall("a", "b"))
        error = memory.short["b"] = InsufficientMemory("b", 2, 1)
        self.assertIs(memory.shortfall("a", "b"), error)

    def test_starts(self) -> None:
        """
        Starts are noted.
        """
        memory = FakeMemory()
        memory.starting("a")
        memory.started("a")
        self.assertEqual(memory.events, ["starting a", "started a"])
        self.assertEqual(memory.describe(), {})
