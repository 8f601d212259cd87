# -*- test-case-name: ler.test.test_ctl_client -*-
"""
Tests for L{ler.ctl.client}; what commands make of it is tested in
L{ler.test.test_ctl}.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection, IncompleteRead
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.ctl.client import Refused, Router, Unreachable, connect, segment
from ler.test.ctl_case import Answer, Connection


class ConnectTests(SynchronousTestCase):
    """
    L{connect}
    """

    def test_kinds(self) -> None:
        """A URL says whether to encrypt, and where to go."""
        for url, kind, host, port in (
            ("http://127.0.0.1:8077", HTTPConnection, "127.0.0.1", 8077),
            ("http://box/llm", HTTPConnection, "box", 80),
            ("https://[::1]:9000/", HTTPSConnection, "::1", 9000),
        ):
            connection = connect(url, 3.0)
            self.assertIs(kind, type(connection))
            self.assertEqual((host, port, 3.0), (connection.host, connection.port, 3.0))

    def test_others(self) -> None:
        """Anything else is refused."""
        for url in ("box:8077", "ftp://box", "http:///x", "http://box:x"):
            self.assertRaises(ValueError, connect, url, 1.0)


class RouterTests(SynchronousTestCase):
    """
    L{Router}
    """

    def setUp(self) -> None:
        """
        Something answers, as each test says.
        """
        self.sent: list[tuple[Any, ...]] = []
        self.status, self.body = 200, b"{}"

    def router(self, url: str = "http://box:1", key: str | None = None) -> Router:
        """
        @return: a router that is asked in memory.
        """

        def answer(*request: Any) -> Answer:
            self.sent.append(request)
            return Answer(self.status, self.body)

        return Router(url, key, 1.0, lambda url, timeout: Connection(answer))

    def test_get(self) -> None:
        """A document is asked for, with a query and below the path of the URL."""
        self.body = b'{"a": 1}'
        answer = self.router("http://box/llm/").get("/status", model="a b&c", limit=3)
        self.assertEqual({"a": 1}, answer)
        self.assertEqual([("GET", "/llm/status?model=a+b%26c&limit=3", None, {})], self.sent)

    def test_post(self) -> None:
        """An order is JSON, and says so."""
        self.router().post("/admin/swap", {"model": "m"})
        headers = {"Content-Type": "application/json"}
        self.assertEqual([("POST", "/admin/swap", '{"model": "m"}', headers)], self.sent)

    def test_delete(self) -> None:
        """So something may be ended."""
        self.router().delete("/x")
        self.assertEqual("DELETE", self.sent[0][0])

    def test_key(self) -> None:
        """A key goes with every request."""
        self.router(key="secret").get("/status")
        self.assertEqual({"Authorization": "Bearer secret"}, self.sent[0][3])

    def test_accepted(self) -> None:
        """An order that is taken, but not carried out, is no error."""
        self.status = 202
        self.assertEqual({}, self.router().post("/x", {}))

    def test_error(self) -> None:
        """An error carries what the router says of it."""
        self.status, self.body = 404, b'{"error": {"code": "not_found", "message": "no such job"}}'
        error = self.assertRaises(Refused, self.router().get, "/x")
        self.assertEqual((404, "not_found", "no such job"), (error.status, error.code, str(error)))

    def test_strangers(self) -> None:
        """What no router would say is shown, as far as that helps."""
        for status, body in ((502, b"Bad Gateway"), (500, b'{"error": "x"}'), (200, b"<html>")):
            self.status, self.body = status, body
            error = self.assertRaises(Refused, self.router().get, "/x")
            self.assertEqual("not_a_router", error.code)
            self.assertIn(body.decode(), str(error))

    def test_lines(self) -> None:
        """A stream comes line by line."""
        self.body = b"data: caf\xc3\xa9\r\n\nmore\xff\n"
        self.assertEqual(["data: caf\u00e9", "", "more\ufffd"], list(self.router().lines("/x")))

    def test_lines_refused(self) -> None:
        """A stream may be refused."""
        self.status, self.body = 503, b'{"error": {"code": "queue_full", "message": "full"}}'
        self.assertRaises(Refused, list, self.router().lines("/x"))

    def test_broken(self) -> None:
        """An answer that ends too soon is none."""

        class Broken(Answer):
            def read(self) -> bytes:
                raise IncompleteRead(b"")

            def __iter__(self) -> Iterator[bytes]:
                yield b"one\n"
                raise ConnectionResetError(104, "Connection reset by peer")

        router = Router(
            "http://box", None, 1.0, lambda url, timeout: Connection(lambda *_: Broken(200, b""))
        )
        self.assertRaises(Unreachable, router.get, "/x")
        lines = router.lines("/x")
        self.assertEqual("one", next(lines))
        error = self.assertRaises(Unreachable, next, lines)
        self.assertEqual("the router at http://box broke off: Connection reset by peer", str(error))

    def test_segment(self) -> None:
        """A text becomes one segment of a path."""
        self.assertEqual("a%2Fb%20%3F", segment("a/b ?"))
