# -*- test-case-name: ler.test.test_site,ler.test.test_site_edge -*-
"""
The HTTP server's edge: requests are judged before their body is read, bodies
are kept small in memory, and what cannot be parsed gets an answer that says so.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from typing import IO, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import NO_CONTENT, HTTPChannel, datetimeToString
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from ler.errors import BadRequest, InternalError, RouterError, Unavailable
from ler.web import cors
from ler.web.dialects import OPENAI, dialect_of
from ler.web.gate import Gate
from ler.web.keys import Key
from ler.web.multipart import MultipartBody, MultipartForm

LINGER_S = 2.0
"""How long a refused client may go on sending, so that it reads the refusal."""

IDLE_S = 60.0
"""How long a client may take for the next bytes of a request."""

VERSIONS = frozenset({b"HTTP/1.0", b"HTTP/1.1"})

_FOLDED_OR_CONTROL = re.compile(rb"^[ \t]|[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)

_LENGTH_DIGITS = 18
"""The longest length that is read as one: int() fails on absurd ones."""


class RouterRequest(Request):
    """
    A request that passes the gate when its head is complete.

    @ivar request_id: names it in answers and logs.
    @ivar key: the key that it shows, where one is needed.
    """

    channel: RouterChannel
    content: IO[bytes]
    key: Key | None = None

    _log = Logger()
    _form: MultipartForm | None = None
    _permission: Sequence[tuple[bytes, bytes]] = ()
    _refused = False
    _received = 0
    _limit = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request_id = f"req_{uuid.uuid4().hex}"
        self.responseHeaders.setRawHeaders(b"x-request-id", [self.request_id.encode()])

    def gotLength(self, length: int | None) -> None:
        """
        The head is complete; the body, if any, comes next.
        """
        site = self.channel.site
        headers = self.requestHeaders
        self.setHeader(b"date", datetimeToString())
        # The channel hands these over with the body; the gate wants them now.
        self.method = self.channel._command
        self.uri = self.channel._path
        self.clientproto = self.channel._version
        try:
            if self.clientproto not in VERSIONS:
                # Twisted before 24.7 would answer in whatever was asked for.
                self.clientproto = b"HTTP/1.1"
                raise BadRequest("this is an HTTP/1.1 server")
            self._find_host()
            self._permission = cors.permission(self.method, headers, site.gate.page(headers))
            self.key = site.gate.check(self.method, self.uri, headers, length)
        except RouterError as error:
            self._refuse(error)
            return
        self._limit = site.gate.limit(self.uri, headers)
        self.content = site.spool()
        content_type = headers.getRawHeaders(b"content-type", [b""])[0]
        if content_type.lower().startswith(b"multipart/"):
            self._form = MultipartForm(content_type)

    def _find_host(self) -> None:
        """
        Whoever takes us for a proxy names the host in the target; then the
        header does not count.
        """
        hosts = self.requestHeaders.getRawHeaders(b"host", [])
        if not hosts and self.clientproto == b"HTTP/1.1":
            raise BadRequest("a request of HTTP/1.1 needs a Host header")
        target = _ABSOLUTE.fullmatch(self.uri)
        if target is not None and len(hosts) < 2:
            self.requestHeaders.setRawHeaders(b"host", [target[1]])
            self.uri = self.channel._path = target[2] if target[2][:1] == b"/" else b"/" + target[2]

    def handleContentChunk(self, data: bytes) -> None:
        """
        A part of the body has come.
        """
        if self._refused:
            return
        self._received += len(data)
        if self._received > self._limit:
            self._refuse(self.channel.site.gate.too_large(self.uri, self.requestHeaders))
            return
        try:
            self.content.write(data)
        except OSError as e:
            self._log.error("a request body cannot be kept: {error}", error=str(e))
            self._refuse(Unavailable(f"the router has no room for the body ({e.strerror})"))
            return
        if self._form is not None:
            self._form.feed(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        The whole request is here.  Unlike the base class this parses no form:
        bodies are for engines, and large.
        """
        if self._refused:
            self.finish()
            return
        self.content.seek(0)
        self.args = {}
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        if command == b"OPTIONS":
            self.setResponseCode(NO_CONTENT)
            self.setHeader(b"allow", cors.METHODS)
            self.finish()
        else:
            self.process()

    @property
    def form(self) -> MultipartBody | None:
        """
        @return: the body, where it is multipart.
        @raise RouterError: as of L{MultipartForm.body}.
        """
        return None if self._form is None else self._form.body(self.content)

    def write(self, data: bytes) -> None:
        """
        Send a part of the answer, the first one with the head.
        """
        if not self.startedWriting:
            cors.mark(self.responseHeaders, self._permission)
        super().write(data)

    def _refuse(self, error: RouterError) -> None:
        """
        Answer now; what is still coming of the body is thrown away, for a
        moment, since closing at once would take the answer with it.
        """
        self._refused = True
        self.channel.persistent = False
        self.requestHeaders.removeHeader(b"expect")
        path = self.uri.partition(b"?")[0].decode("latin-1")
        rendered = dialect_of(path).render(error, self.request_id)
        self.setResponseCode(rendered.status)
        for name, value in rendered.headers:
            self.setHeader(name.encode(), value.encode())
        self.setHeader(b"connection", b"close")
        self.setHeader(b"content-length", str(len(rendered.body)).encode())
        self.write(b"" if self.method == b"HEAD" else rendered.body)
        self.channel.linger()

    def processingFailed(self, reason: Failure) -> Failure:
        """
        A resource has a bug.  The client is told in its own dialect.
        """
        self._log.failure("{path}", reason, path=self.path)
        if self.startedWriting:
            self.loseConnection()
        else:
            self._refuse(InternalError("the router failed; its log has the traceback"))
            self.finish()
        return reason


class RouterChannel(HTTPChannel):
    """
    A connection of a client.

    @ivar site: the L{RouterSite} that it belongs to.
    """

    site: RouterSite
    transport: Any

    # A client that reads slowly what was written before the end is given the
    # time that ClientStream gives it.
    abortTimeout = 300

    _linger: IDelayedCall | None = None
    _deaf = False

    def connectionMade(self) -> None:
        """
        Small frames go out at once, and a peer that vanished is noticed.
        """
        super().connectionMade()
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)

    # What the base class lets through, and two parsers could read in two ways.

    def lineReceived(self, line: bytes) -> None:
        """
        A line of a request's head has come.
        """
        if _FOLDED_OR_CONTROL.search(line) is not None:
            self._respondToBadRequestAndDisconnect()
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """
        A line of a request's head has no end.
        """
        self._respondToBadRequestAndDisconnect()

    def headerReceived(self, line: bytes) -> bool:
        """
        A header has come.

        @return: whether it is well-formed.
        """
        name, _, value = line.partition(b":")
        endless = name.lower() == b"content-length" and len(value.strip()) > _LENGTH_DIGITS
        if endless or _NAME.fullmatch(name) is None:
            self._respondToBadRequestAndDisconnect()
            return False
        return bool(super().headerReceived(line))

    # Twisted before 24.7 lets pipelined requests overtake each other
    # (CVE-2023-46137, CVE-2024-41671); these do what later ones do.

    def allContentReceived(self) -> None:
        """
        The request is complete; what follows has to wait for its answer.
        """
        self.setRawMode()
        super().allContentReceived()

    def _finishRequestBody(self, data: bytes) -> None:
        self._dataBuffer.append(data)
        self.allContentReceived()

    def rawDataReceived(self, data: bytes) -> None:
        """
        A part of a body has come, or something for later.
        """
        if self._deaf:
            return
        if not self._handlingRequest:
            super().rawDataReceived(data)
            return
        self._dataBuffer.append(data)
        waiting = sum(map(len, self._dataBuffer))
        if waiting > self._optimisticEagerReadSize and not self._waitingForTransport:
            self._networkProducer.pauseProducing()

    # The end.

    def _respondToBadRequestAndDisconnect(self) -> None:
        """
        Answer, unless that was done, and understand nothing any more.
        """
        self._deaf = True
        self.setRawMode()
        if self._linger is not None:
            return
        error = BadRequest(
            "this is not a well-formed HTTP/1.1 request (or its head is larger than 16 KiB)"
        )
        body = OPENAI.render(error, "").body
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nDate: %s\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (datetimeToString(), len(body), body)
        )
        self.linger()

    def linger(self) -> None:
        """
        Close in a moment.
        """
        self._linger = self.callLater(LINGER_S, self.loseConnection)

    def loseConnection(self) -> None:
        """
        Close when everything is sent.
        """
        self._stop_lingering()
        super().loseConnection()

    def hand_over(self, protocol: Any) -> bytes:
        """
        Let C{protocol} have the connection; for HTTP it is over.

        @return: what the client has sent behind its request.
        """
        transport = self.transport
        early = b"".join(self._dataBuffer)
        transport.unregisterProducer()
        transport.protocol = protocol
        self.connectionLost(Failure(ConnectionDone()))
        protocol.makeConnection(transport)
        transport.resumeProducing()
        return early

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone.
        """
        self._stop_lingering()
        super().connectionLost(reason)

    def _stop_lingering(self) -> None:
        if self._linger is not None and self._linger.active():
            self._linger.cancel()


class RouterSite(Site):
    """
    The server: a tree of resources behind a gate.
    """

    def __init__(
        self, root: Resource, gate: Gate, spool: Callable[[], IO[bytes]], reactor: Any
    ) -> None:
        """
        @param spool: makes a file for the body of one request.
        @param reactor: an C{IReactorTime}.
        """
        super().__init__(root, requestFactory=RouterRequest, timeout=IDLE_S, reactor=reactor)
        self.gate = gate
        self.spool = spool
        self.protocol: Any = RouterChannel
        self.displayTracebacks = False

    def log(self, request: Any) -> None:
        """
        Requests are logged by whoever answers them, once, with what they
        meant.
        """
