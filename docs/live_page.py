#!/usr/bin/env python3
"""
Takes the picture of the live page that the documentation shows: a router with
three stand-ins for engines, in the middle of a swap.

Run it from the checkout, on Linux with Chromium and 4 GiB of free memory::

    python docs/live_page.py docs/live-page.png
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ler.test import standin
from ler.test.browser import Browser
from ler.test.live import Server, free_port, wait_for
from ler.test.live_router import Call, run_router

ENGINES = {
    "qwen3-32b": ("--hold-mib=2600", "--load-s=4", "--token-interval-ms=60", "--tokens=40"),
    "gemma3-27b": ("--hold-mib=1800", "--load-s=1", "--stop-s=1", "--token-interval-ms=40"),
    "bge-m3": ("--hold-mib=64",),
}

SIZE = (1200, 1150)


def configuration(port: int, folder: Path) -> dict[str, object]:
    """
    @return: that of a router with L{ENGINES}.
    """
    engines = {}
    for key, options in ENGINES.items():
        listens = free_port()
        command = [sys.executable, "-I", "-S", standin.__file__, f"--port={listens}"]
        engines[key] = {
            "type": "generic_process",
            "base_url": f"http://127.0.0.1:{listens}",
            "start_cmd": [*command, f"--model={key}", *options],
            "exclusive": key != "bge-m3",
        }
    return {
        "port": port,
        "state_dir": str(folder / "state"),
        "engines": engines,
        "models": [{"id": key, "engine": key} for key in ENGINES],
    }


def ask(port: int, models: Iterable[str]) -> None:
    """
    Ask for C{models}, one after the other.
    """
    for model in models:
        Call(port, model, stream=True).answer().read()


def swaps(router: Server) -> bool:
    """
    @return: whether the router waits for what comes, and has done so for a
        while.
    """
    swap = router.get("/status")["slots"][0]["swap"]
    return swap is not None and swap["phase"] == "start" and swap["phases"]["start"] > 2.5


def main(path: Path) -> None:
    """
    Take the picture.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(configuration(port, folder)))
        router = run_router(config, port, stdout=-3, stderr=-3, cwd=Path(__file__).parent.parent)
        stack.callback(router.stop)
        router.wait_until_ready()
        browser = Browser(folder / "browser")
        stack.callback(browser.close)
        page = browser.open(f"http://127.0.0.1:{port}/ui/", *SIZE)
        page.call("Emulation.setScrollbarsHidden", hidden=True)
        ask(port, ("bge-m3", "gemma3-27b", "qwen3-32b", "gemma3-27b"))
        page.evaluate("document.getElementById('try-model').value = 'gemma3-27b'")
        page.evaluate("document.getElementById('try-send').click()")
        page.wait_for("document.getElementById('try-state').textContent.includes('done')")
        waiting = [threading.Thread(target=ask, args=(port, ["qwen3-32b"])) for _ in range(3)]
        for thread in waiting:
            thread.start()
        wait_for(lambda: swaps(router))
        page.picture(path)
        for thread in waiting:
            thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
