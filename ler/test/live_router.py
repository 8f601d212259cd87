# -*- test-case-name: ler.test.test_live_router -*-
"""
A whole router as a child process, with stand-ins for engines, for live tests
and benchmarks: every call here blocks.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import yaml
from twisted.trial.unittest import SkipTest, TestCase

from ler.test import standin
from ler.test.live import PATIENCE, Server, free_port, wait_for
from ler.test.test_presets import PRESETS

MARK = "ENGINE_ROUTER_LIVE_TEST"
"""What every process of a test has in its environment."""

CROWDED = 97
"""The exit status of an engine that finds another one in memory."""

PROMPT = 2.0
"""Seconds within which a client is told what went wrong."""

ENDLESS = ("--tokens=1000000", "--token-interval-ms=20")
"""What makes a stand-in answer as long as anybody listens."""

TWISTD = "from twisted.scripts.twistd import run; run()"


def run_router(config: Path, port: int, **popen: Any) -> Server:
    """
    Start a router.

    @param config: its configuration.
    @param port: the port that this names.
    @param popen: further arguments for L{subprocess.Popen}.
    """
    command = [sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="]
    return Server([*command, "engine-router", "--config", str(config)], port, **popen)


class Call:
    """
    A request whose answer is read later, or never.
    """

    def __init__(
        self, port: int, model: str, path: str = "/v1/chat/completions", **more: object
    ) -> None:
        """
        Send the request.

        @param more: further keys of its body.
        """
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
        self._connection.request("POST", path, json.dumps(body))

    def answer(self) -> HTTPResponse:
        """
        @return: the answer, of which only the head was read.
        """
        return self._connection.getresponse()

    def hang_up(self) -> None:
        """
        Leave.
        """
        self._connection.close()


class RouterCase(TestCase):
    """
    A test of a router and its engines.

    No two engines may be in memory but those that live beside others: each
    holds the same lock as long as any process of its tree lives, and one that
    finds it held does not start.

    @ivar events_file: what stand-ins note their events in, see
        L{ler.test.standin}.
    @ivar models: the models that are configured.
    """

    def setUp(self) -> None:
        """
        Name what is ours.
        """
        if sys.platform != "linux" or shutil.which("flock") is None:
            raise SkipTest("needs Linux, and flock of util-linux")
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.port = free_port()
        self.log = self.folder / "router.log"
        self._mark = uuid.uuid4().hex
        self.events_file = self.folder / "events"
        self.models: list[dict[str, Any]] = []
        self._engines: dict[str, dict[str, Any]] = {}
        self._routers: list[Server] = []

    def tearDown(self) -> None:
        """
        Whatever was done to a router, nothing of it stays.
        """
        try:
            for router in self._routers:
                router.stop()
            self.wait_for_none()
            self.assertNotIn(f"code {CROWDED}", self.log.read_text())
        finally:
            for process in self.family():
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    # Routers.

    def engine(
        self, key: str, *options: str, command: list[str] | None = None, **keys: object
    ) -> int:
        """
        Configure an engine, and a model of the same name, in place of what had
        that name before.

        @param options: what its stand-in is told.
        @param command: what is run instead of a stand-in.
        @param keys: further keys of the configuration.
        @return: its port.
        """
        port = free_port()
        if command is None:
            command = [sys.executable, "-I", "-S", standin.__file__, f"--port={port}"]
            command += [f"--model={key}", f"--log={self.events_file}", *options]
            if keys.get("exclusive", True):
                lock = ["flock", "--nonblock", "--no-fork", f"--conflict-exit-code={CROWDED}"]
                command = [*lock, str(self.folder / "memory"), *command]
        self.forget_engine(key)
        self.configure(key, type="generic_process", port=port, start_cmd=command, **keys)
        self.models.append({"id": key, "engine": key})
        return port

    def configure(self, key: str, port: int, **keys: object) -> None:
        """
        Configure an engine of any type.

        @param port: where it listens.
        @param keys: further keys of the configuration.
        """
        self._engines[key] = {"base_url": url_of(port), **keys}

    def serve(self, name: str, *options: str, **keys: object) -> Server:
        """
        Start the stand-in of a server that is not the router's own, and
        configure it as its preset does, with all of its models.

        @param name: of the preset and of the engine.
        @param options: what the stand-in is told.
        @param keys: what to change of the preset.
        @return: the server, which listens.
        """
        preset = PRESETS / f"{name}.yaml"
        if not preset.exists():
            raise SkipTest("not a checkout")
        port = free_port()
        command = [sys.executable, "-m", f"ler.test.backends.{name}", f"--port={port}", *options]
        path = os.pathsep.join(sys.path)
        output = self.folder / f"{name}.log"
        with output.open("wb") as log:
            server = Server(
                command,
                port,
                env={**os.environ, "PYTHONPATH": path},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.addCleanup(server.stop)
        backend = import_module(f"ler.test.backends.{name}")
        self.models += [{"id": model, "engine": name} for model in backend.MODELS]
        [settings] = yaml.safe_load(preset.read_text())["engines"].values()
        self.configure(name, port, **{**settings, "base_url": url_of(port), **keys})

        def listens() -> bool:
            self.assertIsNone(server.process.poll(), output.read_text())
            return answers(port)

        wait_for(listens)
        return server

    def forget_engine(self, key: str) -> None:
        """
        Configure an engine, and its models, no longer.
        """
        self._engines.pop(key, None)
        self.models = [model for model in self.models if model["engine"] != key]

    def start(self, **settings: object) -> Server:
        """
        @param settings: further keys of the configuration.
        @return: a router that listens.
        """
        router = self.run_router(**settings)
        router.wait_until_ready()
        return router

    def run_router(self, **settings: object) -> Server:
        """
        @return: a router that has just been started, or fails to.
        """
        document: dict[str, Any] = {
            "port": self.port,
            "state_dir": "state",
            "engines": self._engines,
            "models": self.models,
            **settings,
        }
        port = document["port"]
        config = self.folder / f"{port}.yaml"
        config.write_text(yaml.safe_dump(document, sort_keys=False))
        path = os.pathsep.join(sys.path)
        with self.log.open("ab") as log:
            router = run_router(
                config,
                port,
                env={**os.environ, "PYTHONPATH": path, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._routers.append(router)
        return router

    def call(self, model: str, path: str = "/v1/chat/completions", **more: object) -> Call:
        """
        @return: a request that has just been sent.
        """
        call = Call(self.port, model, path, **more)
        self.addCleanup(call.hang_up)
        return call

    # What can be seen from outside.

    def slot(self, router: Server, name: str = "exclusive") -> Any:
        """
        @return: a slot, as the router describes it.
        """
        [slot] = (slot for slot in router.get("/status")["slots"] if slot["slot"] == name)
        return slot

    def wait_for_resident(
        self, router: Server, resident: str | None, slot: str = "exclusive"
    ) -> None:
        """
        Return once C{resident}, or nothing, is in a slot and can answer.
        """
        wanted = ("empty" if resident is None else "ready", resident)

        def settled() -> bool:
            seen = self.slot(router, slot)
            return (seen["state"], seen["resident"]) == wanted

        wait_for(settled)

    def waiting(self, router: Server) -> int:
        """
        @return: how many requests wait.
        """
        return sum(line["waiting"] for line in self.slot(router)["queue"])

    def family(self) -> list[psutil.Process]:
        """
        @return: the routers of this test that run, and everything that they
            have started.
        """
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return process.environ().get(MARK) == self._mark
        return False

    def wait_for_none(self) -> None:
        """
        Return once nothing of this test runs.
        """
        with suppress(TimeoutError):
            wait_for(lambda: not self.family())
        self.assertEqual([], self.family())

    def tree(self, key: str) -> list[psutil.Process]:
        """
        @return: the processes of the stand-in of C{key}, the first one first.
        """
        members = {}
        for process in self.family():
            with suppress(psutil.Error, ProcessLookupError):
                if f"--model={key}" in process.cmdline():
                    members[process] = process.pid != os.getsid(process.pid)
        return sorted(members, key=members.__getitem__)

    def leader(self, key: str) -> psutil.Process:
        """
        @return: the first process of the stand-in of C{key}.
        """
        return self.tree(key)[0]

    def guardian(self, key: str) -> psutil.Process:
        """
        @return: the guardian of the stand-in of C{key}.
        """
        parent = self.leader(key).parent()
        assert parent is not None
        return parent

    def events(self, key: str) -> list[str]:
        """
        @return: what the stand-ins of C{key} have noted, see
            L{ler.test.standin}.
        """
        if not self.events_file.exists():
            return []
        lines = (line.split() for line in self.events_file.read_text().splitlines())
        return [event for _, model, event in lines if model == key]

    def wait_for_event(self, key: str, event: str, count: int = 1) -> None:
        """
        Return once the stand-ins of C{key} have noted C{event} so many times.
        """
        wait_for(lambda: self.events(key).count(event) >= count)

    # What is expected.

    def assert_serves(self, router: Server, model: str) -> None:
        """
        C{model} answers.
        """
        with router.chat(model, max_tokens=1) as response:
            answer = json.load(response)
        self.assertEqual(200, response.status, answer)
        self.assertEqual(model, answer["model"])

    def assert_fails(self, answer: HTTPResponse, status: int, code: str) -> str:
        """
        @return: the message of an answer that tells of a failure.
        """
        error = json.load(answer)["error"]
        self.assertEqual((status, code), (answer.status, error["code"]), error)
        message: str = error["message"]
        return message


def url_of(port: int) -> str:
    """
    @return: the URL of what listens there.
    """
    return f"http://127.0.0.1:{port}"


def answers(port: int) -> bool:
    """
    @return: whether anybody listens there.
    """
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def read_events(answer: HTTPResponse) -> Iterator[Any]:
    """
    @return: the data of the events of a stream, one by one, the last of them
        C{[DONE]}; comments are left out.
    """
    for line in answer:
        if line.startswith(b"data: "):
            data = line.removeprefix(b"data: ").strip()
            yield "[DONE]" if data == b"[DONE]" else json.loads(data)


class Stopwatch:
    """
    @ivar seconds: how long the context took.
    """

    def __enter__(self) -> Stopwatch:
        """Start."""
        self._began = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.seconds = time.monotonic() - self._began
