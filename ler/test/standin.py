# -*- test-case-name: ler.test.test_live_standin -*-
"""
An inference engine without the inference: it takes memory, loads for a while,
streams tokens, and may refuse to start or to stop.

It needs nothing but the standard library and runs as a script:
C{python -I -S standin.py --port 8080 --model some-name}.

The file that C{--log} names gets a line an event, C{TIME MODEL EVENT}.  The
time is that of L{time.monotonic}, which all processes of a machine share.
The events are C{start}, C{abort}, C{loaded}, C{request}, C{gone} (a client
left before its answer was complete), C{term} and C{exit}.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

# A worker that a failed test forgets ends by itself.
WORKER_LIFE = 600


class Conversation(BaseHTTPRequestHandler):
    """
    The requests of one connection.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StandIn

    def do_GET(self) -> None:
        """Answer the health check and the list of models."""
        if not self.server.loaded.is_set():
            self._answer(503, {"error": {"message": "Loading model", "code": 503}})
        elif self.path == "/health":
            self._answer(200, {"status": "ok"})
        elif self.path == "/v1/models":
            model = {"id": self.server.model, "object": "model", "owned_by": "standin"}
            self._answer(200, {"object": "list", "data": [model]})
        else:
            self._answer(404, {"error": {"message": "Not found", "code": 404}})

    def do_POST(self) -> None:
        """Answer a chat, at once or as a stream."""
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if not self.server.loaded.is_set():
            self._answer(503, {"error": {"message": "Loading model", "code": 503}})
        elif self.path != "/v1/chat/completions":
            self._answer(404, {"error": {"message": "Not found", "code": 404}})
        else:
            self.server.note("request")
            try:
                with self.server.places:
                    self._chat(request)
            except ConnectionError:
                self.server.note("gone")
                self.close_connection = True

    def _chat(self, request: dict[str, Any]) -> None:
        """
        @raise ConnectionError: when the client left.
        """
        tokens = self._tokens(request.get("max_tokens") or self.server.tokens)
        if not request.get("stream"):
            message = {"role": "assistant", "content": "".join(tokens)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._answer(200, self._completion("chat.completion", choice))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for token in tokens:
            self._send_event(self._chunk({"content": token}, None))
        self._send_event(self._chunk({}, "stop"))
        self._send_event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _tokens(self, limit: int) -> Iterator[str]:
        """
        Generate, and notice a client that hangs up meanwhile.
        """
        for index in range(min(limit, self.server.tokens)):
            readable, _, _ = select.select([self.connection], [], [], self.server.interval)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionAbortedError
            yield f" {index}"

    def _chunk(self, delta: dict[str, str], finish: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return json.dumps(self._completion("chat.completion.chunk", choice))

    def _completion(self, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": "chatcmpl-1",
            "object": kind,
            "created": int(time.time()),
            "model": self.server.model,
            "choices": [choice],
        }

    def _send_event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: C{--log} is the log."""


class StandIn(socketserver.ThreadingTCPServer):
    """
    The engine: a model that is loaded or not yet.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options: argparse.Namespace, note: Callable[[str], None]) -> None:
        super().__init__((options.host, options.port), Conversation)
        self.model = options.model
        self.tokens = options.tokens
        self.interval = options.token_interval_ms / 1000
        self.places = threading.Semaphore(options.places)
        self.note = note
        self.loaded = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is the client's affair."""


def process_start() -> float:
    """
    @return: when this process began, on the clock of L{time.monotonic}; to
        10 ms, where the system tells.
    """
    try:
        with open("/proc/self/stat") as stat:
            ticks = int(stat.read().rpartition(")")[2].split()[19])
    except OSError:
        return time.monotonic()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age


def available_mib() -> int:
    """
    @return: what the kernel says could be had now.
    """
    with open("/proc/meminfo") as meminfo:
        kib = next(line.split()[1] for line in meminfo if line.startswith("MemAvailable:"))
    return int(kib) >> 10


def fork_worker() -> int:
    """
    @return: the process id of a child that waits for a signal.
    """
    pid = os.fork()
    if pid == 0:
        signal.alarm(WORKER_LIFE)
        signal.pause()
        os._exit(0)
    return pid


def parse(argv: list[str]) -> argparse.Namespace:
    """
    @return: the options.
    """
    parser = argparse.ArgumentParser(description="An inference engine without the inference.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="standin", help="id of the model, without spaces")
    parser.add_argument("--load-s", type=float, default=0, help="seconds until it is ready")
    parser.add_argument("--stop-s", type=float, default=0, help="seconds from SIGTERM to its end")
    parser.add_argument("--hold-mib", type=int, default=0, help="memory to take")
    parser.add_argument(
        "--abort-below-mib", type=int, default=0, help="refuse to start unless so much is available"
    )
    parser.add_argument("--ignore-term", action="store_true", help="do not stop on SIGTERM")
    parser.add_argument("--workers", type=int, default=0, help="child processes")
    parser.add_argument("--tokens", type=int, default=8, help="length of an answer")
    parser.add_argument("--token-interval-ms", type=float, default=0)
    parser.add_argument("--places", type=int, default=1 << 16, help="answers given at once")
    parser.add_argument("--log", default=os.devnull, help="file that events are appended to")
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    """
    Be an engine until SIGTERM or SIGINT.
    """
    options = parse(argv)
    log = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(event: str, moment: float | None = None) -> None:
        moment = time.monotonic() if moment is None else moment
        os.write(log, f"{moment:.6f} {options.model} {event}\n".encode())

    note("start", process_start())
    if options.abort_below_mib and available_mib() < options.abort_below_mib:
        note("abort")
        sys.exit(f"{available_mib()} MiB available, {options.abort_below_mib} needed")
    obeyed = {signal.SIGINT, signal.SIGTERM}
    if options.ignore_term:
        obeyed.remove(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    workers = [fork_worker() for _ in range(options.workers)]

    # A pipe, since a signal may not take the locks that threads share.
    signalled, tell = os.pipe()
    for number in obeyed:
        signal.signal(number, lambda *_: os.write(tell, b"."))
    server = StandIn(options, note)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready_at = time.monotonic() + options.load_s
    weights = b"\1" * (options.hold_mib << 20)
    if not select.select([signalled], [], [], max(0, ready_at - time.monotonic()))[0]:
        note("loaded")
        server.loaded.set()
        select.select([signalled], [], [])
    note("term")
    time.sleep(options.stop_s)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    del weights
    note("exit")
    # Not through the interpreter's end: conversations may be under way in threads.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
