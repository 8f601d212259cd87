# -*- test-case-name: ler.test.test_client_stream -*-
"""
The one writer of a response: whoever has something for the client gives it to
this, which knows whether the client is there, reads, and has had its headers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from ler.errors import RouterError
from ler.upstream import HeaderList
from ler.web.dialects import IDialect


@implementer(IPushProducer)
class ClientStream:
    """
    A response under way.

    @ivar committed: whether status and headers are out.
    @ivar framed: whether the body is a stream of the dialect, so that
        heartbeats and error frames have a place in it.
    @ivar finished: whether the response is over, in whatever way.
    @ivar status: the status that was sent, or 0.
    @ivar sent: how many bytes of body were written.
    """

    def __init__(
        self,
        request: Any,
        dialect: IDialect,
        clock: IReactorTime,
        stall_timeout: float | None,
        on_gone: Callable[[str], None],
    ) -> None:
        """
        @param request: the twisted.web request.
        @param stall_timeout: seconds that the client may stop reading.
        @param on_gone: called with a word, once, when the client can get no
            more: C{left} or C{stalled}.  Not after L{finish}.
        """
        self.committed = False
        self.framed = False
        self.finished = False
        self.status = 0
        self.sent = 0
        self._request = request
        self._dialect = dialect
        self._clock = clock
        self._stall_timeout = stall_timeout
        self._on_gone = on_gone
        self._source: Any = None
        self._paused = False
        self._ending = False
        self._stall: IDelayedCall | None = None
        self._last_write = clock.seconds()
        request.notifyFinish().addErrback(self._lost)

    # The head.

    def commit(self, status: int, phrase: bytes | None, headers: HeaderList) -> None:
        """
        Send status and headers.
        """
        assert not self.committed
        if self.finished:
            return
        self.committed = True
        self.status = status
        self._request.setResponseCode(status, phrase)
        by_name: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            # The log has our name for the request, not the engine's.
            if name.lower() != b"x-request-id":
                by_name.setdefault(name, []).append(value)
        for name, values in by_name.items():
            self._request.responseHeaders.setRawHeaders(name, values)
        # An engine that gives its answer no type knows better than we do.
        self._request.defaultContentType = None
        self._request.registerProducer(self, True)
        self._last_write = self._clock.seconds()
        # Without this the head would wait for the first byte of the body.
        self._request.write(b"")

    def commit_stream(self, headers: HeaderList = ()) -> None:
        """
        Begin a stream of the client's dialect that no engine has begun.

        @param headers: further ones.
        """
        self.framed = True
        self.commit(
            200,
            None,
            [
                (b"Content-Type", self._dialect.content_type),
                (b"Cache-Control", b"no-cache"),
                (b"X-Accel-Buffering", b"no"),
                *headers,
            ],
        )

    def respond(
        self, status: int, headers: HeaderList, body: bytes, phrase: bytes | None = None
    ) -> None:
        """
        Send a whole response.

        @param headers: without the length.
        """
        self.commit(status, phrase, [*headers, (b"Content-Length", str(len(body)).encode())])
        self.write(body)
        self.finish()

    # The body.

    def write(self, data: bytes) -> None:
        """
        Send C{data}, or nothing when the client is gone.
        """
        if not self.finished:
            self.sent += len(data)
            self._last_write = self._clock.seconds()
            self._request.write(data)

    def heartbeat(self, beat: bytes) -> None:
        """
        Send a heartbeat, unless the client is not reading anyway.
        """
        if self.committed and not self._paused:
            self.write(beat)

    @property
    def silent_for(self) -> float:
        """
        @return: the seconds since something was written, or the request came.
        """
        return self._clock.seconds() - self._last_write

    def attach(self, source: Any) -> None:
        """
        @param source: an L{IPushProducer} to stop while the client does not
            read; L{None} when it has nothing more.
        """
        self._source = source
        if source is not None and self._paused:
            source.pauseProducing()

    # The end.

    def finish(self) -> None:
        """
        The response is complete.
        """
        if self._paused and not self.finished:
            # The server's idle timer would run against a slow reader.
            self._ending = True
        elif self._close():
            self._request.unregisterProducer()
            self._request.finish()

    def fail(self, error: RouterError) -> None:
        """
        End with C{error}, in the best way that is still open: a response of
        its own, a frame in the stream, or a broken connection.
        """
        if not self.committed:
            self._tell(error)
        elif self.framed:
            self.write(self._dialect.error_frame(error, self._request.request_id))
            self.finish()
        else:
            self.abort()

    def abort(self) -> None:
        """
        Break the connection, so that nobody takes the answer for whole.
        """
        if self._close():
            self._request.unregisterProducer()
            transport = self._request.channel and self._request.channel.transport
            if transport is not None:
                transport.abortConnection()

    def _tell(self, error: RouterError) -> None:
        rendered = self._dialect.render(error, self._request.request_id)
        headers = [(name.encode(), value.encode("utf-8")) for name, value in rendered.headers]
        self.respond(rendered.status, headers, rendered.body)

    def _close(self) -> bool:
        """
        @return: whether this is the end of the response; there is only one.
        """
        if self.finished:
            return False
        self.finished = True
        self._source = None
        self._stop_stall()
        return True

    # What the connection says.

    def _lost(self, reason: object) -> None:
        if self._close():
            self._on_gone("left")

    def _stalled(self) -> None:
        if not self.finished:
            self.abort()
            self._on_gone("stalled")

    def pauseProducing(self) -> None:
        """
        The client does not read.
        """
        self._paused = True
        if self._source is not None:
            self._source.pauseProducing()
        if self._stall_timeout is not None and self._stall is None and not self.finished:
            self._stall = self._clock.callLater(self._stall_timeout, self._stalled)

    def resumeProducing(self) -> None:
        """
        The client reads again.
        """
        self._paused = False
        self._stop_stall()
        if self._ending:
            self.finish()
        elif self._source is not None:
            self._source.resumeProducing()

    def stopProducing(self) -> None:
        """
        The connection is gone; C{notifyFinish} tells the rest.
        """

    def _stop_stall(self) -> None:
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        self._stall = None
