# -*- test-case-name: ler.test.test_record -*-
"""
One request that was answered, as a line of the request log.

C{docs/scheduling.rst} describes the format.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ler.interfaces import Residency
from ler.slot.wish import Priority


@dataclass(frozen=True)
class Answered:
    """
    A request that was let in, and has ended.

    @ivar at: when it came, in seconds since 1970.
    @ivar slot: the name of its slot.
    @ivar target: what it was for.
    @ivar priority: its class.
    @ivar waited: seconds until it was let in.
    @ivar service: seconds from then until its end.
    @ivar swap: the seconds of the swap that had brought C{target} in, or
        L{None} when it was there from the beginning.
    """

    at: float
    slot: str
    target: Residency
    priority: Priority
    waited: float
    service: float
    swap: float | None

    @property
    def begun(self) -> float:
        """
        @return: when it was let in.
        """
        return self.at + self.waited

    @property
    def ended(self) -> float:
        """
        @return: when its answer ended.
        """
        return self.begun + self.service

    def as_line(self) -> str:
        """
        @return: JSON, as L{from_line} reads it.
        """
        return json.dumps(
            {
                "at": round(self.at, 3),
                "slot": self.slot,
                "target": str(self.target),
                "class": self.priority.value,
                "waited_s": round(self.waited, 3),
                "service_s": round(self.service, 3),
                "swap_s": None if self.swap is None else round(self.swap, 3),
            }
        )

    @classmethod
    def from_line(cls, line: str) -> Answered:
        """
        @raise ValueError: when C{line} is none that L{as_line} made.
        """
        value: Any = json.loads(line)
        try:
            engine, _, model = value["target"].partition("/")
            swap = value["swap_s"]
            return cls(
                at=_seconds(value["at"]),
                slot=str(value["slot"]),
                target=Residency(engine, model or None),
                priority=Priority(value["class"]),
                waited=_seconds(value["waited_s"]),
                service=_seconds(value["service_s"]),
                swap=None if swap is None else _seconds(swap),
            )
        except (AttributeError, KeyError, TypeError) as e:
            raise ValueError(f"no line of a request log: {line.strip()[:100]}") from e


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not isfinite(seconds) or seconds < 0:
        raise ValueError(f"{value!r} is no time")
    return seconds
