# -*- test-case-name: ler.test.test_tickets -*-
"""
How a request would like to be treated, and what is promised to each class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

NEVER = float("inf")
"""A bound that is none."""


class Priority(Enum):
    """
    Who waits for the answer: a person, a program, or nobody in particular.
    """

    INTERACTIVE = "interactive"
    BACKGROUND = "background"
    BATCH = "batch"


@dataclass(frozen=True)
class Wish:
    """
    How a request would like to be treated.

    @ivar priority: its class.
    @ivar deadline: seconds within which it must be let in to be of any use, or
        L{None} for the router's own setting.  It buys no precedence: a request
        that cannot be let in in time is told so.
    @ivar no_swap: whether it would rather be refused than have anything
        brought into memory for it.
    """

    priority: Priority = Priority.INTERACTIVE
    deadline: float | None = None
    no_swap: bool = False


ORDINARY = Wish()
"""That of a request of which nothing is said."""


@dataclass(frozen=True)
class Terms:
    """
    What the requests of one class are promised.

    @ivar max_wait: seconds after which one of them is due; L{NEVER} for no
        such time.
    @ivar weight: how much one of them counts against others that wait.
    """

    max_wait: float = NEVER
    weight: float = 1.0


TERMS: Mapping[Priority, Terms] = {
    Priority.INTERACTIVE: Terms(60.0, 1.0),
    Priority.BACKGROUND: Terms(300.0, 0.5),
    Priority.BATCH: Terms(NEVER, 0.1),
}
"""What is promised unless the configuration says otherwise."""
