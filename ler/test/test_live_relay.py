# -*- test-case-name: ler.test.test_live_relay -*-
"""
Tests of L{ler.web.relay} with real connections: what the kernel does in
between is no different from what the other tests make of it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator
from io import BytesIO
from typing import Any, cast

import psutil
from prometheus_client import CollectorRegistry
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from ler.journal import Journal
from ler.metrics import Metrics
from ler.slot.slots import Slots
from ler.test.http import OPEN, Reply, parse
from ler.test.relay_case import CHUNK, DONE, Door, Leaf, job_of
from ler.upstream import Upstream, engine_agent
from ler.web import relay as relay_module
from ler.web.dialects import OPENAI
from ler.web.record import Recorder
from ler.web.relay import Relay, RelayOptions
from ler.web.site import RouterChannel, RouterSite

reactor: Any = global_reactor

PROMPT = 0.1
"""Seconds within which an engine hears that nobody listens any more."""

MIB = 1 << 20

ROOM = 5 * MIB
"""How much the router may grow for a client that does not read."""

WATER = CHUNK * 1000

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"

PLAIN = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"

Steps = Generator[Deferred[Any], Any, None]


@inlineCallbacks
def until(condition: Callable[[], object]) -> Steps:
    """
    Wait for something that no event tells of.
    """
    while not condition():
        yield deferLater(reactor, 0.005)


class Peer(Protocol):
    """
    One end of a connection.

    @ivar received: what has come.
    @ivar lost: whether the connection is gone.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """
        @see: L{Protocol.dataReceived}
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        @see: L{Protocol.connectionLost}
        """
        self.lost = True

    def reply(self) -> Reply:
        """
        @return: the response that has come, with its head at least.
        """
        return parse(bytes(self.received))[0]

    def has_all(self) -> bool:
        """
        @return: whether a whole response has come.
        """
        return b"\r\n\r\n" in self.received and self.reply().complete


class Peers(Factory):
    """
    @ivar all: the ends that were made, in order.
    """

    noisy = False

    def __init__(self) -> None:
        self.all: list[Peer] = []

    def buildProtocol(self, addr: object) -> Peer:
        """
        @see: L{Factory.buildProtocol}
        """
        self.all.append(Peer())
        return self.all[-1]


@implementer(IPullProducer)
class Flood:
    """
    An endless body.

    @ivar written: how many bytes of it the connection has taken.
    """

    def __init__(self, consumer: Any) -> None:
        self.written = 0
        self._consumer = consumer
        consumer.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        @see: L{IPullProducer.resumeProducing}
        """
        self.written += len(WATER)
        self._consumer.write(WATER)

    def stopProducing(self) -> None:
        """
        @see: L{IPullProducer.stopProducing}
        """


class LiveRelayTests(TestCase):
    """
    L{Relay} between real connections.
    """

    timeout = 20

    def setUp(self) -> None:
        self.engines, self.clients, self.door = Peers(), Peers(), Door()
        url = f"http://127.0.0.1:{self.listen(self.engines).getHost().port}"
        upstream = Upstream(url, engine_agent(reactor, 5.0, 4), reactor, 8)
        relay = Relay(
            cast(Slots, self.door),
            {"a": upstream},
            reactor,
            Recorder(Metrics(CollectorRegistry()), Journal(reactor), reactor),
            RelayOptions(),
        )
        leaf = Leaf(lambda request: relay.carry(request, OPENAI, job_of(request, True)))
        self.site = RouterSite(leaf, OPEN, BytesIO, reactor)
        self.router = self.listen(self.site)
        self.addCleanup(self.end)

    @inlineCallbacks
    def end(self) -> Steps:
        """
        Every connection ends, and every lease has come back.
        """
        peers = self.clients.all + self.engines.all
        for peer in peers:
            if not peer.lost:
                peer.transport.abortConnection()
        yield until(lambda: all(peer.lost for peer in peers))
        yield until(lambda: self.door.released == self.door.leases)

    def listen(self, factory: Any) -> Any:
        """
        @return: a port on which C{factory} is served.
        """
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return port

    def connect(self, room: int | None = None) -> None:
        """
        A client comes.

        @param room: how many bytes the kernel shall hold for it, and how many
            on the router's side; more or less.
        """
        with socket.socket() as connection:
            if room is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, room // 8)
                self.router.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
            connection.connect(("127.0.0.1", self.router.getHost().port))
            connection.setblocking(False)
            reactor.adoptStreamConnection(connection.fileno(), connection.family, self.clients)

    @inlineCallbacks
    def ask(self) -> Generator[Deferred[Any], Any, tuple[Peer, Peer]]:
        """
        @return: the client, which has sent a request, and the engine, which
            has got it.
        """
        (client,) = self.clients.all
        client.transport.write(REQUEST)
        yield until(lambda: self.engines.all)
        (engine,) = self.engines.all
        yield until(lambda: engine.received.endswith(b"\r\n\r\n{}"))
        return client, engine

    @inlineCallbacks
    def test_large_body(self) -> Steps:
        """
        A body of 3 MB arrives as it was sent.
        """
        body = os.urandom(3_000_000)
        self.connect()
        client, engine = yield self.ask()
        engine.transport.write(PLAIN % len(body) + body)
        engine.transport.loseConnection()
        yield until(client.has_all)
        self.assertEqual(client.reply().body, body)

    @inlineCallbacks
    def test_plain_body_cut_short(self) -> Steps:
        """
        When the engine dies in a plain body the client cannot take it for
        whole.
        """
        self.patch(relay_module, "LAST_WORDS_S", 0.01)
        self.connect()
        client, engine = yield self.ask()
        engine.transport.write(PLAIN % 10 + b"half")
        yield until(lambda: client.received.endswith(b"half"))
        engine.transport.abortConnection()
        yield until(lambda: client.lost)
        self.assertFalse(client.reply().complete)

    @inlineCallbacks
    def test_stream_cut_short(self) -> Steps:
        """
        When the engine dies in a stream of events the client is told.
        """
        self.patch(relay_module, "LAST_WORDS_S", 0.01)
        self.connect()
        client, engine = yield self.ask()
        engine.transport.write(EVENTS + CHUNK + CHUNK[:10])
        yield until(lambda: CHUNK in client.received)
        engine.transport.abortConnection()
        yield until(client.has_all)
        self.assertTrue(client.reply().body.startswith(CHUNK + b'data: {"error": {'))
        self.assertTrue(client.reply().body.endswith(DONE))

    @inlineCallbacks
    def test_left_before_the_head(self) -> Steps:
        """
        An engine that has not answered hears at once that the client left.
        """
        self.connect()
        client, engine = yield self.ask()
        began = reactor.seconds()
        client.transport.loseConnection()
        yield until(lambda: engine.lost)
        self.assertLess(reactor.seconds() - began, PROMPT)

    @inlineCallbacks
    def test_left_in_the_middle(self) -> Steps:
        """
        So does one that is silent in the middle of a stream.
        """
        self.connect()
        client, engine = yield self.ask()
        engine.transport.write(EVENTS + CHUNK)
        yield until(lambda: CHUNK in client.received)
        began = reactor.seconds()
        client.transport.loseConnection()
        yield until(lambda: engine.lost)
        self.assertLess(reactor.seconds() - began, PROMPT)

    @inlineCallbacks
    def test_never_read(self) -> Steps:
        """
        A client that never reads does not make the router grow, however much
        the engine has to say; when it leaves the engine hears of it at once.
        """
        self.connect()
        client, engine = yield self.ask()
        client.transport.pauseProducing()
        memory = psutil.Process().memory_info
        before = memory().rss
        engine.transport.write(EVENTS)
        flood, written = Flood(engine.transport), -1
        while flood.written > written:
            written = flood.written
            yield deferLater(reactor, 0.2)
        self.assertLess(memory().rss - before, ROOM)
        self.assertEqual(client.received, b"")
        began = reactor.seconds()
        client.transport.abortConnection()
        yield until(lambda: engine.lost)
        self.assertLess(reactor.seconds() - began, PROMPT)

    @inlineCallbacks
    def test_slow_reader(self) -> Steps:
        """
        A client that takes longer than the server's idle timer to read the end
        of a body still gets all of it.
        """
        idle = 0.1
        self.site.timeOut = idle
        self.patch(RouterChannel, "abortTimeout", idle)
        body = os.urandom(100 << 10)
        self.connect(room=8192)
        client, engine = yield self.ask()
        engine.transport.write(PLAIN % len(body))
        yield until(lambda: client.received)
        client.transport.pauseProducing()
        engine.transport.write(body)
        engine.transport.loseConnection()
        yield deferLater(reactor, idle * 4)
        client.transport.resumeProducing()
        yield until(lambda: client.lost or client.has_all())
        self.assertEqual(client.reply().body, body)
