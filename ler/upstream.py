# -*- test-case-name: ler.test.test_upstream -*-
"""
HTTP towards an engine: which headers go up and come down, a bounded pool of
connections, and bodies that are sent at the engine's pace.

User traffic is carried by treq over an agent that gives treq nothing to be
helpful with: the bytes that arrive are the bytes that were sent.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web.client import URI, Agent, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http import NO_BODY_CODES
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    UNKNOWN_LENGTH,
    IAgent,
    IAgentEndpointFactory,
    IBodyProducer,
    IResponse,
)
from zope.interface import implementer

HeaderList = Sequence[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that speak of one connection and go no further."""

CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"cookie"})
"""Headers that a client shows to the router; no engine's business."""

SET_BY_THE_CLIENT_SIDE = frozenset({b"host", b"content-length", b"expect"})
"""Headers that our own HTTP client writes, or has dealt with."""

KEEP_ALIVE_S = 2
"""How long an idle connection is kept: less than the shortest time-out of an
engine, so that a request is not lost on one that the engine closes."""

NEXT_ADDRESS_S = 0.01
"""How long after the last attempt the next address of a name is tried.  Not 0:
that would look for one in every turn of the reactor."""

CHUNK = 1 << 16


def nominated(headers: HeaderList) -> frozenset[bytes]:
    """
    @return: the names that the C{Connection} headers declare hop-by-hop.
    """
    return frozenset(
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
    )


def end_to_end(headers: HeaderList, without: Iterable[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """
    @param without: further names to drop, in lower case.
    @return: the headers that go on past this hop, repeated ones kept, in
        order.
    """
    dropped = HOP_BY_HOP | nominated(headers) | frozenset(without)
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def upward(
    headers: HeaderList, *, guarded: bool, added: Mapping[str, str]
) -> list[tuple[bytes, bytes]]:
    """
    @param headers: the client's.
    @param guarded: whether clients show keys to the router, which stay here.
    @param added: what the engine's configuration sets, in place of the
        client's own.
    @return: the headers of the request to the engine.
    """
    own = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in added.items()]
    dropped = SET_BY_THE_CLIENT_SIDE | {name.lower() for name, _ in own}
    # llama.cpp goes on generating for a client that left if it has this one.
    dropped |= {b"x-conversation-id"}
    # The gate has judged it, and engines have rules of their own.
    dropped |= {b"origin"}
    # What is said to the router itself.
    dropped |= {name.lower() for name, _ in headers if name.lower().startswith(b"x-router-")}
    if guarded:
        dropped |= CREDENTIALS
    return end_to_end(headers, dropped) + own


def header_list(headers: Headers) -> list[tuple[bytes, bytes]]:
    """
    @return: each value with its name.
    """
    return [(name, value) for name, values in headers.getAllRawHeaders() for value in values]


@dataclass(frozen=True)
class FileSpan:
    """
    A stretch of a file.
    """

    file: IO[bytes]
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@implementer(IBodyProducer)
class PartsProducer:
    """
    Sends a body made of byte strings and stretches of files, one chunk a
    reactor turn and none while the connection is full.
    """

    def __init__(self, parts: Sequence[bytes | FileSpan], clock: IReactorTime) -> None:
        self.length = sum(len(part) for part in parts)
        self._sources: list[tuple[IO[bytes], int, int]] = [
            (part.file, part.start, len(part))
            if isinstance(part, FileSpan)
            else (io.BytesIO(part), 0, len(part))
            for part in parts
        ]
        self._clock = clock
        self._consumer: Any = None
        self._done: Deferred[Failure | None] | None = None
        self._next: IDelayedCall | None = None

    def startProducing(self, consumer: IConsumer) -> Deferred[Failure | None]:
        """
        @see: L{IBodyProducer.startProducing}
        """
        self._consumer = consumer
        self._done = Deferred(lambda _: self.stopProducing())
        done = self._done
        self._send()
        return done

    def _send(self) -> None:
        self._next = None
        while self._sources and self._sources[0][2] == 0:
            self._sources.pop(0)
        if not self._sources:
            self._end()
            return
        file, start, left = self._sources[0]
        file.seek(start)
        data = file.read(min(CHUNK, left))
        if not data:
            self._end(Failure(EOFError("a request body shrank while it was sent")))
            return
        self._sources[0] = (file, start + len(data), left - len(data))
        self._next = self._clock.callLater(0, self._send)
        self._consumer.write(data)

    def _end(self, result: Failure | None = None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done.callback(result)

    def pauseProducing(self) -> None:
        """
        @see: L{IBodyProducer.pauseProducing}
        """
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def resumeProducing(self) -> None:
        """
        @see: L{IBodyProducer.resumeProducing}
        """
        if self._next is None and self._done is not None:
            self._next = self._clock.callLater(0, self._send)

    def stopProducing(self) -> None:
        """
        @see: L{IBodyProducer.stopProducing}
        """
        self.pauseProducing()
        self._sources = []
        self._done = None


@implementer(IAgent)
class TransparentAgent:
    """
    For one request: undoes what treq does to it.  The URI goes up as it came;
    so does the client's own C{Accept-Encoding}; and the answer's
    C{Content-Encoding} is kept from treq, which would unpack the body.

    @ivar content_encoding: what was kept, for the relay to put back.
    """

    def __init__(self, agent: IAgent, uri: bytes, accept_encoding: list[bytes]) -> None:
        self._agent = agent
        self._uri = uri
        self._accept_encoding = accept_encoding
        self.content_encoding: list[bytes] = []

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
        headers = Headers() if headers is None else headers.copy()
        headers.removeHeader(b"accept-encoding")
        for value in self._accept_encoding:
            headers.addRawHeader(b"accept-encoding", value)
        answer: Deferred[IResponse] = self._agent.request(method, self._uri, headers, bodyProducer)
        return answer.addCallback(self._keep_encoding)

    def _keep_encoding(self, response: Any) -> Any:
        self.content_encoding = list(response.headers.getRawHeaders(b"content-encoding", []))
        response.headers.removeHeader(b"content-encoding")
        return response


@dataclass(frozen=True)
class Answer:
    """
    An engine's answer whose body has not been asked for yet.

    @ivar status: the HTTP status.
    @ivar phrase: its reason phrase.
    @ivar headers: what goes on to the client, without the length.
    @ivar length: the length of the body in bytes, or L{None} when it is not
        told.
    @ivar response: the L{IResponse} to deliver the body.
    """

    status: int
    phrase: bytes
    headers: list[tuple[bytes, bytes]]
    length: int | None
    response: Any

    @property
    def content_type(self) -> bytes:
        """
        @return: the media type in lower case, without parameters.
        """
        for name, value in self.headers:
            if name.lower() == b"content-type":
                return value.split(b";")[0].strip().lower()
        return b""


class Upstream:
    """
    The way to one engine.

    @ivar in_flight: requests that are on their way or being answered.
    @ivar queued: requests that wait for one of the connections.
    """

    def __init__(self, base_url: str, agent: IAgent, clock: IReactorTime, limit: int) -> None:
        """
        @param agent: what connects; see L{engine_agent}.
        @param limit: how many requests may be in flight.
        """
        self._base = base_url.rstrip("/").encode("ascii")
        self._agent = agent
        self._clock = clock
        self._limit = DeferredSemaphore(limit)

    @property
    def in_flight(self) -> int:
        """
        @return: requests that hold a connection.
        """
        return int(self._limit.limit - self._limit.tokens)

    @property
    def queued(self) -> int:
        """
        @return: requests that wait for a connection.
        """
        return len(self._limit.waiting)

    async def admission(self) -> None:
        """
        Wait for a free connection; L{leave} gives it back.
        """
        await self._limit.acquire()

    def leave(self) -> None:
        """
        The request is over.
        """
        self._limit.release()

    async def send(
        self, method: bytes, target: bytes, headers: HeaderList, body: PartsProducer | None
    ) -> Answer:
        """
        Send one request.

        @param target: path and query, as they go on the wire.
        @return: the engine's L{Answer}, once its headers are here.
        """
        accept = [value for name, value in headers if name.lower() == b"accept-encoding"]
        agent = TransparentAgent(self._agent, self._base + target, accept)
        fields = Headers()
        for name, value in headers:
            fields.addRawHeader(name, value)
        response: Any = await HTTPClient(agent).request(
            method.decode("ascii"),
            self._base + target,
            headers=fields,
            data=body,
            allow_redirects=False,
            unbuffered=True,
            reactor=cast(Any, self._clock),
        )
        kept = [(b"Content-Encoding", value) for value in agent.content_encoding]
        return Answer(
            response.code,
            response.phrase,
            # What treq makes of the absence of an encoding is an empty one.
            end_to_end(header_list(response.headers), {b"content-length", b"content-encoding"})
            + kept,
            _told_length(method, response),
            response,
        )


def _told_length(method: bytes, response: Any) -> int | None:
    """
    @return: the length of a body, or of the one that does not come.
    """
    if method == b"HEAD" or response.code in NO_BODY_CODES:
        told = response.headers.getRawHeaders(b"content-length", [])
        return int(told[0]) if len(told) == 1 and told[0].isdigit() else None
    return response.length if isinstance(response.length, int) else None


class _Connection(HTTP11ClientProtocol):
    """
    Leaves to an answer what says something of it beyond the connection:
    C{Connection} names headers that go no further, and C{Content-Length} may
    be that of a body which was not asked for.

    After a body without a length it is not used again: llama.cpp closes it
    then, whatever its headers say, and a request that is on its way is lost.
    """

    def request(self, request: Any) -> Deferred[IResponse]:
        """
        @see: L{HTTP11ClientProtocol.request}
        """
        answer = super().request(request)
        parser: Any = self._parser

        def with_connection(response: Any) -> Any:
            for name in (b"connection", b"content-length"):
                for value in parser.connHeaders.getRawHeaders(name, []):
                    response.headers.addRawHeader(name, value)
            if response.length is UNKNOWN_LENGTH:
                request.persistent = False
            return response

        return answer.addCallback(with_connection)


class _ConnectionFactory(_HTTP11ClientFactory):
    # Else the log tells of every connection.
    noisy = False

    def buildProtocol(self, addr: Any) -> HTTP11ClientProtocol:
        """
        @see: L{_HTTP11ClientFactory.buildProtocol}
        """
        return _Connection(self._quiescentCallback)


@implementer(IAgentEndpointFactory)
class EngineEndpoints:
    """
    Connects to engines.  Where one refuses this is known at once; the usual
    endpoints would wait 0.3 s before they look whether a name has another
    address.
    """

    def __init__(self, reactor: Any, timeout: float) -> None:
        """
        @param timeout: seconds that a connection may take.
        """
        self._reactor = reactor
        self._timeout = timeout

    def endpointForURI(self, uri: URI) -> Any:
        """
        @see: L{IAgentEndpointFactory.endpointForURI}
        """
        endpoint = HostnameEndpoint(
            self._reactor,
            uri.host,
            uri.port,
            timeout=self._timeout,
            attemptDelay=NEXT_ADDRESS_S,
        )
        if uri.scheme != b"https":
            return endpoint
        # Imported where it is needed: a box without remote engines needs no TLS.
        from twisted.internet.endpoints import wrapClientTLS
        from twisted.web.client import BrowserLikePolicyForHTTPS

        policy = BrowserLikePolicyForHTTPS()
        return wrapClientTLS(policy.creatorForNetloc(uri.host, uri.port), endpoint)


def engine_agent(reactor: Any, connect_timeout: float, idle: int) -> Agent:
    """
    @param connect_timeout: seconds that a connection may take.
    @param idle: how many idle connections may be kept.
    @return: an L{IAgent} with a pool of its own.  It never sends a request
        twice: we cannot know whether the engine began to generate.
    """
    pool = HTTPConnectionPool(reactor)
    pool._factory = _ConnectionFactory
    pool.maxPersistentPerHost = idle
    pool.cachedConnectionTimeout = KEEP_ALIVE_S
    pool.retryAutomatically = False
    agent: Agent = Agent.usingEndpointFactory(
        reactor, EngineEndpoints(reactor, connect_timeout), pool
    )
    return agent
