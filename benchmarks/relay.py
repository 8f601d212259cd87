"""
What the relay costs, beside other ways to the same engine.

Real processes: an engine that streams 50 frames a second to every client,
clients, and in between, in turn, nothing; a proxy of forty lines on the same
Twisted, which is the yardstick; the router with keys, catalog, heartbeats,
metrics and log; nginx, llama-swap and the older local-engine-router, where
they are to be had.  What is tested has a processor for itself.

Run it from the checkout: C{python -m benchmarks.relay}.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from benchmarks._contenders import OURS, YARDSTICK, Contender, Load, Ring

MIB = 1 << 20

PEER = "local-engine-router==0.7.1"

Results = dict[tuple[str, str], list[float]]
"""What was measured, by contender and column: a figure a round."""


def measure(contender: Contender, what: str, size: int, seconds: float) -> tuple[float, float]:
    """
    @return: how many microseconds of processor time one frame, or answer,
        takes; and how many there are in a second.
    """
    with Load(what, contender.port, size) as load:
        load.count()
        time.sleep(0.5)
        count, cpu, began = load.count(), contender.cpu, time.monotonic()
        time.sleep(seconds)
        cpu, took = contender.cpu - cpu, time.monotonic() - began
        count = load.count() - count
    return cpu / count * 1e6, count / took


def run(contenders: Iterable[Contender], options: argparse.Namespace) -> Results:
    """
    One round after the other, every contender in each.
    """
    found: Results = defaultdict(list)
    ring = list(contenders)
    for contender in ring:
        found[contender.name, "idle"].append(contender.rss / MIB)
    for _ in range(options.rounds):
        for contender in ring:
            for streams in options.streams:
                cost, rate = measure(contender, "frames", streams, options.seconds)
                found[contender.name, f"frame {streams}"].append(cost)
                found[contender.name, f"frames/s {streams}"].append(rate)
            found[contender.name, "busy"].append(contender.rss / MIB)
            cost, rate = measure(contender, "answers", 8, options.seconds)
            found[contender.name, "request"].append(cost)
            found[contender.name, "requests/s"].append(rate)
            took = Load("first-bytes", contender.port, options.first_bytes).result()
            found[contender.name, "first p50"].append(median(took) * 1e3)
            found[contender.name, "first p99"].append(quantiles(took, n=100)[98] * 1e3)
        ring.reverse()
    return found


def show(found: Results, names: list[str]) -> None:
    """
    Print a table: microseconds a frame or a request, MiB, and milliseconds to
    the first byte; the last column is the router beside the yardstick.
    """
    print(f"{'':>14}", *(f"{name:>14}" for name in names), f"{'ratio':>8}")
    for column in dict.fromkeys(column for _, column in found):
        values = {name: median(found[name, column]) for name in names}
        ratio = values[OURS] / values[YARDSTICK] if values[YARDSTICK] else 0.0
        row = (f"{values[name]:14.1f}" for name in names)
        print(f"{column:>14}", *row, f"{ratio:8.2f}")


def main() -> None:
    """
    The command line.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--first-bytes", type=int, default=50, help="streams begun a round")
    parser.add_argument("--peer", type=Path, help=f"the Python of an environment that has {PEER}")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        ring = Ring(Path(name))
        try:
            contenders = [ring.direct(), ring.bare_proxy(), ring.engine_router()]
            nginx = ring.nginx()
            if nginx is not None:
                contenders.append(nginx)
            if options.peer is not None:
                contenders.append(ring.peer(options.peer))
            found = run(contenders, options)
        finally:
            ring.close()
    show(found, [contender.name for contender in contenders])


if __name__ == "__main__":
    main()
