# -*- test-case-name: ler.test.test_process_procfs -*-
"""
What Linux says of processes under C{/proc}.

Used by the guardian too, so nothing but the standard library is imported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Stat(NamedTuple):
    """
    One process.

    @ivar pid: its number, which another one will have when it is gone.
    @ivar state: C{R}, C{S}, C{D}, ..., or C{Z} for a zombie.
    @ivar parent: the pid of its parent.
    @ivar group: its process group.
    @ivar session: its session.
    @ivar start_time: when it started, in clock ticks since boot.
    """

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_time: int


def parse_stat(text: bytes) -> Stat:
    """
    @param text: the content of C{/proc/PID/stat}.
    """
    # The second field is the program's name in parentheses; it may itself hold
    # spaces and parentheses.
    head, _, tail = text.rpartition(b")")
    fields = tail.split()
    return Stat(
        pid=int(head.split(None, 1)[0]),
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_time=int(fields[19]),
    )


def stat(pid: int) -> Stat | None:
    """
    @return: the process with this pid, or L{None} when there is none.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return parse_stat(file.read())
    except OSError:
        return None


def processes() -> Iterator[Stat]:
    """
    @return: every process that there is.  Takes milliseconds on a full machine.
    """
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = stat(int(name))
            if found is not None:
                yield found


def environ(pid: int) -> list[bytes]:
    """
    @return: the environment that the process was started with, as
        C{NAME=value} each; empty when it is gone or not ours to look at.
    """
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
    return []


def descendants(root: int, table: Iterable[Stat]) -> Iterator[Stat]:
    """
    @param root: the pid whose children, and theirs, are asked for.
    @param table: all processes.
    @return: those that descend from C{root}, parents first.
    """
    children: dict[int, list[Stat]] = {}
    for process in table:
        children.setdefault(process.parent, []).append(process)
    ancestors = [root]
    for ancestor in ancestors:
        for process in children.get(ancestor, ()):
            ancestors.append(process.pid)
            yield process
