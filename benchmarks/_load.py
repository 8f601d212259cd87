"""
Clients that cost little: one thread, one epoll, the standard library alone.

What they have got so far is counted; for every line of standard input a line
with the count is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable

KEY = "sk-benchmark"

FOREVER = 10_000_000

HEADERS = (
    "Accept: application/json",
    "Accept-Encoding: gzip, deflate",
    "Connection: keep-alive",
    "Content-Type: application/json",
    "User-Agent: OpenAI/Python 2.6.1",
    "X-Stainless-Lang: python",
    "X-Stainless-Package-Version: 2.6.1",
    "X-Stainless-OS: Linux",
    "X-Stainless-Arch: arm64",
    "X-Stainless-Runtime: CPython",
    "X-Stainless-Runtime-Version: 3.12.3",
    "X-Stainless-Async: false",
    "x-stainless-retry-count: 0",
    f"Authorization: Bearer {KEY}",
)
"""What the OpenAI SDK sends."""

QUESTION = "How many legs does a spider have, and why not six? " * 4


def chat(**more: object) -> bytes:
    """
    @param more: further members of the body.
    @return: a request for a chat, as it goes on the wire.
    """
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": QUESTION},
    ]
    body = json.dumps({"model": "bench", "messages": messages, "temperature": 0.7, **more})
    head = ("POST /v1/chat/completions HTTP/1.1", "Host: 127.0.0.1", *HEADERS)
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", body]).encode()


def connect(port: int) -> socket.socket:
    """
    @return: a connection to what is measured.
    """
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def is_whole(answer: bytes) -> bool:
    """
    @return: whether C{answer} is all of a response.
    """
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer.decode("utf-8", "replace"))
    lower = head.lower()
    if b"chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(lower.partition(b"content-length:")[2].split(b"\r\n")[0])


class Crowd:
    """
    Clients at work at the same time.

    @ivar count: what they have got so far.
    """

    def __init__(self, port: int, size: int, request: bytes) -> None:
        self.count = 0
        self._request = request
        self._epoll = select.epoll()
        self._epoll.register(sys.stdin, select.EPOLLIN)
        self._clients: dict[int, socket.socket] = {}
        self._answers: dict[int, bytes] = {}
        for _ in range(size):
            client = connect(port)
            self._clients[client.fileno()] = client
            self._answers[client.fileno()] = b""
            self._epoll.register(client, select.EPOLLIN)
            client.sendall(request)
            # What comes at the same moment is read at once: no measure of
            # a stream.
            time.sleep(0.0005)

    def run(self, got: Callable[[int, bytes], None]) -> None:
        """
        Work until standard input ends.

        @param got: called with the file and what has come from it.
        """
        while True:
            for fd, _ in self._epoll.poll():
                if fd != sys.stdin.fileno():
                    data = self._clients[fd].recv(1 << 16)
                    if not data:
                        raise RuntimeError("the connection was closed")
                    got(fd, data)
                elif os.read(fd, 100):
                    print(self.count, flush=True)
                else:
                    return

    def frame(self, fd: int, data: bytes) -> None:
        """
        Count frames.
        """
        self.count += data.count(b'"delta"')

    def answer(self, fd: int, data: bytes) -> None:
        """
        Count answers, and ask again after each.
        """
        answer = self._answers[fd] + data
        if is_whole(answer):
            self.count += 1
            answer = b""
            self._clients[fd].sendall(self._request)
        self._answers[fd] = answer


def first_bytes(port: int, count: int) -> list[float]:
    """
    @return: how many seconds each of C{count} streams, one after the other,
        took to its first frame.
    """
    client = connect(port)
    request = chat(stream=True, max_tokens=1)
    took = []
    for _ in range(count):
        began = time.perf_counter()
        client.sendall(request)
        answer = b""
        while b"data: " not in answer:
            answer += client.recv(1 << 16)
        took.append(time.perf_counter() - began)
        while not is_whole(answer):
            answer += client.recv(1 << 16)
    return took


def main() -> None:
    """
    The command line.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("frames", "answers", "first-bytes"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--core", type=int, required=True, help="the processor to run on")
    parser.add_argument("--size", type=int, required=True, help="how many clients, or requests")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    if options.what == "first-bytes":
        print(json.dumps(first_bytes(options.port, options.size)))
    elif options.what == "frames":
        crowd = Crowd(options.port, options.size, chat(stream=True, max_tokens=FOREVER))
        crowd.run(crowd.frame)
    else:
        crowd = Crowd(options.port, options.size, chat())
        crowd.run(crowd.answer)


if __name__ == "__main__":
    main()
