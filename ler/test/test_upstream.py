# -*- test-case-name: ler.test.test_upstream -*-
"""
Tests of L{ler.upstream}.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ler import upstream as upstream_module
from ler.test.http import FakeAgent
from ler.upstream import (
    KEEP_ALIVE_S,
    NEXT_ADDRESS_S,
    Answer,
    FileSpan,
    PartsProducer,
    TransparentAgent,
    Upstream,
    end_to_end,
    engine_agent,
    header_list,
    nominated,
    upward,
)

BASE = "http://127.0.0.1:8000"

NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"


class HeaderTests(SynchronousTestCase):
    """
    Which headers go on past this hop.
    """

    def test_nominated(self) -> None:
        """
        The C{Connection} headers name others, in any case and with any space.
        """
        for values, names in (
            ([], set()),
            ([b"close"], {b"close"}),
            ([b"Keep-Alive, X-Foo"], {b"keep-alive", b"x-foo"}),
            ([b"X-A ,\tX-B", b"x-c"], {b"x-a", b"x-b", b"x-c"}),
        ):
            headers = [(b"connection", value) for value in values]
            self.assertEqual(nominated(headers) - {b""}, names)

    def test_end_to_end(self) -> None:
        """
        Hop-by-hop headers stay, and so do those that C{Connection} names;
        others go on, repeated ones in order.
        """
        headers = [
            (b"X-One", b"1"),
            (b"CONNECTION", b"x-mine"),
            (b"Keep-Alive", b"timeout=5"),
            (b"X-Two", b"a"),
            (b"Transfer-Encoding", b"chunked"),
            (b"X-Mine", b"1"),
            (b"TE", b"trailers"),
            (b"Trailer", b"X-Last"),
            (b"Upgrade", b"h2c"),
            (b"Proxy-Authorization", b"Basic eA=="),
            (b"Proxy-Authenticate", b"Basic"),
            (b"Proxy-Connection", b"keep-alive"),
            (b"x-two", b"b"),
        ]
        self.assertEqual(
            end_to_end(headers), [(b"X-One", b"1"), (b"X-Two", b"a"), (b"x-two", b"b")]
        )

    def test_without(self) -> None:
        """
        Further names are left out, in any case.
        """
        headers = [(b"Content-Length", b"1"), (b"X-One", b"1")]
        self.assertEqual(end_to_end(headers, {b"content-length"}), [(b"X-One", b"1")])

    def test_header_list(self) -> None:
        """
        Each value of a repeated header has its name.
        """
        headers = Headers()
        headers.addRawHeader(b"Set-Cookie", b"a=1")
        headers.addRawHeader(b"Set-Cookie", b"b=2")
        self.assertEqual(header_list(headers), [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")])


class UpwardTests(SynchronousTestCase):
    """
    L{upward} tells what an engine hears of a client's headers.
    """

    secrets = (
        (b"Authorization", b"Bearer key"),
        (b"X-API-Key", b"key"),
        (b"Cookie", b"session=1"),
    )
    others = (
        (b"Content-Type", b"application/json"),
        (b"Accept-Encoding", b"gzip"),
        (b"anthropic-version", b"2023-06-01"),
        (b"X-Twice", b"1"),
        (b"X-Twice", b"2"),
    )

    def test_open(self) -> None:
        """
        Where the router asks for no key, what a client shows is for the
        engine.
        """
        headers = [*self.secrets, *self.others]
        self.assertEqual(upward(headers, guarded=False, added={}), headers)

    def test_guarded(self) -> None:
        """
        Where it does, keys and cookies stay here.
        """
        headers = [*self.secrets, *self.others, (b"authorization", b"Bearer other")]
        self.assertEqual(upward(headers, guarded=True, added={}), list(self.others))

    def test_connection(self) -> None:
        """
        What speaks of the client's connection and body stays here.
        """
        headers = [
            (b"Host", b"router:8077"),
            (b"Content-Length", b"3"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Expect", b"100-continue"),
            (b"Connection", b"close, X-Mine"),
            (b"X-Mine", b"1"),
            *self.others,
        ]
        self.assertEqual(upward(headers, guarded=False, added={}), list(self.others))

    def test_conversation(self) -> None:
        """
        The header that makes an engine go on without its client stays here.
        """
        self.assertEqual(upward([(b"X-Conversation-Id", b"7")], guarded=False, added={}), [])

    def test_added(self) -> None:
        """
        What the engine's configuration sets takes the place of what the client
        sent, keys included.
        """
        added = {"authorization": "Bearer engine", "X-TWICE": "once"}
        for guarded in (False, True):
            self.assertEqual(
                upward([*self.secrets[:1], *self.others], guarded=guarded, added=added),
                [
                    *self.others[:3],
                    (b"authorization", b"Bearer engine"),
                    (b"X-TWICE", b"once"),
                ],
            )


class PartsProducerTests(SynchronousTestCase):
    """
    L{PartsProducer} sends a body piece by piece.
    """

    def setUp(self) -> None:
        self.patch(upstream_module, "CHUNK", 4)
        self.clock = Clock()
        self.consumer: Any = StringTransport()

    def start(self, *parts: bytes | FileSpan) -> tuple[PartsProducer, Deferred[Any]]:
        """
        @return: a producer at work, and what it says of its end.
        """
        producer = PartsProducer(parts, self.clock)
        self.consumer.registerProducer(producer, True)
        return producer, producer.startProducing(self.consumer)

    def test_interface(self) -> None:
        """
        It provides L{IBodyProducer}.
        """
        self.assertTrue(verifyObject(IBodyProducer, PartsProducer([], self.clock)))

    def test_length(self) -> None:
        """
        The length is that of all parts.
        """
        file = BytesIO(b"0123456789")
        self.assertEqual(PartsProducer([], self.clock).length, 0)
        parts: list[bytes | FileSpan] = [FileSpan(file, 2, 5), b"abc", FileSpan(file, 7, 7)]
        self.assertEqual(PartsProducer(parts, self.clock).length, 6)

    def test_parts(self) -> None:
        """
        The parts arrive in order, stretches of one file among them.
        """
        file = BytesIO(b"0123456789")
        parts = (FileSpan(file, 0, 3), b"", b"abcdefghi", FileSpan(file, 6, 10), b"j")
        producer, done = self.start(*parts)
        self.clock.pump([0.0] * 10)
        self.assertEqual(self.consumer.value(), b"012abcdefghi6789j")
        self.assertIsNone(self.successResultOf(done))
        producer.resumeProducing()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_empty(self) -> None:
        """
        A body without a byte has ended when it begins.
        """
        for parts in ((), (b"",)):
            done = PartsProducer(parts, self.clock).startProducing(self.consumer)
            self.assertIsNone(self.successResultOf(done))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_chunk_a_turn(self) -> None:
        """
        Each turn of the reactor sends one chunk.
        """
        _, done = self.start(b"0123456789")
        self.assertEqual(self.consumer.value(), b"0123")
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime(), 0.0)
        self.assertNoResult(done)
        self.clock.pump([0.0] * 3)
        self.assertEqual(self.consumer.value(), b"0123456789")

    def test_pause(self) -> None:
        """
        While it is paused nothing is sent; it goes on from there.
        """
        producer, done = self.start(b"0123456789")
        for _ in range(2):
            for _ in range(2):
                producer.resumeProducing()
            for _ in range(2):
                producer.pauseProducing()
            self.assertEqual(self.clock.getDelayedCalls(), [])
        producer.resumeProducing()
        self.clock.pump([0.0] * 5)
        self.assertEqual(self.consumer.value(), b"0123456789")
        self.successResultOf(done)

    def test_pause_within_a_write(self) -> None:
        """
        A connection that a chunk fills may say so at once.
        """
        producer = PartsProducer([b"0123456789"], self.clock)
        write = self.consumer.write

        def write_and_pause(data: bytes) -> None:
            write(data)
            producer.pauseProducing()

        self.patch(self.consumer, "write", write_and_pause)
        done = producer.startProducing(self.consumer)
        for sent in (b"0123", b"01234567", b"0123456789"):
            self.assertEqual(self.consumer.value(), sent)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            producer.resumeProducing()
            self.clock.advance(0)
        self.assertIsNone(self.successResultOf(done))

    def test_stop(self) -> None:
        """
        When it is stopped it sends nothing more, and says nothing.
        """
        producer, done = self.start(b"0123456789")
        producer.stopProducing()
        producer.resumeProducing()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.consumer.value(), b"0123")
        self.assertNoResult(done)

    def test_cancel(self) -> None:
        """
        When it is cancelled it stops.
        """
        _, done = self.start(b"0123456789")
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.clock.pump([0.0] * 5)
        self.assertEqual(self.consumer.value(), b"0123")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shrunk(self) -> None:
        """
        A file that holds less than it should makes the request fail.
        """
        _, done = self.start(FileSpan(BytesIO(b"01234"), 0, 10))
        self.clock.pump([0.0] * 5)
        self.failureResultOf(done, EOFError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class TransparentAgentTests(SynchronousTestCase):
    """
    L{TransparentAgent} undoes what a helpful client does to a request.
    """

    def setUp(self) -> None:
        self.fake = FakeAgent()
        self.agent = TransparentAgent(self.fake, b"http://h/%zz", [b"br", b"gzip;q=0"])

    def test_interface(self) -> None:
        """
        It provides L{IAgent}.
        """
        self.assertTrue(verifyObject(IAgent, self.agent))

    def test_request(self) -> None:
        """
        The URI and C{Accept-Encoding} are what it was made with; the headers
        that it is given are not changed.
        """
        given = Headers({b"Accept-Encoding": [b"gzip"], b"X-One": [b"1"]})
        self.agent.request(b"POST", b"http://h/%25zz", given)
        (sent,) = self.fake.sent
        self.assertEqual(sent.absoluteURI, b"http://h/%zz")
        self.assertEqual(
            sent.headers,
            Headers({b"Accept-Encoding": [b"br", b"gzip;q=0"], b"X-One": [b"1"]}),
        )
        self.assertEqual(given.getRawHeaders(b"accept-encoding"), [b"gzip"])

    def test_no_headers(self) -> None:
        """
        Headers may be missing.
        """
        self.agent.request(b"GET", b"http://h/")
        self.assertEqual(
            self.fake.sent[0].headers, Headers({b"Accept-Encoding": [b"br", b"gzip;q=0"]})
        )

    def test_content_encoding(self) -> None:
        """
        The answer's C{Content-Encoding} is kept aside.
        """
        answer = self.agent.request(b"GET", b"http://h/")
        self.fake.sent[0].respond(200, {b"Content-Encoding": b"gzip", b"X-One": b"1"})
        self.assertEqual(self.successResultOf(answer).headers, Headers({b"X-One": [b"1"]}))
        self.assertEqual(self.agent.content_encoding, [b"gzip"])


class AnswerTests(SynchronousTestCase):
    """
    L{Answer} is what is known before the body.
    """

    def test_content_type(self) -> None:
        """
        The media type is told without parameters, in lower case.
        """
        for value, expected in (
            (b"Text/Event-Stream; charset=utf-8", b"text/event-stream"),
            (b"application/json ;x", b"application/json"),
            (b"", b""),
        ):
            answer = Answer(200, b"OK", [(b"content-TYPE", value)], None, None)
            self.assertEqual(answer.content_type, expected)
        self.assertEqual(Answer(200, b"OK", [], None, None).content_type, b"")


class UpstreamTests(SynchronousTestCase):
    """
    L{Upstream} is the way to one engine.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.upstream = Upstream(BASE + "/", self.agent, self.clock, 2)

    def send(self, *headers: tuple[bytes, bytes]) -> Deferred[Answer]:
        """
        @return: the answer to a request.
        """
        body = PartsProducer([b"{}"], self.clock)
        return Deferred.fromCoroutine(self.upstream.send(b"POST", b"/v1/x", headers, body))

    def admit(self) -> Deferred[None]:
        """
        @return: whether a connection is free.
        """
        return Deferred.fromCoroutine(self.upstream.admission())

    def test_base(self) -> None:
        """
        A slash at the end of the base URL is not doubled.
        """
        self.send()
        self.assertEqual(self.agent.sent[0].absoluteURI, b"http://127.0.0.1:8000/v1/x")

    def test_answer(self) -> None:
        """
        The answer holds what goes on to the client, and the length apart.
        """
        answer = self.send()
        self.agent.sent[0].respond(
            404,
            [(b"X-One", b"1"), (b"X-One", b"2"), (b"Content-Encoding", b"br")],
            phrase=b"Gone",
            length=7,
        )
        got = self.successResultOf(answer)
        self.assertEqual((got.status, got.phrase, got.length), (404, b"Gone", 7))
        self.assertEqual(
            got.headers, [(b"X-One", b"1"), (b"X-One", b"2"), (b"Content-Encoding", b"br")]
        )

    def test_unencoded(self) -> None:
        """
        An answer that is not encoded does not say that it is; its length may
        be unknown.
        """
        answer = self.send()
        self.agent.sent[0].respond(200)
        got = self.successResultOf(answer)
        self.assertEqual((got.headers, got.length), ([], None))

    def test_not_unpacked(self) -> None:
        """
        A compressed body is delivered as it is.
        """
        packed = gzip.compress(b"hello")
        answer = self.send()
        response = self.agent.sent[0].respond(200, {b"Content-Encoding": b"gzip"})
        body = readBody(self.successResultOf(answer).response)
        response.write(packed)
        response.end()
        self.assertEqual(self.successResultOf(body), packed)

    def test_cancel(self) -> None:
        """
        A request that is cancelled is given up.
        """
        answer = self.send()
        answer.cancel()
        self.assertTrue(self.agent.sent[0].cancelled)
        self.failureResultOf(answer, CancelledError)

    def test_limit(self) -> None:
        """
        No more requests than the limit are let in at a time; the others wait
        in line, and count as queued.
        """
        first, second, third, fourth = (self.admit() for _ in range(4))
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertNoResult(third)
        self.assertEqual((self.upstream.in_flight, self.upstream.queued), (2, 2))
        self.upstream.leave()
        self.successResultOf(third)
        self.assertNoResult(fourth)
        self.assertEqual((self.upstream.in_flight, self.upstream.queued), (2, 1))
        for _ in range(3):
            self.upstream.leave()
        self.successResultOf(fourth)
        self.assertEqual((self.upstream.in_flight, self.upstream.queued), (0, 0))

    def test_no_longer_queued(self) -> None:
        """
        One that no longer waits leaves the line.
        """
        _, _, third, fourth = (self.admit() for _ in range(4))
        third.cancel()
        self.failureResultOf(third, CancelledError)
        self.assertEqual(self.upstream.queued, 1)
        self.upstream.leave()
        self.successResultOf(fourth)
        self.assertEqual((self.upstream.in_flight, self.upstream.queued), (2, 0))


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class WireReactor(MemoryReactorClock):
    """
    A reactor in memory, where the test plays the engine.

    @ivar addresses: what every name stands for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self
        self.addresses = ["127.0.0.1"]

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """
        @see: L{IReactorPluggableNameResolver.installNameResolver}
        """
        raise NotImplementedError

    def resolveHostName(
        self,
        receiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """
        @see: L{IHostnameResolver.resolveHostName}
        """
        receiver.resolutionBegan(self)
        for address in self.addresses:
            receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        receiver.resolutionComplete()
        return receiver

    def accept(self) -> tuple[Any, Any]:
        """
        @return: the protocol of the last connection, and its transport.
        """
        protocol: Any = self.tcpClients[-1][2].buildProtocol(None)
        transport = StringTransport(lenient=True)
        protocol.makeConnection(transport)
        self.pump([0.0] * 5)
        return protocol, transport

    def refuse(self, reason: Exception) -> None:
        """
        The last connection cannot be made.
        """
        factory: Any = self.tcpClients[-1][2]
        factory.clientConnectionFailed(None, Failure(reason))


class EngineAgentTests(SynchronousTestCase):
    """
    What goes over the wire through L{engine_agent}, byte for byte.
    """

    def setUp(self) -> None:
        self.reactor = WireReactor()
        self.upstream = Upstream(BASE, engine_agent(self.reactor, 15.0, 4), self.reactor, 8)

    def send(
        self,
        target: bytes = b"/v1/x",
        headers: Sequence[tuple[bytes, bytes]] = (),
        body: bytes | None = b"{}",
    ) -> Deferred[Answer]:
        """
        @return: the answer to a request: a GET if it has no body.
        """
        method, producer = b"GET", None
        if body is not None:
            method, producer = b"POST", PartsProducer([body], self.reactor)
        answer = Deferred.fromCoroutine(self.upstream.send(method, target, headers, producer))
        self.reactor.advance(0)
        return answer

    def finish(self) -> None:
        """
        Let what was timed for idle connections happen.
        """
        self.reactor.advance(KEEP_ALIVE_S)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_request(self) -> None:
        """
        Target, headers and body are on the wire as they were given, with the
        engine's host and the body's length.
        """
        self.send(
            b"/v1/x?a=%2F%zz&[b]=%c3%a9+;|&&", [(b"X-One", b"1"), (b"X-One", b"2")], b"\x00\xff"
        )
        _, transport = self.reactor.accept()
        head, _, body = transport.value().partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        self.assertEqual(first, b"POST /v1/x?a=%2F%zz&[b]=%c3%a9+;|&& HTTP/1.1")
        self.assertEqual(
            sorted(lines),
            [b"Content-Length: 2", b"Host: 127.0.0.1:8000", b"X-One: 1", b"X-One: 2"],
        )
        self.assertEqual(body, b"\x00\xff")

    def test_accept_encoding(self) -> None:
        """
        C{Accept-Encoding} is the client's own, or none.
        """
        self.send(headers=[(b"Accept-Encoding", b"br"), (b"accept-encoding", b"gzip;q=0")])
        _, transport = self.reactor.accept()
        lines = transport.value().split(b"\r\n")
        found = [line for line in lines if line.lower().startswith(b"accept")]
        self.assertEqual(found, [b"Accept-Encoding: br", b"Accept-Encoding: gzip;q=0"])

    def test_own_host(self) -> None:
        """
        The engine's configuration may set another host.
        """
        self.send(headers=[(b"Host", b"engine")])
        _, transport = self.reactor.accept()
        self.assertIn(b"\r\nHost: engine\r\n", transport.value())
        self.assertEqual(transport.value().count(b"Host"), 1)

    def test_answer_headers(self) -> None:
        """
        Of the answer's headers, those that speak of the connection are
        dropped, and those that it names with them; also after an early hint.
        """
        answer = self.send()
        protocol, _ = self.reactor.accept()
        protocol.dataReceived(
            b"HTTP/1.1 103 Early Hints\r\nConnection: X-Yours\r\n\r\n"
            b"HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nConnection: X-Mine\r\nX-Mine: 1\r\n"
            b"Keep-Alive: timeout=5\r\nX-Yours: 2\r\nContent-Type: a/b\r\n\r\nabc"
        )
        got = self.successResultOf(answer)
        self.assertEqual(got.headers, [(b"X-Yours", b"2"), (b"Content-Type", b"a/b")])
        self.assertEqual((got.phrase, got.length), (b"Fine", 3))
        self.assertEqual(self.successResultOf(readBody(got.response)), b"abc")
        self.finish()

    def test_no_body(self) -> None:
        """
        Of a body that does not come the length is told as the engine tells it.
        """
        for method, head, length in (
            (b"HEAD", b"200 OK\r\nContent-Length: 1000", 1000),
            (b"HEAD", b"200 OK", None),
            (b"GET", b"304 Not Modified\r\nContent-Length: 1000", 1000),
            (b"GET", b"204 No Content", None),
            (b"GET", b"200 OK\r\nContent-Length: 0", 0),
        ):
            answer = Deferred.fromCoroutine(self.upstream.send(method, b"/", [], None))
            self.reactor.advance(0)
            protocol, _ = self.reactor.accept()
            protocol.dataReceived(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n")
            protocol.connectionLost(Failure(ConnectionDone()))
            got = self.successResultOf(answer)
            self.assertEqual((length, []), (got.length, got.headers))

    def test_kept_alive(self) -> None:
        """
        A connection is used again, but not for long.
        """
        first = self.send()
        protocol, transport = self.reactor.accept()
        protocol.dataReceived(NOTHING)
        self.successResultOf(first)
        second = self.send()
        self.reactor.pump([0.0] * 3)
        protocol.dataReceived(NOTHING)
        self.successResultOf(second)
        self.assertEqual(transport.value().count(b"POST /v1/x HTTP/1.1\r\n"), 2)
        self.finish()
        self.assertTrue(transport.disconnecting)
        self.send()
        self.assertEqual(len(self.reactor.tcpClients), 2)

    def test_used_up(self) -> None:
        """
        After a body without a length a connection is not used again, however
        well the engine speaks of it.
        """
        answer = self.send()
        protocol, transport = self.reactor.accept()
        protocol.dataReceived(
            b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        got = self.successResultOf(answer)
        self.assertEqual(self.successResultOf(readBody(got.response)), b"abc")
        self.assertTrue(transport.disconnecting)
        self.send()
        self.assertEqual(len(self.reactor.tcpClients), 2)

    def test_never_sent_twice(self) -> None:
        """
        A request that got no answer is not sent again, not even one without a
        body on a connection that had been idle.
        """
        answer = self.send()
        protocol, _ = self.reactor.accept()
        protocol.dataReceived(NOTHING)
        self.successResultOf(answer)
        answer = self.send(body=None)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(answer, ResponseNeverReceived)
        self.assertEqual(len(self.reactor.tcpClients), 1)

    def test_refused(self) -> None:
        """
        A refusal is known at once.
        """
        answer = self.send()
        self.reactor.refuse(ConnectionRefusedError())
        self.reactor.advance(NEXT_ADDRESS_S)
        self.failureResultOf(answer, ConnectionRefusedError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_several_addresses(self) -> None:
        """
        Where a name has several addresses, the next is tried.
        """
        self.reactor.addresses = ["127.0.0.1", "127.0.0.2"]
        answer = self.send()
        self.reactor.refuse(ConnectionRefusedError())
        self.reactor.advance(NEXT_ADDRESS_S)
        self.assertEqual(self.reactor.tcpClients[-1][0], "127.0.0.2")
        protocol, _ = self.reactor.accept()
        protocol.dataReceived(NOTHING)
        self.assertEqual(self.successResultOf(answer).status, 204)
        self.finish()

    def test_time_limit(self) -> None:
        """
        A connection has as long as the configuration says.
        """
        answer = self.send()
        self.assertEqual(self.reactor.tcpClients[-1][3], 15.0)
        self.reactor.refuse(TimeoutError())
        self.reactor.advance(NEXT_ADDRESS_S)
        self.failureResultOf(answer, TimeoutError)

    def test_cancelled_before_the_answer(self) -> None:
        """
        When a request is cancelled its connection is broken.
        """
        answer = self.send()
        _, transport = self.reactor.accept()
        answer.cancel()
        self.failureResultOf(answer)
        self.assertTrue(transport.disconnected)

    def test_cancelled_while_it_is_sent(self) -> None:
        """
        So is that of a request of which not all was sent.
        """
        self.patch(upstream_module, "CHUNK", 4)
        answer = self.send(body=b"0123456789")
        protocol: Any = self.reactor.tcpClients[-1][2].buildProtocol(None)
        transport = StringTransport(lenient=True)
        protocol.makeConnection(transport)
        answer.cancel()
        self.failureResultOf(answer)
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelled_while_it_connects(self) -> None:
        """
        When a request is cancelled that has no connection yet, it gets none.
        """
        answer = self.send()
        answer.cancel()
        self.failureResultOf(answer)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
