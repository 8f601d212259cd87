# -*- test-case-name: ler.test.test_live_process -*-
"""
Tests of process ownership with real processes.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import skipUnless

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent

from ler.config.model import GenericProcess
from ler.engines.generic_process import GenericProcessEngine
from ler.engines.guardian import Spec
from ler.engines.identity import MARKER, ProcessTable, engine_environ
from ler.engines.launch import PROGRAM, ROOT, launch
from ler.engines.output import Output
from ler.engines.process import GuardedProcess
from ler.engines.records import Record
from ler.engines.reown import reown
from ler.errors import EngineStartFailed
from ler.interfaces import Residency
from ler.test import misbehaving
from ler.testing import FakeEngineWatcher, FakeStateStore

reactor: Any = global_reactor
linux_only = skipUnless(sys.platform == "linux", "the guardian owns whole trees on Linux only")
SERVER = [sys.executable, "-I", "-S", os.path.abspath(misbehaving.__file__)]

GUARDIAN = [sys.executable, "-I", "-S", "-c", PROGRAM, ROOT, "a"]
DOOMED_ROUTER = """
import subprocess, sys
guardian = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, pass_fds=[3])
guardian.stdin.write(sys.stdin.buffer.readline())
guardian.stdin.flush()
guardian.wait()
"""
"""A router that does nothing but to own the guardian that its arguments run."""


def deferred(
    test: Callable[[Any], Coroutine[Deferred[Any], Any, None]],
) -> Callable[[Any], Deferred[None]]:
    """
    Make a test of a coroutine function; Twisted 22.4 would not run one.
    """

    @functools.wraps(test)
    def run(case: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(case))

    return run


async def until(condition: Callable[[], object]) -> None:
    """
    Wait for something that no event tells of.
    """
    while not condition():
        await deferLater(reactor, 0.01)


def free_port() -> int:
    """
    @return: a port that nobody listens on.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class LiveCase(TestCase):
    """
    A test that owns processes.
    """

    timeout = 20

    def setUp(self) -> None:
        """
        Name what is ours.
        """
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        self.notes_path = os.path.join(self.folder, "notes")
        self.marker = f"{self.id()}-{os.getpid()}:a"
        self.table = ProcessTable()

    def tearDown(self) -> None:
        """
        Whatever a test did, nothing stays.
        """
        self.assertEqual(0, self.table.kill_marked(self.marker, None))

    def notes(self) -> list[str]:
        """
        @return: what the engine and its workers noted.
        """
        try:
            with open(self.notes_path, encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def pids(self, name: str) -> list[int]:
        """
        @return: the pids of all that noted that they are C{leader} or C{worker}.
        """
        lines = [line.split() for line in self.notes()]
        return [int(line[1]) for line in lines if len(line) == 2 and line[0] == name]

    async def up(self, workers: int = 0) -> None:
        """
        Wait until the engine and its workers have noted that they run.
        """
        await until(lambda: self.pids("leader") and len(self.pids("worker")) == workers)

    def server(self, *arguments: str) -> list[str]:
        """
        @return: the command line of a server that notes what it does.
        """
        return [*SERVER, "--log", self.notes_path, *arguments]

    def running(self) -> list[int]:
        """
        @return: the pids of what carries our marker, guardians included.
        """
        return [
            process.pid
            for process in self.table.processes()
            if process.state != "Z" and self.table.is_marked(process.pid, self.marker)
        ]


@linux_only
class GuardianTests(LiveCase):
    """
    The guardian and its L{GuardedProcess}.
    """

    def spec(self, argv: list[str], **changes: Any) -> Spec:
        """
        @return: a spec with short times.
        """
        base = Spec(
            argv=argv,
            cwd=None,
            stop_cmd=[],
            stop_signal=signal.SIGTERM,
            stop_group=False,
            stop_timeout=5.0,
            fifo=os.path.join(self.folder, "fifo"),
            log=os.path.join(self.folder, "log"),
        )
        return base._replace(**changes)

    def process(self) -> GuardedProcess:
        """
        @return: one that waits to be linked.
        """
        return GuardedProcess(
            "a", self.marker, 10.0, table=self.table, clock=reactor, threads=deferToThread
        )

    def guard(self, argv: list[str], **changes: Any) -> GuardedProcess:
        """
        Launch C{argv} under a guardian.
        """
        process = self.process()
        self.output = Output()
        environ = engine_environ(os.environ, {}, self.marker)
        self.link = launch(process, environ, reactor=reactor, output=self.output.feed)
        self.link.begin(self.spec(argv, **changes))
        return process

    def record(self, spec: Spec) -> Record:
        """
        @return: the record of the guardian launched last.
        """
        pid = self.link.guardian_pid
        start_time = self.table.start_time(pid)
        assert start_time is not None
        return Record(pid, start_time, self.marker, spec.fifo, spec.log)

    @deferred
    async def test_stop(self) -> None:
        """
        An engine is stopped with its workers, by one signal to its first
        process and none to a worker while that one lives.
        """
        process = self.guard(self.server("--workers", "2"))
        await self.up(workers=2)
        self.assertEqual(self.pids("leader"), [process.pid])
        await process.stop()
        self.assertTrue(process.gone)
        self.assertEqual(str(process.ending), "exited with code 0")
        told = [note for note in self.notes() if "got" in note]
        self.assertEqual(told[0], "leader got 15")
        self.assertEqual(len(set(told)), len(told))

    @deferred
    async def test_stop_group(self) -> None:
        """
        With the group as scope, leader and workers get one signal each.
        """
        process = self.guard(self.server("--workers", "2"), stop_group=True)
        await self.up(workers=2)
        await process.stop()
        told = sorted(note for note in self.notes() if "got" in note)
        workers = sorted(f"worker {pid} got 15" for pid in self.pids("worker"))
        self.assertEqual(told, ["leader got 15", *workers])

    @deferred
    async def test_own_sessions(self) -> None:
        """
        Workers in sessions of their own are stopped too.
        """
        process = self.guard(self.server("--workers", "2", "--own-session"))
        await self.up(workers=2)
        await process.stop()
        self.assertEqual([], self.running())

    @deferred
    async def test_stubborn_orphans(self) -> None:
        """
        What ignores SIGTERM is killed in the end: the engine, and workers that
        it disowned by double forks and sessions of their own.
        """
        process = self.guard(
            self.server("--workers", "3", "--own-session", "--double-fork", "--ignore-term"),
            stop_timeout=0.2,
        )
        await self.up(workers=3)
        self.assertEqual(5, len(self.running()))
        await process.stop()
        self.assertEqual([], self.running())
        self.assertEqual(str(process.ending), "was killed by SIGKILL")

    @deferred
    async def test_orphans_are_reaped(self) -> None:
        """
        An orphan that dies while the engine lives does not stay a zombie.
        """
        process = self.guard(self.server("--workers", "1", "--double-fork"))
        await self.up(workers=1)
        (orphan,) = self.pids("worker")
        os.kill(orphan, signal.SIGKILL)
        await until(lambda: self.table.stat(orphan) is None)
        self.assertIsNone(process.ending)
        await process.stop()

    @deferred
    async def test_missing_program(self) -> None:
        """
        A program that does not exist is told apart from one that exits.
        """
        process = self.guard(["no-such-engine"])
        ending = await process.when_ended()
        self.assertEqual(
            str(ending), "could not be launched (no-such-engine: No such file or directory)"
        )
        await process.when_gone()

    @deferred
    async def test_not_executable(self) -> None:
        """
        A file that cannot be executed is named as such.
        """
        process = self.guard([os.path.abspath(misbehaving.__file__)])
        ending = await process.when_ended()
        self.assertIn("misbehaving.py: Permission denied", str(ending))
        await process.when_gone()

    @deferred
    async def test_missing_folder(self) -> None:
        """
        A working directory that does not exist is named.
        """
        process = self.guard(SERVER, cwd=os.path.join(self.folder, "missing"))
        ending = await process.when_ended()
        self.assertIn("missing: No such file or directory", str(ending))
        await process.when_gone()

    @deferred
    async def test_exit(self) -> None:
        """
        An engine that exits is reported with its code, after its last words.
        """
        process = self.guard(self.server("--say", "no such model", "--exit", "3"))
        ending = await process.when_ended()
        self.assertEqual(ending.code, 3)
        self.assertEqual(self.output.lines(), ("no such model",))
        await process.when_gone()

    @deferred
    async def test_engine_killed(self) -> None:
        """
        The workers of an engine that was killed go with it.
        """
        process = self.guard(self.server("--workers", "2", "--own-session"))
        await self.up(workers=2)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        ending = await process.when_ended()
        self.assertEqual(ending.code, -signal.SIGKILL)
        await process.when_gone()
        self.assertEqual([], self.running())

    @deferred
    async def test_guardian_killed(self) -> None:
        """
        When the guardian is killed, what it owned is killed after it.
        """
        process = self.guard(
            self.server("--workers", "2", "--own-session", "--double-fork", "--ignore-term")
        )
        await self.up(workers=2)
        os.kill(self.link.guardian_pid, signal.SIGKILL)
        self.assertEqual(str(await process.when_ended()), "ended")
        await process.when_gone()
        self.assertEqual([], self.running())

    @deferred
    async def test_router_killed(self) -> None:
        """
        When the router is killed, nothing of its engine stays.
        """
        protocol = ProcessProtocol()
        reactor.spawnProcess(
            protocol,
            sys.executable,
            [sys.executable, "-c", DOOMED_ROUTER, *GUARDIAN],
            env={**os.environ, MARKER: self.marker},
            childFDs={0: "w", 1: "r", 2: "r", 3: "r"},
        )
        spec = self.spec(self.server("--workers", "2", "--own-session"))
        transport: Any = protocol.transport
        transport.writeToChild(0, f"{json.dumps(spec._asdict())}\n".encode())
        await self.up(workers=2)
        transport.signalProcess("KILL")
        await until(lambda: not self.running())
        await until(lambda: transport.pid is None)

    @deferred
    async def test_stop_command(self) -> None:
        """
        The stop command comes before any signal.
        """
        command = ["/bin/sh", "-c", f"echo command >> {self.notes_path}; echo stopping"]
        process = self.guard(self.server(), stop_cmd=command)
        await self.up()
        await process.stop()
        self.assertEqual(self.notes()[1:], ["command", "leader got 15"])
        self.assertEqual(self.output.lines(), ("stopping",))

    @deferred
    async def test_endless_stop_command(self) -> None:
        """
        A stop command that does not end is cut short.
        """
        process = self.guard(self.server(), stop_cmd=["/bin/sleep", "60"], stop_timeout=0.2)
        await self.up()
        await process.stop()
        self.assertEqual(self.notes()[1:], ["leader got 15"])

    @deferred
    async def test_flood(self) -> None:
        """
        An engine whose output nobody reads does not wait for that.
        """
        unread, full = os.pipe()
        self.addCleanup(os.close, unread)
        protocol = ProcessProtocol()
        reactor.spawnProcess(
            protocol,
            sys.executable,
            GUARDIAN,
            env={**os.environ, MARKER: self.marker},
            childFDs={0: "w", 1: full, 2: "r", 3: "r"},
        )
        os.close(full)
        transport: Any = protocol.transport
        spec = self.spec(self.server("--flood", "4"))
        transport.writeToChild(0, f"{json.dumps(spec._asdict())}\n".encode())
        await self.up()
        transport.closeChildFD(0)
        await until(lambda: transport.pid is None)

    @deferred
    async def test_leave(self) -> None:
        """
        An engine that was left is taken back, left again, and stopped by the
        third router.
        """
        spec = self.spec([])
        first = self.guard(self.server("--workers", "1", "--say", "hello"))
        await self.up(workers=1)
        record = self.record(spec)
        self.assertTrue(await first.leave())

        for _ in range(2):
            second = self.process()
            self.assertTrue(reown(second, record, reactor=reactor, table=self.table))
            self.assertTrue(await second.leave())

        third = self.process()
        self.assertTrue(reown(third, record, reactor=reactor, table=self.table))
        await third.stop()
        self.assertEqual([], self.running())
        with open(spec.log, encoding="utf-8") as file:
            self.assertEqual(file.read(), "guardian: exited 0\n")
        self.assertFalse(os.path.exists(spec.fifo))
        await first.when_gone()

    @deferred
    async def test_second_router_killed(self) -> None:
        """
        A guardian that was taken back stops its engine when that router goes
        without a word; the next one sees it stopping.
        """
        first = self.guard(self.server("--ignore-term"), stop_timeout=0.5)
        await self.up()
        record = self.record(self.spec([]))
        self.assertTrue(await first.leave())
        # Like a router that ends: its descriptors are closed.
        os.close(os.open(record.fifo, os.O_WRONLY | os.O_NONBLOCK))
        await until(lambda: not os.path.exists(record.fifo))
        third = self.process()
        self.assertFalse(reown(third, record, reactor=reactor, table=self.table))
        self.assertFalse(third.gone)
        await third.when_gone()
        await first.when_gone()
        fourth = self.process()
        self.assertFalse(reown(fourth, record, reactor=reactor, table=self.table))
        await fourth.when_gone()

    @deferred
    async def test_cannot_leave(self) -> None:
        """
        A guardian that cannot let go says so, and stays.
        """
        process = self.guard(self.server(), log=os.path.join(self.notes_path, "log"))
        await self.up()
        self.assertFalse(await process.leave())
        await process.stop()


@linux_only
class GenericProcessLiveTests(LiveCase):
    """
    L{GenericProcessEngine} with a real server.
    """

    def setUp(self) -> None:
        """
        Make a place for the state of routers.
        """
        super().setUp()
        self.store = FakeStateStore()
        self.port = free_port()

    def engine(self, *arguments: str, **settings: Any) -> GenericProcessEngine:
        """
        @return: the engine, as each new router makes it.
        """
        config = GenericProcess(
            key="a",
            base_url=f"http://127.0.0.1:{self.port}",
            start_cmd=tuple(self.server("--port", str(self.port), *arguments)),
            **settings,
        )
        return GenericProcessEngine(
            config,
            reactor=reactor,
            agent=Agent(reactor),
            store=self.store,
            state_dir=self.folder,
            instance=self.marker[:-2],
            environ=os.environ,
            threads=deferToThread,
        )

    async def failure(self, starting: Deferred[None]) -> str:
        """
        @return: what C{starting} failed with.
        """
        try:
            await starting
        except EngineStartFailed as e:
            return e.message
        raise AssertionError("the engine has started")

    @deferred
    async def test_up_and_down(self) -> None:
        """
        An engine comes up, goes down with its workers, and comes up again.
        """
        engine = self.engine("--workers", "2", "--own-session")
        for _ in range(2):
            await engine.bring_up(None)
            self.assertTrue(engine.alive())
            self.assertEqual((Residency("a"),), await engine.loaded())
            await engine.free()
            self.assertFalse(engine.alive())
            self.assertEqual([], self.running())
        self.assertEqual({}, self.store.get("guardians"))

    @deferred
    async def test_exit_while_starting(self) -> None:
        """
        An engine that exits while it starts fails the start at once, with its
        exit code and last words.
        """
        engine = self.engine("--say", "CUDA out of memory", "--exit", "7")
        failure = await self.failure(engine.bring_up(None))
        self.assertIn("exited with code 7 before it was ready", failure)
        self.assertIn("not back yet", failure)
        await engine.free()

    @deferred
    async def test_lost(self) -> None:
        """
        The death of a ready engine is told at once.
        """
        engine = self.engine()
        watcher = FakeEngineWatcher()
        engine.watch(watcher)
        await engine.bring_up(None)
        os.kill(engine.describe()["pid"], signal.SIGKILL)
        await until(lambda: watcher.lost)
        self.assertEqual("engine a was killed by SIGKILL", watcher.lost[0][1].message)
        await engine.free()

    @deferred
    async def test_stranger(self) -> None:
        """
        Somebody else's server on the port is named and left alone.
        """
        stranger = socket.create_server(("127.0.0.1", self.port))
        self.addCleanup(stranger.close)
        engine = self.engine()
        failure = await self.failure(engine.bring_up(None))
        self.assertIn(f"(pid {os.getpid()}) listens on port {self.port}", failure)
        await engine.free()

    @deferred
    async def test_left(self) -> None:
        """
        An engine that was left serves the next router without a new start,
        over and over.
        """
        first = self.engine()
        await first.bring_up(None)
        pids = self.running()
        await first.leave()
        for _ in range(2):
            engine = self.engine()
            self.assertEqual((Residency("a"),), await engine.loaded())
            await engine.leave()
        last = self.engine()
        watcher = FakeEngineWatcher()
        last.watch(watcher)
        await last.loaded()
        self.assertEqual(sorted(pids), sorted(self.running()))
        os.kill(self.pids("leader")[0], signal.SIGKILL)
        await until(lambda: watcher.lost)
        self.assertIn("guardian: exited -9", watcher.lost[0][1].message)
        await last.free()
        await until(lambda: not first.alive())
