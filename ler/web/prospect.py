# -*- test-case-name: ler.test.test_prospect -*-
"""
What a client that waits is told of its wait, where that is not taken for an
answer: in headers, and in comments.
"""

from __future__ import annotations

from dataclasses import dataclass

from ler.slot.forecast import Expectation
from ler.slot.wish import NEVER
from ler.upstream import HeaderList


@dataclass(frozen=True)
class Prospect:
    """
    What was expected when the client began to wait.

    @ivar expectation: its place, and its wait.
    @ivar since: when that was, by the clock.
    """

    expectation: Expectation
    since: float

    def headers(self, now: float) -> HeaderList:
        """
        @return: the same for a response that begins at C{now}.
        """
        told = [(b"X-Router-Position", b"%d" % self.expectation.position)]
        left = self._left(now)
        if left is not None:
            told.append((b"X-Router-Expected-Wait", b"%d" % left))
        return told

    def remark(self, now: float) -> bytes:
        """
        @return: the same for a comment at C{now}.
        """
        left = self._left(now)
        told = b"position=%d" % self.expectation.position
        return told if left is None else told + b" expected_wait_s=%d" % left

    def _left(self, now: float) -> int | None:
        """
        @return: how many seconds are left of the wait; L{None} when nobody can
            tell.
        """
        if self.expectation.seconds == NEVER:
            return None
        return max(0, round(self.expectation.seconds - (now - self.since)))
