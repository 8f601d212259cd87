# -*- test-case-name: ler.test.test_fair -*-
"""
Bounded fairness: few swaps, and nobody waits for longer than was promised
where that promise can be kept at all.

Four rules:

  1. I{Join}: the resident lets everybody in that wants it, until a rival is
     due: so early that drain and swap still fit before its bound.
  2. I{Paid turn}: a turn that was paid for with a swap lasts at least as long
     as the swap did, and until as many have been let in as waited when it
     began, but then no more than four times as long; all that only while it
     has work.  However short the bounds, no more than half of the time goes
     into swaps.
  3. I{Hold}: an idle resident whose clients are known to come back soon is
     kept for them, if that costs those who wait less than the way there and
     back.
  4. I{Next}: a rival that is due, or else the one that gives the most for the
     time that it takes.
"""

from __future__ import annotations

from zope.interface import implementer

from ler.interfaces import IPolicy, Residency
from ler.slot.view import Decision, Line, SlotView

LONGEST_PAID = 4.0
"""How many times its swap a turn may last for the work that waited."""

NO_TIME = 1e-6
"""Less than this is the error of adding up times."""


@implementer(IPolicy)
class Fair:
    """
    The four rules.
    """

    name = "fair"

    def decide(self, view: SlotView) -> Decision:
        """
        @see: L{IPolicy.decide}
        """
        rivals = view.rivals
        if not rivals or view.fresh:
            return Decision()
        urgent = min(rivals, key=lambda line: (_latest(view, line), line.first))
        if view.resident is None:
            return Decision(switch=_next(view, urgent))
        busy = bool(view.leases) or view.own is not None
        close = _close(view, urgent)
        stay = close if busy else min(close, _held_until(view, view.resident, urgent))
        if view.now < stay - NO_TIME:
            return Decision(look_again=stay)
        return Decision(admit_before=0, switch=urgent.target if busy else _next(view, urgent))


def _latest(view: SlotView, line: Line) -> float:
    """
    @return: when the swap for C{line} should begin.
    """
    return line.due - view.swap_to(line.target)


def _close(view: SlotView, urgent: Line) -> float:
    """
    @return: when the resident's turn ends though it has work: the first two
        rules.
    """
    tenure = view.tenure
    drain = view.of(view.resident).service if view.leases else 0.0
    paid = tenure.paid * (LONGEST_PAID if tenure.served < tenure.queued else 1.0)
    return max(_latest(view, urgent) - drain, tenure.since + paid)


def _held_until(view: SlotView, resident: Residency, urgent: Line) -> float:
    """
    @return: until when the resident, which has no work, is held.
    """
    costs = view.of(resident)
    if costs.gap is None:
        return view.now
    wait = costs.gap + 2 * costs.spread
    back = view.of(urgent.target).free + costs.start
    waiting = sum(line.weight for line in view.rivals)
    if wait > back or waiting * costs.gap > back + view.swap_to(urgent.target):
        return view.now
    return view.tenure.idle_since + wait


def _next(view: SlotView, urgent: Line) -> Residency:
    """
    @return: whose turn it is after the resident's.
    """
    if _latest(view, urgent) <= view.now:
        return urgent.target

    def gain(line: Line) -> tuple[float, float]:
        takes = view.swap_to(line.target) + view.of(line.target).work(line.length)
        return line.weight / max(takes, NO_TIME), -line.first

    return max(view.rivals, key=gain).target
