# -*- test-case-name: ler.test.test_live_http -*-
"""
Live tests of what HTTP promises, over every endpoint of a whole router.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from ler.test.http import Reply
from ler.test.live import PATIENCE
from ler.test.live_router import RouterCase

CHAT = b'{"model": "a", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}'
STREAM = CHAT[:-1] + b', "stream": true}'

READ = (
    "/",
    "/health",
    "/status",
    "/metrics",
    "/v1/models",
    "/v1/models/a",
    "/models",
    "/admin/jobs",
    "/api/tags",
    "/api/ps",
    "/api/version",
    "/api/status",
)
"""What answers GET."""

ASKED = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/admin/swap",
    "/admin/unload",
    "/admin/pause",
    "/admin/resume",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/embeddings",
    "/api/show",
    "/api/me",
)
"""What answers POST."""

NOWHERE = ("/nothing", "/v1", "/v1/nothing", "/v1/messages/nothing", "/api", "/api/nothing")
"""Where nothing is."""


def dialect(path: str, error: Any) -> str:
    """
    @return: the dialect in which an error is told.
    """
    if isinstance(error["error"], str):
        return "ollama"
    if error.get("type") == "error":
        return "anthropic"
    return "openai" if {"message", "type", "param", "code"} == error["error"].keys() else "none"


def spoken(path: str) -> str:
    """
    @return: the dialect of the clients that call C{path}.
    """
    if path.startswith("/api/"):
        return "ollama"
    return "anthropic" if path.startswith("/v1/messages") else "openai"


class Line:
    """
    A connection, on which answers come one after the other.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._file = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """
        Send bytes as they are.
        """
        self._socket.sendall(data)

    def ask(
        self, method: str, path: str, body: bytes | None = None, *headers: bytes, version: int = 1
    ) -> Reply:
        """
        @return: the answer to a request.
        """
        lines = [f"{method} {path} HTTP/1.{version}".encode(), b"Host: localhost", *headers]
        if body is not None:
            lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
        self.send(b"\r\n".join([*lines, b"", body or b""]))
        return self.read(method)

    def read(self, method: str = "GET") -> Reply:
        """
        @return: the next answer.
        """
        version, status, phrase = self._line().split(b" ", 2)
        headers: list[tuple[bytes, bytes]] = []
        while line := self._line():
            name, _, value = line.partition(b":")
            headers.append((name.lower(), value.strip()))
        told = dict(headers)
        if method == "HEAD" or int(status) < 200 or status == b"204":
            body = b""
        elif told.get(b"transfer-encoding") == b"chunked":
            body = b"".join(iter(self._chunk, b""))
        elif b"content-length" in told:
            body = self._file.read(int(told[b"content-length"]))
        else:
            body = self._file.read()
        return Reply(int(status), version + b" " + phrase, headers, body, True)

    def _line(self) -> bytes:
        line = self._file.readline()
        assert line.endswith(b"\r\n"), line
        return line[:-2]

    def _chunk(self) -> bytes:
        chunk = self._file.read(int(self._line(), 16))
        assert self._line() == b""
        return chunk

    @property
    def closed(self) -> bool:
        """
        Whether the router has closed it, with nothing more to say.
        """
        return self._file.read() == b""

    def close(self) -> None:
        """
        Leave.
        """
        self._file.close()
        self._socket.close()


class HTTPCase(RouterCase):
    """
    A router with one engine.
    """

    settings: Mapping[str, Any] = {}
    """What more is configured."""

    def setUp(self) -> None:
        """
        Start it.
        """
        super().setUp()
        self.engine("a")
        self.start(**self.settings)

    def line(self) -> Line:
        """
        @return: a new connection.
        """
        line = Line(self.port)
        self.addCleanup(line.close)
        return line

    def check_head(self, reply: Reply, name: str) -> None:
        """
        What every answer has.
        """
        self.assertEqual(1, len(reply.all(b"date")), name)
        self.assertRegex(reply.one(b"x-request-id"), rb"^req_[0-9a-f]{32}$", name)

    def check_error(self, reply: Reply, status: int, path: str, name: str) -> None:
        """
        An error in the dialect of its path.
        """
        self.assertEqual(status, reply.status, (name, reply.body))
        self.assertEqual(b"application/json", reply.one(b"content-type"), name)
        self.assertEqual(spoken(path), dialect(path, reply.json()), (name, reply.body))


class EndpointTests(HTTPCase):
    """
    Every endpoint, all on one connection, which nothing of this closes.
    """

    def test_read(self) -> None:
        """GET is answered, and HEAD with the same head and nothing else; a
        slash at the end makes no difference, nor does a query."""
        line = self.line()
        for path in READ:
            answer = line.ask("GET", path)
            self.assertEqual(200, answer.status, path)
            # An id may end in a slash, and is another one then.
            slashed = path if path == "/v1/models/a" else f"{path.rstrip('/')}/"
            for method, other in (("HEAD", path), ("GET", slashed), ("GET", f"{path}?x=%20&y")):
                same = line.ask(method, other)
                name = f"{method} {other}"
                self.check_head(same, name)
                self.assertEqual(200, same.status, name)
                self.assertEqual(answer.one(b"content-type"), same.one(b"content-type"), name)
            head = line.ask("HEAD", path)
            # What they tell changes with time.
            if path not in ("/status", "/metrics"):
                self.assertEqual(answer.one(b"content-length"), head.one(b"content-length"), path)

    def test_wrong_method(self) -> None:
        """Other methods are answered with those that are right."""
        line = self.line()
        self.wrong(line, READ, ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"], b"GET, HEAD")
        self.wrong(line, ASKED, ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"], b"POST")

    def wrong(self, line: Line, paths: Iterable[str], methods: list[str], allowed: bytes) -> None:
        """
        None of C{methods} is right for any of C{paths}.
        """
        for path in paths:
            for method in methods:
                name = f"{method} {path}"
                reply = line.ask(method, path, None if method in ("GET", "HEAD") else b"{}")
                self.assertEqual(405, reply.status, name)
                self.assertEqual(allowed, reply.one(b"allow"), name)
                self.check_head(reply, name)
                if method != "HEAD":
                    self.check_error(reply, 405, path, name)

    def test_options(self) -> None:
        """What may be done is told everywhere, to pages in their own way."""
        line = self.line()
        page = b"Origin: http://localhost:3000"
        asking = b"Access-Control-Request-Method: POST"
        for path in (*READ, *ASKED, *NOWHERE):
            plain = line.ask("OPTIONS", path)
            self.assertEqual(204, plain.status, path)
            self.assertIn(b"POST", plain.one(b"allow"), path)
            self.check_head(plain, path)
            asked = line.ask("OPTIONS", path, None, page, asking)
            self.assertEqual(204, asked.status, path)
            self.assertEqual(
                b"http://localhost:3000", asked.one(b"access-control-allow-origin"), path
            )

    def test_nowhere(self) -> None:
        """Where nothing is, that is told in the dialect of the neighbours."""
        line = self.line()
        for path in NOWHERE:
            for method, body in (("GET", None), ("POST", b'{"model": "x"}'), ("DELETE", None)):
                name = f"{method} {path}"
                reply = line.ask(method, path, body)
                self.check_head(reply, name)
                self.check_error(reply, 404, path, name)

    def test_page_reads(self) -> None:
        """A page of this machine may read an answer of an engine, a stream of
        it and an error."""
        line = self.line()
        page = b"Origin: http://localhost:3000"
        for path, body, status in (
            ("/v1/chat/completions", CHAT, 200),
            ("/v1/chat/completions", STREAM, 200),
            ("/v1/messages", CHAT, 200),
            ("/api/chat", CHAT, 200),
            ("/v1/chat/completions", b"{", 400),
        ):
            reply = line.ask("POST", path, body, page)
            self.assertEqual(status, reply.status, reply.body)
            self.assertEqual(b"http://localhost:3000", reply.one(b"access-control-allow-origin"))
            self.assertIn(b"X-Request-Id", reply.one(b"access-control-expose-headers"))


class BodyTests(HTTPCase):
    """
    Bodies in the ways that HTTP has for them.
    """

    def test_ways(self) -> None:
        """A body comes with its length or in chunks, at once or when the
        router asks for it."""
        line = self.line()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        for chunks in (
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT),
            b"".join(b"1\r\n%c\r\n" % byte for byte in CHAT) + b"0\r\n\r\n",
            b"%X;name=value\r\n%b\r\n000\r\n\r\n" % (len(CHAT), CHAT),
        ):
            line.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            self.check_chat(line.read())
        line.send(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(CHAT))
        self.assertEqual(100, line.read().status)
        line.send(CHAT)
        self.check_chat(line.read())
        line.send(
            head + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT)
        )
        self.assertEqual(100, line.read().status)
        self.check_chat(line.read())

    def check_chat(self, reply: Reply) -> None:
        """
        An answer of the engine.
        """
        self.assertEqual(200, reply.status, reply.body)
        self.assertEqual("chat.completion", json.loads(reply.body)["object"])

    def test_not_wanted(self) -> None:
        """A client that asks before it sends is spared a body that would be
        refused."""
        refused = {
            b"Content-Length: 999999999999": 413,
            b"Content-Length: 99\r\nOrigin: http://evil.example": 403,
            b"Content-Length: 99\r\nContent-Encoding: gzip": 415,
        }
        lines = {header: self.line() for header in refused}
        head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        for header, line in lines.items():
            line.send(head + header + b"\r\n\r\n")
            reply = line.read()
            self.check_error(reply, refused[header], "/v1/messages", header.decode())
            self.assertEqual(b"close", reply.one(b"connection"))
        for line in lines.values():
            self.assertTrue(line.closed)

    def test_none(self) -> None:
        """Where a body is needed its absence is told, and the connection goes
        on."""
        line = self.line()
        for path in ("/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses"):
            for body in (None, b""):
                reply = line.ask("POST", path, body)
                self.check_error(reply, 400, path, path)


class ConnectionTests(HTTPCase):
    """
    Connections of all ages.
    """

    def test_pipeline(self) -> None:
        """Requests that are sent without waiting are answered in order,
        streams too."""
        line = self.line()
        chat = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
        )
        line.send(
            b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            + chat % (len(STREAM), STREAM)
            + b"HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
            + chat % (len(CHAT), CHAT)
            + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        self.assertEqual({"status": "ok"}, line.read().json())
        self.assertTrue(line.read().body.endswith(b"data: [DONE]\n\n"))
        self.assertEqual(200, line.read("HEAD").status)
        self.assertEqual("chat.completion", line.read().json()["object"])
        self.assertEqual(404, line.read().status)
        self.assertTrue(line.closed)

    def test_old(self) -> None:
        """HTTP/1.0 is spoken to those who speak it: one request, no chunks, no
        Host."""
        for path, body in (
            ("/health", None),
            ("/nothing", None),
            ("/v1/chat/completions", CHAT),
            ("/v1/chat/completions", STREAM),
        ):
            line = self.line()
            method = "GET" if body is None else "POST"
            reply = line.ask(method, path, body, b"Connection: keep-alive", version=0)
            self.assertTrue(reply.phrase.startswith(b"HTTP/1.0 "), path)
            self.assertEqual([], reply.all(b"transfer-encoding"), path)
            self.assertEqual(path != "/nothing", reply.status == 200, reply.body)
            if body is STREAM:
                self.assertTrue(reply.body.endswith(b"data: [DONE]\n\n"))
            self.assertTrue(line.closed)
        line = self.line()
        line.send(b"GET /health HTTP/1.0\r\n\r\n")
        self.assertEqual(200, line.read().status)

    def test_host(self) -> None:
        """A request of HTTP/1.1 has one host, and may have it in the target."""
        for head, status in self.hosts.items():
            line = self.line()
            line.send(head + b"\r\n\r\n")
            self.assertEqual(status, line.read().status, head)

    hosts: Mapping[bytes, int] = {
        b"GET /health HTTP/1.1\r\nHost: localhost": 200,
        b"GET /health HTTP/1.1\r\nHOST:127.0.0.1:80": 200,
        b"GET /health HTTP/1.1\r\nHost:": 200,
        b"GET http://localhost/health HTTP/1.1\r\nHost: localhost": 200,
        b"GET HTTP://127.0.0.1:80/health?x HTTP/1.1\r\nHost: evil.example": 200,
        b"GET http://localhost/health HTTP/1.0": 200,
        b"GET http://localhost HTTP/1.1\r\nHost: localhost": 200,
        b"GET /health HTTP/1.1": 400,
        b"GET http://localhost/health HTTP/1.1": 400,
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost": 400,
        b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\nHost: localhost": 400,
        b"GET /health HTTP/1.1\r\nHost: evil.example": 403,
        b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost": 403,
        b"GET http://localhost@evil.example/health HTTP/1.1\r\nHost: localhost": 403,
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80": 400,
        b"OPTIONS * HTTP/1.1\r\nHost: localhost": 400,
        b"GET ftp://localhost/health HTTP/1.1\r\nHost: localhost": 400,
    }


class KeyTests(HTTPCase):
    """
    A router that asks for keys.
    """

    settings: Mapping[str, Any] = {
        "api_keys": [
            "boss",
            {"key": "chat", "scopes": ["inference"], "label": "laptop"},
            {"sha256": hashlib.sha256(b"look").hexdigest(), "scopes": ["read"]},
        ],
        "metrics_auth": False,
        "cors": False,
    }

    opens: Mapping[str, str] = {
        "POST /v1/chat/completions": "boss chat",
        "POST /chat/completions": "boss chat",
        "POST /v1/messages": "boss chat",
        "POST /api/chat": "boss chat",
        "GET /": "boss chat look",
        "GET /v1/models": "boss chat look",
        "GET /models/a": "boss chat look",
        "GET /api/tags": "boss chat look",
        "POST /api/show": "boss chat look",
        "GET /status": "boss look",
        "GET /admin/jobs": "boss",
        "GET /upstream/a/health": "boss",
        "POST /api/pull": "boss",
        "GET /health": "boss chat look none",
        "GET /metrics": "boss chat look none",
    }

    def test_scopes(self) -> None:
        """Each key opens what it is for, and nothing else."""
        for asked, keys in self.opens.items():
            method, path = asked.split()
            body = CHAT if method == "POST" else None
            for key in ("boss", "chat", "look"):
                shown = f"Authorization: Bearer {key}".encode()
                reply = self.line().ask(method, path, body, shown)
                opened = b"this key" not in reply.body
                self.assertEqual(key in keys, opened, f"{asked} with {key}")
                if not opened:
                    self.check_error(reply, 403, path, f"{asked} with {key}")
            reply = self.line().ask(method, path, body)
            self.assertEqual(200 if "none" in keys else 401, reply.status, asked)

    def test_pages(self) -> None:
        """Without CORS no page may read an answer."""
        line = self.line()
        page = b"Origin: http://localhost:3000"
        for method, status in {"GET": 200, "OPTIONS": 204}.items():
            reply = line.ask(method, "/health", None, page, b"Access-Control-Request-Method: POST")
            self.assertEqual(status, reply.status)
            self.assertEqual([], reply.all(b"access-control-allow-origin"))
