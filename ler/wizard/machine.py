# -*- test-case-name: ler.test.test_wizard_machine -*-
"""
What runs on this machine, and what listens.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

MANAGERS = frozenset({"systemd", "init"})
"""What the processes that a unit begins with descend from."""

UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1", "": "127.0.0.1"}
"""By addresses that stand for all of the machine: one of it."""


@dataclass(frozen=True)
class Unit:
    """
    A systemd service.

    @ivar is_user: whether the user's systemd runs it.
    """

    name: str
    is_user: bool


@dataclass(frozen=True)
class Process:
    """
    One process.

    @ivar argv: its command line.
    @ivar parent: the pid of its parent.
    @ivar user: whose it is, as far as one may know.
    @ivar is_ours: whether it runs as the user who looks, and sees the same
        files.
    @ivar folder: where it runs; empty when one may not know.
    @ivar environ: its environment, likewise.
    @ivar unit: the service that it is the main process of, if any.
    """

    pid: int
    argv: Sequence[str]
    parent: int = 0
    user: str = ""
    is_ours: bool = True
    folder: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    unit: Unit | None = None


@dataclass(frozen=True)
class Address:
    """
    Where something listens.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """
        @return: the URL of what listens there.
        """
        return f"http://{self}"


@dataclass(frozen=True)
class Listener:
    """
    Something that listens.

    @ivar pid: whose it is; L{None} when one may not know.
    """

    address: Address
    pid: int | None


class Machine:
    """
    This machine, as the user sees it who looks.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """
        @param environ: the environment of who looks.
        """
        self.environ = environ

    @property
    def memory(self) -> int:
        """
        @return: how many bytes of memory there are.
        """
        return int(psutil.virtual_memory().total)

    def which(self, program: str) -> str | None:
        """
        @return: the path of an installed program, or L{None}.
        """
        return shutil.which(program, path=self.environ.get("PATH"))

    def has_unit(self, name: str) -> bool:
        """
        @return: whether the system has a unit of that name.
        """
        folders = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
        return any(os.path.exists(os.path.join(folder, name)) for folder in folders)

    def processes(self) -> list[Process]:
        """
        @return: every process that has a command line.
        """
        return list(_processes())

    def listeners(self) -> list[Listener]:
        """
        @return: everything that listens for TCP, as far as one may know.
        """
        try:
            connections: Iterable[tuple[Any, int | None]] = [
                (each, each.pid) for each in psutil.net_connections("tcp")
            ]
        except psutil.AccessDenied:
            # macOS tells only of one's own processes, one by one.
            connections = _own_connections()
        found = {
            Listener(Address(UNSPECIFIED.get(each.laddr.ip, each.laddr.ip), each.laddr.port), pid)
            for each, pid in connections
            if each.status == psutil.CONN_LISTEN
        }
        return sorted(found, key=lambda listener: (listener.address.port, listener.address.host))


def _own_connections() -> Iterator[tuple[Any, int]]:
    for process in psutil.process_iter():
        # Before psutil 6 it had the other name.
        look = getattr(process, "net_connections", None) or process.connections
        with suppress(psutil.Error):
            for connection in look("tcp"):
                yield connection, process.pid


def _processes() -> Iterator[Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            argv = process.cmdline()
            if not argv:
                continue
            parent = process.parent()
            folder, environ = "", {}
            is_ours = process.uids().real == os.getuid() and _sees_what_we_see(process.pid)
            if is_ours:
                with suppress(psutil.Error, OSError):
                    folder, environ = process.cwd(), process.environ()
            begun_by_manager = parent is not None and parent.name() in MANAGERS
            yield Process(
                process.pid,
                argv,
                parent=process.ppid(),
                user=process.username(),
                is_ours=is_ours,
                folder=folder,
                environ=environ,
                unit=_unit(process.pid) if begun_by_manager else None,
            )


def _sees_what_we_see(pid: int) -> bool:
    """
    @return: whether the process is in no container, or in ours.
    """
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    except OSError:
        return not os.path.exists("/proc/self/ns/mnt")


def _unit(pid: int) -> Unit | None:
    with suppress(OSError), open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        return unit_in(file)
    return None


def unit_in(cgroups: Iterable[str]) -> Unit | None:
    """
    @param cgroups: the lines of C{/proc/PID/cgroup}.
    @return: the service that they name, if they do.
    """
    for line in cgroups:
        path = line.rstrip("\n")
        name = path.rpartition("/")[2]
        if name.endswith(".service"):
            return Unit(name, is_user="/user@" in path)
    return None
