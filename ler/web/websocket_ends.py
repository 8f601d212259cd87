# -*- test-case-name: ler.test.test_websocket_ends -*-
"""
Websockets as Autobahn speaks them.  Imported only when the first client asks
for one: Autobahn is an extra.

Autobahn's own timers are all off, since they would use the global reactor; a
L{Conversation<ler.web.conversation.Conversation>} has what is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import txaio
from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from autobahn.util import encode_truncate
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from ler.errors import EngineDied, RouterError, UpstreamError, UpstreamRefused
from ler.upstream import HeaderList
from ler.web.conversation import Conversation, IWebsocketEnd

LONGEST_REASON = 123
"""How many bytes of words a close frame can hold."""


@implementer(IPushProducer)
class _Tap:
    """
    Lets a connection be read, or not.

    @ivar is_open: whether it is read.
    """

    def __init__(self, transport: Any) -> None:
        self.is_open = True
        self._transport = transport

    def pauseProducing(self) -> None:
        """
        @see: L{IPushProducer.pauseProducing}
        """
        self.is_open = False
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        @see: L{IPushProducer.resumeProducing}
        """
        self.is_open = True
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        @see: L{IPushProducer.stopProducing}
        """
        # A transport would be closed by this, without a word to its peer.


class _End(WebSocketProtocol):
    """
    What both ends have in common.
    """

    conversation: Conversation | None = None

    _tap: _Tap | None = None

    # What peers do wrong is told in the words of the router, once.
    log = txaio.make_logger(level="error")

    def send(self, message: bytes, binary: bool) -> None:
        """
        @see: L{IWebsocketEnd.send}
        """
        if self.state == self.STATE_OPEN:
            self.sendMessage(message, binary)

    def ping(self) -> None:
        """
        @see: L{IWebsocketEnd.ping}
        """
        self.sendPing()

    def close(self, code: int | None, reason: str) -> None:
        """
        @see: L{IWebsocketEnd.close}
        """
        self.unregisterProducer()
        if self.state == self.STATE_OPEN:
            # Its own sendClose() lets nobody pass on what another has said.
            words = None if code is None else encode_truncate(reason, LONGEST_REASON)
            self.sendCloseFrame(code, words)
        # The other end may have stopped this one, which has to hear the answer.
        self.transport.resumeProducing()

    def abort(self) -> None:
        """
        @see: L{IWebsocketEnd.abort}
        """
        self.transport.abortConnection()

    def pace(self, source: Any) -> None:
        """
        @see: L{IWebsocketEnd.pace}
        """
        self._tap = _Tap(source.transport)
        self.registerProducer(self._tap, True)

    # What Autobahn calls.

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        The peer has said something.
        """
        if self.conversation is not None:
            self.conversation.said(self, payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        """
        The peer wants an answer.
        """
        # For one that only asks, and does not read, they would pile up.
        if self._tap is None or self._tap.is_open:
            super().onPing(payload)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """
        The peer has sent a close frame, or has broken the rules, or L{close}
        was called.
        """
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if self.conversation is None:
            return
        if isReply:
            self.conversation.closing(self, self.remoteCloseCode, self.remoteCloseReason or "")
        elif self.failedByMe:
            self.conversation.closing(self, code, (reasonUtf8 or b"").decode("utf-8"))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """
        The connection is gone.
        """
        if self.conversation is not None:
            self.conversation.lost(self)


@implementer(IWebsocketEnd)
class ClientEnd(_End, WebSocketServerProtocol):
    """
    The end that a client of the router is connected to.
    """

    def onConnect(self, request: Any) -> str | None:
        """
        @return: the subprotocol, the only one that it was told of.
        """
        return next(iter(request.protocols), None)


@implementer(IWebsocketEnd)
class EngineEnd(_End, WebSocketClientProtocol):
    """
    The end that an engine is connected to.

    @ivar opened: fires with L{None} when the engine has agreed to speak
        websocket; or fails with a L{RouterError}.  Cancelling it breaks the
        connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.opened: Deferred[None] = Deferred(lambda _: self.abort())

    def dataReceived(self, data: bytes) -> None:
        """
        The engine has sent something.
        """
        try:
            super().dataReceived(data)
        except UnicodeDecodeError as e:
            # Autobahn takes it for granted that an engine speaks HTTP.
            self.failHandshake(str(e))

    def onOpen(self) -> None:
        """
        The engine has agreed.
        """
        self.opened.callback(None)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """
        The connection is gone.
        """
        super().onClose(wasClean, code, reason)
        if not self.opened.called:
            self.opened.errback(Failure(self._refusal()))

    def _refusal(self) -> RouterError:
        """
        @return: why the engine does not speak websocket.
        """
        engine = self.factory.engine
        _, _, status = getattr(self, "http_status_line", "").partition(" ")
        code = status[:3]
        if not code.isdigit():
            return EngineDied(f"engine {engine} hung up when it was asked for a websocket")
        message = f"engine {engine} answered {status} when it was asked for a websocket"
        if int(code) >= 400:
            return UpstreamRefused(message, int(code))
        return UpstreamError(f"{message} ({self.wasNotCleanReason})")


def _set_up(factory: Any, longest: int) -> None:
    """
    Have a factory of Autobahn's do nothing by itself.

    @param longest: how many bytes a message may have.
    """
    factory.noisy = False
    factory.setProtocolOptions(
        maxMessagePayloadSize=longest,
        # What is no text the other side will refuse; here that would cost more
        # than all the rest.
        utf8validateIncoming=False,
        # Whoever breaks a rule is told which.
        failByDrop=False,
        echoCloseCodeReason=True,
        openHandshakeTimeout=0,
        closeHandshakeTimeout=0,
    )


async def call_engine(
    endpoint: IStreamClientEndpoint,
    engine: str,
    url: str,
    headers: HeaderList,
    subprotocols: Sequence[str],
    *,
    longest: int,
    clock: IReactorTime,
) -> Any:
    """
    Ask an engine for a websocket.

    @param endpoint: where it listens.
    @param engine: its key.
    @param url: what to ask for; begins with C{ws:} or C{wss:}.
    @param headers: what to ask with, but for what makes a handshake.
    @param longest: how many bytes a message may have.
    @return: our end of the open websocket, an L{EngineEnd}.
    @raise RouterError: when the engine does not agree.
    """
    fields: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    factory = WebSocketClientFactory(
        url, protocols=list(subprotocols), useragent=None, headers=fields, reactor=clock
    )
    if ":" in factory.host:
        factory.host = f"[{factory.host}]"
    factory.protocol = EngineEnd
    factory.engine = engine
    _set_up(factory, longest)
    factory.setProtocolOptions(serverConnectionDropTimeout=0)
    end: Any = await endpoint.connect(factory)
    await end.opened
    return end


def accept_client(
    request: Any, key: bytes, subprotocol: str | None, *, longest: int, clock: IReactorTime
) -> ClientEnd:
    """
    Give a client the websocket that it has asked for.  That ends its request,
    as far as HTTP goes.

    @param request: the twisted.web request.
    @param key: the client's C{Sec-WebSocket-Key}.
    @param subprotocol: what will be spoken, if that was said.
    @param longest: how many bytes a message may have.
    @return: our end of the open websocket.
    """
    factory = WebSocketServerFactory(
        server=None, headers={"X-Request-ID": request.request_id}, reactor=clock
    )
    factory.protocol = ClientEnd
    _set_up(factory, longest)
    # The gate has judged the request; Autobahn sees of it what makes a
    # handshake, and finds nothing to object to.
    head = [
        b"GET / HTTP/1.1",
        b"Host: localhost",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + key,
    ]
    if subprotocol is not None:
        head.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode("latin-1"))
    channel = request.channel
    end: ClientEnd = factory.buildProtocol(channel.transport.getPeer())
    early = channel.hand_over(end)
    end.dataReceived(b"\r\n".join(head) + b"\r\n\r\n" + early)
    return end
