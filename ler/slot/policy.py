# -*- test-case-name: ler.test.test_policy -*-
"""
Who gets the slot next: pure decisions on a view of it.

The slot asks after every event; a policy answers with how far the resident's
own line is admitted, whether to switch, and when to be asked again though
nothing happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zope.interface import implementer

from ler.interfaces import IPolicy, Residency

EVERYONE = float("inf")
"""An L{Decision.admit_before} that admits the whole line."""


@dataclass(frozen=True)
class Line:
    """
    The tickets that wait for one target, in order of arrival.

    @ivar target: what they wait for.
    @ivar length: how many they are; at least one.
    @ivar first: the number of the oldest; numbers grow with arrival.
    @ivar since: when the oldest arrived.
    """

    target: Residency
    length: int
    first: int
    since: float


@dataclass(frozen=True)
class SlotView:
    """
    What a policy may know.

    @ivar now: the time of the slot's clock.
    @ivar resident: what is in the slot and ready, or L{None}.
    @ivar leases: requests that the resident is answering.
    @ivar lines: one L{Line} a target that somebody waits for.
    """

    now: float
    resident: Residency | None
    leases: int
    lines: Sequence[Line]

    @property
    def rivals(self) -> list[Line]:
        """
        @return: the lines that want something else, oldest head first.
        """
        others = [line for line in self.lines if line.target != self.resident]
        return sorted(others, key=lambda line: line.first)

    @property
    def waiting_for_resident(self) -> bool:
        """
        @return: whether anybody waits for what is there.
        """
        return any(line.target == self.resident for line in self.lines)


@dataclass(frozen=True)
class Decision:
    """
    What to do now.

    @ivar admit_before: tickets for the resident with a lower number than this
        are admitted: 0 for none of them, L{EVERYONE} for all.
    @ivar switch: the target to swap to, or L{None} to stay.
    @ivar look_again: the time at which to ask again, or L{None}.
    """

    admit_before: float = EVERYONE
    switch: Residency | None = None
    look_again: float | None = None


@implementer(IPolicy)
class Fifo:
    """
    Strict order of arrival: whoever came after a rival waits behind it.
    """

    name = "fifo"

    def decide(self, view: SlotView) -> Decision:
        """
        @see: L{IPolicy.decide}
        """
        rivals = view.rivals
        if not rivals:
            return Decision()
        return Decision(admit_before=rivals[0].first, switch=rivals[0].target)


@implementer(IPolicy)
class Join:
    """
    The resident serves all that want it in one turn; the next turn goes to the
    oldest head, at the latest when that one has waited for C{max_wait} seconds.
    """

    name = "join"

    def __init__(self, max_wait: float) -> None:
        self._max_wait = max_wait

    def decide(self, view: SlotView) -> Decision:
        """
        @see: L{IPolicy.decide}
        """
        rivals = view.rivals
        if not rivals:
            return Decision()
        oldest = rivals[0]
        due = oldest.since + self._max_wait
        busy = view.leases or view.waiting_for_resident
        if view.resident is not None and busy and view.now < due:
            return Decision(look_again=due)
        return Decision(admit_before=0, switch=oldest.target)


def make_policy(name: str, max_wait: float) -> Fifo | Join:
    """
    @param name: C{join} or C{fifo}.
    @param max_wait: the age bound, in seconds.
    @return: an L{IPolicy}.
    """
    return Fifo() if name == "fifo" else Join(max_wait)
