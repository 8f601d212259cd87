# -*- test-case-name: ler.test.test_health -*-
"""
Tests for L{ler.engines.health}.
"""

from __future__ import annotations

import json
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ler.engines.control import MAX_BODY
from ler.engines.health import (
    HTTPHealthCheck,
    NotReady,
    mismatch,
    until_ready,
)
from ler.interfaces import IHealthCheck
from ler.testing import FakeHealthCheck


class MismatchTests(SynchronousTestCase):
    """
    L{mismatch}
    """

    def test_key(self) -> None:
        """
        A key's value is compared as text, in an object or a list of them.
        """
        for expectation, document in [
            ("status==ok", {"status": "ok"}),
            ("status == ok ", {"status": "ok", "model": None}),
            ("loaded==true", {"loaded": True}),
            ("loaded==True", {"loaded": True}),
            ("n==3", {"n": 3}),
            ("n==3", {"n": "3"}),
            ("model==null", {"model": None}),
            ("state==loaded", [{"state": "idle"}, 3, {"state": "loaded"}]),
            ("a==b==c", {"a": "b==c"}),
        ]:
            self.assertIsNone(mismatch(expectation, document), expectation)

    def test_wrong_key(self) -> None:
        """
        What was found, or that nothing was, is said.
        """
        self.assertEqual("status is 'busy', not ok", mismatch("status==ok", {"status": "busy"}))
        documents: list[object] = [{}, [], None, "status", [["status"]]]
        for document in documents:
            self.assertEqual("status is missing", mismatch("status==ok", document))

    def test_model(self) -> None:
        """
        A model is found in each of the lists that engines answer with.
        """
        entries: list[object] = [{"id": "other"}, {"name": "m"}, {"model": "n"}, "o", 3]
        for document in (entries, {"data": entries}, {"models": entries, "data": None}):
            for model in ("other", "m", "n", "o"):
                self.assertIsNone(mismatch(f"model:{model}", document))

    def test_wrong_model(self) -> None:
        """
        A model that is not listed is missing.
        """
        documents: list[object] = [{}, [], None, {"data": "m"}, {"id": "m"}, [{"id": "mm"}]]
        for document in documents:
            self.assertEqual("model m is not listed", mismatch("model:m", document))


class UntilReadyTests(SynchronousTestCase):
    """
    L{until_ready}
    """

    def setUp(self) -> None:
        """
        Make a clock.
        """
        self.clock = Clock()

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_at_once(self) -> None:
        """
        An engine that is ready is not looked at twice.
        """
        check = FakeHealthCheck()
        self.assertIsNone(self.successResultOf(until_ready(check, self.clock, 5)))
        self.assertEqual(1, check.checks)

    def test_pace(self) -> None:
        """
        It is looked at often in the beginning, and less often later.
        """
        check = FakeHealthCheck(["no"])
        ready = until_ready(check, self.clock, 100)
        self.clock.pump([0.01] * 21)
        self.assertEqual(11, check.checks)
        self.clock.pump([0.01] * 1979)
        before = check.checks
        self.clock.pump([0.01] * 1000)
        self.assertTrue(38 <= check.checks - before <= 41, check.checks - before)
        ready.cancel()
        self.failureResultOf(ready, CancelledError)

    def test_late(self) -> None:
        """
        It ends as soon as the engine is ready.
        """
        ready = until_ready(FakeHealthCheck(["no", "no", None]), self.clock, 5)
        self.clock.advance(0.02)
        self.assertNoResult(ready)
        self.clock.advance(0.02)
        self.successResultOf(ready)

    def test_never(self) -> None:
        """
        It ends in time with what the engine said last.
        """
        ready = until_ready(FakeHealthCheck(["no", "HTTP 503"]), self.clock, 5)
        self.clock.pump([0.1] * 51)
        self.assertEqual("HTTP 503", str(self.failureResultOf(ready, NotReady).value))

    def test_hanging_check(self) -> None:
        """
        A check that hangs does not outlast the time limit, and is cancelled.
        """

        @implementer(IHealthCheck)
        class Hanging:
            def check(self) -> Deferred[None]:
                return hanging

        hanging: Deferred[None] = Deferred()
        ready = until_ready(Hanging(), self.clock, 5)
        self.clock.advance(5)
        self.failureResultOf(ready, NotReady)
        self.assertTrue(hanging.called)


class Engine(Resource):
    """
    An engine's HTTP interface.

    @ivar answers: status and body by path; a body of L{None} never ends.
    @ivar asked: method, path, body and headers of every request.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, tuple[int, bytes | None]] = {}
        self.asked: list[tuple[str, str, bytes, Any]] = []

    def render(self, request: Request) -> bytes | int:
        """
        Answer as told, with 404 to all else.
        """
        method, path = request.method.decode(), request.path.decode()
        assert request.content is not None
        self.asked.append((method, path, request.content.read(), request.requestHeaders))
        status, body = self.answers.get(path, (404, b""))
        request.setResponseCode(status)
        if status == 302:
            request.setHeader("Location", "/ready")
        if body is None:
            request.write(b"{")
            return NOT_DONE_YET
        return body


@implementer(IAgent)
class DeafAgent:
    """
    An agent whose requests never end, but for a cancellation, which they
    report in their own way.
    """

    def __init__(self) -> None:
        self.cancelled = 0

    def request(self, *arguments: object) -> Deferred[Any]:
        """
        @see: L{IAgent.request}
        """

        def cancel(request: Deferred[Any]) -> None:
            self.cancelled += 1
            request.errback(ConnectionRefusedError("cancelled"))

        return Deferred(cancel)


@implementer(IAgent)
class RefusedAgent:
    """
    An agent that finds nobody listening.
    """

    def request(self, *arguments: object) -> Deferred[Any]:
        """
        @see: L{IAgent.request}
        """
        return fail(ConnectionRefusedError())


class HTTPHealthCheckTests(SynchronousTestCase):
    """
    L{HTTPHealthCheck}
    """

    def setUp(self) -> None:
        """
        Make an engine.
        """
        self.clock = Clock()
        self.engine = Engine()

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def check(self, expectation: str = "", agent: Any = None, **more: Any) -> HTTPHealthCheck:
        """
        @return: a check of the engine.
        """
        return HTTPHealthCheck(
            "http://127.0.0.1:8000",
            "/health",
            expectation,
            agent=agent or RequestTraversalAgent(self.engine),
            clock=self.clock,
            timeout=5,
            headers={"X-Admin-Key": "k"},
            **more,
        )

    def outcome(self, expectation: str = "", **more: Any) -> str | None:
        """
        @return: what one check says.
        """
        result: str | None = self.successResultOf(self.check(expectation, **more).check())
        return result

    def test_interface(self) -> None:
        """
        It is a health check.
        """
        verifyObject(IHealthCheck, self.check())

    def test_ready(self) -> None:
        """
        Status 200 is enough unless more is expected.
        """
        self.engine.answers["/health"] = (200, b"")
        self.assertIsNone(self.outcome())
        ((method, path, _, headers),) = self.engine.asked
        self.assertEqual(("GET", "/health"), (method, path))
        self.assertEqual(["k"], headers.getRawHeaders("X-Admin-Key"))

    def test_other_status(self) -> None:
        """
        Any other status is said, with what came along.
        """
        self.engine.answers["/health"] = (503, b'{"message":\n "Loading model"}')
        self.assertEqual('HTTP 503: {"message": "Loading model"}', self.outcome())
        self.engine.answers["/health"] = (204, b"")
        self.assertEqual("HTTP 204", self.outcome())
        self.engine.answers["/health"] = (500, b"\xff" * 9999)
        self.assertLess(len(self.outcome() or ""), 200)

    def test_redirection(self) -> None:
        """
        Redirections are not followed.
        """
        self.engine.answers["/health"] = (302, b"")
        self.assertEqual("HTTP 302", self.outcome())
        self.assertEqual(1, len(self.engine.asked))

    def test_expectation(self) -> None:
        """
        What is expected must be in the answer.
        """
        self.engine.answers["/health"] = (200, b'{"status": "loading"}')
        self.assertEqual("status is 'loading', not ok", self.outcome("status==ok"))
        self.engine.answers["/health"] = (200, b'{"status": "ok"}')
        self.assertIsNone(self.outcome("status==ok"))

    def test_no_json(self) -> None:
        """
        An answer that is not JSON, or too deep, shows nothing.
        """
        for body in (b"<html>", b"", b"[" * 100_000, b"\xff"):
            self.engine.answers["/health"] = (200, body)
            self.assertIsInstance(self.outcome("status==ok"), str)

    def test_large_answer(self) -> None:
        """
        An answer without end is not read to its end.
        """
        self.engine.answers["/health"] = (200, b" " * (MAX_BODY + 1))
        self.assertEqual(f"an answer of more than {MAX_BODY} bytes", self.outcome())

    def test_completion(self) -> None:
        """
        A completion of one token may be asked for.
        """
        self.engine.answers["/v1/chat/completions"] = (200, b"{}")
        self.assertIsNone(self.outcome("completion", model="m"))
        ((method, _, body, headers),) = self.engine.asked
        self.assertEqual("POST", method)
        self.assertEqual(["application/json"], headers.getRawHeaders("Content-Type"))
        self.assertEqual([str(len(body))], headers.getRawHeaders("Content-Length"))
        self.assertEqual(
            {
                "model": "m",
                "messages": [{"role": "user", "content": "hi"}],
                "max_tokens": 1,
                "stream": False,
            },
            json.loads(body),
        )

    def test_other_completion(self) -> None:
        """
        Engines without chats are asked to complete a text.
        """
        self.engine.answers["/v1/completions"] = (200, b"{}")
        self.assertIsNone(self.outcome("completion"))
        self.assertEqual(
            {"prompt": "hi", "max_tokens": 1, "stream": False},
            json.loads(self.engine.asked[1][2]),
        )

    def test_no_completion(self) -> None:
        """
        An engine that fails to complete anything is not ready.
        """
        self.assertEqual("HTTP 404", self.outcome("completion"))
        self.engine.answers["/v1/chat/completions"] = (500, b"boom")
        self.assertEqual("HTTP 500: boom", self.outcome("completion"))

    def test_refused(self) -> None:
        """
        That nobody listens yet is no failure.
        """
        self.assertIn("refused", self.outcome(agent=RefusedAgent()) or "")

    def test_time_limit(self) -> None:
        """
        An engine that does not answer in time is not ready, and not asked on.
        """
        agent = DeafAgent()
        checking = self.check(agent=agent).check()
        self.clock.advance(4.9)
        self.assertNoResult(checking)
        self.clock.advance(0.1)
        self.assertEqual("no answer within 5 s", self.successResultOf(checking))
        self.assertEqual(1, agent.cancelled)

    def test_time_limit_of_body(self) -> None:
        """
        The time limit holds for the body, too.
        """
        self.engine.answers["/health"] = (200, None)
        checking = self.check().check()
        self.clock.advance(5)
        self.assertEqual("no answer within 5 s", self.successResultOf(checking))

    def test_cancel(self) -> None:
        """
        A check that is cancelled fails as such, however the request fails.
        """
        agent = DeafAgent()
        checking = self.check(agent=agent).check()
        checking.cancel()
        self.failureResultOf(checking, CancelledError)
        self.assertEqual(1, agent.cancelled)
