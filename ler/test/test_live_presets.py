# -*- test-case-name: ler.test.test_live_presets -*-
"""
Live tests of the presets of engines that the router launches: each runs the
stand-in of its program, which is found on the C{PATH} by the name that the
preset has for it, and has the traps of the original.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest
from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.iweb import UNKNOWN_LENGTH

from ler.config import GenericProcess, load
from ler.engines.control import Control, Reply
from ler.engines.generic_process import GenericProcessEngine
from ler.errors import EngineStartFailed, EngineStartTimeout, RouterError, Unreachable
from ler.interfaces import Residency
from ler.test.test_live_process import LiveCase, deferred, free_port, linux_only, until
from ler.test.test_presets import PRESETS, ROOT, filled, install_programs
from ler.testing import FakeEngineWatcher, FakeStateStore

reactor: Any = global_reactor

PATIENCE_S = 10.0


class PresetCase(LiveCase):
    """
    A preset, and the program that it launches.

    @cvar preset: its name.
    @ivar config: what it says of its engine.
    @ivar model: the name that the engine expects in requests.
    @ivar environ: the environment that the router passes on.
    """

    preset: str

    def setUp(self) -> None:
        """
        Read the preset, and have the stand-ins on the C{PATH}.
        """
        super().setUp()
        path = PRESETS / f"{self.preset}.yaml"
        if not path.exists():
            raise SkipTest("not a checkout")
        folder = Path(self.folder)
        install_programs(folder / "bin")
        self.environ = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "STANDIN_DIR": self.folder,
            "STANDIN_LOAD_S": "0.05",
        }
        self.port = free_port()
        text = filled(path.read_text(), METRICS_PORT=str(free_port()))
        written = folder / path.name
        written.write_text(text.replace("port: auto", f"port: {self.port}"))
        config = load(str(written), self.environ).config
        [engine] = config.engines.values()
        assert isinstance(engine, GenericProcess)
        self.config = engine
        self.model = config.models[0].model_name or config.models[0].id
        self.instance = f"{self.id()}-{os.getpid()}"
        self.marker = f"{self.instance}:{engine.key}"

    def engine(self, *more: str, **settings: Any) -> GenericProcessEngine:
        """
        @param more: words to add to the command line.
        @param settings: what to change of the preset.
        """
        config = replace(self.config, **settings)
        return GenericProcessEngine(
            replace(config, start_cmd=(*config.start_cmd, *more)),
            reactor=reactor,
            agent=Agent(reactor),
            store=FakeStateStore(),
            state_dir=self.folder,
            instance=self.instance,
            environ=self.environ,
            threads=deferToThread,
            model_name=self.model,
        )

    def events(self) -> list[str]:
        """
        @return: what the stand-in noted.
        """
        path = Path(self.folder, "events")
        return path.read_text().splitlines() if path.exists() else []

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        """
        @return: what the stand-in answers.
        """
        control = Control(self.config.base_url, Agent(reactor), reactor, {})
        reply: Reply = await control.ask(method, path, body=body, timeout=PATIENCE_S)
        return reply

    async def chat(self, model: str, **more: object) -> Reply:
        """
        @return: the answer to a chat with C{model}.
        """
        messages = [{"role": "user", "content": "Hello"}]
        body = {"model": model, "messages": messages, **more}
        return await self.ask("POST", "/v1/chat/completions", body)

    async def status_while_loading(self, path: str) -> int | None:
        """
        Launch the engine, and ask for C{path} while it loads.

        @return: the status of the answer, or L{None} when there is none.
        """
        self.environ["STANDIN_LOAD_S"] = "0.5"
        engine = self.engine()
        starting = engine.bring_up(None)
        await until(self.events)
        status = None
        with contextlib.suppress(Unreachable):
            status = (await self.ask("GET", path)).status
        self.assertNoResult(starting)
        await starting
        await self.free(engine)
        return status

    async def free(self, engine: GenericProcessEngine) -> None:
        """
        Free an engine, of which nothing is left then.
        """
        await engine.free()
        self.assertEqual([], self.running())
        socket.create_server(("127.0.0.1", self.port)).close()

    async def live(self) -> None:
        """
        Come up, answer, go, and do it again.
        """
        engine = self.engine()
        for _ in range(2):
            await engine.bring_up(None)
            self.assertEqual((Residency(self.config.key),), await engine.loaded())
            reply = await self.chat(self.model, max_tokens=3)
            self.assertEqual(200, reply.status)
            answer = reply.json["choices"][0]["message"]["content"]
            self.assertEqual(" word word word", answer)
            await self.free(engine)

    async def lose(self) -> GenericProcessEngine:
        """
        @return: an engine whose first process was killed.
        """
        engine = self.engine()
        watcher = FakeEngineWatcher()
        engine.watch(watcher)
        await engine.bring_up(None)
        os.kill(engine.describe()["pid"], signal.SIGKILL)
        await until(lambda: watcher.lost)
        return engine

    async def failure(self, engine: GenericProcessEngine) -> RouterError:
        """
        @return: why an engine did not start.
        """
        with self.assertRaises(RouterError) as caught:
            await engine.bring_up(None)
        await self.free(engine)
        failure: RouterError = caught.exception
        return failure


@linux_only
class LlamaCppTests(PresetCase):
    """
    C{llamacpp.yaml}
    """

    preset = "llamacpp"

    @deferred
    async def test_life(self) -> None:
        """It comes up with the size that it was given, answers, and goes properly."""
        await self.live()
        self.assertEqual(["loads", "ended properly"] * 2, self.events())

    @deferred
    async def test_page_while_loading(self) -> None:
        """It is not taken for ready while it loads, though its page is there."""
        self.assertEqual(200, await self.status_while_loading("/"))

    @deferred
    async def test_health_while_loading(self) -> None:
        """What is asked of it while it loads says 503."""
        self.assertEqual(503, await self.status_while_loading("/health"))

    @deferred
    async def test_variables(self) -> None:
        """Variables that act as its options do not reach it."""
        self.environ.update(LLAMA_ARG_N_PARALLEL="64", LLAMA_ARG_CTX_SIZE="1")
        await self.live()
        self.assertFalse([event for event in self.events() if "LLAMA_ARG" in event])

    @deferred
    async def test_ignores_name(self) -> None:
        """It answers under its own name, whatever the request says."""
        engine = self.engine()
        await engine.bring_up(None)
        self.assertEqual("some", (await self.chat("other")).json["model"])
        await self.free(engine)


@linux_only
class VLLMTests(PresetCase):
    """
    C{vllm.yaml}
    """

    preset = "vllm"

    @deferred
    async def test_life(self) -> None:
        """It comes up, answers, and takes its core and its workers with it."""
        await self.live()
        self.assertEqual(["loads", "API server told to end", "core ended"] * 2, self.events())

    @deferred
    async def test_refuses_while_loading(self) -> None:
        """Refused connections mean that it loads."""
        self.assertIsNone(await self.status_while_loading("/health"))

    @deferred
    async def test_name(self) -> None:
        """It knows the one name that the preset gives it."""
        engine = self.engine()
        await engine.bring_up(None)
        self.assertEqual(404, (await self.chat("file:///models/some")).status)
        await self.free(engine)

    @deferred
    async def test_group(self) -> None:
        """Sent to the whole group, SIGTERM ends the core half way; nothing is left even then."""
        engine = self.engine(stop_scope="group", stop_timeout_s=2)
        await engine.bring_up(None)
        await self.free(engine)
        self.assertIn("core ended half way", self.events())

    @deferred
    async def test_killed(self) -> None:
        """If its API server is killed, its core and its workers do not stay."""
        await self.free(await self.lose())

    @deferred
    async def test_killed_while_loading(self) -> None:
        """A start that is given up leaves nothing."""
        self.environ["STANDIN_LOAD_S"] = "60"
        failure = await self.failure(self.engine(start_timeout_s=0.8))
        self.assertIsInstance(failure, EngineStartTimeout)
        self.assertEqual(["loads", "API server told to end", "core ended"], self.events())


@linux_only
class SGLangTests(PresetCase):
    """
    C{sglang.yaml}
    """

    preset = "sglang"

    @deferred
    async def test_life(self) -> None:
        """It comes up, answers, and goes properly."""
        await self.live()
        life = ["loads", "generates", "told to end", "ended properly"]
        self.assertEqual(life * 2, self.events())

    @deferred
    async def test_early_listing(self) -> None:
        """It is not taken for ready while it warms up, though it lists its model."""
        self.assertEqual(200, await self.status_while_loading("/v1/models"))

    @deferred
    async def test_slow_health(self) -> None:
        """The check is not the one that generates, which the usual patience hardly allows."""
        engine = self.engine()
        await engine.bring_up(None)
        self.assertEqual(200, (await self.ask("GET", "/ready")).status)
        self.assertNotIn("generates for a health check", self.events())
        await self.free(engine)
        failure = await self.failure(
            self.engine(ready_path="/health", ready_timeout_s=0.5, start_timeout_s=1.5)
        )
        self.assertIn("generates for a health check", self.events())
        self.assertIsInstance(failure, EngineStartTimeout)

    @deferred
    async def test_waits_for_requests(self) -> None:
        """It ends when the last request has its answer, not before."""
        self.environ["STANDIN_TOKEN_S"] = "0.1"
        engine = self.engine()
        await engine.bring_up(None)
        replies: list[Reply] = []

        async def talk() -> None:
            replies.append(await self.chat(self.model, max_tokens=10))

        talking = Deferred.fromCoroutine(talk())
        await until(lambda: "generates" in self.events())
        await self.free(engine)
        await talking
        self.assertEqual([200], [reply.status for reply in replies])
        self.assertEqual("ended properly", self.events()[-1])

    @deferred
    async def test_waits_for_ever(self) -> None:
        """A request without an end does not keep it for longer than the grace."""
        self.environ["STANDIN_TOKEN_S"] = "60"
        self.assertGreaterEqual(self.config.stop_timeout_s, 20)
        engine = self.engine(stop_timeout_s=1)
        await engine.bring_up(None)
        talking = Deferred.fromCoroutine(self.chat(self.model))
        await until(lambda: "generates" in self.events())
        await self.free(engine)
        with self.assertRaises(Unreachable):
            await talking
        self.assertNotIn("ended properly", self.events())

    @deferred
    async def test_colon(self) -> None:
        """A name with a colon would be that of an adapter."""
        engine = self.engine()
        await engine.bring_up(None)
        self.assertEqual(400, (await self.chat("some:8b")).status)
        self.assertNotIn(":", self.model)
        await self.free(engine)


@linux_only
class KoboldCppTests(PresetCase):
    """
    C{koboldcpp.yaml}
    """

    preset = "koboldcpp"

    @deferred
    async def test_life(self) -> None:
        """It comes up with its model, answers, and goes at once, its child too."""
        await self.live()
        self.assertEqual(["loads", "child told to end"] * 2, self.events())

    @deferred
    async def test_refuses_while_loading(self) -> None:
        """Refused connections mean that it loads."""
        self.assertIsNone(await self.status_while_loading("/api/v1/model"))

    @deferred
    async def test_inactive(self) -> None:
        """Without its model it is not ready, though it answers."""
        failure = await self.failure(self.engine("--nomodel", start_timeout_s=1.5))
        self.assertIn("result is 'inactive'", failure.message)

    @deferred
    async def test_health(self) -> None:
        """It has no health path."""
        engine = self.engine()
        await engine.bring_up(None)
        self.assertEqual(404, (await self.ask("GET", "/health")).status)
        await self.free(engine)

    @deferred
    async def test_port_taken(self) -> None:
        """That it ends with 0 when somebody took its port meanwhile is a failure."""
        self.environ["STANDIN_LOAD_S"] = "0.6"
        engine = self.engine()
        starting = engine.bring_up(None)
        await until(engine.alive)
        with (
            socket.create_server(("127.0.0.1", self.port)),
            self.assertRaises(EngineStartFailed) as caught,
        ):
            await starting
        self.assertIn("exited with code 0", caught.exception.message)
        await self.free(engine)

    @deferred
    async def test_killed(self) -> None:
        """If the parent is killed, the child does not stay."""
        await self.free(await self.lose())


@linux_only
class MLXTests(PresetCase):
    """
    C{mlx.yaml}
    """

    preset = "mlx"

    @deferred
    async def test_life(self) -> None:
        """It comes up once a completion says so, answers, and keeps its model."""
        await self.live()
        asked = "asked for a completion"
        self.assertEqual([asked, asked, "loads"], sorted(self.events()[:3]))
        self.assertFalse([event for event in self.events() if "drops" in event])

    @deferred
    async def test_lying_health(self) -> None:
        """It is not taken for ready while it loads, though it is healthy."""
        self.assertEqual(200, await self.status_while_loading("/health"))

    @deferred
    async def test_asked_once(self) -> None:
        """While it loads one completion waits, not one after the other."""
        self.environ["STANDIN_LOAD_S"] = "0.8"
        engine = self.engine()
        await engine.bring_up(None)
        self.assertEqual(1, self.events().count("asked for a completion"))
        await self.free(engine)

    @deferred
    async def test_name_is_a_load(self) -> None:
        """A name of the client's would cost the model, but no download."""
        engine = self.engine()
        await engine.bring_up(None)
        self.assertEqual(404, (await self.chat("some")).status)
        self.assertIn("drops its model for some", self.events())
        self.assertNotIn("downloads some", self.events())
        await self.free(engine)

    @deferred
    async def test_length(self) -> None:
        """It refuses bodies without a length."""
        engine = self.engine()
        await engine.bring_up(None)
        body = FileBodyProducer(BytesIO(b"{}"))
        body.length = UNKNOWN_LENGTH
        url = f"{self.config.base_url}/v1/chat/completions".encode()
        response = await Agent(reactor).request(b"POST", url, None, body)
        await readBody(response)
        self.assertEqual(411, response.code)
        await self.free(engine)


@linux_only
class RamalamaTests(PresetCase):
    """
    C{ramalama.yaml}
    """

    preset = "ramalama"

    @deferred
    async def test_life(self) -> None:
        """It comes up, answers, and goes, the server that it runs too."""
        await self.live()
        self.assertEqual(["loads", "ended properly"] * 2, self.events())

    @deferred
    async def test_killed(self) -> None:
        """If the program is killed, the server that it runs does not stay."""
        await self.free(await self.lose())

    @deferred
    async def test_order(self) -> None:
        """An option that stands behind the command is not understood."""
        words = [word for word in self.config.start_cmd if word != "--nocontainer"]
        failure = await self.failure(self.engine("--nocontainer", start_cmd=tuple(words)))
        self.assertIn("exited with code 2", failure.message)


@linux_only
class RamalamaContainerTests(PresetCase):
    """
    C{ramalama-container.yaml}
    """

    preset = "ramalama-container"

    @deferred
    async def test_life(self) -> None:
        """It comes up, answers, and its container is stopped."""
        await self.live()
        self.assertEqual(["loads", "container stopped"] * 2, self.events())

    @deferred
    async def test_killed(self) -> None:
        """If the program is killed, its container is stopped nevertheless."""
        await self.free(await self.lose())
        self.assertEqual(["loads", "container stopped"], self.events())

    @deferred
    async def test_term(self) -> None:
        """The container survives SIGTERM to the program."""
        engine = self.engine(stop_cmd=("sleep", "0.5"))
        watcher = FakeEngineWatcher()
        engine.watch(watcher)
        await engine.bring_up(None)
        os.kill(engine.describe()["pid"], signal.SIGTERM)
        await until(lambda: watcher.lost)
        self.assertEqual(200, (await self.ask("GET", "/health")).status)
        await self.free(engine)
        self.assertNotIn("container stopped", self.events())


@linux_only
class MAXTests(PresetCase):
    """
    C{max.yaml}
    """

    preset = "max"

    @deferred
    async def test_life(self) -> None:
        """It comes up, answers, and goes properly, its workers too."""
        await self.live()
        self.assertEqual(["loads", "ended properly"] * 2, self.events())

    @deferred
    async def test_refuses_while_loading(self) -> None:
        """Refused connections mean that it compiles."""
        self.assertIsNone(await self.status_while_loading("/health"))

    @deferred
    async def test_second_port(self) -> None:
        """Its second port is the one of the preset, and it fails when that is taken."""
        port = int(self.config.env["MAX_SERVE_METRICS_ENDPOINT_PORT"])
        with socket.create_server(("127.0.0.1", port)):
            failure = await self.failure(self.engine())
        self.assertIn(f"The network port {port} is already in use", failure.message)

    @deferred
    async def test_name(self) -> None:
        """A wrong name is answered like any other bad request."""
        engine = self.engine()
        await engine.bring_up(None)
        reply = await self.chat("other")
        self.assertEqual((400, {"detail": "Value error."}), (reply.status, reply.json))
        await self.free(engine)

    @deferred
    async def test_killed(self) -> None:
        """If it is killed, its workers do not stay."""
        await self.free(await self.lose())
