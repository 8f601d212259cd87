# -*- test-case-name: ler.test.test_heartbeat -*-
"""
Keeps a waiting stream alive: the first beat after a grace, then one an
interval, as long as nothing else is said.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class Heartbeat:
    """
    Calls C{beat} in every interval of silence.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        interval: float,
        silent_for: Callable[[], float],
        beat: Callable[[], None],
    ) -> None:
        """
        @param interval: seconds between beats.
        @param silent_for: the seconds since something was said.
        @param beat: writes one heartbeat.
        """
        self._clock = clock
        self._interval = interval
        self._silent_for = silent_for
        self._beat = beat
        self._first: IDelayedCall | None = None
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock

    def begin(self, delay: float) -> None:
        """
        Beat first in C{delay} seconds.  Asked again before that, the new delay
        counts; after it, nothing changes.
        """
        if self._loop.running:
            return
        self._cancel_first()
        self._first = self._clock.callLater(delay, self._start)

    def _start(self) -> None:
        self._first = None
        self._loop.start(self._interval, now=False).addErrback(
            lambda failure: self._log.failure("a heartbeat failed", failure)
        )
        self._beat()

    def _tick(self) -> None:
        # Whoever said something in the last half interval is not silent.
        if self._silent_for() >= self._interval / 2:
            self._beat()

    def stop(self) -> None:
        """
        Beat no more.  Idempotent.
        """
        self._cancel_first()
        if self._loop.running:
            self._loop.stop()

    def _cancel_first(self) -> None:
        if self._first is not None and self._first.active():
            self._first.cancel()
        self._first = None
