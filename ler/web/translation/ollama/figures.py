# -*- test-case-name: ler.test.test_translation_ollama_figures -*-
"""
The figures in Ollama's answers: the engine counts the tokens, and the time is
taken here, unless the engine tells it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from ler.web.translation.fields import Fields

_LONGEST_MS = 1e12


def timestamp(wall: float) -> str:
    """
    @param wall: seconds since the epoch.
    @return: the time as RFC 3339 has it.
    """
    return datetime.fromtimestamp(wall, timezone.utc).isoformat().replace("+00:00", "Z")


def nanoseconds(seconds: float) -> int:
    """
    @return: a duration as strict clients want it: no fraction.
    """
    return round(seconds * 1e9)


class Figures:
    """
    The figures of one request, which begins when they are made.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """
        @param now: a monotonic clock, in seconds.
        """
        self._now = now
        self._began = self._sent = now()
        self._first: float | None = None
        self._last: float | None = None
        self._told: dict[str, int] = {}

    def sent(self) -> None:
        """
        The engine gets the request now.
        """
        self._sent = self._now()

    def token(self) -> None:
        """
        The engine has said something.
        """
        self._last = self._now()
        if self._first is None:
            self._first = self._last

    def told(self, answer: Fields) -> None:
        """
        Take what the engine tells itself: any engine counts tokens, and
        llama.cpp knows its times exactly.

        @raise UpstreamError: when it is no number.
        """
        usage, timings = answer.fields("usage"), answer.fields("timings")
        told = {
            "prompt_eval_count": _count(usage, "prompt_tokens", timings, "prompt_n", "cache_n"),
            "prompt_eval_duration": _duration(timings, "prompt_ms"),
            "eval_count": _count(usage, "completion_tokens", timings, "predicted_n"),
            "eval_duration": _duration(timings, "predicted_ms"),
        }
        self._told.update((name, figure) for name, figure in told.items() if figure is not None)

    def waits(self) -> dict[str, int]:
        """
        @return: C{total_duration}, up to now, and C{load_duration}, until the
            request was sent; nanoseconds.
        """
        return {
            "total_duration": nanoseconds(self._now() - self._began),
            "load_duration": nanoseconds(self._sent - self._began),
        }

    def all(self) -> dict[str, int]:
        """
        @return: all durations, and the counts that are known.
        """
        first, last = self._first, self._last
        if last is None:
            last = self._now()
        if first is None or first == last:
            # What came at once does not tell reading from writing.
            first = self._sent
        # Some clients divide by these.
        return {
            **self.waits(),
            "prompt_eval_duration": max(1, nanoseconds(first - self._sent)),
            "eval_duration": max(1, nanoseconds(last - first)),
            **self._told,
        }


def _duration(timings: Fields, name: str) -> int | None:
    """
    @return: nanoseconds, at least one; L{None} when there are none, or none
        that can be.
    """
    exact = timings.number(name)
    if exact is None or not 0 <= exact <= _LONGEST_MS:
        return None
    return max(1, nanoseconds(exact / 1e3))


def _count(usage: Fields, name: str, timings: Fields, *parts: str) -> int | None:
    """
    @param parts: what makes up the same count in C{timings}.
    """
    count = usage.integer(name)
    if count is not None:
        return count
    counts = [timings.integer(part) for part in parts]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
