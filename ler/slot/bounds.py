# -*- test-case-name: ler.test.test_bounds -*-
"""
What no policy can do better than, whatever it knows of the future.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ler.interfaces import Residency
from ler.slot.traces import Arrival, Trace
from ler.slot.wish import NEVER

NO_TIME = 1e-9


@dataclass(frozen=True)
class Bound:
    """
    The least that a trace takes.

    @ivar swaps: how many.
    @ivar makespan: when the last answer ends.  The two may belong to different
        schedules.
    """

    swaps: int
    makespan: float


def least(trace: Trace) -> Bound:
    """
    @return: a bound for any trace, which may not be reached.
    """
    work: defaultdict[Residency, float] = defaultdict(float)
    beginnings, ends = [], [0.0]
    for arrival in trace.arrivals:
        work[arrival.target] += arrival.service
        beginnings.append(arrival.at)
        ends.append(arrival.at + arrival.service)
    for agent in trace.agents:
        work[agent.target] += sum(service for _, service in agent.steps)
        beginnings.append(agent.steps[0][0])
        ends.append(sum(gap + service for gap, service in agent.steps))
    others = work.keys() - {trace.resident}
    busy = sum(seconds / trace.places[target] for target, seconds in work.items())
    swapping = sum(trace.swap[target] for target in others)
    return Bound(len(others), max(min(beginnings, default=0.0) + busy + swapping, *ends))


@dataclass(frozen=True)
class _Point:
    """
    Where a schedule can stand: how many of each line were answered, and who is
    resident.
    """

    answered: tuple[int, ...]
    resident: int


def exact(trace: Trace, max_wait: float = NEVER) -> Bound | None:
    """
    Try all schedules of a trace without agents on models with one place each.

    Those who wait for the same are answered in order.  Of two schedules that
    have answered the same with as many swaps the one that is done earlier can
    do everything that the other can, so only that one is followed.

    @param max_wait: how long each request may wait, in seconds.
    @return: what the best of them take, or L{None} when none keeps to
        C{max_wait}.
    """
    lines = [
        sorted((a for a in trace.arrivals if a.target == target), key=lambda a: a.at)
        for target in trace.swap
    ]
    swap = list(trace.swap.values())
    # By point and number of swaps: the earliest end of the last answer.
    ends: dict[_Point, dict[int, float]] = {_Point((0,) * len(lines), 0): {0: 0.0}}
    for _ in trace.arrivals:
        further: defaultdict[_Point, dict[int, float]] = defaultdict(dict)
        for point, by_swaps in ends.items():
            for index, arrival in _heads(point, lines):
                answered = list(point.answered)
                answered[index] += 1
                reached = further[_Point(tuple(answered), index)]
                changes = index != point.resident
                for swaps, end in _sensible(by_swaps):
                    begin = max(arrival.at, end + (swap[index] if changes else 0.0))
                    if begin - arrival.at <= max_wait + NO_TIME:
                        done, count = begin + arrival.service, swaps + changes
                        reached[count] = min(done, reached.get(count, NEVER))
        ends = further
    finished = [pair for by_swaps in ends.values() for pair in by_swaps.items()]
    if not finished:
        return None
    return Bound(min(swaps for swaps, _ in finished), min(end for _, end in finished))


def _heads(point: _Point, lines: list[list[Arrival]]) -> Iterator[tuple[int, Arrival]]:
    """
    @return: whoever could be answered next, with the place of its line.
    """
    for index, line in enumerate(lines):
        if point.answered[index] < len(line):
            yield index, line[point.answered[index]]


def _sensible(by_swaps: Mapping[int, float]) -> Iterator[tuple[int, float]]:
    """
    @return: the numbers of swaps that buy time, each with the end.
    """
    earliest = NEVER
    for swaps, end in sorted(by_swaps.items()):
        if end < earliest:
            earliest = end
            yield swaps, end
