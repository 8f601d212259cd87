# -*- test-case-name: ler.test.test_live_model_servers -*-
"""
The presets of servers that load models on demand, through real sockets,
against stand-ins of their servers in processes of their own.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

import ler
from ler.engines.api_swap import ApiSwapServer
from ler.engines.control import Control
from ler.engines.model_server import ModelServerEngine
from ler.errors import EngineStartFailed
from ler.interfaces import Residency
from ler.test.backends import lmstudio, localai, tabbyapi
from ler.test.backends.model_server import TOO_LARGE
from ler.test.live import Server, free_port, wait_for
from ler.test.test_api_swap import preset
from ler.upstream import engine_agent

CHECKOUT = Path(ler.__file__).parents[1]


class PresetTests(TestCase):
    """
    Each preset, with its server
    """

    timeout = 60

    def start(self, name: str) -> ModelServerEngine:
        """
        @return: an engine of a preset whose server has been started.
        """
        port = free_port()
        module = f"ler.test.backends.{name}"
        command = [sys.executable, "-m", module, "--port", str(port), "--load-s", "0.1"]
        self.server = Server(command, port, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
        self.addCleanup(deferToThread, self.server.stop)
        config = dataclasses.replace(preset(name), base_url=f"http://127.0.0.1:{port}")
        agent = engine_agent(reactor, config.ready_timeout_s, idle=1)
        self.addCleanup(agent._pool.closeCachedConnections)
        control = Control(config.base_url, agent, reactor, config.control_headers)
        server = ApiSwapServer(config, control)
        self.engine = ModelServerEngine(config, server, unit=None, clock=reactor)
        self.addCleanup(self.engine.leave)
        return self.engine

    def answers(self) -> bool:
        """
        @return: whether the server is there.
        """
        try:
            with self.server.request("GET", "/"):
                return True
        except OSError:
            return False

    async def swap(self, name: str, models: tuple[str, ...]) -> None:
        """
        Load each of C{models}, and something too large.
        """
        engine = self.start(name)
        await deferToThread(wait_for, self.answers)
        held: Any = await engine.loaded()
        self.assertEqual((), held)
        for model in models:
            await engine.bring_up(model)
            held = await engine.loaded()
            self.assertEqual((Residency(engine.key, model),), held)
            await engine.free()
            held = await engine.loaded()
            self.assertEqual((), held)
        self.assertEqual(list(models), await engine.list_models())
        failing: Deferred[Any] = engine.bring_up(TOO_LARGE)
        failed = await self.assertFailure(failing, EngineStartFailed)
        self.assertIn(f"did not load {TOO_LARGE}", str(failed))
        await engine.close()

    def test_tabbyapi(self) -> Deferred[None]:
        """TabbyAPI loads and unloads."""
        return Deferred.fromCoroutine(self.swap("tabbyapi", tabbyapi.MODELS))

    def test_lmstudio(self) -> Deferred[None]:
        """LM Studio loads and unloads."""
        return Deferred.fromCoroutine(self.swap("lmstudio", lmstudio.MODELS))

    def test_localai(self) -> Deferred[None]:
        """LocalAI loads and unloads."""
        return Deferred.fromCoroutine(self.swap("localai", localai.MODELS))

    def test_down(self) -> Deferred[None]:
        """A server that went down holds nothing, and cannot start."""
        return Deferred.fromCoroutine(self.go_down())

    async def go_down(self) -> None:
        """
        Stop a server.
        """
        engine = self.start("localai")
        await deferToThread(wait_for, self.answers)
        await engine.bring_up(localai.MODELS[0])
        await deferToThread(self.server.stop)
        await engine.free()
        await self.assertFailure(engine.bring_up(localai.MODELS[0]), EngineStartFailed)
