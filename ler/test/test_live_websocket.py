# -*- test-case-name: ler.test.test_live_websocket -*-
"""
Tests of L{ler.web.websocket} with real connections, between ends that know
nothing of the router.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import psutil
from prometheus_client import CollectorRegistry
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IPullProducer
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from ler.errors import CutByDrain
from ler.journal import Journal
from ler.metrics import Metrics
from ler.test.http import OPEN, FakeAgent
from ler.test.relay_case import A, Door, Leaf
from ler.test.test_live_relay import MIB, PROMPT, ROOM, Steps, until
from ler.upstream import EngineEndpoints, Upstream, header_list, upward
from ler.web import conversation
from ler.web.dialects import RAW
from ler.web.job import Job
from ler.web.record import Recorder
from ler.web.site import RouterSite
from ler.web.websocket import WebsocketOptions, Websockets, address_of

autobahn: Any = None
if find_spec("autobahn"):
    autobahn = import_module("autobahn.twisted.websocket")
ClientProtocol: Any = getattr(autobahn, "WebSocketClientProtocol", object)
ServerProtocol: Any = getattr(autobahn, "WebSocketServerProtocol", object)

reactor: Any = global_reactor

WATER = bytes(1 << 16)


class Far:
    """
    A far end of a websocket.

    @ivar said: what has come, bytes and texts.
    @ivar closed: how it was closed: code and reason.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_ready = False
        self.said: list[bytes | str] = []
        self.closed: tuple[int | None, str | None] | None = None

    def onOpen(self) -> None:
        """
        The websocket is open.
        """
        self.is_ready = True

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        The near end has said something.
        """
        self.said.append(payload if isBinary else payload.decode())

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """
        The connection is gone.
        """
        self.closed = (code, reason)


class FarEngine(Far, ServerProtocol):
    """
    An engine's end, which chooses the last of the subprotocols.
    """

    def onConnect(self, request: Any) -> str | None:
        """
        @return: the subprotocol.
        """
        self.factory.all.append(self)
        self.asked = request
        return request.protocols[-1] if request.protocols else None


class FarClient(Far, ClientProtocol):
    """
    A client's end.
    """


@implementer(IPullProducer)
class Flood:
    """
    Says something whenever there is room for it.

    @ivar written: how many bytes the connection has taken.
    """

    def __init__(self, end: Any) -> None:
        self.written = 0
        self._end = end
        end.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        @see: L{IPullProducer.resumeProducing}
        """
        self.written += len(WATER)
        self._end.sendMessage(WATER, True)

    def stopProducing(self) -> None:
        """
        @see: L{IPullProducer.stopProducing}
        """


class LiveWebsocketTests(TestCase):
    """
    L{Websockets} between real connections.
    """

    timeout = 20

    if autobahn is None:
        skip = "needs Autobahn"

    def setUp(self) -> None:
        """
        An engine and the router listen.
        """
        self.door = Door()
        self.engines: Any = self.quiet(autobahn.WebSocketServerFactory(reactor=reactor))
        self.engines.protocol = FarEngine
        self.engines.all = []
        engine = f"http://127.0.0.1:{self.listen(self.engines)}"
        self.websockets = Websockets(
            self.door.acquire,
            {"a": Upstream(engine, FakeAgent(), reactor, 8)},
            {"a": address_of(engine, EngineEndpoints(reactor, 5.0))},
            reactor,
            Recorder(Metrics(CollectorRegistry()), Journal(reactor), reactor),
            WebsocketOptions(longest=4 * MIB),
            guarded=False,
        )
        self.port = self.listen(RouterSite(Leaf(self.carry), OPEN, BytesIO, reactor))
        self.ends: list[Any] = []
        self.addCleanup(self.end)

    def carry(self, request: Any) -> None:
        """
        A request has come.
        """
        headers = upward(header_list(request.requestHeaders), guarded=False, added={})
        job = Job("a", A, request.method, request.uri, headers, [], "model-a")
        self.websockets.carry(request, RAW, job)

    @inlineCallbacks
    def end(self) -> Steps:
        """
        Every connection ends, and every lease has come back.
        """
        for end in self.ends:
            if end.closed is None:
                end.transport.abortConnection()
        yield until(lambda: all(end.closed for end in self.ends))
        yield until(lambda: self.door.released == self.door.leases)

    def listen(self, factory: Any) -> int:
        """
        @return: the port on which C{factory} is served.
        """
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def quiet(self, factory: Any) -> Any:
        """
        @return: C{factory}, whose ends leave no timers behind.
        """
        factory.noisy = False
        factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0)
        return factory

    @inlineCallbacks
    def connect(self, *subprotocols: str) -> Generator[Deferred[Any], Any, tuple[Any, Any]]:
        """
        @return: the far ends of a websocket that is open.
        """
        url = f"ws://127.0.0.1:{self.port}/v1/realtime?x=1"
        factory = autobahn.WebSocketClientFactory(
            url, protocols=list(subprotocols), reactor=reactor
        )
        factory.protocol = FarClient
        self.quiet(factory).setProtocolOptions(serverConnectionDropTimeout=0)
        client = yield TCP4ClientEndpoint(reactor, "127.0.0.1", self.port).connect(factory)
        yield until(lambda: client.is_ready)
        [engine] = self.engines.all
        self.ends += [client, engine]
        return client, engine

    @inlineCallbacks
    def test_talk(self) -> Steps:
        """
        Two ends that have agreed on a subprotocol say small and large things
        to each other, and part as they wish.
        """
        client, engine = yield self.connect("a", "b")
        self.assertEqual("/v1/realtime", engine.asked.path)
        self.assertEqual("b", client.websocket_protocol_in_use)
        large = os.urandom(MIB)
        client.sendMessage("h\u00e9".encode())
        client.sendMessage(large, True)
        yield until(lambda: len(engine.said) == 2)
        self.assertEqual(["h\u00e9", large], engine.said)
        for _ in range(100):
            engine.sendMessage(b"delta")
        engine.sendMessage(large, True, fragmentSize=1000)
        yield until(lambda: len(client.said) == 101)
        self.assertEqual([*["delta"] * 100, large], client.said)
        client.sendClose(3001, "enough")
        yield until(lambda: client.closed and engine.closed)
        self.assertEqual((3001, "enough"), engine.closed)

    @inlineCallbacks
    def test_client_leaves(self) -> Steps:
        """
        An engine hears at once that its client is gone.
        """
        client, engine = yield self.connect()
        began = reactor.seconds()
        client.transport.abortConnection()
        yield until(lambda: engine.closed)
        self.assertLess(reactor.seconds() - began, PROMPT)
        self.assertEqual((1001, "the client left"), engine.closed)

    @inlineCallbacks
    def test_engine_breaks_off(self) -> Steps:
        """
        A client hears that its engine is gone.
        """
        self.patch(conversation, "LAST_WORDS_S", 0.01)
        client, engine = yield self.connect()
        engine.sendMessage(b"last words")
        engine.transport.loseConnection()
        yield until(lambda: client.closed)
        self.assertEqual(["last words"], client.said)
        self.assertEqual((1011, "the engine broke the connection"), client.closed)

    @inlineCallbacks
    def test_drain(self) -> Steps:
        """
        Both hear that the engine has to go.
        """
        client, engine = yield self.connect()
        self.door.leases[0].cut(CutByDrain("the drain is over"))
        yield until(lambda: client.closed and engine.closed)
        self.assertEqual((1012, "the drain is over"), client.closed)
        self.assertEqual((1012, "the drain is over"), engine.closed)

    @inlineCallbacks
    def test_never_read(self) -> Steps:
        """
        An end that never reads does not make the router grow, however much the
        other has to say; and the other hears at once when it goes.
        """
        client, engine = yield self.connect()
        client.transport.pauseProducing()
        memory = psutil.Process().memory_info
        before = memory().rss
        flood, written = Flood(engine), -1
        while flood.written > written:
            written = flood.written
            yield deferLater(reactor, 0.2)
        self.assertLess(memory().rss - before, ROOM)
        self.assertEqual([], client.said)
        self.assertEqual([], self.door.released)
        client.transport.abortConnection()
        yield until(lambda: self.door.released)

    @inlineCallbacks
    def test_goes_on(self) -> Steps:
        """
        When it reads again it gets everything.
        """
        client, engine = yield self.connect()
        client.transport.pauseProducing()
        for _ in range(200):
            engine.sendMessage(WATER, True)
        yield deferLater(reactor, 0.1)
        self.assertEqual([], client.said)
        client.transport.resumeProducing()
        yield until(lambda: len(client.said) == 200)
        self.assertEqual({WATER}, set(client.said))
