# -*- test-case-name: ler.test.test_live_systemd -*-
"""
Units as real processes, under a C{systemctl} that needs no systemd.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import skipUnless

from twisted.internet import reactor as global_reactor
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent

from ler.config.model import Systemd
from ler.engines.systemd import SystemdEngine
from ler.engines.unit import SystemdUnit
from ler.errors import EngineStartFailed
from ler.interfaces import Residency
from ler.test import fake_systemctl, standin
from ler.test.live import free_port
from ler.test.test_live_process import deferred, until
from ler.testing import FakeEngineWatcher

reactor: Any = global_reactor
PYTHON = [sys.executable, "-I", "-S"]
NAME = "a.service"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


class LiveCase(TestCase):
    """
    A unit, and the engine made of it.
    """

    timeout = 20

    def setUp(self) -> None:
        """
        There is a C{systemctl}, but no unit yet.
        """
        self.folder = Path(self.mktemp()).absolute()
        programs = fake_systemctl.install(self.folder)
        port = free_port()
        self.server = [*PYTHON, os.path.abspath(standin.__file__), "--port", str(port)]
        self.files = fake_systemctl.Unit(self.folder, NAME)
        self.unit = SystemdUnit(
            NAME,
            "user",
            reactor=reactor,
            environ={**os.environ, "PATH": f"{programs}:{os.defpath}"},
            threads=deferToThread,
            start_timeout=10.0,
            stop_timeout=1.0,
            cgroups=str(self.folder / "cgroup"),
        )
        self.engine = SystemdEngine(
            Systemd(key="a", base_url=f"http://127.0.0.1:{port}", unit=NAME),
            unit=self.unit,
            reactor=reactor,
            agent=Agent(reactor),
            threads=deferToThread,
        )
        self.watcher = FakeEngineWatcher()
        self.engine.watch(self.watcher)
        self.addCleanup(self.engine.close)

    def define(self, command: list[str], **more: object) -> None:
        """
        There is a unit that runs C{command}.
        """
        definition = json.dumps({"command": command, **more})
        (self.folder / f"{NAME}.json").write_text(definition, encoding="utf-8")

    def status(self) -> tuple[str, str]:
        """
        @return: the unit's state and how often it was restarted.
        """
        status = self.files.status()
        return status["ActiveState"], status["NRestarts"]


class UnitTests(LiveCase):
    """
    A unit without an engine.
    """

    @deferred
    async def test_unknown(self) -> None:
        """
        A unit that does not exist cannot be started.
        """
        with self.assertRaises(EngineStartFailed) as caught:
            await self.unit.start()
        self.assertIn("Unit a.service not found", caught.exception.message)

    @deferred
    async def test_stubborn(self) -> None:
        """
        A unit that does not obey is killed, and not brought back.
        """
        self.define([*PYTHON, "-c", STUBBORN], restart=True, stop_s=60)
        await self.unit.start()
        await deferLater(reactor, 0.2)
        self.assertTrue((await self.unit.look()).populated)
        await self.unit.stop()
        self.assertIs(False, self.unit.seen.populated)
        self.assertEqual("inactive", await self.unit.state())

    @deferred
    async def test_nothing_blocks(self) -> None:
        """
        While systemd takes its time, everything else goes on.
        """
        self.define([*PYTHON, "-c", STUBBORN], delay_s=2.0, stop_s=0)
        beats: list[float] = []
        loop = LoopingCall(lambda: beats.append(reactor.seconds()))
        running = loop.start(0.02)
        began = reactor.seconds()
        await self.unit.start()
        took = reactor.seconds() - began
        loop.stop()
        await running
        self.assertGreater(took, 2.0)
        self.assertLess(max(b - a for a, b in pairwise(beats)), 0.2)


class EngineTests(LiveCase):
    """
    A unit that is an engine.
    """

    @deferred
    async def test_up_and_down(self) -> None:
        """
        A unit comes up, is freed for good, and comes up again.
        """
        self.define(self.server, restart=True)
        for _ in range(2):
            await self.engine.bring_up(None)
            self.assertEqual((Residency("a"),), await self.engine.loaded())
            self.assertTrue(self.engine.alive())
            await self.engine.free()
            self.assertFalse(self.engine.alive())
        await deferLater(reactor, 2 * fake_systemctl.RESTART_S)
        self.assertEqual(("inactive", "0"), self.status())
        self.assertEqual([], self.watcher.lost)

    @deferred
    async def test_killed(self) -> None:
        """
        A unit whose process is killed is lost, though systemd restarts it, and
        stays away once it is freed.
        """
        self.define(self.server, restart=True)
        await self.engine.bring_up(None)
        os.kill(int(self.files.status()["MainPID"]), 9)
        await until(lambda: self.watcher.lost)
        await self.engine.free()
        await deferLater(reactor, 2 * fake_systemctl.RESTART_S)
        self.assertEqual("inactive", self.status()[0])
        self.assertEqual(1, len(self.watcher.lost))

    @deferred
    async def test_fails(self) -> None:
        """
        A unit that fails says why, and may succeed the next time.
        """
        self.define(
            [*PYTHON, "-c", "import time; time.sleep(0.2); raise SystemExit('no such model')"]
        )
        with self.assertRaises(EngineStartFailed) as caught:
            await self.engine.bring_up(None)
        self.assertIn("its last lines: no such model", caught.exception.message)
        await self.engine.free()
        self.assertEqual("failed", self.status()[0])
        self.define(self.server)
        await self.engine.bring_up(None)

    @deferred
    async def test_restart_loop(self) -> None:
        """
        A unit that systemd starts again and again has failed, and is stopped.
        """
        self.define([*PYTHON, "-c", "raise SystemExit('no such model')"], restart=True)
        began = reactor.seconds()
        with self.assertRaises(EngineStartFailed) as caught:
            await self.engine.bring_up(None)
        self.assertLess(reactor.seconds() - began, 5)
        self.assertIn("no such model", caught.exception.message)
        await self.engine.free()
        self.assertEqual("inactive", self.status()[0])

    @deferred
    async def test_taken_over(self) -> None:
        """
        A unit that runs already, and still loads, is waited for and kept.
        """
        self.define([*self.server, "--load-s", "0.5"])
        await self.unit.start()
        self.assertEqual((Residency("a"),), await self.engine.loaded())

    @deferred
    async def test_given_up(self) -> None:
        """
        A start that is given up leaves nothing, however far it has come.
        """
        self.define(self.server, delay_s=0.2, restart=True)
        starting = self.engine.bring_up(None)
        await until(lambda: self.files.status()["ActiveState"] == "active")
        freed = self.engine.free()
        with self.assertRaises(EngineStartFailed):
            await starting
        await freed
        self.assertEqual("inactive", self.status()[0])


class RealTests(TestCase):
    """
    The systemd of this machine.
    """

    timeout = 20

    @skipUnless(os.path.isdir("/run/systemd/system"), "not run: no systemd runs here")
    @deferred
    async def test_look(self) -> None:
        """
        It says of its own scope that it is active, and of another unit that it
        is not.
        """
        for name, state in (("init.scope", "active"), ("no-such-unit.service", "inactive")):
            unit = SystemdUnit(
                name,
                "system",
                reactor=reactor,
                environ=os.environ,
                threads=deferToThread,
                start_timeout=10.0,
            )
            self.assertEqual(state, await unit.state())
