# -*- test-case-name: ler.test.test_live_presets -*-
"""
A ramalama without the inference, with the habits that a router has to know:

  - C{--nocontainer} stands before C{serve}, and forbids C{--name};
  - it does not become the server, which is the stand-in of llama-server, but
    has it as its child;
  - a container is no child of it, survives SIGTERM to it, and needs
    C{ramalama stop NAME}, which kills it.

The container is a process that left its parents, as under podman, and not the
child of somebody else, as under docker.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ler.test.backends.program import FOLDER, fork, note

PAUSE_S = 0.02


def container(name: str) -> Path:
    """
    @return: the file that holds the pid of a container.
    """
    return Path(FOLDER) / f"{name}.container"


def start(name: str, command: list[str]) -> None:
    """
    Run a command in a container, which has an environment of its own.
    """
    inside = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PATH", "PYTHON", "STANDIN_"))
    }

    def run() -> None:
        container(name).write_text(str(os.getpid()))
        os.execve(command[0], command, inside)

    def leave() -> None:
        os.setsid()
        fork(run)

    os.waitpid(fork(leave), 0)
    while not container(name).exists():
        time.sleep(PAUSE_S)


def attend(name: str) -> None:
    """
    Wait until a container is gone.
    """
    while container(name).exists():
        time.sleep(PAUSE_S)


def stop(name: str) -> None:
    """
    Kill a container, without grace.
    """
    with suppress(FileNotFoundError):
        os.kill(int(container(name).read_text()), signal.SIGKILL)
        container(name).unlink()
        note("container stopped")


def main() -> None:
    """
    Do what the command line says.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--nocontainer", action="store_true")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve")
    serve.add_argument("--name")
    serve.add_argument("--host", default="127.0.0.1")
    # The original takes the first free port that it finds.
    serve.add_argument("--port", required=True)
    serve.add_argument("--ctx-size", required=True)
    serve.add_argument("--ngl", required=True)
    serve.add_argument("--pull")
    serve.add_argument("model")
    commands.add_parser("stop").add_argument("name")
    options = parser.parse_args()
    if options.command == "stop":
        stop(options.name)
        return
    if options.nocontainer == bool(options.name):
        serve.error("--name is for containers, and containers need one here")
    command = [sys.executable, "-m", "ler.test.backends.llamacpp"]
    command += [f"--host={options.host}", f"--port={options.port}", f"--model={options.model}"]
    command += [f"--alias={options.model}", f"-ngl={options.ngl}", f"-c={options.ctx_size}"]
    if options.nocontainer:
        subprocess.call(command)
    else:
        start(options.name, command)
        attend(options.name)


if __name__ == "__main__":
    main()
