# -*- test-case-name: ler.test.test_live_service -*-
"""
A router under a service manager, which is played here: what the router tells
it, and what becomes of clients while the router is restarted.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import uuid
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import yaml
from twisted.trial.unittest import SkipTest, TestCase

from ler.listening import FIRST_PASSED
from ler.notify import send
from ler.test.live import PATIENCE, Server, free_port, wait_for
from ler.test.live_router import TWISTD

HAND_OVER = f"""
import os, sys
os.dup2(int(sys.argv[1]), {FIRST_PASSED})
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Hands a socket over as a service manager does: only the process itself knows
its pid, and a shell may not know of so many files."""


class Manager:
    """
    As much of a service manager as a service notices.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()  # A short path: sockets need one.
        self.address = os.path.join(self._folder.name, "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(PATIENCE)

    def hear(self) -> str:
        """
        @return: what it is told next.
        """
        return self._socket.recv(4096).decode()

    def wait_for(self, line: str) -> None:
        """
        Return once it was told C{line}.
        """
        while line not in self.hear().split("\n"):
            pass

    def close(self) -> None:
        """
        Hear no more.
        """
        self._socket.close()
        self._folder.cleanup()


class ServiceTests(TestCase):
    """
    What a router does for its service manager.
    """

    def setUp(self) -> None:
        """
        There is a manager, and a configuration.
        """
        self.manager = Manager()
        self.addCleanup(self.manager.close)
        self.port = free_port()
        self.config = Path(self.mktemp()).resolve()
        self.log = Path(self.mktemp())
        self.configure(self.port)

    def configure(self, port: int) -> None:
        """
        Write a configuration with an engine that nobody asks for.
        """
        ollama = {"type": "ollama", "base_url": f"http://127.0.0.1:{free_port()}"}
        config = {"port": port, "state_dir": "state", "engines": {"ollama": ollama}}
        self.config.write_text(yaml.safe_dump(config))

    def run_router(self, passed: socket.socket | None = None, **environ: str) -> Server:
        """
        @param passed: a socket that is handed over.
        @return: a router, which may not listen yet.
        """
        command = [sys.executable, "-W", "ignore", "-c", TWISTD, "--nodaemon", "--pidfile="]
        command += ["engine-router", "--config", str(self.config)]
        if passed is not None:
            command = [sys.executable, "-c", HAND_OVER, str(passed.fileno()), *command]
            environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="http")
        with self.log.open("ab") as log:
            router = Server(
                command,
                self.port,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "NOTIFY_SOCKET": self.manager.address,
                    **environ,
                },
                pass_fds=[] if passed is None else [passed.fileno()],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.addCleanup(router.stop)
        return router

    def health(self) -> HTTPConnection:
        """
        @return: a connection that has asked how the router is.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("GET", "/health")
        return connection

    def assert_healthy(self, connection: HTTPConnection) -> None:
        """
        Assert that the answer is good.
        """
        with closing(connection):
            self.assertEqual({"status": "ok"}, json.load(connection.getresponse()))

    def test_life(self) -> None:
        """When it is told that the router is ready, clients are answered; it
        hears beats, and first of all that the router stops."""
        router = self.run_router(WATCHDOG_USEC="100000")
        self.manager.wait_for("READY=1")
        self.assert_healthy(self.health())
        for _ in range(3):
            self.manager.wait_for("WATCHDOG=1")
        router.process.terminate()
        self.manager.wait_for("STOPPING=1")
        self.assertIn(router.stop(), (0, -15))

    def test_restart(self) -> None:
        """Who connects while no router runs is answered by the next one."""
        with socket.create_server(("127.0.0.1", 0)) as passed:
            self.port = passed.getsockname()[1]
            self.configure(self.port)
            first = self.run_router(passed)
            self.manager.wait_for("READY=1")
            self.assert_healthy(self.health())
            first.stop()
            waiting = self.health()
            self.run_router(passed)
            self.assert_healthy(waiting)
        self.assertNotIn("has no effect", self.log.read_text())

    def test_other_place(self) -> None:
        """That the configuration names another place than the manager opened
        is told, with both."""
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as passed:
            opened = passed.getsockname()[1]
            self.run_router(passed)
            wait_for(lambda: "has no effect" in self.log.read_text())
        said = self.log.read_text()
        self.assertIn(f"engine-router on http://[::1]:{opened}", said)
        self.assertIn(f"http://127.0.0.1:{self.port} of the configuration has no effect", said)

    def test_unix(self) -> None:
        """A socket of the file system will do."""
        path = os.path.join(os.path.dirname(self.manager.address), "http")
        with socket.socket(socket.AF_UNIX) as passed, socket.socket(socket.AF_UNIX) as client:
            passed.bind(path)
            passed.listen()
            self.run_router(passed)
            client.settimeout(PATIENCE)
            client.connect(path)
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 "))
        self.assertIn(f"engine-router on {path}", self.log.read_text())


class SendTests(TestCase):
    """
    How the service manager is told.
    """

    def test_abstract(self) -> None:
        """An address that begins with an at sign is a name outside of the
        file system."""
        if sys.platform != "linux":
            raise SkipTest("only Linux has such names")
        name = uuid.uuid4().hex
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"\0{name}")
            manager.settimeout(PATIENCE)
            send(f"@{name}", b"READY=1")
            self.assertEqual(b"READY=1", manager.recv(100))

    def test_full(self) -> None:
        """A manager that does not listen is an error, and nothing waits for
        it."""
        manager = Manager()
        self.addCleanup(manager.close)

        def flood() -> None:
            for _ in range(100_000):
                send(manager.address, b"WATCHDOG=1")

        self.assertRaises(BlockingIOError, flood)
