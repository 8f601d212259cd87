# -*- test-case-name: ler.test.test_cooldown -*-
"""
How long an engine, or a model of it, that failed is left alone.
"""

from __future__ import annotations

from ler.errors import EngineUnavailable, RouterError

FIRST_S = 10.0
LONGEST_S = 60.0
STABLE_S = 60.0


class Cooldown:
    """
    The recent failures of one engine, or of one model of it.

    A failed start is answered from memory for ten seconds, and for twice as
    long each time after, up to a minute.  A ready engine that is lost may be
    started again at once, the first time.  A minute of being ready wipes the
    slate.
    """

    def __init__(self) -> None:
        self._rest = 0.0
        self._until = 0.0
        self._reason: RouterError | None = None
        self._ready_at: float | None = None

    def started(self, now: float) -> None:
        """
        The engine is ready.
        """
        self._ready_at = self._until = now

    def stopped(self, now: float) -> None:
        """
        The engine is not ready any more, and not because it failed.
        """
        if self._ready_at is not None and now - self._ready_at >= STABLE_S:
            self._rest = 0.0
        self._ready_at = None

    def lost(self, now: float, reason: RouterError) -> None:
        """
        The engine was ready, and ended by itself.
        """
        self.stopped(now)
        if self._rest:
            self.start_failed(now, reason)
        else:
            self._rest = FIRST_S

    def start_failed(self, now: float, reason: RouterError) -> None:
        """
        The engine could not be started.  A C{reason} that does not say when to
        try again gets the end of the cool-down.
        """
        self._rest = min(2 * self._rest or FIRST_S, LONGEST_S)
        self._until = now + self._rest
        self._reason = reason
        if reason.retry_after is None:
            reason.retry_after = self._rest

    def refusal(self, engine: str, now: float) -> EngineUnavailable | None:
        """
        @return: what to tell clients while the engine is left alone, else
            L{None}.
        """
        rest = self._until - now
        if rest <= 0 or self._reason is None:
            return None
        return EngineUnavailable(
            f"engine {engine} failed and is not started again for {rest:.0f} s: "
            f"{self._reason.message}",
            retry_after=rest,
        )
