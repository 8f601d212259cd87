# -*- test-case-name: ler.test.test_event_stream -*-
"""
Server-sent events of our own: streams that never end, to clients that may not
read them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import Interface, implementer

from ler.errors import QueueFull, RouterError, WrongMethod
from ler.web.client_stream import ClientStream
from ler.web.dialects import dialect_of
from ler.web.endpoints import Missing, refuse
from ler.web.heartbeat import Heartbeat

LISTENERS = 32
"""How many clients may listen at a time."""

BEAT_S = 15.0
"""How long a stream is silent at most."""

STALL_S = 60.0
"""How long a listener may stop reading before it is dropped."""

BEAT = b": keep-alive\n\n"

HEADERS = [
    (b"Content-Type", b"text/event-stream; charset=utf-8"),
    (b"Cache-Control", b"no-store"),
    (b"X-Accel-Buffering", b"no"),
]


def frame(event: str, data: object, id: str | None = None) -> bytes:
    """
    @param data: a value that JSON can hold.
    @return: one event, as it is sent.
    """
    head = "" if id is None else f"id: {id}\n"
    return f"event: {event}\n{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class IListener(Interface):
    """
    Has something to tell a client that listens.
    """

    def begun(stream: EventStream) -> None:
        """
        The client can be told.  Called once, first.

        @param stream: the L{EventStream} to send it by.
        """

    def resumed() -> None:
        """
        The client had stopped reading, and reads again.
        """

    def gone() -> None:
        """
        The client has left, or was dropped.  Called once, last.
        """


@implementer(IPushProducer)
class EventStream:
    """
    A client that listens.

    @ivar reads: whether it reads; what it is sent while it does not is lost.
    """

    def __init__(
        self,
        request: Any,
        clock: IReactorTime,
        listener: IListener,
        gone: Callable[[], None],
    ) -> None:
        """
        Begin the answer to C{request}.

        @param gone: called once, when the client is gone.
        """
        self.reads = True
        self._listener = listener
        self._on_gone = gone
        self._stream = ClientStream(
            request,
            dialect_of(request.path.decode("latin-1")),
            clock,
            STALL_S,
            lambda how: self._gone(),
        )
        self._stream.commit(200, None, HEADERS)
        self._stream.attach(self)
        self._heartbeat = Heartbeat(
            clock, BEAT_S, lambda: self._stream.silent_for, lambda: self.send(BEAT)
        )
        self._heartbeat.begin(BEAT_S)
        listener.begun(self)

    def send(self, frames: bytes) -> None:
        """
        Send whole frames.
        """
        if self.reads:
            self._stream.write(frames)

    def pauseProducing(self) -> None:
        """
        @see: L{IPushProducer.pauseProducing}
        """
        self.reads = False

    def resumeProducing(self) -> None:
        """
        @see: L{IPushProducer.resumeProducing}
        """
        self.reads = True
        self._listener.resumed()

    def stopProducing(self) -> None:
        """
        @see: L{IProducer.stopProducing}
        """

    def _gone(self) -> None:
        self._heartbeat.stop()
        self._on_gone()
        self._listener.gone()


class Audience:
    """
    All who listen, of whom there may be so many.
    """

    def __init__(self, clock: IReactorTime, most: int = LISTENERS) -> None:
        self._clock = clock
        self._most = most
        self._present = 0

    def admit(self, request: Any, listener: IListener) -> None:
        """
        Answer C{request} with what C{listener} has to tell.

        @raise QueueFull: when there are too many.
        """
        if self._present >= self._most:
            raise QueueFull(
                f"{self._present} clients listen to events and logs already; close one of them",
                retry_after=BEAT_S,
            )

        self._present += 1
        EventStream(request, self._clock, listener, self._left)

    def _left(self) -> None:
        self._present -= 1


class StreamEndpoint(Resource):
    """
    A resource whose answers never end.
    """

    def __init__(self, listen: Callable[[Any], None]) -> None:
        """
        @param listen: begins the answer to a request, or raises a
            L{RouterError}.
        """
        super().__init__()
        self._listen = listen

    def getChild(self, path: bytes, request: Any) -> Resource:
        """
        @see: L{Resource.getChild}
        """
        return Missing() if path else self

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        try:
            if request.method != b"GET":
                raise WrongMethod(f"{request.path.decode('latin-1')[:200]} takes GET", "GET")
            self._listen(request)
        except RouterError as error:
            refuse(request, dialect_of(request.path.decode("latin-1")), error)
        return NOT_DONE_YET
