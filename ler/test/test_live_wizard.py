# -*- test-case-name: ler.test.test_live_wizard -*-
"""
Live tests for L{ler.wizard}: it looks at this machine, and a router serves what
it has written.
"""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import psutil
from twisted.trial.unittest import TestCase

from ler.demo.__main__ import TINY_MODELS
from ler.test.demo_case import DemoCase
from ler.test.live import Server, free_port, wait_for
from ler.test.live_router import answers
from ler.wizard import main
from ler.wizard.asking import Asker, fetch
from ler.wizard.machine import Address, Listener, Machine
from ler.wizard.programs import LLAMA_SERVER, OLLAMA

BIRDS = TINY_MODELS["tiny-birds"]


class WizardTests(DemoCase):
    """
    A machine with a llama.cpp and an Ollama.
    """

    def setUp(self) -> None:
        """
        Start them, as people do: with a path that begins where they are, and
        on ports of their own.
        """
        super().setUp()
        from ler.demo.tiny_gguf import write_model

        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        write_model(self.folder / "wild-birds.gguf", "birds", BIRDS.split())
        model = ["--model", "wild-birds.gguf", "--alias", "wild-birds"]
        self.llama = self.launch([sys.executable, "-m", "ler.demo.llama_server", *model])
        # The stand-in, as a process that is called like an Ollama.
        name = ["ollama", "-X", "serve", "-m", "ler.test.backends.ollama"]
        self.ollama = self.launch(name, executable=sys.executable)
        wait_for(lambda: answers(self.llama.port) and answers(self.ollama.port))

    def launch(self, command: list[str], **popen: Any) -> Server:
        """
        @return: a server that was just started on some port.
        """
        port = free_port()
        with (self.folder / "log").open("ab") as log:
            server = Server(
                [*command, "--port", str(port)],
                port,
                cwd=self.folder,
                env=self.environ(),
                stdout=log,
                stderr=subprocess.STDOUT,
                **popen,
            )
        self.addCleanup(server.stop)
        return server

    def environ(self) -> dict[str, str]:
        """
        @return: the environment of a user who has nothing else.
        """
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    def start_router(self, port: int) -> Server:
        """
        @return: a router with what the wizard has written.
        """
        command = [sys.executable, "-m", "ler"]
        config = self.folder / "config.yaml"
        written = subprocess.run(
            [*command, "init", "--yes", f"--config={config}", f"--port={port}"],
            env=self.environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((0, ""), (written.returncode, written.stderr), written.stdout)
        self.assertIn(f"kill {self.llama.process.pid}", written.stdout)
        with (self.folder / "router.log").open("wb") as log:
            router = Server(
                [*command, "--config", str(config)],
                port,
                env=self.environ(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.addCleanup(router.stop)
        router.wait_until_ready()
        return router

    def test_serves(self) -> None:
        """The router serves both without an edit, while they run and when the llama.cpp was
        stopped."""
        router = self.start_router(free_port())
        self.assert_says(BIRDS, self.answer(router, "wild-birds"))
        wait_for(lambda: "qwen3:8b" in self.models(router))
        self.assertTrue(self.answer(router, "qwen3:8b"))
        self.llama.stop()
        self.assert_says(BIRDS, self.answer(router, "wild-birds"))

    def models(self, router: Server) -> list[str]:
        """
        @return: the ids that a router lists.
        """
        return [model["id"] for model in router.get("/v1/models")["data"]]

    def test_asking(self) -> None:
        """Servers are asked over HTTP; one that is no such server, or none, does not answer."""
        asker = Asker()
        ollama, llama = (Address("127.0.0.1", each.port) for each in (self.ollama, self.llama))
        self.assertIs(OLLAMA, asker.identify(ollama))
        self.assertIsNone(asker.identify(llama))
        self.assertIn("qwen3:8b", asker.models(OLLAMA, ollama, None) or ())
        wait_for(lambda: asker.models(LLAMA_SERVER, llama, None) == ["wild-birds"])
        self.assertIsNone(asker.models(OLLAMA, llama, None))
        self.assertIsNone(fetch(Address("127.0.0.1", free_port()), "/", {}))


class MachineTests(TestCase):
    """
    L{Machine}, as far as this process goes, and the wizard on it.
    """

    def setUp(self) -> None:
        """
        Look at this machine.
        """
        self.machine = Machine(os.environ)

    def test_process(self) -> None:
        """This process is found as it is."""
        [own] = (each for each in self.machine.processes() if each.pid == os.getpid())
        self.assertEqual(psutil.Process().cmdline(), own.argv)
        self.assertEqual((os.getppid(), os.getcwd(), True), (own.parent, own.folder, own.is_ours))
        self.assertIn("PATH", own.environ)

    def test_listener(self) -> None:
        """What listens is found with its process; what only talks is not."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                found = [x for x in self.machine.listeners() if x.pid == os.getpid()]
        self.assertEqual([Listener(Address("127.0.0.1", port), os.getpid())], found)

    def test_everywhere(self) -> None:
        """What listens everywhere is called on this machine."""
        with socket.create_server(("", 0)) as listener:
            address = Address("127.0.0.1", listener.getsockname()[1])
            self.assertIn(Listener(address, os.getpid()), self.machine.listeners())

    def test_wizard(self) -> None:
        """The wizard looks around without failing, whatever there is."""
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            self.assertIn(main(["--detect-only"]), (0, 1))
