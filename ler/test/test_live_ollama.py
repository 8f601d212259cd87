# -*- test-case-name: ler.test.test_live_ollama -*-
"""
Swaps of an Ollama's models, with each other and with an engine that the router
launches, over real sockets.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent

from ler.config.model import GenericProcess, Ollama
from ler.engines.control import Control
from ler.engines.generic_process import GenericProcessEngine
from ler.engines.model_server import ModelServerEngine
from ler.engines.ollama import OllamaServer
from ler.errors import EngineStartFailed
from ler.interfaces import IEngine, Residency
from ler.memory.unwatched import UnwatchedMemory
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.slot import Slot
from ler.slot.token import LoadingToken
from ler.test import standin
from ler.test.backends import ollama
from ler.test.live import Server, free_port
from ler.testing import FakeStateStore

reactor: Any = global_reactor
PYTHON = [sys.executable, "-I", "-S"]
SWAPS = 20

QWEN, LLAMA = (Residency("o", name) for name in ollama.MODELS)
NOMIC = Residency("o", "Nomic-Embed-Text")
PROCESS = Residency("p")


class LiveCase(TestCase):
    """
    A slot with the stand-in of an Ollama, C{o}, and an engine C{p} that is
    launched.
    """

    timeout = 20
    options: tuple[str, ...] = ()

    def setUp(self) -> None:
        """
        Start the Ollama; the rest is for the tests to start.
        """
        self.log = os.path.abspath(self.mktemp())
        self.ollama = self.start_ollama(*self.options)
        self.engines: dict[str, IEngine] = {"o": self.ollama_engine(), "p": self.process_engine()}
        self.slot = self.make_slot()
        self.slot.adopt()

    def start_ollama(self, *options: str) -> Server:
        """
        @return: the stand-in, which listens.
        """
        port = free_port()
        command = [*PYTHON, os.path.abspath(ollama.__file__), "--port", str(port)]
        server = Server([*command, "--log", self.log, *options], port)
        self.addCleanup(server.stop)
        server.wait_until_ready(404)  # Ollama has no such path.
        return server

    def ollama_engine(self) -> ModelServerEngine:
        """
        @return: what the router makes of the Ollama.
        """
        url = f"http://127.0.0.1:{self.ollama.port}"
        control = Control(url, Agent(reactor), reactor, {})
        config = Ollama(key="o", base_url=url)
        server = OllamaServer(config, control, [str(NOMIC.model)])
        return ModelServerEngine(config, server, unit=None, clock=reactor)

    def process_engine(self) -> GenericProcessEngine:
        """
        @return: an engine that is not running.
        """
        port = str(free_port())
        command = (*PYTHON, os.path.abspath(standin.__file__), "--port", port, "--log", self.log)
        return GenericProcessEngine(
            GenericProcess(key="p", base_url=f"http://127.0.0.1:{port}", start_cmd=command),
            reactor=reactor,
            agent=Agent(reactor),
            store=FakeStateStore(),
            state_dir=os.path.dirname(self.log),
            instance=f"{self.id()}-{os.getpid()}",
            environ=os.environ,
            threads=deferToThread,
        )

    def make_slot(self) -> Slot:
        """
        @return: the slot that they share.
        """
        slot = Slot(
            "exclusive",
            self.engines,
            policy=Join(),
            memory=UnwatchedMemory(),
            token=LoadingToken(),
            clock=reactor,
            options=SlotOptions(),
        )
        self.addCleanup(slot.close)
        return slot

    async def serve(self, *targets: Residency) -> None:
        """
        Have a request each for C{targets}, one after the other.
        """
        for target in targets:
            lease = await self.slot.acquire(target)
            lease.release()

    def notes(self) -> list[list[str]]:
        """
        @return: what happened, each as time, model and event.
        """
        with open(self.log, encoding="utf-8") as file:
            return sorted(line.split() for line in file)

    def events(self) -> list[str]:
        """
        @return: what happened, in a word each.
        """
        return [event for _, _, event in self.notes()]

    def overlaps(self) -> list[tuple[str, str]]:
        """
        @return: those that came into the memory, each with one that was there.
        """
        held: list[str] = []
        found = []
        for _, model, event in self.notes():
            if event == "start":
                found += [(model, other) for other in held]
                held.append(model)
            elif event == "exit":
                held.remove(model)
        return found


class SwapTests(LiveCase):
    """
    One slot for an Ollama and another engine.
    """

    def test_models(self) -> Deferred[None]:
        """
        Of two models that take turns there is never more than one in memory.
        """

        async def test() -> None:
            await self.serve(*(QWEN, LLAMA) * (SWAPS // 2))
            debug = self.ollama.get("/debug")
            self.assertEqual({"overlaps": 0, "loads": SWAPS}, debug)
            self.assertEqual([], self.overlaps())

        return Deferred.fromCoroutine(test())

    def test_process(self) -> Deferred[None]:
        """
        Neither is there when models, chatting or not, and a process take turns.
        """

        async def test() -> None:
            await self.serve(QWEN, PROCESS, NOMIC, PROCESS, LLAMA)
            self.assertEqual([], self.overlaps())
            events = self.events()
            self.assertEqual((5, 4), (events.count("loaded"), events.count("exit")))

        return Deferred.fromCoroutine(test())

    def test_unknown(self) -> Deferred[None]:
        """
        A model that cannot be loaded fails in the server's words, and the next
        can.
        """

        async def test() -> None:
            with self.assertRaises(EngineStartFailed) as caught:
                await self.serve(Residency("o", "x"))
            self.assertIn("model 'x' not found", caught.exception.message)
            await self.serve(QWEN)

        return Deferred.fromCoroutine(test())


class SlowTests(LiveCase):
    """
    An old Ollama that takes its time, which shows what is not waited for.
    """

    options = ("--load-s", "0.3", "--unload-s", "0.2", "--old")

    def test_given_up(self) -> Deferred[None]:
        """
        A load that the router gives up leaves nothing in memory, whatever comes
        next.
        """

        async def test() -> None:
            engine = self.engines["o"]
            loading = engine.bring_up(QWEN.model)
            while "start" not in self.events():
                await deferLater(reactor, 0.01)
            freed = engine.free()
            with self.assertRaises(EngineStartFailed):
                await loading
            await freed
            self.assertEqual(["start", "exit"], self.events())

        return Deferred.fromCoroutine(test())

    def test_embedding(self) -> Deferred[None]:
        """
        An embedding model comes and goes like any other.
        """

        async def test() -> None:
            await self.serve(NOMIC, QWEN, NOMIC)
            self.assertEqual([], self.overlaps())
            self.assertEqual({"overlaps": 0, "loads": 3}, self.ollama.get("/debug"))

        return Deferred.fromCoroutine(test())


class StandInTests(LiveCase):
    """
    What the stand-in answers to clients.
    """

    def test_ndjson(self) -> None:
        """
        Ollama's own chat is a stream of lines unless something else is asked for.
        """
        question = {"model": ollama.MODELS[0], "messages": [{"role": "user", "content": "hi"}]}
        with self.ollama.request("POST", "/api/chat", question) as response:
            lines = [json.loads(line) for line in response]
        self.assertEqual(" 0 1 2 3", "".join(line["message"]["content"] for line in lines))
        self.assertEqual("stop", lines[-1]["done_reason"])
        with self.ollama.request("POST", "/api/chat", {**question, "stream": False}) as response:
            self.assertEqual(" 0 1 2 3", json.load(response)["message"]["content"])

    def test_openai(self) -> None:
        """
        The other dialect is spoken, too.
        """
        with self.ollama.chat(ollama.MODELS[0]) as response:
            self.assertEqual(" 0 1 2 3", json.load(response)["choices"][0]["message"]["content"])
        with self.ollama.chat(ollama.MODELS[1], stream=True) as response:
            self.assertEqual(b"data: [DONE]", response.read().splitlines()[-2])
        self.assertEqual({"overlaps": 1, "loads": 2}, self.ollama.get("/debug"))
