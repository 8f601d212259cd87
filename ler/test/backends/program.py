# -*- test-case-name: ler.test.test_live_presets -*-
"""
What the stand-ins of the programs that the router launches have in common.

They need nothing but the standard library, and take the command line that the
presets write: C{python -m ler.test.backends.NAME ...}.  Options that change
nothing in them are passed over.  Answers are a few fixed words, never streams,
and a client that hangs up is not noticed.  Times are much shorter than those
of the originals.  Three environment variables tell them more:

  - C{STANDIN_DIR}: a folder, of whose file C{events} each event is a line;
  - C{STANDIN_LOAD_S}: seconds that a model takes to load;
  - C{STANDIN_TOKEN_S}: seconds that a token takes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any, NoReturn

FOLDER = os.environ.get("STANDIN_DIR", ".")
LOAD_S = float(os.environ.get("STANDIN_LOAD_S", "0.2"))
TOKEN_S = float(os.environ.get("STANDIN_TOKEN_S", "0"))

LIFE_S = 120
"""Processes that a failed test forgets end by themselves."""

Answer = tuple[int, object]
"""Status of an answer, and what its JSON holds; text is sent as a page, and
L{None} as nothing."""


class Told(Exception):
    """
    SIGTERM has come.
    """


def note(event: str) -> None:
    """
    Append a line to the file of events, for a test to read.
    """
    with open(os.path.join(FOLDER, "events"), "a", encoding="utf-8") as file:
        file.write(f"{event}\n")


def obey() -> None:
    """
    From now on SIGTERM raises L{Told} in the main thread, of children too.
    """

    def tell(signum: int, frame: FrameType | None) -> NoReturn:
        raise Told

    signal.signal(signal.SIGTERM, tell)


def idle() -> NoReturn:
    """
    Wait for a signal.
    """
    while True:
        signal.pause()


def fork(child: Callable[[], object]) -> int:
    """
    @param child: what the child does, after which it ends.
    @return: its pid.
    """
    pid = os.fork()
    if pid == 0:
        signal.alarm(LIFE_S)
        try:
            child()
        finally:
            os._exit(0)
    return pid


def parser() -> argparse.ArgumentParser:
    """
    @return: a parser of the options that all of them have.
    """
    options = argparse.ArgumentParser(allow_abbrev=False)
    options.add_argument("--host", default="0.0.0.0")
    options.add_argument("--port", type=int, required=True)
    return options


def listing(*names: str) -> Answer:
    """
    @return: the answer to C{/v1/models}.
    """
    return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


def completion(model: object, request: dict[str, Any]) -> Answer:
    """
    Generate, which takes its time.

    @param model: the name that the answer shows.
    """
    count = request.get("max_tokens") or 4
    time.sleep(TOKEN_S * count)
    message = {"role": "assistant", "content": " word" * count}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return 200, {"object": "chat.completion", "model": model, "choices": choices}


class Conversation(BaseHTTPRequestHandler):
    """
    The requests of one connection.

    @cvar needs_length: whether chunked bodies are refused.
    """

    protocol_version = "HTTP/1.1"
    needs_length = False
    server: Program

    def do_GET(self) -> None:
        """Answer."""
        self._answer(*self.server.answer(f"GET {self.path}", {}))

    def do_POST(self) -> None:
        """Answer, if the body can be read."""
        length = self.headers["Content-Length"]
        if length is None and self.needs_length:
            self.close_connection = True
            self._answer(411, "Content-Length required")
            return
        body = self._read_chunks() if length is None else self.rfile.read(int(length))
        self._answer(*self.server.answer(f"POST {self.path}", json.loads(body or b"{}")))

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, value: object) -> None:
        is_page = isinstance(value, str)
        text = value if is_page else "" if value is None else json.dumps(value)
        body = str(text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if is_page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the events are the log."""


class Program(ThreadingHTTPServer):
    """
    A server of one model.

    @cvar conversation: how it speaks.
    @ivar options: its command line.
    @ivar loaded: set when the model is.
    """

    conversation: type[Conversation] = Conversation
    daemon_threads = True

    def __init__(self, options: argparse.Namespace) -> None:
        address = (options.host, options.port)
        super().__init__(address, self.conversation, bind_and_activate=False)
        self.options = options
        self.loaded = threading.Event()

    def answer(self, asked: str, request: dict[str, Any]) -> Answer:
        """
        @param asked: method and path.
        @param request: what the JSON of the body holds.
        """
        raise NotImplementedError

    def load(self) -> None:
        """
        Load the model, as far as there is one.
        """
        note("loads")
        time.sleep(LOAD_S)
        self.loaded.set()

    def listen(self) -> None:
        """
        Open the port, and answer whoever comes.

        @raise OSError: somebody else has it.
        """
        signal.alarm(LIFE_S)
        self.server_bind()
        self.server_activate()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is the client's affair."""
