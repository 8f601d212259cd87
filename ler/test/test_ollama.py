# -*- test-case-name: ler.test.test_ollama -*-
"""
Tests for L{ler.engines.ollama}.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.config.model import Ollama
from ler.engines.control import Control
from ler.engines.ollama import OllamaServer, is_cloud, normalized
from ler.errors import GIB, Refused, RouterError, Unreachable, UpstreamError
from ler.interfaces import IModelServer, LoadedModel
from ler.test.played_server import PlayedServer

URL = "http://127.0.0.1:11434"
QWEN = {"name": "qwen3:8b", "model": "qwen3:8b", "size": 8 * GIB, "size_vram": 8 * GIB}
NO_GENERATE = {"error": '"nomic" does not support generate'}


class OllamaCase(SynchronousTestCase):
    """
    An Ollama that the test plays.

    @ivar events: what was logged.
    """

    def setUp(self) -> None:
        """
        Play the server, and read the log.
        """
        self.clock = Clock()
        self.played = PlayedServer(URL)
        self.server = self.make()
        capture = ExitStack()
        self.addCleanup(capture.close)
        self.events = capture.enter_context(capturedLogs())

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.played.is_quiet()
        self.assertEqual([], self.clock.getDelayedCalls())

    def make(self, *names: str, **settings: Any) -> OllamaServer:
        """
        @return: a server with changed settings.
        """
        control = Control(URL, self.played.agent, self.clock, {})
        return OllamaServer(Ollama(key="o", **settings), control, names)

    def holds(self, *entries: object) -> None:
        """
        The server answers what it holds.
        """
        self.played.answer("GET /api/ps", {"models": list(entries)})

    def failed(self, failing: Deferred[Any], error: type[RouterError], message: str) -> None:
        """
        Check what a call failed with.
        """
        reason = self.failureResultOf(failing, error).value
        assert isinstance(reason, RouterError)
        self.assertEqual(message, reason.message)


class NamesTests(SynchronousTestCase):
    """
    L{normalized} and L{is_cloud}
    """

    def test_same(self) -> None:
        """
        Tag, library and registry go without saying, and case is of no matter.
        """
        for name in ("llama3", "llama3:latest", "Llama3:Latest", "library/llama3"):
            self.assertEqual("llama3:latest", normalized(name))
        self.assertEqual("llama3:8b", normalized("registry.ollama.ai/library/llama3:8b"))

    def test_other(self) -> None:
        """
        Users, other registries and their ports are part of the name.
        """
        self.assertEqual("mine/llama3:latest", normalized("mine/llama3"))
        self.assertEqual("hub:5000/a/b:latest", normalized("hub:5000/a/b"))
        self.assertEqual("hf.co/a/b-gguf:q4_k_m", normalized("hf.co/a/B-GGUF:Q4_K_M"))

    def test_cloud(self) -> None:
        """
        Some models run elsewhere, which their tag tells.
        """
        for name in ("gpt-oss:120b-cloud", "kimi:cloud", "GLM:Cloud"):
            self.assertTrue(is_cloud(name), name)
        for name in ("cloud", "cloud:8b", "gpt-oss:cloudy", "x-cloud:1b"):
            self.assertFalse(is_cloud(name), name)


class IsUpTests(OllamaCase):
    """
    L{OllamaServer.is_up}
    """

    def test_interface(self) -> None:
        """
        It is a model server.
        """
        verifyObject(IModelServer, self.server)

    def test_up(self) -> None:
        """
        A server that tells its version is up.
        """
        up = self.server.is_up()
        self.played.answer("GET /api/version", {"version": "0.33.0"})
        self.assertIs(True, self.successResultOf(up))

    def test_down(self) -> None:
        """
        A server that does not listen, or not answer in time, is not.
        """
        up = self.server.is_up()
        self.played.fail("GET /api/version", ConnectionRefusedError())
        self.assertIs(False, self.successResultOf(up))
        up = self.server.is_up()
        self.clock.advance(5)
        self.assertIs(False, self.successResultOf(up))
        self.played.is_given_up("GET /api/version")

    def test_ready_check(self) -> None:
        """
        The configured check is made.
        """
        self.server = self.make(health_path="/api/tags", ready_check="model:qwen3:8b")
        for models, expected in [([], False), ([QWEN], True)]:
            up = self.server.is_up()
            self.played.answer("GET /api/tags", {"models": models})
            self.assertIs(expected, self.successResultOf(up))


class LoadedTests(OllamaCase):
    """
    L{OllamaServer.loaded}
    """

    def test_loaded(self) -> None:
        """
        It tells what the server holds.
        """
        loaded = self.server.loaded()
        self.holds(QWEN, {"name": "nomic:latest"})
        self.assertEqual(
            [LoadedModel("qwen3:8b", "qwen3:8b"), LoadedModel("nomic:latest", "nomic:latest")],
            self.successResultOf(loaded),
        )

    def test_nothing(self) -> None:
        """
        A server can hold nothing.
        """
        loaded = self.server.loaded()
        self.holds()
        self.assertEqual([], self.successResultOf(loaded))

    def test_spelling(self) -> None:
        """
        A model is called as the configuration calls it, and is unloaded by the
        server's own name.
        """
        self.server = self.make("Nomic", "qwen3")
        loaded = self.server.loaded()
        self.holds(QWEN, {"name": "nomic:latest"})
        self.assertEqual(
            [LoadedModel("qwen3:8b", "qwen3:8b"), LoadedModel("Nomic", "nomic:latest")],
            self.successResultOf(loaded),
        )

    def test_spelling_changes(self) -> None:
        """
        What it is called is looked up each time.
        """
        names = ["Nomic"]
        self.server = OllamaServer(Ollama(key="o"), self.make()._control, names)
        names[:] = ["NOMIC"]
        loaded = self.server.loaded()
        self.holds({"name": "nomic:latest"})
        self.assertEqual([LoadedModel("NOMIC", "nomic:latest")], self.successResultOf(loaded))

    def test_cloud(self) -> None:
        """
        A model that runs elsewhere takes no memory here.
        """
        loaded = self.server.loaded()
        self.holds({"name": "gpt-oss:120b-cloud"})
        self.assertEqual([], self.successResultOf(loaded))

    def test_hangs(self) -> None:
        """
        A server that does not answer, as while it loads, may hold anything.
        """
        loaded = self.server.loaded()
        self.clock.advance(5)
        self.played.is_given_up("GET /api/ps")
        self.failed(loaded, Unreachable, "no answer within 5 s")

    def test_refused(self) -> None:
        """
        A server that does not run is told apart.
        """
        loaded = self.server.loaded()
        self.played.fail("GET /api/ps", ConnectionRefusedError())
        self.failureResultOf(loaded, Refused)

    def test_unusable(self) -> None:
        """
        An answer that cannot be read is no empty one.
        """
        for document, status, words in [
            ({"error": "boom"}, 500, "boom"),
            ({}, 200, "HTTP 200: {}"),
            ([], 200, "HTTP 200: []"),
            ({"models": [{"size": 1}]}, 200, 'HTTP 200: {"models": [{"size": 1}]}'),
            ({"models": ["x"]}, 200, 'HTTP 200: {"models": ["x"]}'),
        ]:
            loaded = self.server.loaded()
            self.played.answer("GET /api/ps", document, status)
            self.failed(loaded, UpstreamError, f"/api/ps does not say: {words}")


class LoadTests(OllamaCase):
    """
    L{OllamaServer.load}
    """

    def load(self, name: str = "qwen3:8b") -> Deferred[None]:
        """
        Have the server load C{name}.
        """
        loading = self.server.load(name)
        body = self.played.answer("POST /api/generate", {"done": True, "done_reason": "load"})
        self.assertEqual({"model": name, "keep_alive": -1, "stream": False}, body)
        return loading

    def test_load(self) -> None:
        """
        A model is loaded, for ever, by a request without a prompt.
        """
        loading = self.load()
        self.assertNoResult(loading)
        self.holds(QWEN)
        self.successResultOf(loading)
        self.assertEqual([], self.events)

    def test_patience(self) -> None:
        """
        The request is kept open for longer than Ollama itself would load.
        """
        loading = self.server.load("qwen3:8b")
        self.clock.advance(329)
        self.assertNoResult(loading)
        self.clock.advance(1)
        self.played.is_given_up("POST /api/generate")
        self.failed(loading, Unreachable, "no answer within 330 s")

    def test_cancelled(self) -> None:
        """
        When nobody waits any more, Ollama may give the load up.
        """
        loading = self.server.load("qwen3:8b")
        loading.cancel()
        self.failureResultOf(loading, CancelledError)
        self.played.is_given_up("POST /api/generate")

    def test_embedding(self) -> None:
        """
        A model that does not generate is loaded by what it does.
        """
        loading = self.server.load("nomic")
        self.played.answer("POST /api/generate", NO_GENERATE, 400)
        body = self.played.answer("POST /api/embed", {"embeddings": [[0.5]]})
        self.assertEqual({"model": "nomic", "keep_alive": -1, "input": "x"}, body)
        self.holds({"name": "nomic:latest", "size": 1, "size_vram": 1})
        self.successResultOf(loading)

    def test_unknown(self) -> None:
        """
        A refusal is told in the server's own words.
        """
        loading = self.server.load("x")
        self.played.answer("POST /api/generate", {"error": "model 'x' not found"}, 404)
        self.failed(loading, UpstreamError, "model 'x' not found")

    def test_lost(self) -> None:
        """
        A server that goes away has loaded nothing.
        """
        loading = self.server.load("x")
        self.played.fail("POST /api/generate", ConnectionRefusedError())
        self.failureResultOf(loading, Refused)

    def test_completion(self) -> None:
        """
        If it is configured so, a model must prove that it can answer.
        """
        self.server = self.make(ready_check="completion")
        loading = self.load()
        question = self.played.answer("POST /v1/chat/completions")
        self.assertEqual("qwen3:8b", question["model"])
        self.holds(QWEN)
        self.successResultOf(loading)
        loading = self.load()
        self.played.answer("POST /v1/chat/completions", {"error": "boom"}, 500)
        self.failed(loading, UpstreamError, 'it cannot answer: HTTP 500: {"error": "boom"}')

    def test_offload(self) -> None:
        """
        A model that is partly left to the CPU is complained of.
        """
        loading = self.load("Qwen3:8B")
        self.holds({"name": "other:1b", "size": 2, "size_vram": 1}, {**QWEN, "size_vram": 6 * GIB})
        self.successResultOf(loading)
        (event,) = self.events
        self.assertEqual((6, 8, "Qwen3:8B"), (event["in_gpu"], event["size"], event["model"]))

    def test_offload_unknown(self) -> None:
        """
        A server that cannot tell how it loaded the model has loaded it.
        """
        loading = self.load()
        self.played.answer("GET /api/ps", status=500)
        self.successResultOf(loading)

    def test_cloud(self) -> None:
        """
        A model that runs elsewhere need not be loaded, and counts as such until
        it is unloaded, without a word to the server.
        """
        name = "gpt-oss:120b-cloud"
        self.successResultOf(self.server.load(name))
        loaded = self.server.loaded()
        self.holds(QWEN)
        held = [LoadedModel("qwen3:8b", "qwen3:8b"), LoadedModel(name, name)]
        self.assertEqual(held, self.successResultOf(loaded))
        self.successResultOf(self.server.unload(held[1]))
        loaded = self.server.loaded()
        self.holds(QWEN)
        self.assertEqual(held[:1], self.successResultOf(loaded))

    def test_spelling(self) -> None:
        """
        What was loaded is listed under the name that it was loaded by.
        """
        self.server = self.make("Qwen3:8B")
        loading = self.load("QWEN3:8b")
        self.holds(QWEN)
        self.successResultOf(loading)
        loaded = self.server.loaded()
        self.holds(QWEN)
        self.assertEqual([LoadedModel("QWEN3:8b", "qwen3:8b")], self.successResultOf(loaded))


class UnloadTests(OllamaCase):
    """
    L{OllamaServer.unload}
    """

    nomic = LoadedModel("Nomic", "nomic:latest")

    def test_unload(self) -> None:
        """
        A model is told not to stay, under the server's own name for it.
        """
        unloading = self.server.unload(self.nomic)
        body = self.played.answer("POST /api/generate", {"done": True, "done_reason": "unload"})
        self.assertEqual({"model": "nomic:latest", "keep_alive": 0, "stream": False}, body)
        self.successResultOf(unloading)

    def test_deleted(self) -> None:
        """
        A model that there is no more need not be unloaded.
        """
        unloading = self.server.unload(self.nomic)
        self.played.answer("POST /api/generate", {"error": "model not found"}, 404)
        self.successResultOf(unloading)

    def test_old_server(self) -> None:
        """
        Old versions unload an embedding model by what it does.
        """
        unloading = self.server.unload(self.nomic)
        self.played.answer("POST /api/generate", NO_GENERATE, 400)
        self.holds({"name": "nomic:latest"})
        body = self.played.answer("POST /api/embed")
        self.assertEqual({"model": "nomic:latest", "keep_alive": 0, "input": "x"}, body)
        self.successResultOf(unloading)

    def test_gone_meanwhile(self) -> None:
        """
        A model that has gone is not loaded to unload it.
        """
        unloading = self.server.unload(self.nomic)
        self.played.answer("POST /api/generate", NO_GENERATE, 400)
        self.holds(QWEN)
        self.successResultOf(unloading)

    def test_refused(self) -> None:
        """
        A refusal is told in the server's own words.
        """
        unloading = self.server.unload(self.nomic)
        self.played.answer("POST /api/generate", {"error": "boom"}, 500)
        self.failed(unloading, UpstreamError, "it did not unload nomic:latest: boom")

    def test_hangs(self) -> None:
        """
        An unload that waits for a load has a time limit.
        """
        unloading = self.server.unload(self.nomic)
        self.clock.advance(60)
        self.played.is_given_up("POST /api/generate")
        self.failed(unloading, Unreachable, "no answer within 60 s")


class ListModelsTests(OllamaCase):
    """
    L{OllamaServer.list_models}
    """

    def test_models(self) -> None:
        """
        It tells what is installed, loaded or not.
        """
        models = self.server.list_models()
        entries = [QWEN, {"name": "kimi:cloud"}]
        self.played.answer("GET /api/tags", {"models": entries})
        self.assertEqual(["qwen3:8b", "kimi:cloud"], self.successResultOf(models))

    def test_unknown(self) -> None:
        """
        It fails when the server does not tell.
        """
        models = self.server.list_models()
        self.played.answer("GET /api/tags", {"error": "boom"}, 500)
        self.failed(models, UpstreamError, "/api/tags does not say: boom")
