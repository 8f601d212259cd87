# -*- test-case-name: ler.test.test_live_upload -*-
"""
Live tests of large uploads: they go through the router whole, and it stays
small.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ler.test.live import PATIENCE, Server, wait_for
from ler.test.live_router import RouterCase

MIB = 1 << 20

SIZE = 64 * MIB
"""How large the file of a large upload is."""

ROOM = 24 * MIB
"""How much the router may grow for an upload, of whatever size."""

LARGEST = 150 * MIB
"""How much memory the router may have had at any time."""

BOUNDARY = b"------------------------d74496d66958873e"

HEAD = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n"
)

BEFORE = (
    b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\n"
)

BEHIND = (
    b"\r\n--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="model"\r\n\r\n'
    b"%b\r\n--" + BOUNDARY + b"--\r\n"
)

BLOCK = ((b"\r\n--" + BOUNDARY[:-1] + b"." + os.urandom(1000)) * 64)[: 1 << 16]
"""A piece of a file that is full of what is nearly a boundary."""


class Receiver(BaseHTTPRequestHandler):
    """
    An engine that says what has come.
    """

    protocol_version = "HTTP/1.1"
    server: Engine

    def do_POST(self) -> None:
        """Read everything, when that is wanted."""
        self.server.began.set()
        self.server.reads.wait(PATIENCE)
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left:
            piece = self.rfile.read(min(left, MIB))
            if not piece:
                return
            digest.update(piece)
            left -= len(piece)
        self._answer({"sha256": digest.hexdigest()})

    def do_GET(self) -> None:
        """Be well."""
        self._answer({"data": []})

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class Engine(ThreadingHTTPServer):
    """
    @ivar began: set when a request has come.
    @ivar reads: cleared while bodies are not to be read.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.began = threading.Event()
        self.reads = threading.Event()
        self.reads.set()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is the client's affair."""


@dataclass(frozen=True)
class Sent:
    """
    An upload that waits for its answer.

    @ivar sha256: the hash of what the engine is to receive.
    """

    connection: socket.socket
    sha256: str


class UploadTests(RouterCase):
    """
    An engine that calls its model otherwise than clients do.
    """

    def setUp(self) -> None:
        """
        Start the engine, then the router.
        """
        super().setUp()
        self.far = Engine()
        thread = threading.Thread(target=self.far.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        self.addCleanup(self.far.server_close)
        self.addCleanup(self.far.shutdown)
        self.configure("far", self.far.server_port, type="remote")
        self.models.append({"id": "whisper", "engine": "far", "model_name": "large-v3"})
        self.router = self.start()
        # What is imported late is in memory from now on.
        self.assert_arrives(self.send([b"x"]))

    def connect(self) -> socket.socket:
        """
        @return: a connection to the router.
        """
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def send(self, blocks: list[bytes], chunk: int | None = None) -> Sent:
        """
        Send a file.

        @param chunk: how large the chunks are, if it is to be sent in chunks.
        """
        connection = self.connect()
        pieces = [BEFORE, *blocks, BEHIND % b"whisper"]
        if chunk is None:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % sum(map(len, pieces)))
            for piece in pieces:
                connection.sendall(piece)
        else:
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                connection.sendall(b"".join(chunks(piece, chunk)))
            connection.sendall(b"0\r\n\r\n")
        digest = hashlib.sha256(BEFORE)
        for block in blocks:
            digest.update(block)
        digest.update(BEHIND % b"large-v3")
        return Sent(connection, digest.hexdigest())

    def assert_arrives(self, sent: Sent) -> None:
        """
        The engine has what was sent, with its own name for the model.
        """
        response = HTTPResponse(sent.connection)
        response.begin()
        document = json.load(response)
        self.assertEqual((200, {"sha256": sent.sha256}), (response.status, document))

    def begin(self) -> socket.socket:
        """
        @return: a connection on which half of a large upload was sent.
        """
        connection = self.connect()
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (4 * MIB) + BEFORE)
        for _ in range(2 * MIB // len(BLOCK)):
            connection.sendall(BLOCK)
        wait_for(lambda: self.nameless(self.router) != [])
        return connection

    def nameless(self, router: Server) -> list[str]:
        """
        @return: the folders of the files without a name that the router has.
        """
        found = []
        for link in Path(f"/proc/{router.process.pid}/fd").iterdir():
            # It may be closed meanwhile.
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(link)
                if target.endswith(" (deleted)"):
                    found.append(os.path.dirname(target))
        return found

    def peak(self) -> int:
        """
        @return: the most memory that the router has had so far, in bytes.
        """
        status = Path(f"/proc/{self.router.process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert match is not None
        return int(match[1]) << 10

    def test_large(self) -> None:
        """A large upload is kept out of memory."""
        before = self.peak()
        self.assert_arrives(self.send([BLOCK] * (SIZE // len(BLOCK))))
        self.assertLess(self.peak() - before, ROOM)
        self.assertLess(self.peak(), LARGEST)

    def test_small_chunks(self) -> None:
        """So is one that comes in many small chunks."""
        before = self.peak()
        self.assert_arrives(self.send([BLOCK] * (4 * MIB // len(BLOCK)), chunk=200))
        self.assertLess(self.peak() - before, ROOM)

    def test_slow_engine(self) -> None:
        """So is one that the engine takes its time to read."""
        before = self.peak()
        self.far.reads.clear()
        self.far.began.clear()
        sent = self.send([BLOCK] * (SIZE // 2 // len(BLOCK)))
        self.assertTrue(self.far.began.wait(PATIENCE))
        self.far.reads.set()
        self.assert_arrives(sent)
        self.assertLess(self.peak() - before, ROOM)

    def test_place(self) -> None:
        """What is kept on disk lies in the state folder, without a name."""
        self.begin()
        self.assertEqual([str(self.folder / "state")], self.nameless(self.router))

    def test_client_leaves(self) -> None:
        """When the client leaves nothing is kept, and the engine hears of
        nothing."""
        self.far.began.clear()
        self.begin().close()
        wait_for(lambda: self.nameless(self.router) == [])
        self.assertFalse(self.far.began.is_set())


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """
    @return: C{data} in chunks.
    """
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
