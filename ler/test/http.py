"""
HTTP in memory: a client of the router's site, and the engines behind it.

The client speaks bytes to a real L{RouterSite<ler.web.site.RouterSite>}; an
engine answers what the test says, when the test says so::

    agent = FakeAgent()
    client = Client(open_site(root, clock))
    client.request(b"POST", b"/v1/chat/completions", body=b'{"model": "a"}')
    response = agent.sent[0].respond(200, {b"Content-Type": b"text/plain"})
    response.write(b"hello")
    response.end()
    client.reply().body         # b"hello"
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    UNKNOWN_LENGTH,
    IAgent,
    IBodyProducer,
    IClientRequest,
    IResponse,
)
from twisted.web.resource import Resource
from zope.interface import implementer
from zope.interface.verify import verifyClass

from ler.web.gate import Gate
from ler.web.site import RouterSite

HeaderPairs = Iterable[tuple[bytes, bytes]] | Mapping[bytes, bytes]

OPEN = Gate(keys=(), hosts=None, origins=None, max_body=1 << 20, max_upload=1 << 20)
"""A gate that lets everybody in."""


def pairs(headers: HeaderPairs) -> list[tuple[bytes, bytes]]:
    """
    @return: each header with its value, however they were given.
    """
    return list(headers.items() if isinstance(headers, Mapping) else headers)


# The client's side.


@dataclass(frozen=True)
class Reply:
    """
    What a client can make of the bytes that it has received.

    @ivar status: the HTTP status.
    @ivar phrase: its reason phrase.
    @ivar headers: names in lower case, with their values.
    @ivar body: what has come of the body, without its chunked encoding.
    @ivar complete: whether all of it has come, as far as its head tells.
    """

    status: int
    phrase: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    complete: bool

    def all(self, name: bytes) -> list[bytes]:
        """
        @param name: in lower case.
        @return: the values of a header.
        """
        return [value for key, value in self.headers if key == name]

    def one(self, name: bytes) -> bytes:
        """
        @return: the value of a header that is there exactly once.
        """
        (value,) = self.all(name)
        return value

    def json(self) -> Any:
        """
        @return: what the JSON in the body holds.
        """
        return json.loads(self.body)


def parse(received: bytes, method: bytes = b"GET") -> tuple[Reply, bytes]:
    """
    @param received: the beginning of a response at least, up to the end of its
        head.
    @param method: of the request that it answers.
    @return: the response, and what follows it.
    """
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    _, status, phrase = first.split(b" ", 2)
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip()))
    by_name = dict(headers)
    body, complete, left = rest, False, b""
    if method == b"HEAD" or int(status) in (204, 304):
        body, complete, left = b"", True, rest
    elif by_name.get(b"transfer-encoding") == b"chunked":
        body, complete, left = _dechunked(rest)
    elif b"content-length" in by_name:
        length = int(by_name[b"content-length"])
        body, complete, left = rest[:length], len(rest) >= length, rest[length:]
    return Reply(int(status), phrase, headers, body, complete), left


def _dechunked(data: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert data.startswith(b"\r\n"), data
            return body, True, data[2:]
        body += data[:length]
        data = data[length + 2 :]
    return body, False, b""


class Client:
    """
    A connection to the site.

    @ivar transport: the server's end of it.
    """

    def __init__(self, site: RouterSite) -> None:
        self.transport: Any = StringTransport(lenient=True)
        self._gone = False
        self._channel: Any = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self._channel.makeConnection(self.transport)
        self._methods: list[bytes] = []

    def send(self, data: bytes) -> None:
        """
        Send C{data} as it is.
        """
        self._channel.dataReceived(data)

    def request(
        self,
        method: bytes,
        target: bytes,
        headers: HeaderPairs = (),
        body: bytes | None = None,
    ) -> None:
        """
        Send a well-formed request, with the length of C{body} if there is one.
        """
        self._methods.append(method)
        lines = [method + b" " + target + b" HTTP/1.1", b"Host: localhost"]
        lines += [name + b": " + value for name, value in pairs(headers)]
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        self.send(b"\r\n".join(lines) + b"\r\n\r\n" + (body or b""))

    @property
    def received(self) -> bytes:
        """
        @return: everything that has come.
        """
        received: bytes = self.transport.value()
        return received

    def replies(self) -> list[Reply]:
        """
        @return: the responses that have come; the last may be incomplete.
        """
        left, replies = self.received, list[Reply]()
        methods = iter(self._methods)
        while b"\r\n\r\n" in left:
            reply, left = parse(left, next(methods, b"GET"))
            replies.append(reply)
        return replies

    def reply(self) -> Reply:
        """
        @return: the one response that has come.
        """
        (reply,) = self.replies()
        return reply

    def stop_reading(self) -> None:
        """
        The connection is full.
        """
        self.transport.producer.pauseProducing()

    def go_on_reading(self) -> None:
        """
        The connection has room again.
        """
        self.transport.producer.resumeProducing()

    def leave(self) -> None:
        """
        The connection is gone.  Idempotent.
        """
        if not self._gone:
            self._gone = True
            self._channel.connectionLost(Failure(ConnectionDone()))

    @property
    def closed(self) -> bool:
        """
        @return: whether the server has closed the connection.
        """
        return bool(self.transport.disconnecting)

    @property
    def aborted(self) -> bool:
        """
        @return: whether it did so in a way that the client cannot overlook.
        """
        return bool(self.transport.disconnected)


def open_site(root: Resource, clock: Clock, gate: Gate = OPEN) -> RouterSite:
    """
    @return: a site that keeps request bodies in memory.
    """
    return RouterSite(root, gate, BytesIO, clock)


# The engine's side.


@implementer(IResponse)
class FakeResponse:
    """
    An engine's answer, the body of which comes when the test says so.

    @ivar transport: the connection, as the reader of the body sees it; its
        C{producerState} tells whether it was paused or stopped.
    """

    version = (b"HTTP", 1, 1)
    previousResponse = None

    def __init__(
        self, request: Sent, code: int, phrase: bytes, headers: Headers, length: int | object
    ) -> None:
        self.request = request
        self.code = code
        self.phrase = phrase
        self.headers = headers
        self.length = length
        self.transport = StringTransport()
        self._reader: Any = None
        self._early: list[bytes] = []
        self._end: Failure | None = None

    def deliverBody(self, protocol: IProtocol) -> None:
        """
        @see: L{IResponse.deliverBody}
        """
        assert self._reader is None, "a body is delivered once"
        self._reader = protocol
        protocol.makeConnection(self.transport)
        early, self._early = self._early, []
        for data in early:
            protocol.dataReceived(data)
        if self._end is not None:
            protocol.connectionLost(self._end)

    def setPreviousResponse(self, response: IResponse) -> None:
        """
        @see: L{IResponse.setPreviousResponse}
        """

    def write(self, data: bytes) -> None:
        """
        The next bytes of the body have come.
        """
        if self._reader is None:
            self._early.append(data)
        else:
            self._reader.dataReceived(data)

    def end(self, reason: Exception | None = None) -> None:
        """
        The body has ended.

        @param reason: L{ResponseDone} unless something else is given.
        """
        self._end = Failure(ResponseDone() if reason is None else reason)
        if self._reader is not None:
            self._reader.connectionLost(self._end)

    @property
    def state(self) -> str:
        """
        @return: C{producing}, C{paused} or C{stopped}.
        """
        return self.transport.producerState


@implementer(IClientRequest)
class Sent:
    """
    A request that the router has sent, and that waits for an answer.

    @ivar cancelled: whether the router gave up on it.
    @ivar cancellation: what becomes of it then.
    """

    def __init__(
        self, method: bytes, uri: bytes, headers: Headers, producer: IBodyProducer | None
    ) -> None:
        self.method = method
        self.absoluteURI = uri
        self.headers = headers
        self.length = 0 if producer is None else producer.length
        self.cancelled = False
        self.cancellation: Exception = CancelledError()
        self.answer: Deferred[IResponse] = Deferred(self._cancel)
        self._consumer = StringTransport()
        if producer is not None:
            producer.startProducing(self._consumer)

    def _cancel(self, answer: Deferred[IResponse]) -> None:
        self.cancelled = True
        answer.errback(Failure(self.cancellation))

    @property
    def body(self) -> bytes:
        """
        @return: what has come of the body; more comes when the clock advances.
        """
        body: bytes = self._consumer.value()
        return body

    def respond(
        self,
        status: int = 200,
        headers: HeaderPairs = (),
        *,
        phrase: bytes = b"OK",
        length: int | None = None,
    ) -> FakeResponse:
        """
        The head of the answer has come.

        @param length: of the body, in bytes, if it is told.
        """
        fields = Headers()
        for name, value in pairs(headers):
            fields.addRawHeader(name, value)
        response = FakeResponse(
            self, status, phrase, fields, UNKNOWN_LENGTH if length is None else length
        )
        self.answer.callback(response)
        return response

    def fail(self, reason: Exception) -> None:
        """
        There will be no answer.
        """
        self.answer.errback(Failure(reason))


@implementer(IAgent)
class FakeAgent:
    """
    Keeps what it is asked to send.

    @ivar sent: the L{Sent} requests, in order.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """
        @see: L{IAgent.request}
        """
        self.sent.append(Sent(method, uri, headers or Headers(), bodyProducer))
        return self.sent[-1].answer


verifyClass(IAgent, FakeAgent)
verifyClass(IResponse, FakeResponse)
verifyClass(IClientRequest, Sent)
