# -*- test-case-name: ler.test.test_live_process -*-
"""
A server with the bad habits of inference engines, for the tests that launch
real processes.  Nothing but the standard library, so that it starts fast.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from types import FrameType


def note(path: str | None, what: str) -> None:
    """
    Append a line to a file, for a test to read.
    """
    if path is not None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{what}\n")


def obey_nobody() -> None:
    """
    Ignore what can be ignored.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def worker(log: str | None, stubborn: bool, own_session: bool) -> None:
    """
    Never return, like a worker of an engine.
    """

    def told(signum: int, frame: FrameType | None) -> None:
        note(log, f"worker {os.getpid()} got {signum}")
        sys.exit()

    signal.signal(signal.SIGTERM, told)
    if own_session:
        os.setsid()
    if stubborn:
        obey_nobody()
    note(log, f"worker {os.getpid()}")
    while True:
        time.sleep(60)


def fork_worker(log: str | None, stubborn: bool, own_session: bool, twice: bool) -> None:
    """
    @param twice: whether the worker is to be an orphan.
    """
    child = os.fork()
    if child == 0:
        if twice and os.fork():
            os._exit(0)
        worker(log, stubborn, own_session)
    if twice:
        os.waitpid(child, 0)


def main() -> None:
    """
    Do as the arguments say, then serve.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, help="answer HTTP here")
    parser.add_argument("--log", help="file for notes")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--own-session", action="store_true", help="of each worker")
    parser.add_argument("--double-fork", action="store_true", help="of each worker")
    parser.add_argument("--ignore-term", action="store_true", help="workers too")
    parser.add_argument("--exit", type=int, help="exit with this code instead of serving")
    parser.add_argument("--say", help="what to print first")
    parser.add_argument("--flood", type=int, default=0, help="MiB to print first")
    options = parser.parse_args()

    def told(signum: int, frame: FrameType | None) -> None:
        note(options.log, f"leader got {signum}")
        sys.exit()

    signal.signal(signal.SIGTERM, told)
    if options.ignore_term:
        obey_nobody()
    if options.say:
        print(options.say, flush=True)
    for _ in range(options.workers):
        fork_worker(options.log, options.ignore_term, options.own_session, options.double_fork)
    for _ in range(options.flood * 16):
        os.write(1, (b"x" * 63 + b"\n") * 1024)
    if options.exit is not None:
        sys.exit(options.exit)
    note(options.log, f"leader {os.getpid()}")
    if options.port is None:
        while True:
            time.sleep(60)
    serve(options.port)


def serve(port: int) -> None:
    """
    Answer every HTTP request with 200.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}")


if __name__ == "__main__":
    main()
