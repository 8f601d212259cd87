# -*- test-case-name: ler.test.test_forecast -*-
"""
How long a request will wait, and what can be promised at all.

Both are reckoned from what was learned, without looking at what the policy
would do about every single event: they are to be right within a swap or so,
and to cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp

from ler.interfaces import Residency
from ler.slot.view import EVERYONE, Costs, SlotView
from ler.slot.wish import NEVER

HOT = 10.0
"""A resident that so many requests run on at a time is never idle by itself."""


@dataclass(frozen=True)
class Expectation:
    """
    What a request may expect.

    @ivar position: its place in the order in which requests will be let in;
        the next one is the first.
    @ivar seconds: how long it will wait, L{NEVER} when nobody can tell.
    """

    position: int
    seconds: float


def forecast(
    view: SlotView, target: Residency, ahead: int, due: float = NEVER, delay: float = 0.0
) -> Expectation:
    """
    @param view: the slot as it is; or, while it swaps, as it will be then.
    @param target: what the request is for.
    @param ahead: how many stand before it in its line.
    @param due: when it should be let in, if it does not stand in line yet.
    @param delay: how long it takes until the slot is as in C{view}.
    """
    seconds, position, at = delay, 1 + ahead, view
    if view.resident == target:
        return Expectation(position, seconds + _for_a_place(view.of(target), view.leases + ahead))
    mine = [(line.due, line.first) for line in view.lines if line.target == target]
    due, first = min([*mine, (due, NEVER)])
    waiting = 0 if view.own is None else view.own.length
    if view.resident is not None and (view.leases or waiting):
        seconds += _turn(view, waiting, due - view.swap_to(target) - view.now)
        position += waiting
    for line in view.rivals:
        if line.target == target or (line.due, line.first) > (due, first):
            continue
        seconds += at.swap_to(line.target) + view.of(line.target).work(line.length)
        position += line.length
        at = replace(view, resident=line.target)
    seconds += at.swap_to(target) + _for_a_place(view.of(target), ahead)
    return Expectation(position, seconds)


def _for_a_place(costs: Costs, before: int) -> float:
    """
    @param before: how many have a place already, or get one before.
    @return: the seconds until there is one more.
    """
    return 0.0 if costs.places == EVERYONE else costs.service * (before // costs.places)


def _turn(view: SlotView, waiting: int, longest: float) -> float:
    """
    @param longest: the seconds after which the resident must make room.
    @return: how long it goes on, with those who are bound to come meanwhile.
    """
    costs = view.of(view.resident)
    work = costs.work(view.leases + waiting)
    if costs.places == EVERYONE:
        load = costs.rate * costs.service
        lasts = work * exp(load) if load < HOT else NEVER
    else:
        load = costs.rate * costs.service / costs.places
        lasts = work / (1 - load) if load < 1 else NEVER
    return min(lasts, max(work, longest))


def least_waits(costs: Mapping[Residency, Costs]) -> dict[Residency, float]:
    """
    The longest wait that cannot be avoided when every target is wanted as
    often as it was lately: that for one cycle of swaps and of everybody's
    answers, less one's own.

    @param costs: those of all targets that are wanted.
    @return: seconds by target, L{NEVER} for all when there is more work than
        time.
    """
    loads = {target: each.rate * each.service / each.places for target, each in costs.items()}
    left = 1.0 - sum(loads.values())
    swaps = sum(each.free + each.start for each in costs.values())
    if left <= 0:
        return dict.fromkeys(costs, NEVER)
    if len(costs) < 2:
        return dict.fromkeys(costs, 0.0)
    return {target: swaps / left * (1.0 - loads[target]) for target in costs}
