# -*- test-case-name: ler.test.test_tap -*-
"""
Tests for L{ler.tap}.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import yaml
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from ler import tap
from ler.config import Config, Engine, GenericProcess, Loaded
from ler.errors import ShuttingDown
from ler.interfaces import Residency
from ler.notify import MOMENT_S, Notifier
from ler.reloading import Changes
from ler.slot.record import Answered
from ler.slot.wish import Priority
from ler.state import StateDirectory, StateLocked
from ler.tap import HangupService, Options, Router


def engine(key: str, **settings: Any) -> GenericProcess:
    """
    @return: the configuration of an engine.
    """
    url = f"http://127.0.0.1:{18000 + len(key)}"
    return GenericProcess(key=key, base_url=url, start_cmd=("true",), **settings)


def config_of(*engines: Engine, **settings: Any) -> Config:
    """
    @return: a configuration.
    """
    return Config(engines={engine.key: engine for engine in engines}, **settings)


class OptionsTests(SynchronousTestCase):
    """
    The command line.
    """

    def setUp(self) -> None:
        """
        Listen to what is printed.
        """
        self.out, self.err = StringIO(), StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def write(self, **config: object) -> str:
        """
        @return: the path of a configuration.
        """
        path = Path(self.mktemp())
        path.write_text(yaml.safe_dump(config))
        return str(path)

    def good(self, **settings: object) -> str:
        """
        @return: the path of a configuration with which nothing is wrong.
        """
        command = [sys.executable]
        a = {"type": "generic_process", "base_url": "http://127.0.0.1:1", "start_cmd": command}
        return self.write(engines={"a": a}, models=[{"id": "m", "engine": "a"}], **settings)

    def leave(self, *arguments: str) -> object:
        """
        Assert that the command ends here.

        @return: its exit status, or what it prints in exiting with 1.
        """
        status: object = self.assertRaises(SystemExit, Options().parseOptions, arguments).code
        return status

    def test_loaded(self) -> None:
        """The configuration is read before anything is started."""
        options = Options()
        options.parseOptions(["--config", self.good(port=1234)])
        self.assertEqual(1234, options.loaded.port)
        self.assertEqual(("", ""), (self.out.getvalue(), self.err.getvalue()))

    def test_check(self) -> None:
        """A configuration can be looked at without a start."""
        path = self.good()
        self.assertEqual(0, self.leave("--config", path, "--check-config"))
        self.assertEqual(f"{path} is right: 1 models on a\n", self.out.getvalue())

    def test_warnings(self) -> None:
        """What is likely a mistake is told, and no reason to stop."""
        self.assertEqual(0, self.leave("-c", self.good(host="0.0.0.0"), "--check-config"))
        self.assertIn("api_keys", self.err.getvalue())

    def test_no_file(self) -> None:
        """A file that is not there is told in a sentence."""
        for check in ([], ["--check-config"]):
            said = self.leave("--config", "/nowhere/config.yaml", *check)
            self.assertIn("/nowhere/config.yaml: cannot be read: No such file", str(said))

    def test_problems(self) -> None:
        """All problems are told at once."""
        path = self.write(engines={"a": {"type": "generic_process"}}, prot=1, api_key=["x"])
        said = str(self.leave("--config", path))
        for word in ("prot", "api_key", "base_url", "start_cmd"):
            self.assertIn(word, said)

    def test_schema(self) -> None:
        """The schema of the configuration can be printed, without one."""
        self.assertEqual(0, self.leave("--print-schema"))
        self.assertIn("engines", json.loads(self.out.getvalue())["properties"])

    def test_nothing_given(self) -> None:
        """A router needs a configuration."""
        self.assertIn("--config FILE is needed", str(self.leave()))


class FakePort:
    """
    A port that closes when the test says so.
    """

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self.closed: Deferred[None] = Deferred()

    def stopListening(self) -> Deferred[None]:
        """
        Accept nothing new.
        """
        self._events.append("stop listening")
        return self.closed


class FakeReactor(MemoryReactorClock):
    """
    A reactor that keeps the ports on which it listens.
    """

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events
        self.ports: list[FakePort] = []
        self.busy = False

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """
        @see: C{IReactorTCP.listenTCP}
        """
        if self.busy:
            raise CannotListenError(interface, port, OSError("Address already in use"))
        self.events.append(f"listen on {interface} port {port}")
        self.ports.append(FakePort(self.events))
        return self.ports[-1]

    def callFromThread(self, call: Callable[..., None], *details: object) -> None:
        """
        @see: C{IReactorFromThreads.callFromThread}
        """
        call(*details)

    def getThreadPool(self) -> object:
        """
        @see: C{IReactorThreads.getThreadPool}
        """
        return object()


class FakeListing:
    """
    A listing that asks nobody.
    """

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def start(self) -> None:
        """
        @see: L{Listing.start<ler.engines.listing.Listing.start>}
        """
        self._events.append("list")

    def stop(self) -> None:
        """
        @see: L{Listing.stop<ler.engines.listing.Listing.stop>}
        """
        self._events.append("list no more")


class FakeSlots:
    """
    Slots that close when the test says so.
    """

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self.closed: Deferred[None] = Deferred()
        self.described: list[dict[str, Any]] = []

    def watch(self, moved: Callable[[object], None]) -> None:
        """
        @see: L{Slots.watch<ler.slot.slots.Slots.watch>}
        """
        self.moved = moved

    def describe(self) -> list[dict[str, Any]]:
        """
        @see: L{Slots.describe<ler.slot.slots.Slots.describe>}
        """
        return self.described

    def adopt(self) -> None:
        """
        @see: L{Slots.adopt<ler.slot.slots.Slots.adopt>}
        """
        self._events.append("adopt")

    def preload(self, targets: Sequence[Residency]) -> None:
        """
        @see: L{Slots.preload<ler.slot.slots.Slots.preload>}
        """
        self._events.extend(f"preload {target}" for target in targets)

    def close(self, leave: bool) -> Deferred[None]:
        """
        @see: L{Slots.close<ler.slot.slots.Slots.close>}
        """
        self._events.append("leave" if leave else "close")
        return self.closed


class FakeParts:
    """
    The parts of a router, which do nothing.
    """

    site = "a site"
    preload = (Residency("a"),)

    def __init__(self, config: Config, slots: FakeSlots, events: list[str]) -> None:
        self.config = config
        self.slots = slots
        self.listing = FakeListing(events)
        self.router_log = Service()
        self.reloaded: list[Config] = []

    def reload(self, config: Config) -> Changes:
        """
        @see: L{Parts.reload<ler.composing.Parts.reload>}
        """
        self.reloaded.append(config)
        self.config = config
        return Changes(changed=("aliases",))


class RouterTests(SynchronousTestCase):
    """
    A router starts and stops in order.
    """

    def setUp(self) -> None:
        """
        Let nothing real be built.
        """
        self.events: list[str] = []
        self.reactor = FakeReactor(self.events)
        self.slots = FakeSlots(self.events)
        self.folder = Path(self.mktemp()).resolve()
        self.stores: list[Any] = []
        self.patch(tap, "Parts", self.build)
        self.patch(tap, "raise_file_limit", lambda: None)
        self.patch(tap, "is_attended", lambda: False)
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        self.config = config_of(engine("a"), on_exit="leave")

    def build(
        self,
        config: Config,
        environ: object,
        reactor: object,
        store: object,
        state: object,
        *,
        answered: Callable[[Answered], None],
        reload: Callable[[], Any],
    ) -> Any:
        """
        @see: L{Parts<ler.composing.Parts>}
        """
        self.events.append("build")
        self.stores.append(store)
        self.answered = answered
        self.ask_reload = reload
        self.parts = FakeParts(config, self.slots, self.events)
        return self.parts

    def router(self, **settings: Any) -> Router:
        """
        @return: a router that was not started.
        """
        settings = {"state_dir": str(self.folder), **settings}
        return Router(config_of(engine("a"), **settings), {}, self.reactor, self.read)

    def read(self) -> Deferred[Loaded]:
        """
        @return: what the file says now.
        """
        return succeed(Loaded(self.config, ("port 80 is odd",)))

    def test_start(self) -> None:
        """First the parts are built, then it listens, and then it finds out
        what runs already: who comes meanwhile can wait."""
        router = self.router()
        self.assertFalse(self.folder.exists())
        router.privilegedStartService()
        router.startService()
        self.assertEqual(
            ["build", "listen on 127.0.0.1 port 8077", "adopt", "preload a", "list"], self.events
        )

    def test_stop(self) -> None:
        """It stops to listen, ends answers and engines, and lets go of its
        folder, each when the one before is done."""
        router = self.router()
        router.privilegedStartService()
        router.startService()
        del self.events[:]
        stopped = router.stopService()
        self.assertEqual(["stop listening"], self.events)
        self.reactor.ports[0].closed.callback(None)
        self.assertEqual(["stop listening", "list no more", "close"], self.events)
        other = StateDirectory(str(self.folder))
        self.assertRaises(StateLocked, other.lock)
        self.assertNoResult(stopped)
        self.slots.closed.callback(None)
        self.successResultOf(stopped)
        self.assertFalse(router.running)
        other.lock()
        other.unlock()

    def test_service_manager(self) -> None:
        """A service manager hears when it listens, what is in memory, and
        that it stops, which it hears first."""

        def notifier(environ: object, clock: Any) -> Notifier:
            return Notifier(
                {"NOTIFY_SOCKET": "/"}, clock, lambda _, told: self.events.append(told.decode())
            )

        self.patch(tap, "Notifier", notifier)
        router = self.router()
        router.privilegedStartService()
        router.startService()
        self.assertEqual(["listen on 127.0.0.1 port 8077", "READY=1", "adopt"], self.events[1:4])
        del self.events[:]
        self.slots.described = [{"resident": "a", "swap": None, "stuck": None}]
        self.slots.moved(None)
        self.reactor.advance(MOMENT_S)
        router.stopService()
        self.assertEqual(["STATUS=serving a", "STOPPING=1", "stop listening"], self.events)

    def test_reload(self) -> None:
        """The configuration is read anew when somebody asks, and decides how
        the router ends."""
        router = self.router()
        router.privilegedStartService()
        router.startService()
        told = self.successResultOf(self.ask_reload())
        self.assertEqual((["aliases"], []), (told["changed"], told["removed"]))
        self.assertEqual([self.config], self.parts.reloaded)
        stopped = router.stopService()
        self.failureResultOf(self.ask_reload(), ShuttingDown)
        self.reactor.ports[0].closed.callback(None)
        self.slots.closed.callback(None)
        self.successResultOf(stopped)
        self.assertEqual("leave", self.events[-1])

    def test_hangup(self) -> None:
        """The configuration is read anew when the router is told to by a
        signal, unless it runs in a terminal, whose end is its end."""
        before = signal.getsignal(signal.SIGHUP)
        router = self.router()
        router.privilegedStartService()
        router.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual([self.config], self.parts.reloaded)
        self.reactor.ports[0].closed.callback(None)
        self.slots.closed.callback(None)
        self.successResultOf(router.stopService())
        self.assertIs(before, signal.getsignal(signal.SIGHUP))
        self.patch(tap, "is_attended", lambda: True)
        attended = self.router(state_dir=self.mktemp())
        attended.privilegedStartService()
        attended.startService()
        self.assertIs(before, signal.getsignal(signal.SIGHUP))

    def test_leave(self) -> None:
        """Engines are left running where the configuration says so."""
        router = self.router(on_exit="leave")
        router.privilegedStartService()
        router.startService()
        self.reactor.ports[0].closed.callback(None)
        self.slots.closed.callback(None)
        self.successResultOf(router.stopService())
        self.assertEqual("leave", self.events[-1])

    def test_second_router(self) -> None:
        """A second router in the same folder is told so, and builds
        nothing."""
        first = self.router()
        first.privilegedStartService()
        del self.events[:]
        error = self.assertRaises(SystemExit, self.router().privilegedStartService)
        self.assertIn(f"cannot start: another router (pid {os.getpid()})", str(error.code))
        self.assertEqual([], self.events)
        self.assertFalse(first.running)

    def test_busy_port(self) -> None:
        """A port that is taken is told in a sentence."""
        self.reactor.busy = True
        error = self.assertRaises(SystemExit, self.router().privilegedStartService)
        said = "Couldn't listen on 127.0.0.1:8077: Address already in use."
        self.assertEqual(f"engine-router cannot start: {said}", error.code)

    def test_no_folder(self) -> None:
        """A folder that cannot be made is told in a sentence."""
        self.folder.write_text("a file")
        error = self.assertRaises(SystemExit, self.router().privilegedStartService)
        self.assertIn(str(self.folder), str(error.code))

    def test_state_file(self) -> None:
        """State is kept in the folder, or where the configuration says."""
        folder, elsewhere = Path(self.mktemp()), Path(self.mktemp())
        for settings, path in (
            ({}, self.folder / "state.json"),
            ({"state_dir": str(folder), "state_file": str(elsewhere)}, elsewhere),
        ):
            self.router(**settings).privilegedStartService()
            self.stores[-1].put("a", 1)
            self.assertTrue(path.exists())

    def test_log_file(self) -> None:
        """The log is written as long as the router runs."""
        path = Path(self.mktemp())
        router = self.router(log_file=str(path), log_level="INFO")
        router.privilegedStartService()
        router.startService()
        self.assertIn("engine-router on http://127.0.0.1:8077", path.read_text())
        self.reactor.ports[0].closed.callback(None)
        self.slots.closed.callback(None)
        self.successResultOf(router.stopService())
        before = path.read_text()
        Logger().info("unheard")
        self.assertEqual(before, path.read_text())

    def test_request_log(self) -> None:
        """A line is written for each request that was answered, if that is
        configured."""
        answered = Answered(1.0, "exclusive", Residency("a"), Priority.BATCH, 2.0, 3.0, None)
        path = Path(self.mktemp())
        router = self.router(request_log=str(path))
        router.privilegedStartService()
        router.startService()
        self.answered(answered)
        self.assertEqual(f"{answered.as_line()}\n", path.read_text())
        self.reactor.ports[0].closed.callback(None)
        self.slots.closed.callback(None)
        self.successResultOf(router.stopService())
        self.router(state_dir=self.mktemp()).privilegedStartService()
        self.answered(answered)
        self.assertEqual(1, len(path.read_text().splitlines()))


class HangupTests(SynchronousTestCase):
    """
    L{HangupService}: a signal becomes a call of the reactor.
    """

    def test_life(self) -> None:
        """It listens while it runs, and then whoever did before does."""
        before = signal.getsignal(signal.SIGHUP)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        heard: list[str] = []
        calls: list[Callable[[], None]] = []
        reactor = SimpleNamespace(callFromThread=calls.append)
        service = HangupService(reactor, lambda: heard.append("hangup"))
        service.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual([], heard)
        calls.pop()()
        self.assertEqual(["hangup"], heard)
        service.stopService()
        self.assertIs(before, signal.getsignal(signal.SIGHUP))

    def test_attended(self) -> None:
        """Where somebody watches from a terminal its end is ours."""
        for stdin, attended in ((None, False), (SimpleNamespace(closed=True), False)):
            self.patch(sys, "stdin", stdin)
            self.assertEqual(attended, tap.is_attended())
        self.patch(sys, "stdin", SimpleNamespace(closed=False, isatty=lambda: True))
        self.assertTrue(tap.is_attended())


class PartsTests(SynchronousTestCase):
    """
    What the service needs beside the parts.
    """

    def test_occupation(self) -> None:
        """What is in memory is told in a line, and what is about to be."""
        slots = FakeSlots([])
        idle = {"resident": None, "swap": None, "stuck": None}
        for changes, said in (
            ([{}], "nothing in memory"),
            ([{"resident": "a"}, {}, {"resident": "c"}], "serving a; serving c"),
            ([{"resident": "a", "swap": {"to": "b"}}], "swapping to b"),
            ([{"resident": "a", "swap": {"to": None}}], "swapping to nothing"),
            ([{"stuck": "a is still there"}], "stuck: a is still there"),
        ):
            slots.described = [{**idle, **change} for change in changes]
            self.assertEqual(said, tap.occupation(cast(Any, slots)))

    def test_file_limit(self) -> None:
        """As many files may be open as the system allows; where it does not
        let us, we go on."""
        limits: list[tuple[int, int]] = []

        def refuse(which: int, limit: tuple[int, int]) -> None:
            limits.append(limit)
            raise ValueError("not allowed")

        self.patch(resource, "setrlimit", refuse)
        self.patch(resource, "getrlimit", lambda which: (1024, 4096))
        tap.raise_file_limit()
        self.assertEqual([(4096, 4096)], limits)
        self.patch(resource, "getrlimit", lambda which: (4096, 4096))
        tap.raise_file_limit()
        self.assertEqual(1, len(limits))
