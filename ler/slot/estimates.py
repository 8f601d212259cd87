# -*- test-case-name: ler.test.test_estimates -*-
"""
What a slot has learned by experience: how long engines take to come, to go and
to answer, how soon their clients come back, and how often.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import exp, isfinite
from typing import Any

from twisted.logger import Logger

from ler.interfaces import Residency
from ler.slot.swap import Swap
from ler.slot.view import EVERYONE, GUESS, Costs

GAIN = 0.25
"""How much the newest sample counts."""

MEMORY_S = 600.0
"""How long an arrival counts towards the rate of requests."""


@dataclass(frozen=True)
class Average:
    """
    A moving average.

    @ivar mean: the average.
    @ivar spread: how far off from it the samples tend to be.
    """

    mean: float
    spread: float

    def with_sample(self, sample: float) -> Average:
        """
        @return: the average after one more sample.
        """
        off = abs(sample - self.mean)
        return Average(
            self.mean + GAIN * (sample - self.mean), self.spread + GAIN * (off - self.spread)
        )


@dataclass(frozen=True)
class Tally:
    """
    How many requests there have been lately, older ones counting less.
    """

    count: float = 0.0
    at: float = 0.0

    def with_arrival(self, now: float) -> Tally:
        """
        @return: the tally after one more request.
        """
        return Tally(self.left(now) + 1.0, now)

    def left(self, now: float) -> float:
        """
        @return: what is left of it.
        """
        return self.count * exp((self.at - now) / MEMORY_S)


class Estimates:
    """
    What is known of the targets of one slot.

    Quantities are learned under these names: C{free}, C{cold} and C{warm}
    (the first start since the router began, and those after it, which find
    files cached or the server asleep), C{service} and C{gap}.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._known: dict[Residency, dict[str, Average]] = {}
        self._tallies: dict[Residency, Tally] = {}
        self._unused_since: dict[Residency, float] = {}
        self._warm: set[Residency] = set()

    # What happens.

    def arrived(self, target: Residency, now: float) -> None:
        """
        A request for C{target} has come.
        """
        self._tallies[target] = self._tallies.get(target, Tally()).with_arrival(now)
        unused_since = self._unused_since.pop(target, None)
        if unused_since is not None:
            self._learn(target, "gap", now - unused_since)

    def answered(self, target: Residency, seconds: float) -> None:
        """
        An answer of C{target} has ended.
        """
        self._learn(target, "service", seconds)

    def unused(self, target: Residency, now: float) -> None:
        """
        Nothing runs on C{target} any more, and nobody waits for it.
        """
        self._unused_since[target] = now

    def swapped(self, swap: Swap) -> None:
        """
        A swap has ended.  One that failed teaches nothing.
        """
        if swap.error is not None:
            return
        spent = swap.phases
        if swap.outgoing is not None and "free" in spent:
            self._learn(swap.outgoing, "free", spent["free"] + spent.get("settle", 0.0))
        if swap.incoming is not None:
            start = "warm" if swap.incoming in self._warm else "cold"
            self._learn(swap.incoming, start, spent.get("start", 0.0))
            self._warm.add(swap.incoming)

    def _learn(self, target: Residency, quantity: str, sample: float) -> None:
        known = self._known.setdefault(target, {})
        average = known.get(quantity)
        known[quantity] = (
            Average(sample, sample / 2) if average is None else average.with_sample(sample)
        )

    # What is known.

    def costs(self, target: Residency, now: float, places: float = EVERYONE) -> Costs:
        """
        @param places: how many requests C{target} may answer at once.
        @return: what C{target} costs, with guesses for what is not known.
        """
        known = self._known.get(target, {})

        def mean(guess: float, *quantities: str) -> float:
            return next((known[name].mean for name in quantities if name in known), guess)

        gap = known.get("gap")
        starts = ("warm", "cold") if target in self._warm else ("cold", "warm")
        return Costs(
            free=mean(GUESS.free, "free"),
            start=mean(GUESS.start, *starts),
            service=mean(GUESS.service, "service"),
            gap=None if gap is None else gap.mean,
            spread=0.0 if gap is None else gap.spread,
            rate=self._tallies.get(target, Tally()).left(now) / MEMORY_S,
            places=places,
        )

    def wanted_lately(self, now: float) -> list[Residency]:
        """
        @return: the targets that requests have come for not long ago.
        """
        return [target for target, tally in self._tallies.items() if tally.left(now) >= 0.5]

    def describe(self) -> dict[str, dict[str, float]]:
        """
        @return: what was learned in seconds, by target and quantity.
        """
        return {
            str(target): {quantity: round(average.mean, 3) for quantity, average in known.items()}
            for target, known in self._known.items()
        }

    # What survives a restart.

    def as_json(self) -> dict[str, dict[str, list[float]]]:
        """
        @return: what was learned, as L{restore} reads it.
        """
        return {
            str(target): {
                quantity: [round(average.mean, 4), round(average.spread, 4)]
                for quantity, average in known.items()
            }
            for target, known in self._known.items()
        }

    def restore(self, kept: Any, engines: Collection[str]) -> None:
        """
        Remember what was known before.  It is advice: when it is damaged, all
        of it is forgotten.

        @param kept: what L{as_json} made, or L{None}.
        @param engines: the engines that there are; those of others are
            forgotten, too.
        """
        known: dict[Residency, dict[str, Average]] = {}
        try:
            for name, quantities in ({} if kept is None else kept).items():
                engine, _, model = name.partition("/")
                if engine in engines:
                    known[Residency(engine, model or None)] = {
                        quantity: _average(*pair) for quantity, pair in quantities.items()
                    }
        except (AttributeError, TypeError, ValueError) as e:
            self._log.warn(
                "what was learned of swaps and answers is damaged and forgotten: {error}",
                error=str(e),
            )
            return
        self._known = known


def _average(mean: Any, spread: Any) -> Average:
    for value in (mean, spread):
        if type(value) not in (int, float) or not isfinite(value) or value < 0:
            raise ValueError(f"{value!r} is no time")
    return Average(float(mean), float(spread))
