# -*- test-case-name: ler.test.test_replay -*-
"""
What was really asked of a slot, as its request log tells, made a trace to try
policies on.

A log does not tell which requests were the same client's.  One that came soon
after an answer is taken to be the next step of whoever had that answer, and
follows it in the replay, too; all others come when they came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from statistics import median

from ler.interfaces import Residency
from ler.slot.record import Answered
from ler.slot.simulator import Outcome
from ler.slot.traces import Agent, Arrival, Trace
from ler.slot.view import GUESS
from ler.slot.wish import Priority

NEXT_STEP_S = 10.0
"""How soon after an answer the next step of the same client comes."""

ROUNDING_S = 0.005
"""How far off the sum of the times in a log may be."""


class Recording:
    """
    The requests of one slot.

    @ivar requests: all of them, in the order in which they were let in.
    @ivar unreadable: how many lines of the log could not be read: the last
        one, when the router was killed.
    """

    def __init__(self, lines: Iterable[str], slot: str) -> None:
        """
        @param lines: those of a request log, in any order.
        @param slot: the slot whose requests count.
        @raise ValueError: when there are none.
        """
        requests = []
        self.unreadable = 0
        for line in lines:
            try:
                requests.append(Answered.from_line(line))
            except ValueError:
                self.unreadable += 1
        self.requests: Sequence[Answered] = sorted(
            (each for each in requests if each.slot == slot), key=lambda each: each.begun
        )
        if not self.requests:
            raise ValueError(f"it tells of no request to the slot '{slot}'")
        self._begin = min(each.at for each in self.requests)

    def outcome(self) -> Outcome:
        """
        @return: what really became of them.  A turn in which nobody was let in
            leaves no trace.
        """
        return Outcome(
            sum(one.target != other.target for one, other in pairwise(self.requests)),
            max(each.ended for each in self.requests) - self._begin,
            tuple(sorted(each.waited for each in self.requests)),
        )

    def trace(self) -> Trace:
        """
        @return: the same requests, to be answered in another way: a swap takes
            what it took, and each target answers as many requests at once as
            it has been seen to.
        """
        by_target: defaultdict[Residency, list[Answered]] = defaultdict(list)
        for each in self.requests:
            by_target[each.target].append(each)
        chains = _chains(sorted(self.requests, key=lambda each: each.at))
        return Trace(
            {target: _swap(answered) for target, answered in by_target.items()},
            {target: _most_at_once(answered) for target, answered in by_target.items()},
            [self._arrival(chain[0]) for chain in chains if len(chain) == 1],
            [self._agent(chain) for chain in chains if len(chain) > 1],
        )

    def _arrival(self, each: Answered) -> Arrival:
        return Arrival(each.target, each.at - self._begin, each.service, each.priority)

    def _agent(self, chain: Sequence[Answered]) -> Agent:
        pauses = (max(0.0, later.at - each.ended) for each, later in pairwise(chain))
        gaps = [chain[0].at - self._begin, *pauses]
        steps = [(gap, each.service) for gap, each in zip(gaps, chain, strict=True)]
        return Agent(chain[0].target, steps, chain[0].priority)


def _chains(requests: Iterable[Answered]) -> Sequence[Sequence[Answered]]:
    """
    @param requests: in the order in which they came.
    @return: those that followed each other.
    """
    chains: list[list[Answered]] = []
    # Those that may go on, by what they are for.
    open_chains: defaultdict[tuple[Residency, Priority], list[list[Answered]]] = defaultdict(list)
    for each in requests:
        recent = open_chains[each.target, each.priority]
        recent[:] = [chain for chain in recent if each.at - chain[-1].ended <= NEXT_STEP_S]
        answered = [chain for chain in recent if chain[-1].ended <= each.at + ROUNDING_S]
        if answered:
            max(answered, key=lambda chain: chain[-1].ended).append(each)
        else:
            chains.append([each])
            recent.append(chains[-1])
    return chains


def _swap(answered: Iterable[Answered]) -> float:
    """
    @return: what a swap to their target takes.
    """
    swaps = [each.swap for each in answered if each.swap is not None]
    return median(swaps) if swaps else GUESS.start


def _most_at_once(answered: Iterable[Answered]) -> int:
    """
    @return: how many of them were answered at the same time.
    """
    begins = ((each.begun, 1) for each in answered)
    ends = ((each.ended, -1) for each in answered)
    return max(1, *accumulate(change for _, change in sorted([*begins, *ends])))
