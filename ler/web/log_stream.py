# -*- test-case-name: ler.test.test_engine_logs -*-
"""
The lines of a log on their way to one listener.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from zope.interface import implementer

from ler.interfaces import ILog
from ler.lines import LINES
from ler.web.event_stream import EventStream, IListener, frame


@implementer(IListener)
class LogStream:
    """
    Tells lines as they come.  While its client does not read some are kept;
    of those that are not, the client is told how many they were.
    """

    def __init__(self, key: str | None, log: ILog, count: int) -> None:
        """
        @param key: of the engine, or L{None} for the router itself.
        @param count: how many of the last lines are told first.
        """
        self._key = key
        self._log = log
        self._count = count
        self._pending: deque[str] = deque(maxlen=LINES)
        self._left_out = 0
        self._stream: EventStream | None = None
        self._stop: Callable[[], None] | None = None

    def begun(self, stream: EventStream) -> None:
        """
        @see: L{IListener.begun}
        """
        self._stream = stream
        self._stop = self._log.follow(self._told, self._count)

    def resumed(self) -> None:
        """
        @see: L{IListener.resumed}
        """
        if self._left_out:
            self._send(frame("log_gap", {"engine": self._key, "lines": self._left_out}))
            self._left_out = 0
        self._flush()

    def gone(self) -> None:
        """
        @see: L{IListener.gone}
        """
        assert self._stop is not None
        self._stop()

    def _told(self, line: str) -> None:
        if len(self._pending) == LINES:
            self._left_out += 1
        self._pending.append(line)
        self._flush()

    def _flush(self) -> None:
        assert self._stream is not None
        if self._stream.reads and self._pending:
            frames = [frame("log", {"engine": self._key, "line": line}) for line in self._pending]
            self._pending.clear()
            self._send(b"".join(frames))

    def _send(self, frames: bytes) -> None:
        assert self._stream is not None
        self._stream.send(frames)
