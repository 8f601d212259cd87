# -*- test-case-name: ler.test.test_simulate -*-
"""
Try policies without engines: on eight made-up traces, or on what was really
asked of this box, as its request log tells.

Run it as C{python -m ler.slot.simulate}; C{--help} tells the rest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean

from ler.interfaces import Residency
from ler.slot.bounds import least
from ler.slot.policy import POLICIES, make_policy
from ler.slot.replay import Recording
from ler.slot.simulator import Outcome, Simulation
from ler.slot.slots import EXCLUSIVE
from ler.slot.traces import TRACES, Trace
from ler.slot.wish import NEVER, TERMS, Priority, Terms

DEFAULT_WAITS = {"fair": TERMS[Priority.INTERACTIVE].max_wait}
COLUMNS = ("swaps", "makespan", "p50", "p99", "max")


@dataclass(frozen=True)
class Contender:
    """
    A policy, and what it promises.

    @ivar name: that of the policy.
    @ivar max_wait: seconds after which an interactive request is due.
    """

    name: str
    max_wait: float

    def __str__(self) -> str:
        return self.name if self.max_wait == NEVER else f"{self.name}:{self.max_wait:g}"

    def play(self, trace: Trace) -> Outcome:
        """
        @return: what it makes of C{trace}.
        """
        return Simulation(trace, make_policy(self.name), self._terms).run()

    def _terms(self, target: Residency, priority: Priority) -> Terms:
        terms = TERMS[priority]
        if priority is Priority.INTERACTIVE or self.max_wait == NEVER:
            return Terms(self.max_wait, terms.weight)
        return terms


def contender(text: str) -> Contender:
    """
    @param text: the name of a policy, perhaps with a colon and seconds.
    @raise argparse.ArgumentTypeError: when it is none.
    """
    name, colon, seconds = text.partition(":")
    if name not in POLICIES:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(POLICIES)}")
    try:
        max_wait = float(seconds) if colon else DEFAULT_WAITS.get(name, NEVER)
    except ValueError:
        max_wait = 0.0
    if not max_wait > 0:
        raise argparse.ArgumentTypeError(f"{seconds} is no number of seconds")
    return Contender(name, max_wait)


def compare(
    make: Callable[[Random], Trace], contenders: Iterable[Contender], seeds: int
) -> Iterator[tuple[str, tuple[float, ...]]]:
    """
    @return: by name, the means of L{COLUMNS} over the seeds; first the lower
        bounds, which know of swaps and makespan only.
    """
    bounds = [least(make(Random(seed))) for seed in range(seeds)]
    yield "at least", (mean(b.swaps for b in bounds), mean(b.makespan for b in bounds))
    for each in contenders:
        rows = [figures(each.play(make(Random(seed)))) for seed in range(seeds)]
        yield str(each), tuple(map(mean, zip(*rows, strict=True)))


def figures(outcome: Outcome) -> tuple[float, ...]:
    """
    @return: its L{COLUMNS}.
    """
    return (
        outcome.swaps,
        outcome.makespan,
        outcome.percentile(0.5),
        outcome.percentile(0.99),
        outcome.longest,
    )


def tables(names: Sequence[str], contenders: Sequence[Contender], seeds: int) -> Iterator[str]:
    """
    @return: the lines of one table a trace.
    """
    for name, make in TRACES.items():
        if names and name.split()[0] not in names:
            continue
        yield f"{name:<20}" + "".join(f"{column:>10}" for column in COLUMNS)
        for label, row in compare(make, contenders, seeds):
            yield f"  {label:<18}" + "".join(f"{cell:>10.1f}" for cell in row)
        yield ""


def replay(lines: Iterable[str], slot: str, contenders: Iterable[Contender]) -> Iterator[str]:
    """
    @return: what each policy would have made of a request log.
    @raise ValueError: as of L{Recording}.
    """
    recording = Recording(lines, slot)
    real, trace = recording.outcome(), recording.trace()
    if recording.unreadable:
        yield f"{recording.unreadable} lines cannot be read"
    yield (
        f"{len(recording.requests)} requests for {len(trace.swap)} models in "
        f"{real.makespan:.0f} s: {real.swaps} swaps, longest wait {real.longest:.0f} s"
    )
    for each in contenders:
        outcome = each.play(trace)
        yield (
            f"with {each}: {outcome.swaps} swaps instead of {real.swaps}, "
            f"longest wait {outcome.longest:.0f} s"
        )


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """
    @return: the options.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ler.slot.simulate", description="Try policies without engines."
    )
    parser.add_argument(
        "--policy",
        action="append",
        type=contender,
        metavar="NAME[:MAX_WAIT_S]",
        help="what to try, as often as you like; by default fifo, join, fair:60 and fair:120",
    )
    parser.add_argument("--seeds", type=int, default=20, help="runs of each trace")
    parser.add_argument(
        "--trace",
        action="append",
        default=[],
        choices=[name.split()[0] for name in TRACES],
        help="a trace to try them on, as often as you like; by default all",
    )
    parser.add_argument(
        "--replay", metavar="FILE", nargs="+", help="request logs to try them on instead"
    )
    parser.add_argument("--slot", default=EXCLUSIVE, help="the slot whose requests are replayed")
    options = parser.parse_args(argv)
    if options.policy is None:
        options.policy = [contender(text) for text in ("fifo", "join", "fair:60", "fair:120")]
    return options


def main(argv: Sequence[str]) -> None:
    """
    Print what was asked for.

    @raise SystemExit: with what is wrong with the request log.
    """
    options = parse(argv)
    if options.replay is None:
        for line in tables(options.trace, options.policy, options.seeds):
            print(line)
        return
    try:
        for line in replay(_lines(options.replay), options.slot, options.policy):
            print(line)
    except (OSError, ValueError) as e:
        raise SystemExit(f"{', '.join(options.replay)} cannot be replayed: {e}") from e


def _lines(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from file


if __name__ == "__main__":
    main(sys.argv[1:])
