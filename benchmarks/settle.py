"""
Our settle rule beside the plain one, on the curves of the tests.

The plain rule reads free memory every half second and takes two rises in a
row of less than 1 000 000 kB for the end.  For each curve the table shows when
the last memory came back, when each rule ended its wait, how long after that
(or before), and how many GiB of what the engine took were out at that moment.

Run it from the checkout:  python benchmarks/settle.py [--live N]

With C{--live} it also kills N real processes that hold 512 MiB each, and
prints how long after their death the wait was over.
"""

from __future__ import annotations

import argparse
import os
import sys
from random import Random

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from ler.memory.tuning import GIB, MIB
from ler.test.settle_curves import CURVES, Curve, Shape, Simulation, lin, nothing

PLAIN_INTERVAL = 0.5
PLAIN_RISE = 1_000_000 * 1024
PLAIN_TIMEOUT = 25.0

#: What hides in per-CPU lists meanwhile, in GiB.
HIDDEN: dict[str, Shape] = {"pcp_shortfall": lin(2, 0, 0.2)}


def plain(curve: Curve) -> float:
    """
    @return: when the plain rule ends its wait.
    """
    random = Random(1)
    previous, stable, t = curve.read(0.0, random), 0, 0.0
    while stable < 2 and t < PLAIN_TIMEOUT:
        t += PLAIN_INTERVAL
        value = curve.read(t, random)
        stable = stable + 1 if value - previous < PLAIN_RISE else 0
        previous = value
    return t


def complete(curve: Curve, hidden: Shape) -> float:
    """
    @return: when all but 32 MiB of what ever comes back had come back.
    """
    step, end = 0.005, 60.0
    enough = curve.back(end) + hidden(end) - 32 * MIB / GIB
    last = max(
        (n for n in range(int(end / step)) if curve.back(n * step) + hidden(n * step) < enough),
        default=-1,
    )
    return (last + 1) * step


def row(curve: Curve) -> tuple[str, ...]:
    """
    @return: the cells of C{curve}.
    """
    hidden = HIDDEN.get(curve.name, nothing)
    expect = curve.expect or 0.0

    def cells(t: float) -> tuple[str, str, str]:
        out = max(0.0, expect - curve.back(t) - hidden(t))
        return f"{t:.2f}", f"{t - end:+.2f}", f"{out:.1f}" if out >= 0.05 else "-"

    end = complete(curve, hidden)
    outcome = Simulation(curve, random=Random(1), hidden=hidden).run()
    return (
        curve.name,
        f"{end:.2f}",
        *cells(outcome.at),
        outcome.report.verdict,
        *cells(plain(curve)),
    )


def show(rows: list[tuple[str, ...]]) -> None:
    """
    Print C{rows}, of which the first is the heading.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    left = {0, 5}
    for cells in rows:
        print(
            "  ".join(
                cell.ljust(width) if number in left else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
        )


def live(count: int) -> None:
    """
    Print how long real waits went on after C{count} real deaths.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from ler.test.test_live_memory import kill_holder

    async def measure() -> None:
        for _ in range(count):
            report = await kill_holder(reactor)
            print(
                f"{report.verdict}: {report.fields['waited_after_death']:.3f} s after death, "
                f"{report.waited:.3f} s after the signal"
            )

    react(lambda _: Deferred.fromCoroutine(measure()))


def main() -> None:
    """
    The command line.
    """
    parser = argparse.ArgumentParser(description="Our settle rule beside the plain one.")
    parser.add_argument("--live", type=int, default=0, metavar="N", help="kill N real processes")
    count = parser.parse_args().live
    heading = ("curve", "back at", "ours", "late", "GiB out", "verdict", "plain", "late", "GiB out")
    show([heading, *(row(curve) for curve in CURVES)])
    if count:
        print()
        live(count)


if __name__ == "__main__":
    main()
