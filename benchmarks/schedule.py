"""
What policies are worth: swaps, and how long everything and everybody took.

First the traces of L{ler.slot.traces} are simulated.  Then some of them are
played for real, faster, by stand-ins behind a real router with each policy in
turn, and behind another router where one is named.  All times are printed in
the time of the trace: what a router itself needs for a swap, which does not get
faster, counts that many times over.

Run it from the checkout: C{python -m benchmarks.schedule}.  Another router
that reads the same configuration is named by its command line, in which
C{{config}} stands for that of the configuration::

    python -m venv other
    other/bin/pip install local-engine-router==0.7.1
    python -m benchmarks.schedule --other 'other/bin/local-engine-router --config {config}'
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from html import escape
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from statistics import mean
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import yaml

from ler.slot.simulate import COLUMNS, Contender, contender, figures
from ler.slot.simulator import Outcome
from ler.slot.traces import TRACES, Trace
from ler.slot.wish import NEVER
from ler.test import standin
from ler.test.live import Server, free_port

TWISTD = "from twisted.scripts.twistd import run; run()"
POLICIES = ("fifo", "join", "fair:60")
REAL = ("T1", "T2", "T5", "T6")
TOKEN_MS = 5.0
"""The time of one token of a stand-in, and so the precision of an answer's."""

PATIENCE = 3600.0
COLOURS = ("#9aa5b1", "#e0a63c", "#2f7d5b", "#a03c3c", "#4b6cb7")


@dataclass(frozen=True)
class Row:
    """
    What a contender made of a trace.
    """

    trace: str
    contender: str
    cells: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.trace:<20}{self.contender:<12}" + "".join(f"{c:>10.1f}" for c in self.cells)


def row(trace: str, name: str, outcomes: Sequence[Outcome]) -> Row:
    """
    @return: the means of C{outcomes}.
    """
    return Row(trace, name, tuple(map(mean, zip(*map(figures, outcomes), strict=True))))


# A trace, played for real.


@dataclass
class Play:
    """
    The clients of a trace, each in a thread, and what became of them.

    @ivar scale: how many times faster than the trace.
    """

    router: Server
    trace: Trace
    scale: float
    waits: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """
        Return when all are answered.
        """
        self.began = time.monotonic()
        clients = [
            Thread(target=self._client, args=(a.target.engine, [(a.at, a.service)]), daemon=True)
            for a in self.trace.arrivals
        ]
        clients += [
            Thread(target=self._client, args=(agent.target.engine, agent.steps), daemon=True)
            for agent in self.trace.agents
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def _client(self, model: str, steps: Iterable[tuple[float, float]]) -> None:
        for gap, service in steps:
            time.sleep(gap / self.scale)
            asked = time.monotonic()
            tokens = max(1, round(service / self.scale * 1000 / TOKEN_MS))
            try:
                ask(self.router, model, tokens)
            except (OSError, RuntimeError) as e:
                self.failures.append(str(e))
                continue
            answered = time.monotonic()
            waited = answered - asked - tokens * TOKEN_MS / 1000
            self.waits.append(max(0.0, waited) * self.scale)
            self.ends.append((answered - self.began) * self.scale)


def ask(router: Server, model: str, tokens: int) -> None:
    """
    Get an answer from C{model}, whatever that takes.
    """
    body = {"model": model, "max_tokens": tokens, "messages": [{"role": "user", "content": "Hi"}]}
    with closing(HTTPConnection("127.0.0.1", router.port, timeout=PATIENCE)) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status} {answer[:200]!r}")


def configuration(trace: Trace, port: int, folder: Path, scale: float) -> dict[str, Any]:
    """
    @return: a configuration with a stand-in for each target, which any router
        of this kind can read.
    """

    def engine(name: str, swap: float, places: float) -> dict[str, Any]:
        own = free_port()
        command = [sys.executable, "-I", "-S", standin.__file__, "--model", name]
        command += ["--port", str(own), "--log", str(folder / "events")]
        command += ["--load-s", str(swap / scale), "--places", str(places)]
        command += ["--tokens", "1000000", "--token-interval-ms", str(TOKEN_MS)]
        return {
            "type": "generic_process",
            "base_url": f"http://127.0.0.1:{own}",
            "start_cmd": command,
            "ready_path": "/health",
        }

    names = {target.engine: target for target in trace.swap}
    return {
        "port": port,
        "engines": {
            name: engine(name, trace.swap[target], trace.places[target])
            for name, target in names.items()
        },
        "models": [{"id": name, "engine": name} for name in names],
    }


def of_ours(each: Contender, trace: Trace, scale: float) -> Callable[[dict[str, Any]], None]:
    """
    @return: what completes the configuration for our router.
    """

    def complete(config: dict[str, Any]) -> None:
        bound = "never" if each.max_wait == NEVER else each.max_wait / scale
        config["scheduler"] = {"policy": each.name, "max_wait_s": bound}
        config["state_dir"] = "state"
        for target, places in trace.places.items():
            config["engines"][target.engine]["max_concurrency"] = places

    return complete


@contextmanager
def running(command: Sequence[str], port: int, verbose: bool) -> Iterator[Server]:
    """
    @return: a context with a router.
    """
    router = Server(command, port, stdout=sys.stderr if verbose else DEVNULL, stderr=None)
    try:
        router.wait_until_ready()
        yield router
    finally:
        router.stop()


def play(
    trace: Trace,
    command: Callable[[Path], Sequence[str]],
    complete: Callable[[dict[str, Any]], None],
    options: argparse.Namespace,
) -> Outcome:
    """
    @param command: the command line of a router with a configuration.
    @return: what it makes of C{trace}, whose first target is there when it
        begins.
    """
    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        config = configuration(trace, port, folder, options.scale)
        complete(config)
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        with running(command(path), port, options.verbose) as router:
            # So the router has seen each of them once, and the first is there.
            for target in reversed(list(trace.swap)):
                ask(router, target.engine, 1)
            clients = Play(router, trace, options.scale)
            clients.run()
        loads = [line for line in (folder / "events").read_text().splitlines() if "loaded" in line]
    if clients.failures:
        print(f"{len(clients.failures)} requests failed: {clients.failures[0]}", file=sys.stderr)
    swaps = len(loads) - len(trace.swap)
    return Outcome(swaps, max(clients.ends), tuple(sorted(clients.waits)))


def ours(path: Path) -> Sequence[str]:
    """
    @return: the command line of our router.
    """
    command = [sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="]
    return [*command, "engine-router", "--config", str(path)]


# The report.


def simulated(contenders: Sequence[Contender], seeds: int) -> Iterator[Row]:
    """
    @return: a row a trace and contender.
    """
    for name, make in TRACES.items():
        for each in contenders:
            outcomes = [each.play(make(Random(seed))) for seed in range(seeds)]
            yield row(name, str(each), outcomes)


def real(contenders: Sequence[Contender], options: argparse.Namespace) -> Iterator[Row]:
    """
    @return: a row a trace and contender, and for the other router, if any.
    """
    for name, make in TRACES.items():
        if name.split()[0] not in options.trace:
            continue
        trace = make(Random(0))
        for each in contenders:
            complete = of_ours(each, trace, options.scale)
            yield row(name, str(each), [play(trace, ours, complete, options)])
        if options.other is not None:

            def other(path: Path) -> Sequence[str]:
                return shlex.split(options.other.replace("{config}", str(path)))

            yield row(name, "other", [play(trace, other, lambda config: None, options)])


def told(title: str, rows: Iterable[Row]) -> list[Row]:
    """
    Print C{rows} as they come.

    @return: them.
    """
    print(f"\n{title}")
    print(f"{'trace':<20}{'policy':<12}" + "".join(f"{column:>10}" for column in COLUMNS))
    kept = []
    for each in rows:
        print(each, flush=True)
        kept.append(each)
    return kept


def plot(title: str, rows: Sequence[Row], top: int) -> tuple[str, int]:
    """
    @param top: where to begin.
    @return: SVG with two bars a row, of the makespan and of the longest wait,
        each as a share of the longest in its trace; and where it ends.
    """
    names = list(dict.fromkeys(each.contender for each in rows))
    parts = [f'<text x="10" y="{top + 16}" font-weight="bold">{escape(title)}</text>']
    y = top + 40
    for trace in dict.fromkeys(each.trace for each in rows):
        mine = [each for each in rows if each.trace == trace]
        parts.append(f'<text x="10" y="{y + 11}">{escape(trace)}</text>')
        for each in mine:
            colour = COLOURS[names.index(each.contender) % len(COLOURS)]
            parts.append(f'<text x="150" y="{y + 11}">{escape(each.contender)}</text>')
            for x, column in ((230, 1), (530, 4)):
                longest = max(other.cells[column] for other in mine) or 1.0
                width = 220 * each.cells[column] / longest
                parts.append(
                    f'<rect x="{x}" y="{y}" width="{width:.1f}" height="13" fill="{colour}"/>'
                    f'<text x="{x + width + 4:.1f}" y="{y + 11}">{each.cells[column]:.0f} s</text>'
                )
            parts.append(f'<text x="830" y="{y + 11}">{each.cells[0]:.0f}</text>')
            y += 16
        y += 10
    for x, label in ((230, "makespan"), (530, "longest wait"), (830, "swaps")):
        parts.append(f'<text x="{x}" y="{top + 34}" font-style="italic">{label}</text>')
    return "\n".join(parts), y + 10


def drawing(charts: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """
    @return: all C{charts}, one under the other, as SVG.
    """
    parts, y = [], 10
    for title, rows in charts:
        part, y = plot(title, rows, y)
        parts.append(part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="880" height="{y}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="880" height="{y}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def main() -> None:
    """
    Simulate, play, and draw.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="simulated runs of each trace")
    parser.add_argument("--scale", type=float, default=20.0, help="how much faster than the traces")
    parser.add_argument(
        "--trace", nargs="*", default=REAL, help="the traces to play for real; none for none"
    )
    parser.add_argument("--other", help="command line of another router, with {config}")
    parser.add_argument("--svg", type=Path, help="file to draw the results in")
    parser.add_argument("--verbose", action="store_true", help="show the log of the routers")
    options = parser.parse_args()

    contenders = [contender(text) for text in POLICIES]
    means = f"simulated, means of {options.seeds} runs"
    charts = [(means, told(means, simulated(contenders, options.seeds)))]
    if options.trace:
        played = f"stand-ins, {options.scale:g} times as fast, in seconds of the trace"
        charts.append((played, told(played, real(contenders, options))))
    if options.svg is not None:
        options.svg.write_text(drawing(charts))


if __name__ == "__main__":
    main()
