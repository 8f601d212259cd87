# -*- test-case-name: ler.test.test_endpoints -*-
"""
Tests for L{ler.web.endpoints}.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest, Unavailable
from ler.test.http import Client, Reply, open_site
from ler.web.endpoints import Document, Endpoint, Folder


class EndpointTests(SynchronousTestCase):
    """
    Resources whose methods are coroutines.

    @ivar said: what the endpoint answers, or fails with.
    @ivar waits: what it waits for before it does.
    """

    def setUp(self) -> None:
        """
        Open a site with an endpoint for every purpose.
        """
        self.clock = Clock()
        self.said: Any = {"a": 1}
        self.waits: Deferred[None] | None = None
        self.calls = 0

        async def say(request: Any) -> Any:
            self.calls += 1
            if self.waits is not None:
                await self.waits
            if isinstance(self.said, Exception):
                raise self.said
            return self.said

        tree = {
            "": Endpoint({"GET": say}),
            "say": Endpoint({"GET": say}),
            "do": Endpoint({"POST": say, "DELETE": say}),
            "tail": Endpoint({"GET": say}, tail=True),
            "v1": Folder({"messages": Endpoint({"POST": say})}),
        }
        self.site = open_site(Folder(tree), self.clock)
        self.client = Client(self.site)

    def tearDown(self) -> None:
        """
        When the client is gone nothing waits for it.
        """
        self.client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())

    def ask(self, target: bytes, method: bytes = b"GET") -> Reply:
        """
        @return: the answer to a request.
        """
        self.client.leave()
        self.client = Client(self.site)
        self.client.request(method, target)
        return self.client.reply()

    def test_json(self) -> None:
        """What a handler returns is answered as JSON."""
        reply = self.ask(b"/say")
        self.assertEqual(200, reply.status)
        self.assertEqual(b"application/json", reply.one(b"content-type"))
        self.assertEqual(b"%d" % len(reply.body), reply.one(b"content-length"))
        self.assertEqual({"a": 1}, reply.json())

    def test_document(self) -> None:
        """It may be anything else, with a status of its own."""
        self.said = Document(b"<p>", "text/html", 202)
        reply = self.ask(b"/say")
        self.assertEqual((202, b"<p>"), (reply.status, reply.body))
        self.assertEqual(b"text/html", reply.one(b"content-type"))

    def test_head(self) -> None:
        """HEAD is answered like GET, without a body."""
        reply = self.ask(b"/say", b"HEAD")
        self.assertEqual(200, reply.status)
        self.assertTrue(self.client.received.endswith(b"\r\n\r\n"))
        self.assertEqual(b"%d" % len(self.ask(b"/say").body), reply.one(b"content-length"))

    def test_head_of_an_error(self) -> None:
        """An error has no body for HEAD, either."""
        self.said = Unavailable("not now")
        self.assertEqual(503, self.ask(b"/say", b"HEAD").status)
        self.assertTrue(self.client.received.endswith(b"\r\n\r\n"))

    def test_methods(self) -> None:
        """Other methods are refused, with those that are right."""
        for method in (b"POST", b"PUT", b"TRACE", b"get", b"X" * 99):
            reply = self.ask(b"/say", method)
            self.assertEqual(405, reply.status)
            self.assertEqual(b"GET, HEAD", reply.one(b"allow"))
            self.assertEqual("method_not_allowed", reply.json()["error"]["code"])
        for method in (b"GET", b"HEAD"):
            self.assertEqual(b"DELETE, POST", self.ask(b"/do", method).one(b"allow"))
        self.assertEqual(0, self.calls)

    def test_error(self) -> None:
        """A failure that has an answer is answered, with its headers."""
        self.said = Unavailable("later", retry_after=4.2)
        reply = self.ask(b"/say")
        self.assertEqual(503, reply.status)
        self.assertEqual(b"5", reply.one(b"retry-after"))
        self.assertEqual(
            {"message": "later", "type": "server_error", "param": None, "code": "unavailable"},
            reply.json()["error"],
        )

    def test_dialect(self) -> None:
        """An error is told in the dialect of the path."""
        self.said = BadRequest("no")
        error = self.ask(b"/v1/messages", b"POST").json()
        self.assertEqual("invalid_request_error", error["error"]["type"])
        self.assertIn("request_id", error)
        self.assertIn("request_id", self.ask(b"/v1/messages").json())

    def test_bug(self) -> None:
        """A bug is logged, and answered without its details."""
        self.said = ZeroDivisionError("a bug")
        reply = self.ask(b"/say")
        self.assertEqual(500, reply.status)
        self.assertEqual("internal_error", reply.json()["error"]["code"])
        self.assertNotIn(b"a bug", reply.body)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_no_document(self) -> None:
        """What cannot be told in JSON is a bug, and answered, too."""
        self.said = {"a": object()}
        self.assertEqual(500, self.ask(b"/say").status)
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))

    def test_later(self) -> None:
        """An answer may take its time."""
        self.waits = Deferred()
        self.client.request(b"GET", b"/say")
        self.assertEqual(b"", self.client.received)
        self.waits.callback(None)
        self.assertEqual({"a": 1}, self.client.reply().json())

    def test_client_leaves(self) -> None:
        """When the client leaves the work is cancelled, and nobody is
        answered."""
        cancelled: list[object] = []
        self.waits = Deferred(cancelled.append)
        self.client.request(b"GET", b"/say")
        self.client.leave()
        self.assertEqual([self.waits], cancelled)
        self.assertEqual(b"", self.client.received)

    def test_client_leaves_and_work_fails(self) -> None:
        """Work that fails in some other way when it is cancelled is no bug:
        nobody asks for it any more."""
        self.client.leave()
        error: Exception
        for error in (BadRequest("gone"), ValueError("gone")):
            self.waits = Deferred(partial(Deferred.errback, fail=error))
            self.client = Client(self.site)
            self.client.request(b"GET", b"/say")
            self.client.leave()
            self.assertEqual(b"", self.client.received)

    def test_slash_at_the_end(self) -> None:
        """A slash at the end makes no other path."""
        self.assertEqual(200, self.ask(b"/say/").status)
        self.assertEqual(200, self.ask(b"/").status)

    def test_nothing_below(self) -> None:
        """An endpoint is one path, not all that begin with it."""
        for target in (b"/say/more", b"/say/more/", b"/do/x", b"/v1/messages/x"):
            for method in (b"GET", b"POST"):
                reply = self.ask(target, method)
                self.assertEqual(404, reply.status)
        self.assertEqual(0, self.calls)

    def test_tail(self) -> None:
        """An endpoint may have all paths below it."""
        for target in (b"/tail", b"/tail/", b"/tail/a/b"):
            self.assertEqual(200, self.ask(target).status)

    def test_missing(self) -> None:
        """Where nothing lives the client is told so, in the dialect of the
        path; for every method."""
        for target in (b"/x", b"/v1", b"/v1/", b"/v1/x", b"/favicon.ico"):
            for method in (b"GET", b"POST", b"X"):
                reply = self.ask(target, method)
                self.assertEqual(404, reply.status)
                self.assertEqual("not_found", reply.json()["error"]["code"])
                self.assertIn(target.decode(), reply.json()["error"]["message"])
        error = self.ask(b"/v1/messages/batches").json()
        self.assertEqual("not_found_error", error["error"]["type"])

    def test_missing_head(self) -> None:
        """A path that is not there has no body for HEAD."""
        self.assertEqual(404, self.ask(b"/x", b"HEAD").status)
        self.assertTrue(self.client.received.endswith(b"\r\n\r\n"))

    def test_long_paths(self) -> None:
        """A long path is repeated in part only."""
        self.assertLess(len(self.ask(b"/" + b"x" * 9000).body), 500)
