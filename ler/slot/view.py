# -*- test-case-name: ler.test.test_policy -*-
"""
What a policy may know of a slot, and what it may answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ler.interfaces import Residency
from ler.slot.wish import NEVER

EVERYONE = float("inf")
"""An L{Decision.admit_before} that admits the whole line."""


@dataclass(frozen=True)
class Line:
    """
    The tickets that wait for one target.

    @ivar target: what they wait for.
    @ivar length: how many they are; at least one.
    @ivar first: the number of the oldest; numbers grow with arrival.
    @ivar since: when the oldest arrived.
    @ivar due: when the first of them should be let in at the latest.
    @ivar weight: how much they count together.
    """

    target: Residency
    length: int
    first: int
    since: float
    due: float = NEVER
    weight: float = 1.0


@dataclass(frozen=True)
class Costs:
    """
    What one target costs, in seconds, by experience or by a guess.

    @ivar free: from being told to go until its memory is back.
    @ivar start: from there being room for it until it is ready.
    @ivar service: one answer.
    @ivar gap: from the end of its last answer until the next request for it,
        or L{None} when that is not known.
    @ivar spread: how far off from C{gap} it tends to be.
    @ivar rate: how many requests a second there have been lately.
    @ivar places: how many answers it gives at once.
    """

    free: float = 1.0
    start: float = 10.0
    service: float = 5.0
    gap: float | None = None
    spread: float = 0.0
    rate: float = 0.0
    places: float = EVERYONE

    def work(self, requests: int) -> float:
        """
        @return: how long it takes to answer that many requests.
        """
        return self.service * max(1.0, requests / self.places) if requests else 0.0


GUESS = Costs()
"""What is assumed of a target that nothing is known of."""


@dataclass(frozen=True)
class Tenure:
    """
    How the resident's turn has gone so far.

    @ivar since: when it became resident.
    @ivar paid: the seconds that the swap took which brought it in, 0 when it
        was found.
    @ivar queued: how many requests waited for it then.
    @ivar served: how many have been let in since.
    @ivar idle_since: when its last answer ended, or its turn began.
    """

    since: float = 0.0
    paid: float = 0.0
    queued: int = 0
    served: int = 0
    idle_since: float = 0.0


@dataclass(frozen=True)
class SlotView:
    """
    What a policy may know.

    @ivar now: the time of the slot's clock.
    @ivar resident: what is in the slot and ready, or L{None}.
    @ivar leases: requests that the resident is answering.
    @ivar lines: one L{Line} a target that somebody waits for.
    @ivar tenure: the turn of the resident.
    @ivar costs: those of the resident and of all that is waited for, where
        anything is known of them.
    """

    now: float
    resident: Residency | None
    leases: int
    lines: Sequence[Line]
    tenure: Tenure = Tenure()
    costs: Mapping[Residency, Costs] = field(default_factory=dict)

    @property
    def own(self) -> Line | None:
        """
        @return: the line of those who wait for what is there.
        """
        return next((line for line in self.lines if line.target == self.resident), None)

    @property
    def rivals(self) -> list[Line]:
        """
        @return: the lines that want something else, the most urgent first; of
            those without a bound, the one with the oldest head.
        """
        others = [line for line in self.lines if line.target != self.resident]
        return sorted(others, key=lambda line: (line.due, line.first))

    @property
    def fresh(self) -> bool:
        """
        @return: whether the resident's turn has just been paid for, and nobody
            who waits for it has been let in.
        """
        return self.tenure.served == 0 and self.own is not None

    def of(self, target: Residency | None) -> Costs:
        """
        @return: what C{target} costs.
        """
        return self.costs.get(target, GUESS) if target is not None else GUESS

    def swap_to(self, target: Residency) -> float:
        """
        @return: the seconds that a swap to C{target} takes, once nothing runs.
        """
        freeing = 0.0 if self.resident is None else self.of(self.resident).free
        return freeing + self.of(target).start


@dataclass(frozen=True)
class Decision:
    """
    What to do now.  Whoever can be admitted is, and then the policy is asked
    again; the rest counts when nobody was.

    @ivar admit_before: tickets for the resident with a lower number than this
        are admitted, as far as there are places: 0 for none of them,
        L{EVERYONE} for all.
    @ivar switch: the target to swap to, or L{None} to stay.
    @ivar look_again: the time at which to ask again, or L{NEVER}.
    """

    admit_before: float = EVERYONE
    switch: Residency | None = None
    look_again: float = NEVER
