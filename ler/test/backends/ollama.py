# -*- test-case-name: ler.test.test_live_ollama -*-
"""
An Ollama without the inference, with the habits that a router has to know:

  - it answers an unload before it happens;
  - it says nothing of what it holds while it loads;
  - a model that is asked for is loaded beside those that are there;
  - a load is given up when the client hangs up;
  - an embedding model does not generate, not even nothing.

It forgets nothing by itself: C{keep_alive} is 0, or for ever.  It needs nothing
but the standard library and runs as a script, too.

C{GET /debug} tells how often more than one model was in memory.  The file that
C{--log} names gets a line an event, as of L{ler.test.standin}: C{start} when a
model begins to take memory, C{loaded}, C{exit} when the memory is back.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

MODELS = ("qwen3:8b", "llama3.2:3b")
EMBEDDING = "nomic-embed-text:latest"

GIB = 1 << 30
TOKENS = 4
CREATED = "2026-01-01T00:00:00Z"


class NotFound(Exception):
    """
    There is no such model.
    """


class Memory:
    """
    Which models are in memory.

    @ivar overlaps: how often a model came when another was in memory.
    @ivar loads: how many loads were begun.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.overlaps = 0
        self.loads = 0
        self._load_s = options.load_s
        self._unload_s = options.unload_s
        self._vram_share = options.vram_share
        self._log = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._changed = threading.Condition()
        self._loading: str | None = None
        self._loaded: set[str] = set()
        self._going: set[str] = set()

    def held(self) -> list[dict[str, Any]]:
        """
        @return: what is in memory, as C{/api/ps} tells it.  Waits for a load
            to end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._loading is None)
            return [
                {**entry(name), "size_vram": int(GIB * self._vram_share), "expires_at": CREATED}
                for name in sorted(self._loaded)
            ]

    def load(self, name: str, client: socket.socket) -> None:
        """
        Have a model in memory.

        @raise ConnectionError: when C{client} hangs up first.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._loading is None and name not in self._going)
            if name in self._loaded:
                return
            self._loading = name
            self.loads += 1
            self.overlaps += bool(self._loaded)
        self._note(name, "start")
        given_up = hangs_up(client, self._load_s)
        with self._changed:
            self._loading = None
            if not given_up:
                self._loaded.add(name)
            self._changed.notify_all()
        self._note(name, "exit" if given_up else "loaded")
        if given_up:
            raise ConnectionAbortedError

    def unload(self, name: str) -> None:
        """
        Let a model go in a while, if it is there.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._loading is None)
            if name in self._loaded and name not in self._going:
                self._going.add(name)
                threading.Timer(self._unload_s, self._gone, [name]).start()

    def _gone(self, name: str) -> None:
        # First, since whoever learns of it may begin at once.
        self._note(name, "exit")
        with self._changed:
            self._loaded.discard(name)
            self._going.discard(name)
            self._changed.notify_all()

    def _note(self, name: str, event: str) -> None:
        os.write(self._log, f"{time.monotonic():.6f} {name} {event}\n".encode())


class Conversation(BaseHTTPRequestHandler):
    """
    The requests of one connection.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StandIn

    def do_GET(self) -> None:
        """Answer the lists."""
        memory = self.server.memory
        if self.path == "/":
            self._answer(200, "Ollama is running")
        elif self.path == "/api/version":
            self._answer(200, {"version": "0.33.0"})
        elif self.path == "/api/tags":
            self._answer(200, {"models": [entry(name) for name in (*MODELS, EMBEDDING)]})
        elif self.path == "/api/ps":
            self._answer(200, {"models": memory.held()})
        elif self.path == "/v1/models":
            data = [
                {"id": name, "object": "model", "owned_by": "library"}
                for name in (*MODELS, EMBEDDING)
            ]
            self._answer(200, {"object": "list", "data": data})
        elif self.path == "/debug":
            self._answer(200, {"overlaps": memory.overlaps, "loads": memory.loads})
        else:
            self._answer(404, "404 page not found")

    def do_POST(self) -> None:
        """Answer what needs a model."""
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        answer = {
            "/api/generate": self._generate,
            "/api/chat": self._generate,
            "/api/embed": self._embed,
            "/v1/chat/completions": self._complete,
        }.get(self.path)
        if answer is None:
            self._answer(404, "404 page not found")
            return
        try:
            name = find(request.get("model", ""))
            answer(name, request)
            if request.get("keep_alive") == 0:
                self.server.memory.unload(name)
        except NotFound as e:
            self._answer(404, {"error": str(e)})
        except ConnectionError:
            self.close_connection = True

    def _generate(self, name: str, request: dict[str, Any]) -> None:
        prompt = request.get("prompt") or request.get("messages")
        unloads = not prompt and request.get("keep_alive") == 0
        if name == EMBEDDING and (self.server.is_old or not unloads):
            request.pop("keep_alive", None)  # It is not obeyed.
            self._answer(400, {"error": f'"{name}" does not support generate'})
            return
        if unloads:
            self._answer(200, self._part(name, "", done_reason="unload"))
            return
        self.server.memory.load(name, self.connection)
        if not prompt:
            self._answer(200, self._part(name, "", done_reason="load"))
        elif request.get("stream", True):
            parts = [self._part(name, token) for token in tokens()]
            parts.append(self._part(name, "", done_reason="stop"))
            self._stream("application/x-ndjson", (f"{json.dumps(part)}\n" for part in parts))
        else:
            self._answer(200, self._part(name, "".join(tokens()), done_reason="stop"))

    def _part(self, name: str, text: str, **end: str) -> dict[str, Any]:
        """
        @param end: what the last part has to say.
        """
        chats = self.path == "/api/chat"
        content = (
            {"message": {"role": "assistant", "content": text}} if chats else {"response": text}
        )
        return {"model": name, "created_at": CREATED, "done": bool(end), **content, **end}

    def _embed(self, name: str, request: dict[str, Any]) -> None:
        self.server.memory.load(name, self.connection)
        self._answer(200, {"model": name, "embeddings": [[0.5, 0.5]]})

    def _complete(self, name: str, request: dict[str, Any]) -> None:
        self.server.memory.load(name, self.connection)
        about = {"id": "chatcmpl-1", "created": 1767225600, "model": name}
        if request.get("stream"):
            chunks = [
                {**about, "choices": [{"index": 0, "delta": {"content": token}}]}
                for token in tokens()
            ]
            events = (f"data: {text}\n\n" for text in (*map(json.dumps, chunks), "[DONE]"))
            self._stream("text/event-stream", events)
        else:
            message = {"role": "assistant", "content": "".join(tokens())}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._answer(200, {**about, "object": "chat.completion", "choices": [choice]})

    def _stream(self, content_type: str, parts: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part.encode()), part.encode()))
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, value: object) -> None:
        body = value if isinstance(value, str) else json.dumps(value)
        self.send_response(status)
        kind = "text/plain" if body is value else "application/json"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: C{--log} is the log."""


class StandIn(socketserver.ThreadingTCPServer):
    """
    The server.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__((options.host, options.port), Conversation)
        self.memory = Memory(options)
        self.is_old = options.old

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is the client's affair."""


def find(name: str) -> str:
    """
    @return: the full name of a model.
    @raise NotFound: when there is none.
    """
    full = name.lower() if ":" in name else f"{name.lower()}:latest"
    if full not in (*MODELS, EMBEDDING):
        raise NotFound(f"model '{name}' not found")
    return full


def entry(name: str) -> dict[str, Any]:
    """
    @return: what any list tells of a model.
    """
    return {"name": name, "model": name, "size": GIB, "digest": "0" * 64, "details": {}}


def tokens() -> list[str]:
    """
    @return: an answer.
    """
    return [f" {number}" for number in range(TOKENS)]


def hangs_up(client: socket.socket, seconds: float) -> bool:
    """
    @return: whether the client leaves within that time.
    """
    readable, _, _ = select.select([client], [], [], seconds)
    try:
        return bool(readable) and not client.recv(1, socket.MSG_PEEK)
    except ConnectionError:
        return True


def main() -> None:
    """
    Be an Ollama until a signal ends it.
    """
    parser = argparse.ArgumentParser(description="An Ollama without the inference.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--load-s", type=float, default=0.01, help="seconds that a load takes")
    parser.add_argument(
        "--unload-s",
        type=float,
        default=0.01,
        help="seconds from an unload's answer until the model is gone",
    )
    parser.add_argument("--vram-share", type=float, default=1.0, help="part of a model on the GPU")
    parser.add_argument(
        "--old", action="store_true", help="do not unload embedding models by /api/generate"
    )
    parser.add_argument("--log", default=os.devnull, help="file that events are appended to")
    with suppress(KeyboardInterrupt):
        StandIn(parser.parse_args()).serve_forever()


if __name__ == "__main__":
    main()
