# -*- test-case-name: ler.test.test_site_edge -*-
"""
Tests for L{ler.web.site}: what it tells web pages, resources and proxies'
clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.web.http import datetimeToString

from ler.config import ApiKey
from ler.errors import MissingModel
from ler.test.http import Client, Reply
from ler.test.test_multipart import GOOD, TYPE, joined
from ler.test.test_site import UPLOAD, SiteCase
from ler.web import site
from ler.web.cors import METHODS
from ler.web.endpoints import Endpoint
from ler.web.gate import Gate
from ler.web.keys import known_keys

PAGE = (b"Origin", b"http://localhost:3000")
FOREIGN = (b"Origin", b"http://evil.example")
ASKING = (b"Access-Control-Request-Method", b"POST")


class EdgeCase(SiteCase):
    """
    A site whose clients need a key.

    @ivar labels: of the keys that were shown.
    """

    def setUp(self) -> None:
        """
        Ask for keys.
        """
        super().setUp()
        self.labels: list[str | None] = []
        keys = known_keys([ApiKey(("read",), "r", label="reader"), ApiKey(("admin",), "a")])
        self.site.gate = self.gate(keys=keys)

        async def label(request: Any) -> Any:
            self.labels.append(request.key and request.key.label)
            return {}

        async def engine(request: Any) -> Any:
            request.setHeader(b"Access-Control-Allow-Origin", b"*")
            request.setHeader(b"Access-Control-Allow-Credentials", b"true")
            request.setHeader(b"Vary", b"Accept")
            return {}

        root: Any = self.site.resource
        root.putChild(b"status", Endpoint({"GET": label}))
        root.putChild(b"engine", Endpoint({"GET": engine}))

    def gate(self, **more: Any) -> Gate:
        """
        @return: a gate that C{more} says something about.
        """
        return Gate(
            **{
                "keys": (),
                "hosts": {"localhost"},
                "origins": set(),
                "max_body": 100,
                "max_upload": 10 * UPLOAD,
                **more,
            }
        )

    def ask(
        self,
        method: bytes,
        target: bytes,
        *headers: tuple[bytes, bytes],
        key: bytes = b"a",
        body: bytes | None = None,
    ) -> Reply:
        """
        @return: the answer to a request.
        """
        self.client.leave()
        self.client = Client(self.site)
        shown = [(b"X-API-Key", key)] if key else []
        self.client.request(method, target, [*shown, *headers], body)
        return self.client.reply()


class PageTests(EdgeCase):
    """
    Web pages that call the router.
    """

    def readers(self, reply: Reply) -> Sequence[bytes]:
        """
        @return: the origins of the pages that may read an answer.
        """
        return reply.all(b"access-control-allow-origin")

    def test_may_ask(self) -> None:
        """A page is told what it may do before it shows its key."""
        reply = self.ask(b"OPTIONS", b"/v1/messages", PAGE, ASKING, key=b"")
        self.assertEqual((204, b""), (reply.status, reply.body))
        self.assertEqual([PAGE[1]], self.readers(reply))
        self.assertEqual(METHODS, reply.one(b"access-control-allow-methods"))
        self.assertEqual(b"Origin", reply.one(b"vary"))
        self.assertEqual([], reply.all(b"content-length") + reply.all(b"transfer-encoding"))
        self.assertEqual([], self.seen)
        self.assertFalse(self.client.closed)

    def test_may_read(self) -> None:
        """A page may read every answer, also one that refuses it."""
        for method, target, key, headers, status in (
            (b"GET", b"/tell", b"a", (), 200),
            (b"HEAD", b"/tell", b"a", (), 200),
            (b"GET", b"/nothing", b"a", (), 404),
            (b"DELETE", b"/tell", b"a", (), 405),
            (b"GET", b"/tell", b"", (), 401),
            (b"GET", b"/tell", b"r", (), 403),
            (b"GET", b"/tell//", b"a", (), 400),
            (b"POST", b"/tell", b"a", [(b"Content-Encoding", b"br")], 415),
            (b"GET", b"/broken", b"a", (), 500),
        ):
            reply = self.ask(method, target, PAGE, *headers, key=key)
            self.assertEqual(status, reply.status)
            self.assertEqual([PAGE[1]], self.readers(reply))
            self.assertIn(b"X-Request-Id", reply.one(b"access-control-expose-headers"))
        self.flushLoggedErrors(RuntimeError)

    def test_engine(self) -> None:
        """What an engine tells pages is replaced."""
        reply = self.ask(b"GET", b"/engine", PAGE)
        self.assertEqual([PAGE[1]], self.readers(reply))
        self.assertEqual([b"Accept", b"Origin"], reply.all(b"vary"))
        self.assertEqual([], reply.all(b"access-control-allow-credentials"))
        reply = self.ask(b"GET", b"/engine")
        self.assertEqual([], self.readers(reply))
        self.assertEqual([b"Accept"], reply.all(b"vary"))

    def test_foreign(self) -> None:
        """Pages of others may neither call nor read nor ask."""
        for method in (b"GET", b"OPTIONS"):
            reply = self.ask(method, b"/tell", FOREIGN, ASKING)
            self.assertEqual(403, reply.status)
            self.assertEqual([], [name for name, _ in reply.headers if name.startswith(b"access")])
        self.assertEqual([], self.seen)

    def test_switched_off(self) -> None:
        """Without CORS no page is told anything."""
        self.site.gate = self.gate(cors=False)
        for method, status in {b"GET": 200, b"OPTIONS": 204}.items():
            reply = self.ask(method, b"/engine", PAGE, ASKING)
            self.assertEqual(status, reply.status)
            self.assertEqual([], [name for name, _ in reply.headers if name.startswith(b"access")])

    def test_programs(self) -> None:
        """A program that asks what may be done is told, too."""
        reply = self.ask(b"OPTIONS", b"/tell", key=b"", body=b"whatever")
        self.assertEqual((204, METHODS), (reply.status, reply.one(b"allow")))
        self.assertEqual([], self.readers(reply))
        self.client.request(b"GET", b"/tell", [(b"X-API-Key", b"a")])
        self.assertEqual([204, 200], [reply.status for reply in self.client.replies()])


class KeyTests(EdgeCase):
    """
    What resources hear of keys.
    """

    def test_label(self) -> None:
        """A resource knows how the key is called."""
        for key, label in {b"r": "reader", b"a": None}.items():
            self.ask(b"GET", b"/status", key=key)
            self.assertEqual(label, self.labels.pop())

    def test_scope(self) -> None:
        """A key that does not open a path is refused before the body comes."""
        self.client.send(
            b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nX-API-Key: r\r\n"
            b"Content-Length: 50\r\n\r\n"
        )
        reply = self.client.reply()
        self.assertEqual(403, reply.status)
        self.assertEqual("permission_error", reply.json()["error"]["type"])


class HostTests(EdgeCase):
    """
    Whom a request is meant for.
    """

    def test_missing(self) -> None:
        """A request of HTTP/1.1 says that; an older one need not."""
        self.client.send(b"GET /health HTTP/1.1\r\n\r\n")
        reply = self.refused("invalid_request")
        self.assertEqual(400, reply.status)
        self.assertIn("Host", reply.json()["error"]["message"])
        self.client.leave()
        self.client = Client(self.site)
        self.client.send(b"GET /status HTTP/1.0\r\nX-API-Key: a\r\n\r\n")
        self.assertEqual(200, self.client.reply().status)

    def test_absolute(self) -> None:
        """A client that takes the router for a proxy says it in the target."""
        for target, uri in {
            b"http://localhost/tell?x=http://y": "/tell?x=http://y",
            b"HTTP://localhost:8077/tell": "/tell",
            b"https://LOCALHOST/tell/": "/tell/",
        }.items():
            reply = self.ask(b"GET", target)
            self.assertEqual(uri, reply.json()["uri"])
        self.assertEqual(404, self.ask(b"GET", b"http://localhost").status)
        self.assertEqual(404, self.ask(b"GET", b"http://localhost?x").status)

    def test_target_counts(self) -> None:
        """Then the header does not count, which may say something else."""
        self.assertEqual(403, self.ask(b"GET", b"http://evil.example/tell").status)
        self.assertEqual(403, self.ask(b"GET", b"http://localhost@evil.example/tell").status)
        self.client.leave()
        self.client = Client(self.site)
        self.client.send(
            b"GET http://localhost/tell HTTP/1.1\r\nHost: evil.example\r\nX-API-Key: a\r\n\r\n"
        )
        self.assertEqual({"method": "GET", "uri": "/tell"}, self.client.reply().json())

    def test_neither(self) -> None:
        """Targets that name no host, or nothing at it, are refused."""
        for target in (
            b"http:///tell",
            b"http:/tell",
            b"ftp://localhost/tell",
            b"localhost:80",
            b"*",
            b"http://localhost/tell#x",
            b"http://localhost//tell",
        ):
            reply = self.ask(b"GET", target)
            self.assertEqual((400, "invalid_path"), (reply.status, reply.json()["error"]["code"]))
        self.client.leave()
        self.client = Client(self.site)
        self.client.send(
            b"GET http://localhost/tell HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"
        )
        self.assertEqual(400, self.client.reply().status)

    def test_date(self) -> None:
        """Every answer has a date, those of the edge, too."""
        self.patch(site, "datetimeToString", lambda: datetimeToString(0))
        for method, key, status in ((b"OPTIONS", b"", 204), (b"GET", b"", 401)):
            reply = self.ask(method, b"/tell", key=key)
            self.assertEqual(status, reply.status)
            self.assertEqual(b"Thu, 01 Jan 1970 00:00:00 GMT", reply.one(b"date"))
        self.client.leave()
        self.client = Client(self.site)
        self.client.send(b"nonsense\r\n\r\n")
        self.assertEqual(b"Thu, 01 Jan 1970 00:00:00 GMT", self.client.reply().one(b"date"))


class FormTests(EdgeCase):
    """
    Multipart bodies.
    """

    def setUp(self) -> None:
        """
        Keep the forms that come.
        """
        super().setUp()
        self.forms: list[Any] = []
        self.rewritten: list[bytes] = []

        async def keep(request: Any) -> Any:
            form = request.form
            self.forms.append(form)
            if form is not None:
                self.rewritten.append(joined(form.rewritten("other")))
            return {}

        root: Any = self.site.resource
        root.putChild(b"keep", Endpoint({"POST": keep}))

    def test_form(self) -> None:
        """A resource finds the form read, and the body whole."""
        self.assertEqual(
            200, self.ask(b"POST", b"/keep", (b"Content-Type", TYPE), body=GOOD).status
        )
        self.assertEqual([GOOD.replace(b"whisper", b"other")], self.rewritten)

    def test_chunks(self) -> None:
        """In whatever pieces it comes."""
        self.client.send(
            b"POST /keep HTTP/1.1\r\nHost: localhost\r\nX-API-Key: a\r\nContent-Type: "
            + TYPE
            + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for byte in GOOD:
            self.client.send(b"1\r\n%c\r\n" % byte)
        self.client.send(b"0\r\n\r\n")
        self.assertEqual([GOOD.replace(b"whisper", b"other")], self.rewritten)

    def test_bad_form(self) -> None:
        """A form that is none is told where it is needed."""
        reply = self.ask(b"POST", b"/keep", (b"Content-Type", TYPE), body=GOOD[:-5])
        self.assertEqual((400, "invalid_multipart"), (reply.status, reply.json()["error"]["code"]))
        reply = self.ask(b"POST", b"/keep", (b"Content-Type", b"multipart/mixed"), body=b"x")
        self.assertEqual(415, reply.status)
        reply = self.ask(b"POST", b"/keep", (b"Content-Type", b"multipart/form-data"))
        self.assertEqual((400, "invalid_multipart"), (reply.status, reply.json()["error"]["code"]))
        self.assertEqual(200, self.ask(b"POST", b"/tell", (b"Content-Type", TYPE), body=b"").status)
        body = b"--x-y--"
        reply = self.ask(b"POST", b"/keep", (b"Content-Type", TYPE), body=body)
        self.assertEqual(MissingModel.code, reply.json()["error"]["code"])

    def test_other_bodies(self) -> None:
        """No other body is looked at."""
        self.ask(b"POST", b"/keep", (b"Content-Type", b"application/json"), body=b"{}")
        self.assertEqual([None], self.forms)
