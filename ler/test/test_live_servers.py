# -*- test-case-name: ler.test.test_live_servers -*-
"""
Live tests of a router in front of servers that are not its own: it tells them
which models to hold, and they have their own minds.
"""

from __future__ import annotations

import json
import socket
from http import HTTPStatus
from typing import Any

from ler.test.backends import lmstudio, localai, ollama, tabbyapi
from ler.test.backends.model_server import TOO_LARGE
from ler.test.live import PATIENCE, Server, free_port, wait_for
from ler.test.live_router import ENDLESS, PROMPT, RouterCase, Stopwatch, read_events

QWEN, LLAMA = ollama.MODELS
SWAPS = 20

LISTED = 1.0
"""Seconds within which models are listed, whatever the engines do; it takes a
few milliseconds when the machine is idle."""

QUICK_OLLAMA = {"systemd_unit": None, "tags_cache_ttl_s": 0.1}
"""Settings of an Ollama that is looked at often, and that nobody starts."""

SLOW = ("--load-s=0.02", "--unload-s=0.04")


def held(server: Server) -> list[str]:
    """
    @return: what an Ollama, or what answers like one, holds; waits while it
        loads.
    """
    return [entry["name"] for entry in server.get("/api/ps")["models"]]


def tell(server: Server, path: str, **body: object) -> None:
    """
    Have a server do something behind the router's back.
    """
    with server.request("POST", path, body) as answer:
        text = answer.read()
        assert answer.status == HTTPStatus.OK, text


def ids(router: Server) -> set[str]:
    """
    @return: the models that the router lists.
    """
    return {entry["id"] for entry in router.get("/v1/models")["data"]}


class ServerCase(RouterCase):
    """
    A test of a router in front of servers.
    """

    def most_in_memory(self) -> int:
        """
        @return: how many models, at most, were in memory at the same time, of
            all stand-ins that note their events.
        """
        now = most = 0
        for line in self.events_file.read_text().splitlines():
            now += {"start": 1, "exit": -1}.get(line.split()[2], 0)
            most = max(most, now)
        return most

    def ollama(self, *options: str, **keys: object) -> Server:
        """
        @return: an Ollama that notes its events.
        """
        return self.serve(
            "ollama", f"--log={self.events_file}", *options, **{**QUICK_OLLAMA, **keys}
        )

    def assert_refused(self, router: Server, model: str, status: int, code: str) -> Any:
        """
        C{model} is refused at once.

        @return: the message, and the headers.
        """
        with Stopwatch() as watch, router.chat(model) as answer:
            message = self.assert_fails(answer, status, code)
        self.assertLess(watch.seconds, PROMPT)
        return message, answer.headers


class APISwapTests(ServerCase):
    """
    Servers of type C{api_swap}.
    """

    def test_swaps(self) -> None:
        """A model of a server and an engine take turns; the server stays, and holds nothing."""
        server = self.serve("localai")
        self.engine("p")
        router = self.start()
        for model in localai.MODELS:
            self.assert_serves(router, model)
            self.assertEqual([model], held(server))
            self.assertEqual([], self.tree("p"))
            self.assert_serves(router, "p")
            self.assertEqual([], held(server))
        self.assertIsNone(server.process.poll())

    def test_drain(self) -> None:
        """Two models of a server swap once the answers of the first have ended."""
        server = self.serve("tabbyapi", "--load-s=0.1", "--chat-s=0.3")
        router = self.start()
        first, second = tabbyapi.MODELS
        self.assert_serves(router, first)
        running = [self.call(first) for _ in range(3)]
        wait_for(lambda: self.slot(router)["in_flight"] == len(running))
        self.assert_serves(router, second)
        for call in running:
            with call.answer() as answer:
                self.assertEqual(first, json.load(answer)["model"])
        self.assertIsNone(server.process.poll())

    def test_instances(self) -> None:
        """Of LM Studio every instance is unloaded, by its own id."""
        server = self.serve("lmstudio", tags_cache_ttl_s=0)
        router = self.start()
        first, second = lmstudio.MODELS
        self.assert_serves(router, first)
        tell(server, "/api/v1/models/load", model=first)
        self.assert_serves(router, second)
        instances = [
            instance["id"]
            for model in server.get("/api/v1/models")["models"]
            for instance in model["loaded_instances"]
        ]
        self.assertEqual([second], instances)

    def test_failed_load(self) -> None:
        """What TabbyAPI says of a failed load, below status 200, reaches the client."""
        self.serve("tabbyapi")
        self.models.append({"id": TOO_LARGE, "engine": "tabbyapi"})
        router = self.start()
        message, _ = self.assert_refused(router, TOO_LARGE, 502, "engine_start_failed")
        self.assertIn("CUDA out of memory.", message)
        self.assert_serves(router, tabbyapi.MODELS[0])

    def test_retry_after(self) -> None:
        """When LocalAI wants to be left alone for too long, the client is told how long."""
        self.serve("localai", load_timeout_s=5)
        self.models.append({"id": TOO_LARGE, "engine": "localai"})
        router = self.start()
        self.assert_refused(router, TOO_LARGE, 502, "engine_start_failed")
        message, headers = self.assert_refused(
            router, localai.MODELS[0], 502, "engine_start_failed"
        )
        self.assertIn("failed to load a moment ago", message)
        self.assertLessEqual(int(headers["Retry-After"]), localai.COOLDOWN_S)
        self.assertGreater(int(headers["Retry-After"]), localai.COOLDOWN_S - PROMPT - 1)

    def test_down(self) -> None:
        """A server that is down, and that nobody can start, is named with the cure."""
        server = self.serve("localai")
        server.stop()
        router = self.start()
        message, _ = self.assert_refused(router, localai.MODELS[0], 502, "engine_start_failed")
        self.assertIn(f"nothing answers at http://127.0.0.1:{server.port}", message)
        self.assertIn("start the server, or name its systemd_unit", message)


class OllamaTests(ServerCase):
    """
    An Ollama, which answers an unload before it happens, and says nothing while
    it loads.
    """

    def test_models(self) -> None:
        """However often its models swap, there is never more than one in memory."""
        server = self.ollama(*SLOW)
        router = self.start()
        for _ in range(SWAPS // 2):
            self.assert_serves(router, QWEN)
            self.assert_serves(router, LLAMA)
        self.assertEqual({"overlaps": 0, "loads": SWAPS}, server.get("/debug"))
        self.assertEqual(1, self.most_in_memory())

    def test_processes(self) -> None:
        """Nor is one beside an engine, when many clients want everything at once."""
        server = self.ollama(*SLOW)
        self.engine("p", "--load-s=0.05", "--stop-s=0.05")
        self.start()
        for _ in range(2):
            calls = {self.call(model): model for model in (QWEN, "p", LLAMA) * 2}
            for call, model in calls.items():
                with call.answer() as answer:
                    self.assertEqual(model, json.load(answer)["model"])
        self.assertEqual(0, server.get("/debug")["overlaps"])
        self.assertEqual(1, self.most_in_memory())

    def test_gone(self) -> None:
        """A model that goes by itself is missed, and loaded again by the next request."""
        server = self.ollama()
        router = self.start()
        self.assert_serves(router, QWEN)
        tell(server, "/api/generate", model=QWEN, keep_alive=0)
        self.wait_for_resident(router, None)
        self.assert_serves(router, QWEN)
        self.wait_for_resident(router, f"ollama/{QWEN}")
        self.assertEqual([QWEN], held(server))
        self.assertEqual(2, server.get("/debug")["loads"])

    def test_stranger(self) -> None:
        """A model that somebody else has loaded is unloaded, and the resident stays."""
        server = self.ollama()
        router = self.start()
        self.assert_serves(router, QWEN)
        tell(server, "/api/generate", model=LLAMA, prompt="Hello", stream=False)
        wait_for(lambda: held(server) == [QWEN])
        self.assertEqual(f"ollama/{QWEN}", self.slot(router)["resident"])
        self.assert_serves(router, QWEN)
        self.assertEqual(2, server.get("/debug")["loads"])


class BesideTests(ServerCase):
    """
    What lives beside the resident.
    """

    def assert_beside(self, model: str) -> None:
        """
        C{model} is answered while the resident C{p} goes on with an answer.
        """
        with self.router.chat("p", stream=True) as answer:
            events = read_events(answer)
            next(events)
            self.assert_serves(self.router, model)
            next(events)
        self.assertEqual("p", self.slot(self.router)["resident"])
        self.assertEqual(1, self.events("p").count("start"))

    def test_engine(self) -> None:
        """With C{exclusive: false} an engine is answered beside the resident."""
        self.engine("p", *ENDLESS)
        self.engine("cpu", exclusive=False)
        self.router = self.start(preload=["p", "cpu"])
        self.wait_for_resident(self.router, "p")
        self.wait_for_resident(self.router, "cpu", slot="cpu")
        self.assert_beside("cpu")

    def test_model(self) -> None:
        """So is one model of an Ollama, which the swaps of the others leave alone."""
        server = self.ollama()
        self.models = [{**model, "exclusive": model["id"] != LLAMA} for model in self.models]
        self.engine("p", *ENDLESS)
        self.router = self.start()
        self.assert_beside(LLAMA)
        self.assertEqual([LLAMA], held(server))
        self.assert_serves(self.router, QWEN)
        self.assertEqual({LLAMA, QWEN}, set(held(server)))
        self.assert_serves(self.router, "p")
        self.assertEqual([LLAMA], held(server))
        self.assert_serves(self.router, LLAMA)
        self.assertEqual(2, server.get("/debug")["loads"])

    def test_remote(self) -> None:
        """Another router's engines need none of our memory; when it is down we say so."""
        port = free_port()
        self.engine("far", exclusive=False)  # It is on another machine, so to speak.
        far = self.start(port=port, state_dir="far")
        self.forget_engine("far")
        self.engine("p", *ENDLESS)
        self.configure("cluster", port, type="remote", discover_models=True)
        self.router = self.start()
        wait_for(lambda: "far" in ids(self.router))
        self.assert_beside("far")
        self.assertEqual(["start", "loaded", "request"], self.events("far"))
        far.stop()
        message, _ = self.assert_refused(self.router, "far", 502, "engine_died")
        self.assertIn("engine cluster refuses connections", message)


class ResidencyTests(ServerCase):
    """
    What the configuration says of the time that a model spends in memory.
    """

    def test_preload(self) -> None:
        """A model is there before anybody asks for it, and goes when nobody does for long."""
        server = self.ollama(idle_unload_s=0.3)
        router = self.start(preload=[QWEN])
        self.wait_for_event(QWEN, "loaded")
        self.wait_for_resident(router, None)
        self.assertEqual([], held(server))
        self.assert_serves(router, QWEN)

    def test_pin(self) -> None:
        """Nothing evicts a pinned engine; it may swap its own models."""
        self.ollama(pin=True)
        self.engine("p")
        router = self.start()
        self.assert_serves(router, "p")
        self.assert_serves(router, QWEN)
        message, _ = self.assert_refused(router, "p", 503, "slot_pinned")
        self.assertIn("engine ollama is pinned", message)
        self.assert_serves(router, LLAMA)


class ListingTests(ServerCase):
    """
    C{/v1/models} waits for no engine.
    """

    def listed(self, router: Server) -> set[str]:
        """
        @return: the models that are listed, which takes no time.
        """
        with Stopwatch() as watch:
            listed = ids(router)
        self.assertLess(watch.seconds, LISTED)
        return listed

    def test_engines(self) -> None:
        """It is complete when every engine is down, when one runs, and when another hangs."""
        self.engine("p", discover_models=True)
        server = self.serve("localai", discover_models=True, ready_timeout_s=0.5)
        known = {"p", *localai.MODELS}
        server.stop()
        router = self.start()
        self.assertEqual(known, self.listed(router))
        self.assert_serves(router, "p")
        self.assertEqual(known, self.listed(router))
        with socket.create_server(("127.0.0.1", server.port)):
            self.call(localai.MODELS[0])
            wait_for(lambda: self.waiting(router) == 1)
            self.assertEqual(known, self.listed(router))
            with Stopwatch() as watch:
                router.stop()
            self.assertLess(watch.seconds, PATIENCE / 2)
            router = self.start()
            self.assertEqual(known, self.listed(router))
            self.assertEqual("adopting", self.slot(router)["state"])

    def test_discovered(self) -> None:
        """What an engine listed once is listed on when it hangs, also by the next router."""
        server = self.ollama()
        self.models = []
        router = self.start()
        known = {*ollama.MODELS, ollama.EMBEDDING}
        wait_for(lambda: ids(router) == known)
        server.stop()
        router.stop()
        with socket.create_server(("127.0.0.1", server.port)):
            self.assertEqual(known, self.listed(self.start()))
