# -*- test-case-name: ler.test.test_outlook -*-
"""
What those who wait for a slot, and those who come, may expect of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ler.errors import DeadlineMissed, RouterError
from ler.interfaces import Residency
from ler.slot.demand import would_swap
from ler.slot.estimates import Estimates
from ler.slot.forecast import Expectation, forecast, least_waits
from ler.slot.options import SlotOptions
from ler.slot.swap import Swapper
from ler.slot.tickets import Queue, Ticket
from ler.slot.turn import Turn
from ler.slot.view import SlotView
from ler.slot.wish import NEVER, Priority

SOONEST_RETRY_S = 5.0
LATEST_RETRY_S = 60.0


class Outlook:
    """
    Looks ahead, by what was learned.

    @ivar options: the settings of the slot.
    """

    def __init__(
        self,
        resident: Callable[[], Residency | None],
        queue: Queue,
        turn: Turn,
        swapper: Swapper,
        estimates: Estimates,
        options: SlotOptions,
        clock: IReactorTime,
    ) -> None:
        """
        @param resident: tells what is in the slot.
        """
        self._resident = resident
        self._queue = queue
        self._turn = turn
        self._swapper = swapper
        self._estimates = estimates
        self.options = options
        self._clock = clock

    def expect(self, target: Residency, priority: Priority) -> Expectation:
        """
        @return: what a request may expect that would come now.
        """
        view, delay = self._foresee(target)
        due = self._clock.seconds() + self.options.terms_of(target, priority).max_wait
        return forecast(view, target, self._queue.ahead_of(target, priority), due, delay)

    def retry_after(self, target: Residency) -> float:
        """
        @return: the seconds after which one who was turned away may try again.
        """
        seconds = self.expect(target, Priority.INTERACTIVE).seconds
        return min(max(seconds, SOONEST_RETRY_S), LATEST_RETRY_S)

    def unmet(self, ticket: Ticket) -> RouterError | None:
        """
        @return: what to tell a request that has come if its wish cannot be
            met, else L{None}.
        """
        target, wish = ticket.target, ticket.wish
        at_hand = self._resident() if self._swapper.current is None else None
        if wish.no_swap and target != at_hand:
            return would_swap(target)
        if wish.deadline is None:
            return None
        seconds = self.expect(target, wish.priority).seconds
        if seconds <= wish.deadline:
            return None
        return DeadlineMissed(
            f"{target} is not expected within the {wish.deadline:g} s that the request allows"
            + (f", but in {seconds:.0f} s" if seconds < NEVER else "")
            + "; ask again later, or allow more",
            retry_after=self.retry_after(target),
        )

    def describe(self) -> dict[str, Any]:
        """
        @return: the lines, with what those at their heads may expect, and what
            was promised and learned, as C{/status} shows it.
        """
        now = self._clock.seconds()
        view, delay = self._foresee()
        return {
            "queue": [
                {
                    "target": str(line.target),
                    "waiting": line.length,
                    "oldest_s": round(now - line.since, 3),
                    "expected_s": _shown(forecast(view, line.target, 0, delay=delay).seconds),
                }
                for line in view.lines
            ],
            "promised_s": {
                str(target): _shown(seconds) for target, seconds in self._promises(now).items()
            },
            "learned_s": self._estimates.describe(),
        }

    def _promises(self, now: float) -> dict[Residency, float]:
        """
        @return: how long an interactive request really waits at most: its
            bound, or what cannot be avoided when that is more.
        """
        costs = {
            target: self._estimates.costs(target, now, self.options.places(target))
            for target in self._estimates.wanted_lately(now)
        }
        return {
            target: max(seconds, self.options.terms_of(target, Priority.INTERACTIVE).max_wait)
            for target, seconds in least_waits(costs).items()
        }

    def _foresee(self, *others: Residency) -> tuple[SlotView, float]:
        """
        @param others: what nobody waits for, but shall be seen.
        @return: the slot as it is or, while it swaps, as it will be then; and
            the seconds until then.
        """
        swap = self._swapper.current
        if swap is None:
            return self._turn.view(self._resident(), *others), 0.0
        ends = (end for end in (swap.outgoing, swap.incoming) if end is not None)
        view = self._turn.view(swap.incoming, *others, *ends)
        spent = swap.spent(self._clock.seconds())
        left = 0.0
        if swap.outgoing is not None:
            left += max(0.0, view.of(swap.outgoing).free - spent.get("free", 0.0))
            if view.leases:
                left += view.of(swap.outgoing).service
        if swap.incoming is not None:
            left += max(0.0, view.of(swap.incoming).start - spent.get("start", 0.0))
        return replace(view, leases=0), left


def _shown(seconds: float) -> float | None:
    return None if seconds == NEVER else round(seconds, 1)
