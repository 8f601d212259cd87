"""
Tests of L{ler.web.websocket_ends}: what is on the wire.
"""

from __future__ import annotations

import base64
import hashlib
import random
import struct
from collections.abc import Iterator
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ler.errors import EngineDied, RouterError, UpstreamError, UpstreamRefused
from ler.test.http import open_site
from ler.test.relay_case import Leaf
from ler.web.conversation import Conversation, IWebsocketEnd

ends: Any
try:
    from ler.web import websocket_ends as ends
except ImportError:
    ends = None

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""Both as in RFC 6455, 1.3."""

REQUEST = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)

LONGEST = 1000

MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, payload: bytes = b"", *, masked: bool = True, fin: bool = True) -> bytes:
    """
    @return: a frame as RFC 6455, 5.2 has it.
    """
    length = len(payload)
    short = length if length < 126 else 126
    head = struct.pack("!BB", opcode | fin << 7, short | masked << 7)
    if short == 126:
        head += struct.pack("!H", length)
    if masked:
        payload = MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return head + payload


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """
    @return: opcode and payload of the whole frames that C{data} consists of.
    """
    while data:
        first, second = data[:2]
        assert first & 0x80, "the end of a message"
        at, length, mask = 2, second & 0x7F, bytes(4)
        if length == 126:
            (length,) = struct.unpack("!H", data[2:4])
            at = 4
        if second & 0x80:
            mask, at = data[at : at + 4], at + 4
        payload = data[at : at + length]
        yield first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        data = data[at + length :]


def close(code: int, reason: str = "") -> bytes:
    """
    @return: the payload of a close frame.
    """
    return struct.pack("!H", code) + reason.encode()


class Wire(StringTransport):
    """
    A connection that a test holds the other end of.

    @ivar protocol: our end.
    """

    protocol: Any
    producer: Any

    def unregisterProducer(self) -> None:
        """
        Like any connection, and unlike the base class, take this as it is when
        there is no producer.
        """
        if self.producer is not None:
            super().unregisterProducer()

    def frames(self) -> list[tuple[int, bytes]]:
        """
        @return: what came since the last time.
        """
        data = self.value()
        self.clear()
        return list(frames(data))

    def receive(self, *data: bytes) -> None:
        """
        The other end sends something.
        """
        for piece in data:
            self.protocol.dataReceived(piece)

    def break_off(self, reason: Exception | None = None) -> None:
        """
        The connection is gone.
        """
        self.protocol.connectionLost(Failure(reason or ConnectionLost()))


@implementer(IStreamClientEndpoint)
class WireEndpoint:
    """
    Connects to the test.
    """

    def __init__(self) -> None:
        self.wire = Wire()

    def connect(self, factory: Any) -> Deferred[Any]:
        """
        @see: L{IStreamClientEndpoint.connect}
        """
        self.wire.protocol = factory.buildProtocol(None)
        self.wire.protocol.makeConnection(self.wire)
        connected: Deferred[Any] = Deferred()
        connected.callback(self.wire.protocol)
        return connected


class EndsTestCase(SynchronousTestCase):
    """
    A client and an engine, with the wires between them and us.
    """

    if ends is None:
        skip = "needs Autobahn"

    def setUp(self) -> None:
        """
        Nobody has said anything yet.
        """
        self.clock = Clock()
        self.endpoint = WireEndpoint()
        self.engine = self.endpoint.wire
        self.events: list[LogEvent] = []
        observer: Any = self.events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def tearDown(self) -> None:
        """
        Whatever a peer has done, Autobahn did not talk of it.
        """
        self.assertEqual(
            [], [event for event in self.events if event["log_level"] > LogLevel.debug]
        )

    def call(self, *subprotocols: str, host: str = "box:8000") -> Deferred[Any]:
        """
        Ask the engine for a websocket.
        """
        headers = [(b"X-A", b"1"), (b"X-B", b"2"), (b"X-A", b"3")]
        return Deferred.fromCoroutine(
            ends.call_engine(
                self.endpoint,
                "a",
                f"ws://{host}/v1/realtime?x=%20",
                headers,
                subprotocols,
                longest=LONGEST,
                clock=self.clock,
            )
        )

    def agree(self, more: bytes = b"") -> None:
        """
        The engine agrees.

        @param more: further lines of the head.
        """
        lines = self.engine.value().split(b"\r\n")
        self.engine.clear()
        [key] = [line[19:] for line in lines if line.startswith(b"Sec-WebSocket-Key: ")]
        accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.engine.receive(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + more
            + b"Sec-WebSocket-Accept: "
            + base64.b64encode(accept)
            + b"\r\n\r\n"
        )

    def accept(self, subprotocol: str | None = None, early: bytes = b"") -> Any:
        """
        Give the client its websocket.

        @param early: what it has sent behind its request.
        @return: our end.
        """
        requests: list[Any] = []
        site = open_site(Leaf(requests.append), self.clock)
        self.client = Wire(lenient=True)
        self.client.protocol = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.client.protocol.makeConnection(self.client)
        self.client.receive(REQUEST, early)
        [self.request] = requests
        finished = self.request.notifyFinish()
        end = ends.accept_client(self.request, KEY, subprotocol, longest=LONGEST, clock=self.clock)
        self.failureResultOf(finished, ConnectionDone)
        return end

    def converse(self) -> Conversation:
        """
        Let the two talk.
        """
        called = self.call()
        self.agree()
        engine = self.successResultOf(called)
        client = self.accept()
        self.client.clear()
        return Conversation(client, engine, self.clock, 300.0)

    def assert_over(self, conversation: Conversation, outcome: str) -> None:
        """
        Nothing is left of a conversation.
        """
        self.successResultOf(conversation.over)
        self.assertEqual(outcome, conversation.outcome)
        self.assertEqual([], self.clock.getDelayedCalls())


class EngineEndTests(EndsTestCase):
    """
    Tests of L{ler.web.websocket_ends.call_engine}.
    """

    def assert_refused(self, kind: type[RouterError], words: str, answer: bytes = b"") -> Any:
        """
        The engine does not agree.

        @return: why.
        """
        called = self.call()
        self.engine.receive(answer)
        self.engine.break_off()
        error = self.failureResultOf(called, kind).value
        self.assertIn(words, str(error))
        return error

    def test_request(self) -> None:
        """
        The engine gets the request that it is meant to get, and nothing of
        ours but a handshake.
        """
        called = self.call("a", "b")
        head, _, body = self.engine.value().partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        fields = dict(line.split(b": ") for line in lines)
        self.assertEqual(24, len(fields.pop(b"Sec-WebSocket-Key")))
        self.assertEqual(b"GET /v1/realtime?x=%20 HTTP/1.1", first)
        self.assertEqual(
            {
                b"Host": b"box:8000",
                b"Upgrade": b"WebSocket",
                b"Connection": b"Upgrade",
                b"Pragma": b"no-cache",
                b"Cache-Control": b"no-cache",
                b"X-A": b"1, 3",
                b"X-B": b"2",
                b"Sec-WebSocket-Protocol": b"a,b",
                b"Sec-WebSocket-Version": b"13",
            },
            fields,
        )
        self.assertEqual(b"", body)
        self.agree(b"Sec-WebSocket-Protocol: b\r\n")
        end = self.successResultOf(called)
        self.assertTrue(verifyObject(IWebsocketEnd, end))
        self.assertEqual("b", end.websocket_protocol_in_use)

    def test_host(self) -> None:
        """
        An address in the place of the engine's name is spelled as such.
        """
        self.call(host="[::1]:8000")
        self.assertIn(b"\r\nHost: [::1]:8000\r\n", self.engine.value())

    def test_answers(self) -> None:
        """
        What an engine answers instead is passed on with its status.
        """
        error = self.assert_refused(
            UpstreamRefused,
            "engine a answered 404 Not Found",
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        )
        self.assertEqual(404, error.status)
        self.assertTrue(self.engine.disconnecting)

    def test_answers_other(self) -> None:
        """
        An engine that takes it for something else has not agreed, and neither
        has one that does not prove that it has understood.
        """
        self.assert_refused(UpstreamError, "200 OK", b"HTTP/1.1 200 OK\r\n\r\nhello")
        self.endpoint = WireEndpoint()
        self.engine = self.endpoint.wire
        self.assert_refused(
            UpstreamError,
            "Sec-WebSocket-Accept",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        )

    def test_hangs_up(self) -> None:
        """
        An engine that hangs up instead of an answer has died.
        """
        self.assert_refused(EngineDied, "engine a hung up")

    def test_nonsense(self) -> None:
        """
        An engine that answers in no known language has not agreed.
        """
        self.assert_refused(RouterError, "engine a", b"\0\xff\r\n\r\n")

    def test_cancel(self) -> None:
        """
        Who does not wait for the engine breaks the connection.
        """
        called = self.call()
        called.cancel()
        self.assertTrue(self.engine.disconnecting)
        self.engine.break_off()
        self.failureResultOf(called)


class ClientEndTests(EndsTestCase):
    """
    Tests of L{ler.web.websocket_ends.accept_client}.
    """

    def test_accepted(self) -> None:
        """
        The client gets what RFC 6455 promises it, and the request is over for
        the HTTP server: its body is closed, and no timer runs.
        """
        end = self.accept("b")
        head, _, body = self.client.value().partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        self.assertEqual(b"HTTP/1.1 101 Switching Protocols", first)
        self.assertEqual(
            {
                b"Upgrade": b"WebSocket",
                b"Connection": b"Upgrade",
                b"X-Request-ID": self.request.request_id.encode(),
                b"Sec-WebSocket-Protocol": b"b",
                b"Sec-WebSocket-Accept": ACCEPT,
            },
            dict(line.split(b": ") for line in lines),
        )
        self.assertEqual(b"", body)
        self.assertTrue(verifyObject(IWebsocketEnd, end))
        self.assertTrue(self.request.content.closed)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_no_subprotocol(self) -> None:
        """
        Where none was chosen none is named.
        """
        self.accept()
        self.assertNotIn(b"Protocol", self.client.value().partition(b"\r\n")[2])

    def test_early(self) -> None:
        """
        What the client said before it was accepted is not lost.
        """
        self.accept(early=frame(PING, b"early"))
        self.assertTrue(self.client.value().endswith(frame(PONG, b"early", masked=False)))


class TalkTests(EndsTestCase):
    """
    Both ends in a L{Conversation}.
    """

    def test_messages(self) -> None:
        """
        Messages pass both ways; to an engine they are masked.
        """
        self.converse()
        self.client.receive(frame(TEXT, "h\u00e9".encode()), frame(BINARY, b"\0\xff"))
        self.assertEqual(0x80, self.engine.value()[1] & 0x80)
        self.assertEqual([(TEXT, "h\u00e9".encode()), (BINARY, b"\0\xff")], self.engine.frames())
        self.engine.receive(frame(TEXT, b"x" * 500, masked=False))
        self.assertEqual([(TEXT, b"x" * 500)], self.client.frames())

    def test_fragments(self) -> None:
        """
        Fragments are put together, wherever a frame is cut, and other frames
        may come in between.
        """
        self.converse()
        data = frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(0, b"b")
        self.client.receive(*(data[at : at + 1] for at in range(len(data))))
        self.assertEqual([(TEXT, b"ab")], self.engine.frames())
        self.assertEqual([(PONG, b"p")], self.client.frames())

    def test_not_utf8(self) -> None:
        """
        Whether a text is one is left to whom it is sent to.
        """
        self.converse()
        self.client.receive(frame(TEXT, b"\xff"))
        self.assertEqual([(TEXT, b"\xff")], self.engine.frames())

    def test_pings(self) -> None:
        """
        Both are pinged, and may answer.
        """
        self.converse()
        self.clock.advance(20)
        self.assertEqual([(PING, b"")], self.client.frames())
        self.assertEqual([(PING, b"")], self.engine.frames())
        self.client.receive(frame(PONG))
        self.assertEqual([], self.engine.frames())

    def test_answers_nobody_reads(self) -> None:
        """
        While one does not read its pings are not answered: it could have any
        number of answers pile up.
        """
        self.converse()
        for wire, masked in ((self.client, True), (self.engine, False)):
            wire.producer.pauseProducing()
            wire.receive(frame(PING, b"1", masked=masked))
            wire.producer.resumeProducing()
            wire.receive(frame(PING, b"2", masked=masked))
            self.assertEqual([(PONG, b"2")], wire.frames())

    def test_pace(self) -> None:
        """
        While one does not read the other is not read.
        """
        self.converse()
        for reader, speaker in ((self.client, self.engine), (self.engine, self.client)):
            reader.producer.pauseProducing()
            self.assertEqual("paused", speaker.producerState)
            reader.producer.resumeProducing()
            self.assertEqual("producing", speaker.producerState)
            reader.producer.stopProducing()
            self.assertFalse(speaker.disconnecting)


class EndTests(EndsTestCase):
    """
    Both ends when it is over.
    """

    def test_client_closes(self) -> None:
        """
        The client's code goes to the engine and back to the client.
        """
        talk = self.converse()
        self.client.receive(frame(CLOSE, close(4000, "bye")))
        self.assertEqual([(CLOSE, close(4000, "bye"))], self.client.frames())
        self.assertEqual([(CLOSE, close(4000, "bye"))], self.engine.frames())
        self.assertTrue(self.client.disconnecting)
        self.client.break_off(ConnectionDone())
        self.engine.receive(frame(CLOSE, close(4000), masked=False))
        self.engine.break_off(ConnectionDone())
        self.assert_over(talk, "ok")

    def test_engine_closes(self) -> None:
        """
        The engine's code goes to the client; there may be none.
        """
        talk = self.converse()
        self.engine.receive(frame(CLOSE, masked=False))
        self.assertEqual([(CLOSE, b"")], self.client.frames())
        self.client.receive(frame(CLOSE))
        self.assertTrue(self.client.disconnecting)
        self.engine.break_off(ConnectionDone())
        self.client.break_off()
        self.assert_over(talk, "ok")

    def test_told(self) -> None:
        """
        Both hear any code that the router gives, with as many whole characters
        of the reason as there is room for.
        """
        talk = self.converse()
        self.engine.producer.pauseProducing()
        talk.end(1012, "\u20ac" * 100, "cut_by_drain")
        said = [(CLOSE, close(1012, "\u20ac" * 41))]
        self.assertEqual(said, self.client.frames())
        self.assertEqual(said, self.engine.frames())
        self.assertEqual("producing", self.client.producerState)
        self.engine.receive(frame(TEXT, b"late", masked=False))
        self.assertEqual([], self.client.frames())
        self.clock.advance(2)
        self.assertTrue(self.client.disconnecting)
        self.assertTrue(self.engine.disconnecting)
        self.client.break_off()
        self.engine.break_off()
        self.assert_over(talk, "cut_by_drain")

    def test_too_large(self) -> None:
        """
        Who sends a message larger than allowed is told so, and of what comes
        of it nothing is kept.
        """
        talk = self.converse()
        self.client.receive(frame(TEXT, b"x" * LONGEST))
        self.assertEqual([(TEXT, b"x" * LONGEST)], self.engine.frames())
        self.client.receive(frame(TEXT, b"x" * (LONGEST + 1)))
        for wire in (self.client, self.engine):
            [(opcode, payload)] = wire.frames()
            self.assertEqual((CLOSE, 1009), (opcode, struct.unpack("!H", payload[:2])[0]))
        self.client.break_off()
        self.engine.break_off()
        self.assert_over(talk, "closed_1009")

    def test_breaks_rules(self) -> None:
        """
        Who sends what no client may send is told so.
        """
        talk = self.converse()
        self.client.receive(frame(TEXT, b"x", masked=False))
        [(opcode, payload), *_] = self.client.frames()
        self.assertEqual((CLOSE, close(1002)), (opcode, payload[:2]))
        self.client.break_off()
        self.engine.break_off()
        self.assert_over(talk, "closed_1002")

    def test_client_leaves(self) -> None:
        """
        The engine is told that its client left, though it was not being read.
        """
        talk = self.converse()
        self.client.producer.pauseProducing()
        self.client.break_off()
        self.assertEqual([(CLOSE, close(1001, "the client left"))], self.engine.frames())
        self.assertEqual("producing", self.engine.producerState)
        self.engine.break_off(ConnectionDone())
        self.assert_over(talk, "client_left")

    def test_nonsense(self) -> None:
        """
        Whatever comes, nothing breaks.
        """
        chance = random.Random(7)
        for _ in range(200):
            self.setUp()
            talk = self.converse()
            for wire in (self.client, self.engine):
                wire.receive(*(chance.randbytes(chance.randrange(200)) for _ in range(3)))
                wire.break_off()
            self.assert_over(talk, talk.outcome)
