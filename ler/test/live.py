# -*- test-case-name: ler.test.test_live_standin -*-
"""
A server as a child process, for live tests and benchmarks that need no
reactor: every call here blocks.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from random import randrange
from typing import Any

PATIENCE = 20.0


_given: set[int] = set()
"""The ports that L{free_port} has given away, and gives to nobody else."""


def free_port() -> int:
    """
    @return: a port on which nothing listens, and below those that the system
        gives to clients: one of them might have it before it is listened on.
    """
    while True:
        port = randrange(20000, 32768)
        if port in _given:
            continue
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def wait_for(condition: Callable[[], bool]) -> None:
    """
    Return once C{condition} is true.

    @raise TimeoutError: when that takes too long.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


class Server:
    """
    A process that listens on a port of this machine.

    @ivar process: the L{subprocess.Popen} of it.
    @ivar port: where it listens.
    """

    def __init__(self, command: Sequence[str], port: int, **popen: Any) -> None:
        """
        Start the server.

        @param popen: further arguments for L{subprocess.Popen}.
        """
        self.process = subprocess.Popen(command, **popen)
        self.port = port

    @contextmanager
    def request(self, method: str, path: str, body: object = None) -> Iterator[HTTPResponse]:
        """
        Send a request, and hang up at the end of the context.

        @param body: what the request's JSON shall hold, or L{None}.
        @return: a context with the response, of which only the head was read.
        @raise OSError: when nothing listens.
        """
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            headers = {"Content-Type": "application/json"}
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            yield connection.getresponse()

    def get(self, path: str) -> Any:
        """
        @return: what the answer's JSON holds.
        """
        with self.request("GET", path) as response:
            return json.load(response)

    def chat(self, model: str, **more: object) -> AbstractContextManager[HTTPResponse]:
        """
        Ask C{model} for a chat completion.

        @param more: further keys of the request.
        @return: as of L{request}.
        """
        messages = [{"role": "user", "content": "Hello"}]
        body = {"model": model, "messages": messages, **more}
        return self.request("POST", "/v1/chat/completions", body)

    def wait_until_ready(self, status: int = 200) -> None:
        """
        Return once the health check is answered with C{status}.
        """

        def answered() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"exited with status {self.process.returncode}")
            with suppress(OSError), self.request("GET", "/health") as response:
                return response.status == status
            return False

        wait_for(answered)

    def stop(self) -> int:
        """
        Send SIGTERM, unless the process has ended already.

        @return: its exit status.
        """
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
