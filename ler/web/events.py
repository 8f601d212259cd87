# -*- test-case-name: ler.test.test_events -*-
"""
C{GET /events}: what goes on, told as it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zope.interface import implementer

from ler.lines import LINES
from ler.web.engine_logs import Logs
from ler.web.event_stream import Audience, EventStream, IListener, StreamEndpoint
from ler.web.feed import Feed
from ler.web.log_stream import LogStream
from ler.web.paths import query_of


@implementer(IListener)
class FeedListener:
    """
    Tells a client what the feed and some logs tell.
    """

    def __init__(self, feed: Feed, after: str | None, logs: Sequence[LogStream]) -> None:
        """
        @param after: the id of the last event that the client has, if any.
        """
        self._feed = feed
        self._after = after
        self._logs = logs
        self._stream: EventStream | None = None
        self._leave: Callable[[], None] | None = None

    def begun(self, stream: EventStream) -> None:
        """
        @see: L{IListener.begun}
        """
        self._stream = stream
        self._leave = self._feed.join(self._news)
        self._news()
        for log in self._logs:
            log.begun(stream)

    def resumed(self) -> None:
        """
        @see: L{IListener.resumed}
        """
        self._news()
        for log in self._logs:
            log.resumed()

    def gone(self) -> None:
        """
        @see: L{IListener.gone}
        """
        assert self._leave is not None
        self._leave()
        for log in self._logs:
            log.gone()

    def _news(self) -> None:
        assert self._stream is not None
        if self._stream.reads:
            frames, self._after = self._feed.tell(self._after)
            self._stream.send(frames)


def events_resource(feed: Feed, logs: Logs, audience: Audience) -> StreamEndpoint:
    """
    @return: C{/events}.
    """

    def listen(request: Any) -> None:
        query = query_of(request.uri)
        keys = [key for key in query.get("logs", "").split(",") if key]
        after = request.getHeader(b"last-event-id") or query.get("after")
        if isinstance(after, bytes):
            after = after.decode("latin-1")
        followed = [LogStream(key, logs.get(key), LINES) for key in dict.fromkeys(keys)]
        audience.admit(request, FeedListener(feed, after, followed))

    return StreamEndpoint(listen)
