# -*- test-case-name: ler.test.test_control -*-
"""
Tests for L{ler.engines.control}.
"""

from __future__ import annotations

import json
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from ler.engines.control import MAX_BODY, Control, Reply
from ler.errors import Refused, Unreachable


class ReplyTests(SynchronousTestCase):
    """
    L{Reply}
    """

    def test_json(self) -> None:
        """What is JSON is parsed; what is not, or is too deep, is L{None}."""
        self.assertEqual({"a": [1]}, Reply(200, '{"a": [1]}').json)
        for text in ("", "<html>", "[" * 100_000, "data: 1"):
            self.assertIsNone(Reply(200, text).json)

    def test_events(self) -> None:
        """The data of events is parsed, where it is JSON."""
        text = 'data: {"a": 1}\n\n: ping\r\n\r\nevent: x\ndata:2\n\ndata: [DONE]\n\n'
        self.assertEqual([{"a": 1}, 2], Reply(200, text).events())
        self.assertEqual([], Reply(200, '{"a": 1}').events())

    def test_str(self) -> None:
        """It is shown on one short line."""
        self.assertEqual("HTTP 204", str(Reply(204, " \n")))
        self.assertEqual('HTTP 503: {"a": 1}', str(Reply(503, '{"a":\n  1}')))
        self.assertLess(len(str(Reply(500, "x" * 9999))), 250)


class Server(Resource):
    """
    A server that answers with what it was asked.

    @ivar status: with what status.
    @ivar body: with what instead, or L{None}.
    @ivar headers: with which headers.
    @ivar ends: whether the answer ends.
    """

    isLeaf = True
    status = 200
    body: bytes | None = None
    ends = True

    def __init__(self) -> None:
        super().__init__()
        self.headers: dict[str, str] = {}
        self.asked: list[Request] = []

    def render(self, request: Request) -> bytes | int:
        """
        Answer.
        """
        self.asked.append(request)
        request.setResponseCode(self.status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        assert request.content is not None
        shown = {
            "method": request.method.decode(),
            "uri": request.uri.decode(),
            "body": request.content.read().decode(),
        }
        body = json.dumps(shown).encode() if self.body is None else self.body
        if self.ends:
            return body
        request.write(body)
        return NOT_DONE_YET


@implementer(IAgent)
class FailingAgent:
    """
    An agent whose requests fail, at once or when they are cancelled.
    """

    def __init__(self, error: Exception, at_once: bool = True) -> None:
        self.error = error
        self.at_once = at_once
        self.cancelled = 0

    def request(self, *arguments: object) -> Deferred[Any]:
        """
        @see: L{IAgent.request}
        """
        if self.at_once:
            return fail(self.error)

        def cancel(request: Deferred[Any]) -> None:
            self.cancelled += 1
            request.errback(self.error)

        return Deferred(cancel)


class ControlTests(SynchronousTestCase):
    """
    L{Control}
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.clock = Clock()
        self.server = Server()

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def ask(self, *what: Any, agent: Any = None, **more: Any) -> Deferred[Reply]:
        """
        Ask the server something.
        """
        agent = agent or RequestTraversalAgent(self.server)
        headers = {"X-Key": "k", "X-Other": "o"}
        control = Control("http://127.0.0.1:8000/base/", agent, self.clock, headers)
        return control.ask(*(what or ("GET", "/a")), timeout=5, **more)

    def answer(self, *what: Any, **more: Any) -> Reply:
        """
        @return: what the server says to that.
        """
        reply: Reply = self.successResultOf(self.ask(*what, **more))
        return reply

    def trouble(self, kind: type[Exception], **more: Any) -> str:
        """
        @return: why the server cannot be asked.
        """
        failure = self.failureResultOf(self.ask(**more), Unreachable)
        self.assertIs(kind, failure.type)
        return str(failure.value)

    def test_get(self) -> None:
        """A question without a body has none, nor a type of it."""
        shown = {"method": "GET", "uri": "/base/a", "body": ""}
        reply = self.answer("GET", "/a")
        self.assertEqual((200, shown), (reply.status, reply.json))
        (request,) = self.server.asked
        self.assertFalse(request.requestHeaders.hasHeader("Content-Type"))

    def test_body(self) -> None:
        """A body is sent as JSON."""
        shown = self.answer("POST", "/a", body={"m": "\u00e9"}).json
        self.assertEqual(("POST", {"m": "\u00e9"}), (shown["method"], json.loads(shown["body"])))
        (request,) = self.server.asked
        self.assertEqual("application/json", request.getHeader("Content-Type"))

    def test_query(self) -> None:
        """The query is encoded, and follows one that is there."""
        query = [("m", "a/b c"), ("n", "&")]
        self.assertEqual(
            "/base/a?m=a%2Fb+c&n=%26", self.answer("GET", "/a", query=query).json["uri"]
        )
        self.assertEqual(
            "/base/a?x=1&y=2", self.answer("GET", "/a?x=1", query=[("y", "2")]).json["uri"]
        )
        self.assertEqual("/base/a%2Fb", self.answer("GET", "/a%2Fb").json["uri"])

    def test_headers(self) -> None:
        """A question's headers replace those of every question."""
        self.answer("GET", "/a", headers=[("x-key", "other"), ("X-More", "m")])
        headers = self.server.asked[0].requestHeaders
        got = [headers.getRawHeaders(name) for name in ("X-Key", "X-Other", "X-More")]
        self.assertEqual([["other"], ["o"], ["m"]], got)

    def test_any_status(self) -> None:
        """Every status is an answer; redirections are not followed."""
        self.server.headers["Location"] = "/b"
        for status in (302, 404, 500):
            self.server.status = status
            self.assertEqual(status, self.answer().status)
        self.assertEqual(3, len(self.server.asked))

    def test_retry_after(self) -> None:
        """The seconds of a Retry-After are told, a date is not."""
        for value, seconds in (("10", 10.0), ("-1", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)):
            self.server.headers["Retry-After"] = value
            self.assertEqual(seconds, self.answer().retry_after)

    def test_no_utf8(self) -> None:
        """Bytes that are no text do no harm."""
        self.server.body = b"\xff"
        self.assertEqual("\ufffd", self.answer().text)

    def test_large_answer(self) -> None:
        """An answer without end is not read to its end."""
        self.server.body = b" " * (MAX_BODY + 1)
        self.assertEqual(f"an answer of more than {MAX_BODY} bytes", self.trouble(Unreachable))

    def test_refused(self) -> None:
        """That nobody listens is told from other trouble."""
        self.assertIn(
            "refused", self.trouble(Refused, agent=FailingAgent(ConnectionRefusedError()))
        )

    def test_lost(self) -> None:
        """Other trouble is told in words, however it is wrapped."""
        error = ResponseNeverReceived([Failure(ConnectionLost("gone"))])
        self.assertIn("gone", self.trouble(Unreachable, agent=FailingAgent(error)))
        self.assertEqual("KeyError", self.trouble(Unreachable, agent=FailingAgent(KeyError())))

    def test_time_limit(self) -> None:
        """A server that does not answer in time is not asked on."""
        agent = FailingAgent(ConnectionRefusedError(), at_once=False)
        asking = self.ask(agent=agent)
        self.clock.advance(4.9)
        self.assertNoResult(asking)
        self.clock.advance(0.1)
        failure = self.failureResultOf(asking, Unreachable)
        self.assertEqual((Unreachable, "no answer within 5 s"), (failure.type, str(failure.value)))
        self.assertEqual(1, agent.cancelled)

    def test_time_limit_of_body(self) -> None:
        """The time limit holds for the body, too."""
        self.server.ends = False
        asking = self.ask()
        self.clock.advance(5)
        self.failureResultOf(asking, Unreachable)

    def test_cancel(self) -> None:
        """A question that is cancelled fails as such, however the request fails."""
        agent = FailingAgent(ConnectionRefusedError(), at_once=False)
        asking = self.ask(agent=agent)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(1, agent.cancelled)
