# -*- test-case-name: ler.test.test_wishes -*-
"""
How a request would like to be treated while it waits: by its headers, by its
key, and by the name that it uses for the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from ler.errors import BadRequest
from ler.slot.wish import ORDINARY, Priority, Wish

PRIORITY = b"x-router-priority"
DEADLINE = b"x-router-deadline"
NO_SWAP = b"x-router-no-swap"

_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

Unswapped = Literal["resident", "refuse"]


class Wishes:
    """
    The rules of one router.
    """

    def __init__(self, without_swap: Mapping[str, Unswapped]) -> None:
        """
        @param without_swap: what is done for a name, a C{*} in which matches
            any text, instead of a swap.
        """
        self._without_swap = [
            (re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL), instead)
            for name, instead in without_swap.items()
        ]

    def instead_of_swap(self, name: str) -> Unswapped | None:
        """
        @param name: the model, as a client calls it.
        @return: what is to be done where a swap would be needed: let the
            resident answer, or refuse; L{None} for the swap.
        """
        return next(
            (instead for pattern, instead in self._without_swap if pattern.fullmatch(name)), None
        )

    def of(self, request: Any, name: str) -> Wish:
        """
        @param name: the model, as the client calls it.
        @return: the wish of a request.
        @raise BadRequest: when a header cannot be understood.
        """
        own = ORDINARY if request.key is None else request.key.wish
        refuse = self.instead_of_swap(name) == "refuse"
        return Wish(
            _priority(request.getHeader(PRIORITY), own.priority),
            _deadline(request.getHeader(DEADLINE)),
            _no_swap(request.getHeader(NO_SWAP), own.no_swap or refuse),
        )


def _priority(value: bytes | None, default: Priority) -> Priority:
    if value is None:
        return default
    try:
        return Priority(value.decode("latin-1").strip().lower())
    except ValueError:
        names = ", ".join(priority.value for priority in Priority)
        raise BadRequest(f"X-Router-Priority must be one of {names}") from None


def _deadline(value: bytes | None) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise BadRequest("X-Router-Deadline must be a number of seconds, such as 30")
    return seconds


def _no_swap(value: bytes | None, default: bool) -> bool:
    if value is None:
        return default
    said = _TRUTHS.get(value.decode("latin-1").strip().lower())
    if said is None:
        raise BadRequest("X-Router-No-Swap must be true or false")
    return said
