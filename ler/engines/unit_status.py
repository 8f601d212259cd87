# -*- test-case-name: ler.test.test_unit -*-
"""
What systemd says of a unit, and what it means.  Pure, but for one file that is
read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ler.engines.output import lacks_memory

LAST_LINES = 5
LAST_WIDTH = 200
"""Lines of a unit's log that an error shows, and characters of each."""

PROPERTIES = (
    "ActiveState",
    "SubState",
    "MainPID",
    "ControlGroup",
    "Result",
    "NRestarts",
    "InvocationID",
)

STATES = frozenset({"active", "activating", "deactivating", "inactive", "failed"})
ENDED = frozenset({"inactive", "failed"})


@dataclass(frozen=True)
class UnitStatus:
    """
    What systemd says of a unit.

    @ivar state: one of L{IServiceUnit.state}.
    @ivar sub: the finer state of its kind: C{running}, C{auto-restart}, ...
    @ivar main_pid: the pid of its first process, or L{None}.
    @ivar control_group: the path of its control group; empty without one.
    @ivar result: how its last run ended: C{success}, C{exit-code}, C{oom-kill},
        C{start-limit-hit}, ...
    @ivar restarts: how often systemd restarted it since somebody started it.
    @ivar run: what tells one run from the next, whoever started it.
    @ivar populated: whether processes of it exist, or L{None} when unknown.
    """

    state: str = "unknown"
    sub: str = ""
    main_pid: int | None = None
    control_group: str = ""
    result: str = "success"
    restarts: int = 0
    run: str = ""
    populated: bool | None = None

    def __str__(self) -> str:
        """
        @return: what follows C{UNIT is}.
        """
        details = [self.sub] if self.sub and self.sub != self.state else []
        if self.result != "success":
            details.append(f"result {self.result}")
        if self.restarts:
            details.append(f"restarts {self.restarts}")
        return f"{self.state} ({', '.join(details)})" if details else self.state

    @property
    def runs(self) -> bool:
        """
        Whether it is there, or about to be.  One that waits to be restarted
        has ended.
        """
        return self.state in ("active", "activating") and not self.sub.startswith("auto-restart")

    @property
    def gone(self) -> bool:
        """
        Whether nothing is left of it, and nothing will come of itself.
        """
        return self.state in ENDED and not self.populated


def parse_status(text: str) -> UnitStatus:
    """
    @param text: the output of C{systemctl show}.
    """
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    state = found.get("ActiveState", "")
    if state == "reloading":
        state = "active"
    return UnitStatus(
        state=state if state in STATES else "unknown",
        sub=found.get("SubState", ""),
        main_pid=_number(found.get("MainPID", "")) or None,
        control_group=found.get("ControlGroup", ""),
        result=found.get("Result") or "success",
        restarts=_number(found.get("NRestarts", "")),
        run=found.get("InvocationID", ""),
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def is_populated(root: str, group: str) -> bool | None:
    """
    Look whether a control group, or any below it, has processes.  Reads files.

    @param root: where control groups are mounted.
    @param group: the path of the group.
    @return: L{None} where there is no such group, or none of version 2.
    """
    # With both versions mounted, the second has a folder of its own.
    for mount in (root, os.path.join(root, "unified")):
        path = os.path.join(mount, group.lstrip("/"), "cgroup.events")
        with suppress(OSError), open(path, encoding="ascii") as file:
            return "populated 1" in file.read().splitlines()
    return None


def story(status: UnitStatus | None, lines: Sequence[str]) -> str:
    """
    @param status: what systemd says, if it does.
    @param lines: the last lines of a unit's log.
    @return: what follows the name of the unit.
    """
    text = "cannot be looked at" if status is None else f"is {status}"
    if lacks_memory(lines):
        text += "; the memory that it asks for was not back yet, or is too small"
    last = [line[:LAST_WIDTH] for line in lines[-LAST_LINES:]]
    return f"{text}; its last lines: {' | '.join(last)}" if last else text
