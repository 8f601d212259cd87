"""
Tests of L{ler.web.websocket}.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import ler.web
from ler.errors import CutByDrain, EngineDied, QueueFull, RouterError, UpstreamRefused
from ler.journal import Journal
from ler.metrics import Metrics
from ler.test.fake_websocket import FakeEnd
from ler.test.http import Client, FakeAgent, open_site
from ler.test.relay_case import A, Door, Leaf
from ler.test.test_house import imports, product
from ler.upstream import EngineEndpoints, HeaderList, Upstream, header_list, upward
from ler.web.conversation import CLOSE_S, LAST_WORDS_S
from ler.web.dialects import RAW
from ler.web.job import Job
from ler.web.record import Recorder
from ler.web.websocket import (
    Address,
    WebsocketOptions,
    Websockets,
    address_of,
    is_websocket,
    load_ends,
)

WAIT = 8.0

HANDSHAKE: Mapping[bytes, bytes] = {
    b"Upgrade": b"websocket",
    b"Connection": b"keep-alive, Upgrade",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
}

DRAINED = CutByDrain("the drain is over", retry_after=5.0)

DIED = EngineDied("engine a exited with status 1")


class FakeEnds:
    """
    Stands for what speaks websocket.

    @ivar engine: the end that an engine is connected to.
    @ivar client: the end that a client is connected to, if any.
    @ivar called: what the engine was asked for: URL, headers and subprotocols.
    @ivar answer: fires when the engine agrees, or not.
    @ivar given_up: whether nobody waits for that any more.
    """

    def __init__(self) -> None:
        self.engine = FakeEnd("b")
        self.client: FakeEnd | None = None
        self.called: list[tuple[str, HeaderList, Sequence[str]]] = []
        self.given_up = False
        self.answer: Deferred[FakeEnd] = Deferred(self._give_up)

    def _give_up(self, _: object) -> None:
        self.given_up = True

    def load(self) -> FakeEnds:
        """
        @see: L{load_ends}
        """
        return self

    def call_engine(
        self,
        endpoint: object,
        engine: str,
        url: str,
        headers: HeaderList,
        subprotocols: Sequence[str],
        **options: object,
    ) -> Deferred[FakeEnd]:
        """
        @see: L{ler.web.websocket_ends.call_engine}
        """
        self.called.append((url, headers, subprotocols))
        return self.answer

    def accept_client(
        self, request: Any, key: bytes, subprotocol: str | None, **options: object
    ) -> FakeEnd:
        """
        @see: L{ler.web.websocket_ends.accept_client}
        """
        request.channel.connectionLost(Failure(ConnectionRefusedError()))
        self.client = FakeEnd(subprotocol)
        return self.client

    # What the engine does.

    def agree(self) -> None:
        """
        The engine agrees.
        """
        self.answer.callback(self.engine)

    def refuse(self, reason: Exception) -> None:
        """
        The engine does not.
        """
        self.answer.errback(Failure(reason))


class WebsocketTestCase(SynchronousTestCase):
    """
    A client asks for a websocket.

    @ivar guarded: whether clients show keys to the router.
    """

    guarded = False

    def setUp(self) -> None:
        """
        Everything but the client is there.
        """
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.door = Door()
        self.ends = FakeEnds()
        self.registry = CollectorRegistry()
        self.upstream = Upstream("http://127.0.0.1:8000", FakeAgent(), self.clock, 1)
        self.websockets = Websockets(
            self.door.acquire,
            {"a": self.upstream},
            {"a": Address("ws://127.0.0.1:8000", TCP4ClientEndpoint(None, "127.0.0.1", 8000))},
            self.clock,
            Recorder(Metrics(self.registry), Journal(self.clock), self.clock),
            WebsocketOptions(wait=WAIT),
            guarded=self.guarded,
            load=self.ends.load,
        )
        self.site = open_site(Leaf(self.carry), self.clock)
        self.lines: list[LogEvent] = []
        observer: Any = self.note
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.client = Client(self.site)

    def note(self, event: LogEvent) -> None:
        """
        Keep the lines of the access log.
        """
        if "outcome" in event:
            self.lines.append(event)

    def carry(self, request: Any) -> None:
        """
        A request has come.
        """
        headers = upward(
            header_list(request.requestHeaders), guarded=self.guarded, added={"Host": "engine"}
        )
        job = Job("a", A, request.method, b"/v1/realtime?x=1", headers, [], "model-a")
        self.websockets.carry(request, RAW, job)

    def ask(self, **headers: bytes) -> None:
        """
        The client asks.

        @param headers: further ones; C{_} stands for C{-}.
        """
        further = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        self.client.request(b"GET", b"/v1/realtime", {**HANDSHAKE, **further})

    def connect(self) -> tuple[FakeEnd, FakeEnd]:
        """
        @return: both ends of a conversation that has just begun.
        """
        self.ask()
        self.ends.agree()
        assert self.ends.client is not None
        return self.ends.client, self.ends.engine

    def assert_over(self, outcome: str, status: int) -> None:
        """
        It has ended, with a line in the log and a count in the metrics; the
        lease has come back, and nothing is left to happen.
        """
        self.client.leave()
        ends = [(line["outcome"], line["status"]) for line in self.lines]
        self.assertEqual([(outcome, status)], ends)
        labels = {"engine": "a", "key": "none", "status": str(status), "outcome": outcome}
        self.assertEqual(
            1.0, self.registry.get_sample_value("engine_router_requests_total", labels)
        )
        self.assertEqual([], self.door.waiting)
        self.assertEqual(self.door.leases, self.door.released)
        self.assertEqual((0, 0), (self.upstream.in_flight, self.upstream.queued))
        self.assertEqual([], self.clock.getDelayedCalls())

    def assert_refused(self, status: int, code: str) -> str:
        """
        The client got an answer instead of a websocket.

        @return: what it was told.
        """
        reply = self.client.reply()
        error = reply.json()["error"]
        self.assertEqual((status, code), (reply.status, error["code"]))
        self.assert_over(code, status)
        message: str = error["message"]
        return message


class IsWebsocketTests(SynchronousTestCase):
    """
    Tests of L{is_websocket}.
    """

    def asked(self, method: bytes = b"GET", **headers: bytes) -> bool:
        """
        @return: whether a request is taken for one.
        """
        seen: list[bool] = []

        def carry(request: Any) -> None:
            seen.append(is_websocket(request))
            request.finish()

        client = Client(open_site(Leaf(carry), Clock()))
        client.request(method, b"/", {name.encode(): value for name, value in headers.items()})
        client.leave()
        [answer] = seen
        return answer

    def test_asked(self) -> None:
        """
        A GET that wants to upgrade its connection to a websocket is one,
        however that is spelled.
        """
        self.assertTrue(self.asked(Upgrade=b"websocket", Connection=b"Upgrade"))
        self.assertTrue(self.asked(upgrade=b"h2c, WebSocket", connection=b"keep-alive,upgrade"))

    def test_not_asked(self) -> None:
        """
        Nothing else is.
        """
        self.assertFalse(self.asked())
        self.assertFalse(self.asked(Upgrade=b"websocket"))
        self.assertFalse(self.asked(Upgrade=b"h2c", Connection=b"Upgrade"))
        self.assertFalse(self.asked(b"POST", Upgrade=b"websocket", Connection=b"Upgrade"))


class AddressTests(SynchronousTestCase):
    """
    Tests of L{address_of}.
    """

    def test_schemes(self) -> None:
        """
        The address is that for HTTP, but for the scheme.
        """
        endpoints = EngineEndpoints(MemoryReactorClock(), 5.0)
        for http, ws in (
            ("http://127.0.0.1:8000", "ws://127.0.0.1:8000"),
            ("http://box/http/", "ws://box/http"),
            ("https://box", "wss://box"),
        ):
            address = address_of(http, endpoints)
            self.assertEqual(ws, address.url)
            self.assertTrue(IStreamClientEndpoint.providedBy(address.endpoint))


class HandshakeTests(WebsocketTestCase):
    """
    What the client asks for, and what the engine is asked for.
    """

    def test_version(self) -> None:
        """
        Who speaks another version is told which one is spoken.
        """
        self.ask(Sec_WebSocket_Version=b"8")
        self.assertEqual(b"13", self.client.reply().one(b"sec-websocket-version"))
        self.assertIn("version", self.assert_refused(400, "invalid_request"))
        self.assertEqual([], self.door.leases)

    def test_key(self) -> None:
        """
        A handshake needs a key as long as keys are.
        """
        for key in (b"", b"c2hvcnQ=", b"d\xffhlIHNhbXBsZSBub25jZQ=="):
            client = Client(self.site)
            client.request(b"GET", b"/", {**HANDSHAKE, b"Sec-WebSocket-Key": key})
            self.assertEqual(400, client.reply().status)
            client.leave()
        self.assertEqual([], self.door.leases)

    def test_asks_engine(self) -> None:
        """
        The engine is asked for the job's target, with the client's headers but
        for those that belong to one handshake.
        """
        self.ask(Authorization=b"Bearer x", Sec_WebSocket_Extensions=b"permessage-deflate")
        [(url, headers, subprotocols)] = self.ends.called
        self.assertEqual("ws://127.0.0.1:8000/v1/realtime?x=1", url)
        self.assertEqual([(b"Authorization", b"Bearer x")], headers)
        self.assertEqual([], subprotocols)
        self.client.leave()
        self.assertTrue(self.ends.given_up)

    def test_subprotocols(self) -> None:
        """
        The engine may choose from the client's subprotocols, and the client is
        told what it chose.
        """
        self.ask(Sec_WebSocket_Protocol=b"realtime, openai-insecure-api-key.k, realtime,")
        [(_, _, subprotocols)] = self.ends.called
        self.assertEqual(["realtime", "openai-insecure-api-key.k"], subprotocols)
        self.ends.engine.websocket_protocol_in_use = "realtime"
        self.ends.agree()
        assert self.ends.client is not None
        self.assertEqual("realtime", self.ends.client.websocket_protocol_in_use)
        self.ends.client.lose()
        self.ends.engine.lose()
        self.assert_over("client_left", 101)


class GuardedTests(WebsocketTestCase):
    """
    Clients show keys to the router.
    """

    guarded = True

    def test_key_stays(self) -> None:
        """
        A key that stands among the subprotocols stays here.
        """
        self.ask(Sec_WebSocket_Protocol=b"realtime,openai-insecure-api-key.secret")
        [(_, _, subprotocols)] = self.ends.called
        self.assertEqual(["realtime"], subprotocols)
        self.client.leave()
        self.assert_over("client_left", 499)


class WaitTests(WebsocketTestCase):
    """
    Before the two can talk.
    """

    def test_waits(self) -> None:
        """
        A websocket waits for its lease, and then for its engine.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(WAIT - 2)
        self.assertEqual([], self.ends.called)
        self.door.grant()
        self.clock.advance(1)
        self.ends.agree()
        assert self.ends.client is not None
        self.clock.advance(WAIT)
        self.assertEqual([], self.door.released)
        self.ends.client.lose()
        self.ends.engine.lose()
        self.assert_over("client_left", 101)
        self.assertEqual("6.000", self.lines[0]["waited"])

    def test_too_long(self) -> None:
        """
        It does not wait as long as a swap may take, since its client does not.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(WAIT)
        self.assertEqual(1, self.door.withdrawn)
        self.assertEqual(b"8", self.client.reply().one(b"retry-after"))
        message = self.assert_refused(503, "unavailable")
        self.assertIn("model-a was not ready within 8 s", message)

    def test_engine_is_slow(self) -> None:
        """
        The time of the engine's handshake counts.
        """
        self.ask()
        self.clock.advance(WAIT)
        self.assertTrue(self.ends.given_up)
        self.assert_refused(503, "unavailable")

    def test_connections(self) -> None:
        """
        A websocket is one of the connections that an engine may have.
        """
        self.successResultOf(self.upstream.admission())
        self.ask()
        self.assertEqual([], self.ends.called)
        self.clock.advance(WAIT)
        self.upstream.leave()
        self.assert_refused(503, "unavailable")

    def test_client_leaves(self) -> None:
        """
        Nobody waits for a client that has left.
        """
        self.door.open = False
        self.ask()
        self.client.leave()
        self.assertEqual(1, self.door.withdrawn)
        self.assert_over("client_left", 499)

    def test_refused(self) -> None:
        """
        A client is told why there is no lease.
        """
        self.door.open = False
        self.ask()
        self.door.refuse(QueueFull("too many wait"))
        self.assert_refused(503, "queue_full")

    def test_cut(self) -> None:
        """
        A lease that is cut before the engine has agreed is no longer used.
        """
        self.ask()
        self.door.leases[0].cut(DRAINED)
        self.assertTrue(self.ends.given_up)
        self.assert_refused(503, "cut_by_drain")

    def test_cut_already(self) -> None:
        """
        Nor is one that came so.
        """
        self.door.cut = DRAINED
        self.ask()
        self.assertEqual([], self.ends.called)
        self.assert_refused(503, "cut_by_drain")


class EngineTests(WebsocketTestCase):
    """
    The engine does not agree.
    """

    def test_answers(self) -> None:
        """
        The client is told what the engine answered.
        """
        self.ask()
        self.ends.refuse(UpstreamRefused("engine a answered 404 Not Found", 404))
        self.assert_refused(404, "upstream_refused")

    def test_does_not_listen(self) -> None:
        """
        Nobody listens where the engine should.
        """
        self.ask()
        self.ends.refuse(ConnectionRefusedError())
        self.clock.advance(LAST_WORDS_S)
        self.assertIn("refuses connections", self.assert_refused(502, "engine_died"))

    def test_does_not_accept(self) -> None:
        """
        The connection does not come about.
        """
        self.ask()
        self.ends.refuse(TimeoutError())
        self.assert_refused(504, "upstream_timeout")

    def test_last_words(self) -> None:
        """
        Where the slot knows more of the engine's end, the client is told that.
        """
        self.ask()
        self.ends.refuse(ConnectionRefusedError())
        self.door.leases[0].cut(DIED)
        self.assertIn("exited with status 1", self.assert_refused(502, "engine_died"))

    def test_bug(self) -> None:
        """
        A bug is logged, and the client is told that there is one.
        """
        self.ask()
        self.ends.refuse(ZeroDivisionError())
        self.assert_refused(500, "internal_error")
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))


class TalkTests(WebsocketTestCase):
    """
    The two talk.
    """

    def test_messages(self) -> None:
        """
        Messages pass both ways, and the lease is held until both have hung up.
        """
        client, engine = self.connect()
        client.hear("hello")
        self.clock.advance(2)
        engine.hear("world", binary=True)
        self.assertEqual((["text hello"], ["binary world"]), (engine.events, client.events))
        client.hear_close()
        client.lose()
        self.assertEqual([], self.door.released)
        engine.lose()
        self.assert_over("ok", 101)
        line = self.lines[0]
        self.assertEqual(("2.000", 5), (line["first_byte"], line["sent"]))

    def end_by(self, reason: RouterError, code: int) -> None:
        """
        The lease is cut for C{reason}: both ends are closed with C{code}.
        """
        client, engine = self.connect()
        self.door.leases[0].cut(reason)
        self.assertEqual([f"close {code} {reason.message}"], client.events)
        self.assertEqual([f"close {code} {reason.message}"], engine.events)
        self.clock.advance(CLOSE_S)
        self.assert_over(reason.code, 101)

    def test_drain(self) -> None:
        """
        When the engine has to go the client is told to come back.
        """
        self.end_by(DRAINED, 1012)

    def test_engine_dies(self) -> None:
        """
        When the engine is lost the client is told why.
        """
        self.end_by(DIED, 1011)

    def test_engine_breaks_off(self) -> None:
        """
        An engine that breaks off gives its lease back.
        """
        client, engine = self.connect()
        engine.lose()
        self.clock.pump([LAST_WORDS_S, CLOSE_S])
        self.assertEqual("abort", client.events[-1])
        self.assert_over("engine_died", 101)


class ExtraTests(WebsocketTestCase):
    """
    What speaks websocket is an extra.
    """

    def test_missing(self) -> None:
        """
        Without it the client is told how to get it, and no engine is started.
        """
        self.websockets._load = load_ends
        with patch.dict(sys.modules, {"ler.web.websocket_ends": None}), patch.dict(vars(ler.web)):
            vars(ler.web).pop("websocket_ends", None)
            self.ask()
        self.assertIn("engine-router[ws]", self.assert_refused(501, "websocket_unavailable"))
        self.assertEqual([], self.door.leases)

    def test_nobody_else_needs_it(self) -> None:
        """
        One module imports it, and no module imports that one before a client
        asks for a websocket.
        """
        users = {
            name
            for name, path in product()
            if any(imported.startswith("autobahn") for imported in imports(name, path))
        }
        self.assertEqual({"ler.web.websocket_ends"}, users)
        at_once = [
            name
            for name, path in product()
            for node in ast.parse(path.read_bytes()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            and "websocket_ends" in ast.unparse(node)
        ]
        self.assertEqual([], at_once)
