"""
What a swap costs beyond what the engines themselves need.

Two stand-ins take turns behind a real router.  For each swap this prints how
long the router's phases were, how long the old engine took to exit and the
new one to load by their own logs, and the overhead: the phases after the
drain, less these two.

Run it from the checkout: C{python -m benchmarks.swap}.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from ler.test import standin
from ler.test.live import Server, free_port

MODELS = ("first", "second")
TWISTD = "from twisted.scripts.twistd import run; run()"
COLUMNS = ("free", "settle", "start", "exit", "load", "overhead")


def configuration(folder: Path, port: int, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: a configuration with one stand-in a model.
    """
    command = [sys.executable, "-I", "-S", standin.__file__, "--port", "{port}"]
    command += ["--log", str(folder / "events"), "--load-s", str(options.load_s)]
    command += ["--stop-s", str(options.stop_s), "--hold-mib", str(options.hold_mib)]
    return {
        "port": port,
        "state_dir": "state",
        "engines": {
            model: {
                "type": "generic_process",
                "base_url": "http://127.0.0.1:{port}",
                "port": "auto",
                "start_cmd": [*command, "--model", model],
            }
            for model in MODELS
        },
        "models": [{"id": model, "engine": model} for model in MODELS],
    }


def last_events(log: Path) -> dict[tuple[str, str], float]:
    """
    @return: when each model's last event of each kind was.
    """
    lines = (line.split() for line in log.read_text().splitlines())
    return {(model, event): float(moment) for moment, model, event in lines}


def ask(router: Server, model: str) -> None:
    """
    Get an answer from C{model}, whatever that takes.
    """
    with router.chat(model) as response:
        answer = json.load(response)
    if response.status != 200:
        raise RuntimeError(answer)


def measure(router: Server, log: Path, old: str, new: str) -> tuple[float, ...]:
    """
    Make the router swap.

    @return: free, settle, start; exit, load; overhead: all in seconds.
    """
    ask(router, new)
    [slot] = router.get("/status")["slots"]
    swap = slot["last_swaps"][0]
    assert (swap["from"], swap["to"]) == (old, new)
    phases = [swap["phases"][name] for name in ("free", "settle", "start")]
    at = last_events(log)
    exiting = at[old, "exit"] - at[old, "term"]
    loading = at[new, "loaded"] - at[new, "start"]
    return (*phases, exiting, loading, sum(phases) - exiting - loading)


def swap_often(router: Server, log: Path, swaps: int) -> None:
    """
    Print a line a swap, and what is typical of them.
    """
    old, new = MODELS
    ask(router, old)
    print(f"{'swap':>6}" + "".join(f"{column:>10}" for column in COLUMNS))
    overheads = []
    for number in range(1, swaps + 1):
        row = measure(router, log, old, new)
        print(f"{number:>6}" + "".join(f"{cell:>10.3f}" for cell in row), flush=True)
        overheads.append(row[-1])
        old, new = new, old
    print(f"overhead: median {median(overheads):.3f} s, maximum {max(overheads):.3f} s")


def main() -> None:
    """
    Start a router and measure it.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--load-s", type=float, default=1.0, help="load time of the engines")
    parser.add_argument("--stop-s", type=float, default=0.0, help="exit time of the engines")
    parser.add_argument("--hold-mib", type=int, default=0, help="memory that they take")
    parser.add_argument("--verbose", action="store_true", help="show the router's log")
    options = parser.parse_args()

    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(configuration(folder, port, options)))
        command = [sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="]
        command += ["engine-router", "--config", str(config)]
        router = Server(command, port, stdout=sys.stderr if options.verbose else DEVNULL)
        try:
            router.wait_until_ready()
            swap_often(router, folder / "events", options.swaps)
        finally:
            router.stop()


if __name__ == "__main__":
    main()
