# -*- test-case-name: ler.test.test_conversation -*-
"""
Two websockets of which each is told what the other's peer says.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import Attribute, Interface

NORMAL = 1000
GOING_AWAY = 1001
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012

PRIVATE = 3000
"""From here on codes mean what the two have agreed on."""

PING_S = 20.0
"""Seconds between pings: whatever stands in between forgets silent connections."""

CLOSE_S = 2.0
"""How long a peer may take to agree that it is over."""

LAST_WORDS_S = 1.0
"""How long after an engine hung up it may be told why."""


class IWebsocketEnd(Interface):
    """
    Our end of an open websocket.  What is done to one that closes is ignored.
    """

    conversation = Attribute("The L{Conversation} that hears what its peer does.")

    def send(message: bytes, binary: bool) -> None:
        """
        Say something to the peer.

        @param binary: whether it is not text.
        """

    def ping() -> None:
        """
        Have the peer answer, so that the connection does not look unused.
        """

    def close(code: int | None, reason: str) -> None:
        """
        Tell the peer that it is over.

        @param code: why, in a number; L{None} when nobody said.
        @param reason: why, in words; cut to what a close frame can hold.
        """

    def abort() -> None:
        """
        Break the connection.
        """

    def pace(source: object) -> None:
        """
        From now on read from C{source}, another end, only while this end's
        peer reads.
        """


class Conversation:
    """
    A client talks with an engine, until either has enough of it.

    @ivar over: fires with L{None} when both connections are gone.
    @ivar outcome: how it ended: C{ok} when one of the two wanted no more,
        C{closed_CODE} when it could not go on, C{client_left} or
        C{engine_died} when one broke off, or what L{end} was told.
    @ivar sent: how many bytes the engine has said.
    @ivar first_said: when the engine first said something, by the clock.
    """

    _log = Logger()

    def __init__(
        self, client: IWebsocketEnd, engine: IWebsocketEnd, clock: IReactorTime, idle: float | None
    ) -> None:
        """
        @param idle: seconds without a message after which it is over; L{None}
            for never.
        """
        self.over: Deferred[None] = Deferred(lambda _: self._abort())
        self.outcome = "ok"
        self.sent = 0
        self.first_said: float | None = None
        self._client = client
        self._engine = engine
        self._clock = clock
        self._idle = idle
        self._ending = False
        self._open = [client, engine]
        # What comes next unless something happens: the end of the patience
        # with silence, then that with an engine's last words, then that with
        # peers that do not hang up.
        self._next: IDelayedCall | None = None
        if idle is not None:
            self._in(idle, self._silence)
        self._pings = LoopingCall(self._ping)
        self._pings.clock = clock
        self._pings.start(PING_S, now=False).addErrback(
            lambda failure: self._log.failure("a ping failed", failure)
        )
        client.conversation = engine.conversation = self
        client.pace(engine)
        engine.pace(client)

    def end(self, code: int | None, reason: str, outcome: str) -> None:
        """
        It is over for both, if it was not before.

        @param reason: a sentence for the two.
        """
        if self._ending:
            return
        self._ending = True
        self.outcome = outcome
        if self._pings.running:
            self._pings.stop()
        self._in(CLOSE_S, self._abort)
        for end in tuple(self._open):
            end.close(code, reason)

    # What the ends tell.

    def said(self, end: IWebsocketEnd, message: bytes, binary: bool) -> None:
        """
        The peer of C{end} has said something.
        """
        if self._ending:
            return
        if end is self._client:
            self._engine.send(message, binary)
        else:
            self.sent += len(message)
            if self.first_said is None:
                self.first_said = self._clock.seconds()
            self._client.send(message, binary)
        if self._idle is not None and self._engine in self._open:
            assert self._next is not None
            self._next.reset(self._idle)

    def closing(self, end: IWebsocketEnd, code: int | None, reason: str) -> None:
        """
        The peer of C{end} wants no more, or broke the rules.
        """
        wanted = code in (None, NORMAL, GOING_AWAY) or code >= PRIVATE
        self.end(code, reason, "ok" if wanted else f"closed_{code}")

    def lost(self, end: IWebsocketEnd) -> None:
        """
        The connection of C{end} is gone.
        """
        self._open.remove(end)
        if not self._open:
            self.end(None, "", self.outcome)
            self._cancel_next()
            self.over.callback(None)
        elif self._ending:
            return
        elif end is self._client:
            self.end(GOING_AWAY, "the client left", "client_left")
        else:
            # Whoever watches the engine may know more about it in a moment.
            self.outcome = "engine_died"
            self._in(LAST_WORDS_S, self._engine_lost)

    # What nobody tells.

    def _ping(self) -> None:
        for end in self._open:
            end.ping()

    def _silence(self) -> None:
        self.end(GOING_AWAY, f"nothing was said for {self._idle:g} s (websocket_idle_s)", "idle")

    def _engine_lost(self) -> None:
        self.end(INTERNAL_ERROR, "the engine broke the connection", "engine_died")

    def _abort(self) -> None:
        for end in tuple(self._open):
            end.abort()

    def _in(self, seconds: float, do: Callable[[], None]) -> None:
        self._cancel_next()
        self._next = self._clock.callLater(seconds, do)

    def _cancel_next(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
