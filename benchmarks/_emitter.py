"""
An engine that costs next to nothing: it streams frames at a fixed pace, or
answers at once.

One thread, one epoll, the standard library alone.  A chat that asks for a
stream of C{max_tokens} gets its first frame at once and the others 20 ms
apart, each in a chunk and a write of its own, until it has them all or leaves.
The beats of the streams lie evenly between each other, whenever they began.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import socket
import time
from heapq import heappop, heappush

INTERVAL = 0.02
"""Seconds between the frames of a stream: 50 a second."""

GOLDEN = 0.6180339887498949
"""Any number of its multiples, less their whole parts, lie evenly."""

CHUNK = (
    b'data: {"id":"chatcmpl-2fQ8Xn1","object":"chat.completion.chunk","created":1767225600,'
    b'"model":"bench","choices":[{"index":0,"delta":{"content":" word"},'
    b'"finish_reason":null}]}\n\n'
)
LAST = CHUNK.replace(b"null", b'"stop"') + b"data: [DONE]\n\n"

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
ANSWER = (
    b'{"id":"chatcmpl-2fQ8Xn1","object":"chat.completion","created":1767225600,"model":"bench",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"%b"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":50,'
    b'"total_tokens":59}}' % b" ".join([b"word"] * 50)
)


def chunked(data: bytes) -> bytes:
    """
    @return: C{data} as one chunk of a body.
    """
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(body: bytes) -> bytes:
    """
    @return: a response that consists of C{body}.
    """
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


class Emitter:
    """
    The server.
    """

    def __init__(self, port: int) -> None:
        """
        Listen.
        """
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._clients: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._due: list[tuple[float, int, socket.socket, int]] = []
        self._streams = 0
        self._frame = chunked(CHUNK)
        self._end = chunked(LAST) + b"0\r\n\r\n"
        self._document = whole(ANSWER)

    def run(self) -> None:
        """
        Serve for ever.
        """
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for fd, _ in self._epoll.poll(wait):
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(self._clients[fd])
            self._emit(time.monotonic())

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clients[client.fileno()] = client
        self._received[client.fileno()] = b""
        self._epoll.register(client, select.EPOLLIN)

    def _read(self, client: socket.socket) -> None:
        fd = client.fileno()
        try:
            data = client.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            del self._clients[fd], self._received[fd]
            client.close()
            return
        received = self._received[fd] + data
        head, end, body = received.partition(b"\r\n\r\n")
        length = content_length(head) if end else 0
        if not end or len(body) < length:
            self._received[fd] = received
            return
        self._received[fd] = b""
        self._answer(client, head, body)

    def _answer(self, client: socket.socket, head: bytes, body: bytes) -> None:
        if not head.startswith(b"POST"):
            self._write(client, whole(b'{"data":[{"id":"bench"}]}'))
            return
        asked = json.loads(body)
        if not asked.get("stream"):
            self._write(client, self._document)
            return
        self._write(client, STREAM_HEAD + self._frame)
        self._streams += 1
        beat = time.monotonic() // INTERVAL + 1 + self._streams * GOLDEN % 1
        self._later(beat * INTERVAL, client, asked["max_tokens"] - 1)

    def _later(self, due: float, client: socket.socket, left: int) -> None:
        heappush(self._due, (due, client.fileno(), client, left))

    def _emit(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            due, _, client, left = heappop(self._due)
            if client.fileno() < 0:
                continue
            if left > 0:
                self._write(client, self._frame)
                self._later(due + INTERVAL, client, left - 1)
            else:
                self._write(client, self._end)

    def _write(self, client: socket.socket, data: bytes) -> None:
        # It may have left, which its next event tells; or not read, and then a
        # benchmark has nothing to measure any more.
        with contextlib.suppress(OSError):
            client.send(data)


def content_length(head: bytes) -> int:
    """
    @return: the length of the body that a request with C{head} has; it comes
        in no other way.
    """
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def main() -> None:
    """
    The command line.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--core", type=int, required=True, help="the processor to run on")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    Emitter(options.port).run()


if __name__ == "__main__":
    main()
