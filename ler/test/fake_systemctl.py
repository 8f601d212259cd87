# -*- test-case-name: ler.test.test_live_systemd -*-
"""
C{systemctl} and C{journalctl} without systemd, for live tests: units are
processes, each with a supervisor.

A unit is a file C{NAME.json} in a folder, with the keys C{command},
C{restart} (whether it is brought back), C{stop_s} (until SIGKILL) and
C{delay_s} (what the order to start takes).  L{install} makes the programs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

RESTART_S = 0.1
PAUSE_S = 0.02
NOTHING = {
    "ActiveState": "inactive",
    "SubState": "dead",
    "MainPID": "0",
    "ControlGroup": "",
    "Result": "success",
    "NRestarts": "0",
    "InvocationID": "",
}


def install(folder: Path) -> str:
    """
    @param folder: where the units are, and all that is written.
    @return: the folder of the programs, to be searched first.
    """
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name in ("systemctl", "journalctl"):
        program = programs / name
        words = (sys.executable, "-I", "-S", os.path.abspath(__file__), str(folder), name)
        program.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return str(programs)


class Unit:
    """
    One unit, as its files show it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.group = f"/test.slice/{name}"
        self.log = folder / f"{name}.log"
        self._definition = folder / f"{name}.json"
        self._status = folder / f"{name}.status"
        self._events = folder / "cgroup" / self.group.lstrip("/") / "cgroup.events"

    def definition(self) -> dict[str, Any] | None:
        """
        @return: what its file says, or L{None} without one.
        """
        if not self._definition.exists():
            return None
        definition: dict[str, Any] = json.loads(self._definition.read_text(encoding="utf-8"))
        return definition

    def status(self) -> dict[str, str]:
        """
        @return: its properties.
        """
        if not self._status.exists():
            return dict(NOTHING)
        status: dict[str, str] = json.loads(self._status.read_text(encoding="utf-8"))
        return status

    def put(self, **changes: object) -> None:
        """
        Change some of its properties.
        """
        status = self.status() | {name: str(value) for name, value in changes.items()}
        new = self._status.with_suffix(".new")
        new.write_text(json.dumps(status), encoding="utf-8")
        new.replace(self._status)

    def populate(self, populated: bool) -> None:
        """
        Say whether it has processes.
        """
        self._events.parent.mkdir(parents=True, exist_ok=True)
        self._events.write_text(f"populated {int(populated)}\nfrozen 0\n", encoding="ascii")

    def wait(self, *states: str) -> str:
        """
        @return: which of C{states} it has come to.
        """
        while (state := self.status()["ActiveState"]) not in states:
            time.sleep(PAUSE_S)
        return state


class Supervisor:
    """
    Runs a unit until it is stopped, or has ended.
    """

    def __init__(self, unit: Unit, definition: dict[str, Any]) -> None:
        self._unit = unit
        self._definition = definition
        self._stopping = False
        self._restarts = 0

    def run(self) -> None:
        """
        Return when nothing is left.
        """
        signal.signal(signal.SIGTERM, self._stop)
        code = 0
        while not self._stopping:
            code = self._run_once()
            if self._stopping or not self._definition.get("restart"):
                break
            result = "exit-code" if code else "success"
            self._unit.put(ActiveState="activating", SubState="auto-restart", Result=result)
            time.sleep(RESTART_S)
            self._restarts += 1
        failed = bool(code) and not self._stopping
        self._unit.put(
            ActiveState="failed" if failed else "inactive",
            SubState="failed" if failed else "dead",
            Result="exit-code" if failed else "success",
            MainPID=0,
            ControlGroup="",
            Supervisor=0,
        )

    def _run_once(self) -> int:
        with open(self._unit.log, "ab") as log:
            process = subprocess.Popen(
                self._definition["command"], stdout=log, stderr=log, start_new_session=True
            )
        self._unit.populate(True)
        self._unit.put(
            ActiveState="active",
            SubState="running",
            MainPID=process.pid,
            ControlGroup=self._unit.group,
            Result="success",
            NRestarts=self._restarts,
            InvocationID=f"{os.getpid()}-{self._restarts}",
            Supervisor=os.getpid(),
        )
        give_up: float | None = None
        while process.poll() is None:
            if self._stopping and give_up is None:
                self._unit.put(ActiveState="deactivating", SubState="stop-sigterm")
                process.terminate()
                give_up = time.monotonic() + self._definition.get("stop_s", 5.0)
            elif give_up is not None and time.monotonic() > give_up:
                process.kill()
            time.sleep(PAUSE_S)
        self._unit.populate(False)
        return process.returncode

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True


def start(unit: Unit, definition: dict[str, Any]) -> int:
    """
    @return: the exit code of C{systemctl start}.
    """
    if unit.status()["ActiveState"] in ("active", "activating"):
        return 0
    unit.put(**{**NOTHING, "ActiveState": "activating", "SubState": "start"})
    if os.fork() == 0:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        Supervisor(unit, definition).run()
        os._exit(0)
    if unit.wait("active", "failed", "inactive") == "active":
        return 0
    print(f"Job for {unit.group} failed.", file=sys.stderr)
    return 1


def stop(unit: Unit, signum: signal.Signals) -> int:
    """
    @return: the exit code of C{systemctl stop}, or C{kill}.
    """
    status = unit.status()
    supervisor, main = int(status.get("Supervisor", 0)), int(status["MainPID"])
    if signum == signal.SIGKILL:
        if main:
            os.killpg(main, signum)
    elif supervisor:
        os.kill(supervisor, signum)
        unit.wait("inactive", "failed")
    return 0


def systemctl(folder: Path, arguments: list[str]) -> int:
    """
    @return: the exit code of C{systemctl}.
    """
    verb, name = [word for word in arguments if not word.startswith("-")]
    unit = Unit(folder, name)
    definition = unit.definition()
    if verb == "show":
        (wanted,) = (word for word in arguments if word.startswith("--property="))
        status = unit.status()
        for key in wanted.partition("=")[2].split(","):
            print(f"{key}={status[key]}")
        return 0
    if definition is None:
        print(f"Failed to {verb} {name}: Unit {name} not found.", file=sys.stderr)
        return 5
    if verb == "start":
        time.sleep(definition.get("delay_s", 0.0))
        return start(unit, definition)
    if verb == "reset-failed":
        if unit.status()["ActiveState"] == "failed":
            unit.put(**NOTHING)
        return 0
    return stop(unit, signal.SIGTERM if verb == "stop" else signal.SIGKILL)


def journalctl(folder: Path, arguments: list[str]) -> int:
    """
    @return: the exit code of C{journalctl}.
    """
    (name,) = (word.partition("=")[2] for word in arguments if word.startswith("--u"))
    log = Unit(folder, name).log
    if log.exists():
        sys.stdout.write(log.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    program = {"systemctl": systemctl, "journalctl": journalctl}[sys.argv[2]]
    sys.exit(program(Path(sys.argv[1]), sys.argv[3:]))
