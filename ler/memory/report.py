# -*- test-case-name: ler.test.test_memory_report -*-
"""
The outcome of a wait for memory: its curve, its one line in the log, and the
sentence for people.
"""

from __future__ import annotations

from collections.abc import Mapping

from ler.interfaces import SettleReport
from ler.memory.tuning import GIB, MIB

#: Points that a curve keeps at most.
POINTS = 200

LINE = (
    "settle {source}->{target} verdict={verdict} wait={wait} "
    "waited_after_death={waited_after_death} after_last_rise={after_last_rise} "
    "chan={channel} base={base} peak={peak} now={now} expect={expect} returned={returned} "
    "need={need} hidden={hidden} rate_max={rate_max} stalls={stalls} "
    "longest_stall={longest_stall} samples={samples} read={read} sigma={sigma} "
    "assisted={assisted} extended={extended} competing={competing} "
    "low_confidence={low_confidence}"
)


class Curve:
    """
    Free memory over time, thinned out so that any length fits.
    """

    def __init__(self) -> None:
        self._points: list[tuple[float, int]] = []
        self._last: tuple[float, int] | None = None
        self._stride = 1
        self._seen = 0

    def add(self, t: float, value: int) -> None:
        """
        @param t: seconds since the stop of the engine.
        @param value: bytes free.
        """
        self._last = (round(t, 4), value)
        if self._seen % self._stride == 0:
            self._points.append(self._last)
            if len(self._points) == POINTS:
                self._points = self._points[::2]
                self._stride *= 2
        self._seen += 1

    def points(self) -> list[tuple[float, int]]:
        """
        @return: at most L{POINTS} pairs of seconds and bytes, evenly spaced
            but for the last.
        """
        if self._last is None or self._points[-1] == self._last:
            return list(self._points)
        return [*self._points, self._last]


def _figure(value: object, scale: float, digits: int, unit: str = "") -> str:
    """
    @return: C{value} over C{scale}, with its unit, or a dash for none.
    """
    return f"{value / scale:.{digits}f}{unit}" if isinstance(value, (int, float)) else "-"


def line(source: str | None, target: str | None, report: SettleReport) -> dict[str, str]:
    """
    @param source: the engine that went.
    @param target: the engine that comes.
    @return: the fields of L{LINE}, rendered; all of them, always.
    """
    found = report.fields
    assists = found.get("assists", {})
    assert isinstance(assists, Mapping)

    def seconds(name: str) -> str:
        return _figure(found.get(name), 1, 3, "s")

    def gib(value: object, unit: str = "") -> str:
        return _figure(value, GIB, 1, unit)

    def count(name: str) -> str:
        return _figure(found.get(name), 1, 0)

    def flag(name: str) -> str:
        return "yes" if found.get(name) else "no"

    return {
        "source": source or "-",
        "target": target or "-",
        "verdict": report.verdict,
        "wait": _figure(report.waited, 1, 3, "s"),
        "waited_after_death": seconds("waited_after_death"),
        "after_last_rise": seconds("after_last_rise"),
        "channel": str(found.get("channel", "-")),
        "base": gib(found.get("base"), "GiB"),
        "peak": gib(found.get("peak")),
        "now": gib(report.available),
        "expect": gib(found.get("expect")),
        "returned": _figure(found.get("returned_ratio"), 0.01, 1, "%"),
        "need": gib(report.need),
        "hidden": gib(found.get("hidden")),
        "rate_max": gib(found.get("rate_max"), "GiB/s"),
        "stalls": count("stalls"),
        "longest_stall": seconds("longest_stall"),
        "samples": count("samples"),
        "read": _figure(found.get("read_seconds"), 1e-6, 0, "us"),
        "sigma": _figure(found.get("sigma"), MIB, 0, "MiB"),
        "assisted": ",".join(f"{verb}:{result}" for verb, result in assists.items()) or "no",
        "extended": flag("extended"),
        "competing": flag("competing"),
        "low_confidence": flag("low_confidence"),
    }


def breakdown(
    *, available: int, holder: str | None = None, held: int = 0, missing: int = 0, hidden: int = 0
) -> str:
    """
    @param available: bytes that are free.
    @param holder: the outgoing engine.
    @param held: bytes that it holds still.
    @param missing: bytes that it took and that did not come back.
    @param hidden: bytes that are free and do not look it.
    @return: who has the memory, in one clause.
    """
    parts = [f"{available / GIB:.1f} GiB are free"]
    if held:
        parts.append(f"engine {holder} holds {held / GIB:.1f} GiB")
    if missing:
        parts.append(f"{missing / GIB:.1f} GiB that engine {holder} took did not come back")
    if hidden:
        parts.append(f"{hidden / GIB:.1f} GiB are free in hiding")
    return ", ".join(parts)
