# -*- test-case-name: ler.test.test_websocket -*-
"""
One websocket through the router: wait for a lease, but not for long, open one
to the engine, accept the client's, and let the two talk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory

from ler.errors import (
    BadRequest,
    EngineDied,
    InternalError,
    RouterError,
    Unavailable,
    UpstreamTimeout,
    WebsocketUnavailable,
)
from ler.interfaces import Residency
from ler.slot.leases import Lease
from ler.slot.wish import Wish
from ler.upstream import Upstream
from ler.web.conversation import INTERNAL_ERROR, LAST_WORDS_S, SERVICE_RESTART, Conversation
from ler.web.dialects import IDialect
from ler.web.endpoints import refuse
from ler.web.job import Job
from ler.web.keys import WEBSOCKET_KEY
from ler.web.record import Recorder

MIB = 1 << 20

VERSION = b"13"
"""The one version of the protocol that is in use."""

_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")

_HANDSHAKE = (b"sec-websocket-", b"host")
"""How the names of the headers begin that make a handshake."""


@dataclass(frozen=True)
class WebsocketOptions:
    """
    What the configuration says about websockets.

    @ivar wait: seconds that a client may wait for its engine.
    @ivar idle: seconds without a message after which one is closed, or L{None}.
    @ivar longest: how many bytes a message may have.
    """

    wait: float = 8.0
    idle: float | None = 300.0
    longest: int = 16 * MIB


@dataclass(frozen=True)
class Address:
    """
    Where an engine's websockets are.

    @ivar url: what their URLs begin with.
    @ivar endpoint: where it listens.
    """

    url: str
    endpoint: IStreamClientEndpoint


def address_of(base_url: str, endpoints: IAgentEndpointFactory) -> Address:
    """
    @param base_url: an engine's, for HTTP.
    @return: where its websockets are.
    """
    base_url = base_url.rstrip("/")
    uri = URI.fromBytes(base_url.encode("ascii"))
    endpoint: IStreamClientEndpoint = endpoints.endpointForURI(uri)
    return Address(f"ws{base_url.removeprefix('http')}", endpoint)


def is_websocket(request: Any) -> bool:
    """
    @return: whether a request asks for a websocket.
    """
    return (
        request.method == b"GET"
        and request.clientproto == b"HTTP/1.1"
        and b"websocket" in _tokens(request, b"upgrade")
        and b"upgrade" in _tokens(request, b"connection")
    )


def _tokens(request: Any, name: bytes) -> list[bytes]:
    """
    @return: the members of a header that is a list, in lower case.
    """
    values = request.requestHeaders.getRawHeaders(name, [])
    return [token.strip().lower() for value in values for token in value.split(b",")]


def load_ends() -> Any:
    """
    @return: the module L{ler.web.websocket_ends}.
    @raise WebsocketUnavailable: when the extra is not installed.
    """
    try:
        from ler.web import websocket_ends
    except ImportError as e:
        raise WebsocketUnavailable(
            "this router speaks no websocket: pip install 'engine-router[ws]' "
            "(or apt install python3-autobahn), and start it anew"
        ) from e
    return websocket_ends


class Websockets:
    """
    Carries websockets between clients and the engines of one router.
    """

    _log = Logger()

    def __init__(
        self,
        acquire: Callable[[Residency, Wish], Deferred[Lease]],
        upstreams: Mapping[str, Upstream],
        addresses: Mapping[str, Address],
        clock: IReactorTime,
        recorder: Recorder,
        options: WebsocketOptions,
        *,
        guarded: bool,
        load: Callable[[], Any] = load_ends,
    ) -> None:
        """
        @param acquire: asks for a lease.
        @param upstreams: what bounds the connections to each engine, by key.
        @param addresses: where each engine is, by key.
        @param guarded: whether clients show keys to the router, which stay
            here.
        @param load: imports what speaks websocket, once somebody asks for one.
        """
        self._acquire = acquire
        self._upstreams = upstreams
        self._addresses = addresses
        self._clock = clock
        self._recorder = recorder
        self._options = options
        self._guarded = guarded
        self._load = load

    def carry(self, request: Any, dialect: IDialect, job: Job) -> None:
        """
        Give C{request}, which L{is_websocket}, the websocket that C{job} asks
        an engine for.
        """
        passage = _Passage(self, request, dialect, job)
        passage.start()


class _Passage:
    """
    One websocket on its way.
    """

    def __init__(self, parent: Websockets, request: Any, dialect: IDialect, job: Job) -> None:
        self._parent = parent
        self._clock = parent._clock
        self._options = parent._options
        self._request = request
        self._dialect = dialect
        self._job = job
        self._record = parent._recorder.begin(request, job, self._cut)
        self._status = 0
        self._end_reason: RouterError | None = None
        self._work: Deferred[None] | None = None
        self._cancelled = False
        self._conversation: Conversation | None = None
        self._patience: IDelayedCall | None = None
        request.notifyFinish().addErrback(self._client_left)

    def start(self) -> None:
        """
        Go.
        """
        self._work = Deferred.fromCoroutine(self._go())
        self._work.addErrback(
            lambda failure: self._parent._log.failure("a websocket failed", failure)
        )

    async def _go(self) -> None:
        error: RouterError | None = None
        try:
            await self._visit()
        except RouterError as e:
            error = e
        except Exception:
            if not self._cancelled:
                self._parent._log.failure("request {id}", id=self._request.request_id)
                error = InternalError("the router failed; its log has the traceback")
        self._stop_waiting()
        if self._cancelled:
            error = self._end_reason
        if error is not None:
            self._record.outcome = error.code
            refuse(self._request, self._dialect, error)
            self._status = self._request.code
        conversation = self._conversation
        self._record.ended(self._status, 0 if conversation is None else conversation.sent)

    async def _visit(self) -> None:
        ends = self._parent._load()
        key = _key(self._request)
        self._patience = self._clock.callLater(self._options.wait, self._too_long)
        assert self._job.residency is not None
        lease = await self._parent._acquire(self._job.residency, self._job.wish)
        try:
            self._record.admitted()
            lease.on_cut(self._cut)
            if self._end_reason is not None:
                raise self._end_reason
            upstream = self._parent._upstreams[self._job.engine]
            await upstream.admission()
            try:
                await self._converse(ends, key)
            except EngineDied:
                # The slot may know more about it in a moment, and cut us.
                if not self._cancelled:
                    await deferLater(self._clock, LAST_WORDS_S)
                raise
            finally:
                upstream.leave()
        finally:
            lease.release()

    async def _converse(self, ends: Any, key: bytes) -> None:
        engine = await self._call(ends)
        self._stop_waiting()
        self._status = 101
        client = ends.accept_client(
            self._request,
            key,
            engine.websocket_protocol_in_use,
            longest=self._options.longest,
            clock=self._clock,
        )
        conversation = Conversation(client, engine, self._clock, self._options.idle)
        self._conversation = conversation
        await conversation.over
        self._record.outcome = conversation.outcome
        if conversation.first_said is not None:
            self._record.spoke(conversation.first_said)

    async def _call(self, ends: Any) -> Any:
        """
        @return: our end of the websocket to the engine.
        """
        job, address = self._job, self._parent._addresses[self._job.engine]
        try:
            return await ends.call_engine(
                address.endpoint,
                job.engine,
                address.url + job.target.decode("ascii"),
                [pair for pair in job.headers if not pair[0].lower().startswith(_HANDSHAKE)],
                self._subprotocols(),
                longest=self._options.longest,
                clock=self._clock,
            )
        except ConnectionRefusedError as e:
            raise EngineDied(f"engine {job.engine} refuses connections") from e
        except (TimeoutError, ConnectError) as e:
            raise UpstreamTimeout(f"engine {job.engine} did not accept a connection: {e}") from e

    def _subprotocols(self) -> list[str]:
        """
        @return: those that the client offers and the engine may see.
        """
        values = self._request.requestHeaders.getRawHeaders(b"sec-websocket-protocol", [])
        offered = [
            token.strip() for value in values for token in value.decode("latin-1").split(",")
        ]
        return [
            token
            for token in dict.fromkeys(offered)
            if token and not (self._parent._guarded and token.startswith(WEBSOCKET_KEY))
        ]

    # What may come in between.

    def _client_left(self, _: object) -> None:
        # The takeover ends the request, too.
        if self._status == 0 and not self._cancelled:
            self._record.outcome = "client_left"
            self._status = 499
            self._cancel()

    def _too_long(self) -> None:
        wait = self._options.wait
        self._end_reason = Unavailable(
            f"model {self._job.model} was not ready within {wait:g} s, which is as long as a "
            "websocket can wait (websocket_wait_s); try again",
            retry_after=wait,
        )
        self._cancel()

    def _cut(self, reason: RouterError) -> None:
        if self._conversation is not None:
            code = INTERNAL_ERROR if isinstance(reason, EngineDied) else SERVICE_RESTART
            self._conversation.end(code, reason.message, reason.code)
        elif not self._cancelled:
            self._end_reason = reason
            self._cancel()

    def _cancel(self) -> None:
        self._cancelled = True
        if self._work is not None:
            self._work.cancel()

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()


def _key(request: Any) -> bytes:
    """
    @return: what the client has made up for its handshake.
    """
    version = request.getHeader(b"sec-websocket-version")
    if version != VERSION:
        raise BadRequest(
            "the only version of the websocket protocol here is 13 (Sec-WebSocket-Version)",
            headers=(("Sec-WebSocket-Version", "13"),),
        )
    keys = request.requestHeaders.getRawHeaders(b"sec-websocket-key", [])
    if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
        raise BadRequest("the handshake of a websocket has one Sec-WebSocket-Key of 16 bytes")
    key: bytes = keys[0]
    return key
