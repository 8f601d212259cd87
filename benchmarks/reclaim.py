"""
Memory that comes back after its engine is gone, and takes its time: why this
router exists.

On machines with unified memory the driver gives an engine's memory back behind
its death, second by second.  Here a process plays the driver: while an engine
is up it holds some gigabytes; once the engine is gone it gives them back,
slowly.  The router knows nothing of that process, and the end of the engine
says nothing of the memory's return.

The engines are as picky as real ones: they abort at once when less memory is
available than before anything was started, but for a small margin.  The last
line counts these aborts, and there must be none.

For each swap this prints the verdict of the wait for memory, how long that
took, and how long after the last memory had come back the new engine was
started.  That may be a little before: the router lets the last 256 MiB be on
their way.  In the end the memory does not come back at all, and a client has
to be told so, with figures.

Run it from the checkout: C{python -m benchmarks.reclaim}.  Linux only; and
where the kernel hides small pages that are free, which it does since 6.7, only
root may have them brought out.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import mmap
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Process
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from ler.test import standin
from ler.test.live import Server, free_port, wait_for
from ler.test.live_router import run_router

MODELS = ("first", "second")
MIB = 1 << 20
GIB = 1 << 30

PAGE = 4096
STEP = 8 * MIB
"""How much is given back at a time."""

PATIENCE_S = 15.0
"""Within this time a client is told that the memory does not come back."""


@dataclass(frozen=True)
class Driver:
    """
    How memory comes back.

    @ivar text: the same in words.
    @ivar advice: what kind of pages it is made of, as for C{madvise}.
    @ivar rate: bytes a second.
    @ivar parts: how many parts it comes in.
    @ivar pause: seconds between two parts.
    @ivar returns: whether it comes back at all.
    """

    text: str
    advice: int = mmap.MADV_NOHUGEPAGE
    rate: float = 0.8 * GIB
    parts: int = 1
    pause: float = 0.0
    returns: bool = True


DRIVERS = (
    Driver("small pages"),
    Driver("huge pages", advice=mmap.MADV_HUGEPAGE),
    Driver("four parts with pauses of 1.4 s", parts=4, pause=1.4),
)
MISER = Driver("memory that stays away", returns=False)


class Scene:
    """
    A folder in which everything is written down.

    @ivar events: the file in which the engines note what they do.
    @ivar lock: a file that an engine keeps locked as long as it lives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = folder / "events"
        self.lock = folder / "lock"
        self._driver = folder / "driver"
        self.lock.touch()

    def note(self, event: str) -> None:
        """
        Write down what the driver has done.
        """
        with self._driver.open("a") as file:
            file.write(f"{time.monotonic()} {event}\n")

    def noted(self, event: str) -> list[float]:
        """
        @return: when the driver did that.
        """
        if not self._driver.exists():
            return []
        lines = (line.split() for line in self._driver.read_text().splitlines())
        return [float(moment) for moment, name in lines if name == event]

    def seen(self, model: str, event: str) -> list[float]:
        """
        @return: when C{event} happened to an engine, see L{ler.test.standin}.
        """
        lines = (line.split() for line in self.events.read_text().splitlines())
        return [float(moment) for moment, *what in lines if what == [model, event]]


def drive(driver: Driver, scene: Scene, size: int) -> None:
    """
    Follow the engines, as a process of its own.
    """
    with scene.lock.open() as lock:
        while True:
            while not is_held(lock.fileno()):
                time.sleep(0.01)
            with mmap.mmap(-1, size, mmap.MAP_PRIVATE) as memory:
                memory.madvise(driver.advice)
                memory[::PAGE] = b"\1" * (size // PAGE)
                scene.note("held")
                fcntl.flock(lock, fcntl.LOCK_SH)  # The engine is gone.
                fcntl.flock(lock, fcntl.LOCK_UN)
                if driver.returns:
                    give_back(driver, memory, size)
                    scene.note("returned")
                else:
                    time.sleep(3600)


def is_held(lock: int) -> bool:
    """
    @return: whether an engine lives.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def give_back(driver: Driver, memory: mmap.mmap, size: int) -> None:
    """
    Give C{memory} back, little by little.
    """
    due = time.monotonic()
    for start in range(0, size, STEP):
        if start and start % (size // driver.parts) == 0:
            due += driver.pause
        time.sleep(max(0, due - time.monotonic()))
        memory.madvise(mmap.MADV_DONTNEED, start, STEP)
        due += STEP / driver.rate


def configuration(scene: Scene, port: int, memory: dict[str, float], least: int) -> dict[str, Any]:
    """
    @param memory: what models need, in GiB, where that is configured.
    @param least: MiB below which an engine aborts.
    @return: a configuration with one stand-in a model.
    """
    command = ["flock", "--no-fork", str(scene.lock), sys.executable, "-I", "-S"]
    command += [standin.__file__, "--port={port}", f"--log={scene.events}"]
    command += ["--load-s=2", f"--abort-below-mib={least}"]
    return {
        "port": port,
        "state_dir": "state",
        "engines": {
            model: {
                "type": "generic_process",
                "base_url": "http://127.0.0.1:{port}",
                "port": "auto",
                "start_cmd": [*command, f"--model={model}"],
                **({"memory": memory[model]} if model in memory else {}),
            }
            for model in MODELS
        },
        "models": [{"id": model, "engine": model} for model in MODELS],
    }


@contextmanager
def running(
    driver: Driver, options: argparse.Namespace, memory: dict[str, float]
) -> Iterator[tuple[Server, Scene]]:
    """
    @return: a context with a router, its first engine and the driver.
    """
    with TemporaryDirectory() as name:
        scene, port = Scene(Path(name)), free_port()
        config = scene.folder / "config.yaml"
        least = standin.available_mib() - options.margin_mib
        config.write_text(yaml.safe_dump(configuration(scene, port, memory, least)))
        # No child of the router, which knows nothing of it.
        process = Process(target=drive, args=(driver, scene, options.gib * GIB), daemon=True)
        process.start()
        router = run_router(config, port, stdout=sys.stderr if options.verbose else DEVNULL)
        try:
            router.wait_until_ready()
            ask(router, MODELS[0])
            wait_for(lambda: bool(scene.noted("held")))
            yield router, scene
        finally:
            router.stop()
            process.kill()
            process.join()


def ask(router: Server, model: str) -> None:
    """
    Get an answer from C{model}, whatever that takes.

    @raise RuntimeError: there is none.
    """
    with router.chat(model) as response:
        answer = json.load(response)
    if response.status != 200:
        raise RuntimeError(answer["error"]["message"])


def swap(router: Server, scene: Scene, model: str, number: int) -> None:
    """
    Have the router swap, and print how that went.
    """
    ask(router, model)
    done = router.get("/status")["last_swap"]
    # The driver serves the engines one after the other, to the end.
    wait_for(lambda: len(scene.noted("held")) > number)
    after = scene.seen(model, "start")[-1] - scene.noted("returned")[-1]
    row = f"{number:>6}  {done['settle']:<14}{done['phases']['settle']:>10.3f}{after:>14.3f}"
    print(row, flush=True)


def swap_often(driver: Driver, options: argparse.Namespace) -> int:
    """
    Print a line a swap, until an engine aborts.

    @return: how many did.
    """
    print(f"\n{driver.text}\n{'swap':>6}  {'verdict':<14}{'settle s':>10}{'after last s':>14}")
    try:
        with running(driver, options, {}) as (router, scene):
            for number in range(1, options.swaps + 1):
                swap(router, scene, MODELS[number % 2], number)
    except RuntimeError as e:
        print(e)
        return 1
    return 0


def refuse(options: argparse.Namespace) -> bool:
    """
    Have memory stay away that an engine is known to need.

    @return: whether the router behaves.
    """
    print(f"\n{MISER.text}")
    need = standin.available_mib() / 1024 - options.gib / 2
    with running(MISER, options, {MODELS[1]: need}) as (router, scene):
        began = time.monotonic()
        with router.chat(MODELS[1]) as response:
            error = json.load(response)["error"]
        seconds = time.monotonic() - began
        print(f"{response.status} {error['code']} after {seconds:.1f} s: {error['message']}")
        told = (response.status, error["code"]) == (503, "insufficient_memory")
        return told and seconds < PATIENCE_S and not scene.seen(MODELS[1], "start")


def main() -> None:
    """
    Run everything; the exit status says whether it is as it should be.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--swaps", type=int, default=10, help="how many of each kind")
    parser.add_argument("--quick", dest="swaps", action="store_const", const=2, help="two of each")
    parser.add_argument("--gib", type=int, default=4, help="memory that comes back late")
    parser.add_argument("--margin-mib", type=int, default=512, help="what may be missing")
    parser.add_argument("--verbose", action="store_true", help="show the router's log")
    options = parser.parse_args()

    aborts = sum(swap_often(driver, options) for driver in DRIVERS)
    behaves = refuse(options)
    print(f"\naborts: {aborts}")
    sys.exit(0 if behaves and not aborts else 1)


if __name__ == "__main__":
    main()
