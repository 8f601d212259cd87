# -*- test-case-name: ler.test.test_traces -*-
"""
Eight ways in which clients may want several models of one memory, to try
policies on.

Each trace is made anew from a seed.  The first target is resident at time 0.
Where nothing else is said, the time of an answer is distributed log-normally
with half its mean as deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import log, sqrt
from random import Random

from ler.interfaces import Residency
from ler.slot.wish import Priority

A, B, C = (Residency(key) for key in "abc")

SPREAD = 0.5
"""The deviation of the time of an answer, as a share of its mean."""


@dataclass(frozen=True)
class Arrival:
    """
    A request that comes whatever became of those before it.

    @ivar at: when it comes, in seconds.
    @ivar service: how long its answer takes.
    """

    target: Residency
    at: float
    service: float
    priority: Priority = Priority.INTERACTIVE


@dataclass(frozen=True)
class Agent:
    """
    A client that asks again when it has been answered.

    @ivar steps: before each request the seconds since the last answer, and how
        long the request's own answer takes.
    """

    target: Residency
    steps: Sequence[tuple[float, float]]
    priority: Priority = Priority.INTERACTIVE


@dataclass(frozen=True)
class Trace:
    """
    What is wanted of one slot, and what that costs.

    @ivar swap: the seconds of a swap, by what comes; the first is resident at
        the beginning.
    @ivar places: how many answers each gives at once.
    """

    swap: Mapping[Residency, float]
    places: Mapping[Residency, float]
    arrivals: Sequence[Arrival] = ()
    agents: Sequence[Agent] = ()

    @property
    def resident(self) -> Residency:
        """
        @return: what is there at the beginning.
        """
        return next(iter(self.swap))


def service_time(random: Random, mean: float) -> float:
    """
    @return: how long one answer takes.
    """
    sigma = sqrt(log(1 + SPREAD * SPREAD))
    return random.lognormvariate(log(mean) - sigma * sigma / 2, sigma)


def poisson(
    random: Random, target: Residency, rate: float, mean: float, until: float
) -> list[Arrival]:
    """
    @param rate: requests a second.
    @param mean: of the time of their answers.
    @return: requests that know nothing of each other.
    """
    arrivals = []
    at = random.expovariate(rate)
    while at <= until:
        arrivals.append(Arrival(target, at, service_time(random, mean)))
        at += random.expovariate(rate)
    return arrivals


def agent(
    random: Random, target: Residency, steps: int, gap: tuple[float, float], mean: float
) -> Agent:
    """
    @param gap: the least and the greatest time between two requests.
    """
    return Agent(target, [(random.uniform(*gap), service_time(random, mean)) for _ in range(steps)])


def _equals(swap: float, places: int, *targets: Residency) -> Trace:
    """
    @return: an empty trace of targets that cost the same.
    """
    return Trace(dict.fromkeys(targets, swap), dict.fromkeys(targets, places))


def alternate(random: Random) -> Trace:
    """
    Two models by turns, 40 quick requests, 4 s apart.
    """
    arrivals = [Arrival((A, B)[i % 2], 4.0 * i, 0.5) for i in range(40)]
    return replace(_equals(20.0, 1, A, B), arrivals=arrivals)


def burst(random: Random) -> Trace:
    """
    60 requests at once, for three models by turns.
    """
    arrivals = [Arrival((A, B, C)[i % 3], 0.01 * i, service_time(random, 2.0)) for i in range(60)]
    return replace(_equals(15.0, 1, A, B, C), arrivals=arrivals)


def nine_to_one(random: Random) -> Trace:
    """
    A model that is wanted nine times as often as the other, 20 minutes.
    """
    arrivals = poisson(random, A, 0.45, 2.0, 1200.0) + poisson(random, B, 0.05, 2.0, 1200.0)
    return replace(_equals(15.0, 4, A, B), arrivals=arrivals)


def three_models(random: Random) -> Trace:
    """
    Three models, each wanted half as often as the one before, 20 minutes.
    """
    shares = ((A, 0.55), (B, 0.27), (C, 0.18))
    arrivals = [poisson(random, target, 0.3 * share, 4.0, 1200.0) for target, share in shares]
    return replace(_equals(15.0, 4, A, B, C), arrivals=list(chain(*arrivals)))


def agents(random: Random) -> Trace:
    """
    Two agents, one a model, each of which needs 30 answers one after the other.
    """
    both = [agent(random, target, 30, (0.5, 4.0), 6.0) for target in (A, B)]
    return replace(_equals(20.0, 2, A, B), agents=both)


def hot_and_rare(random: Random) -> Trace:
    """
    A model that is never idle, and one that is wanted once a minute.
    """
    hot = [agent(random, A, 150, (0.0, 1.0), 4.0) for _ in range(8)]
    rare = [Arrival(B, 30.0 + 60.0 * i, service_time(random, 4.0)) for i in range(8)]
    return replace(_equals(20.0, 4, A, B), arrivals=rare, agents=hot)


def batch_and_chat(random: Random) -> Trace:
    """
    A chat of 15 minutes, and 120 requests at once for another model.
    """
    chat = poisson(random, A, 0.1, 4.0, 900.0)
    batch = [Arrival(B, 60.0 + 0.01 * i, service_time(random, 4.0)) for i in range(120)]
    return replace(_equals(20.0, 4, A, B), arrivals=chat + batch)


def big_and_slow(random: Random) -> Trace:
    """
    Three models that take a minute to load, an hour.
    """
    shares = ((A, 0.5), (B, 0.3), (C, 0.2))
    arrivals = [poisson(random, target, 0.06 * share, 8.0, 3600.0) for target, share in shares]
    return replace(_equals(60.0, 2, A, B, C), arrivals=list(chain(*arrivals)))


TRACES: Mapping[str, Callable[[Random], Trace]] = {
    "T1 alternate": alternate,
    "T2 burst": burst,
    "T3 nine to one": nine_to_one,
    "T4 three models": three_models,
    "T5 agents": agents,
    "T6 hot and rare": hot_and_rare,
    "T7 batch and chat": batch_and_chat,
    "T8 big and slow": big_and_slow,
}
