# -*- test-case-name: ler.test.test_memory_probes -*-
"""
The measures of free memory of this machine.

The memory of the host is one channel, the limits of a container another.
They stand beside each other: the worst verdict counts, so a container never
gets more than the host has.  The memory of a GPU, read from its driver, would
be a further channel here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil
from zope.interface import implementer

from ler.interfaces import IMemoryChannel

#: What the kernel says programs can have.
AVAILABLE = "mem"
#: What lies idle, page cache excluded: all that some GPU drivers tell of.
FREE = "free"
#: What the limits of our control groups leave.
CGROUP = "cgroup"


def meminfo_field(text: bytes, name: bytes) -> int | None:
    """
    @param text: the content of C{/proc/meminfo}.
    @return: the field C{name} in bytes, or L{None} where the kernel has none.
    """
    for line in text.splitlines():
        if line.startswith(name + b":"):
            value, _, unit = line[len(name) + 1 :].strip().partition(b" ")
            return int(value) * (1024 if unit == b"kB" else 1)
    return None


def limit_of(text: bytes) -> int | None:
    """
    @param text: the content of C{memory.max}.
    @return: the limit in bytes, or L{None} for C{max}.
    """
    text = text.strip()
    return None if text == b"max" else int(text)


def inactive_file(text: bytes) -> int:
    """
    @param text: the content of C{memory.stat}.
    @return: bytes of page cache that the kernel would give up first.
    """
    for line in text.splitlines():
        if line.startswith(b"inactive_file "):
            return int(line.split()[1])
    return 0


def cgroup_path(text: str) -> str | None:
    """
    @param text: the content of C{/proc/self/cgroup}.
    @return: our control group of version 2, or L{None}.
    """
    for line in text.splitlines():
        if line.startswith("0::"):
            return line[3:]
    return None


class KeptFile:
    """
    A small file of the kernel, read again and again through one descriptor.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None

    def read(self) -> bytes | None:
        """
        @return: what it says now, or L{None} when it cannot be read; the next
            call then opens it anew.
        """
        try:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._fd, 16384, 0)
        except OSError:
            self.close()
            return None

    def close(self) -> None:
        """
        Let go of the descriptor.
        """
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


@implementer(IMemoryChannel)
class MeminfoChannel:
    """
    One field of C{/proc/meminfo}.
    """

    interval = 0.005

    def __init__(self, name: str, field: str, path: str = "/proc/meminfo") -> None:
        self.name = name
        self._field = field.encode("ascii")
        self._file = KeptFile(path)

    def read(self) -> int | None:
        """
        @see: L{IMemoryChannel.read}
        """
        text = self._file.read()
        return None if text is None else meminfo_field(text, self._field)


@dataclass(frozen=True)
class CgroupLevel:
    """
    One control group that limits memory.
    """

    limit: KeptFile
    current: KeptFile
    stat: KeptFile

    @classmethod
    def at(cls, folder: str) -> CgroupLevel:
        """
        @param folder: the group's folder in the cgroup file system.
        """
        return cls(
            *(
                KeptFile(os.path.join(folder, f"memory.{name}"))
                for name in ("max", "current", "stat")
            )
        )

    def room(self) -> float | None:
        """
        @return: bytes that may still be charged to the group, infinite where
            it has no limit; L{None} when that cannot be read.
        """
        limit_text, current, stat = self.limit.read(), self.current.read(), self.stat.read()
        if limit_text is None or current is None or stat is None:
            return None
        limit = limit_of(limit_text)
        if limit is None:
            return float("inf")
        return max(0, limit - int(current) + inactive_file(stat))


@implementer(IMemoryChannel)
class CgroupChannel:
    """
    The least room in a chain of control groups.
    """

    name = CGROUP
    interval = 0.02

    def __init__(self, levels: Sequence[CgroupLevel]) -> None:
        self._levels = levels

    def read(self) -> int | None:
        """
        @see: L{IMemoryChannel.read}
        """
        rooms = [room for room in (level.room() for level in self._levels) if room is not None]
        room = min(rooms, default=float("inf"))
        return None if room == float("inf") else int(room)


@implementer(IMemoryChannel)
class PsutilChannel:
    """
    What psutil calls available, where there is no C{/proc/meminfo}.
    """

    name = AVAILABLE
    interval = 0.02

    def read(self) -> int | None:
        """
        @see: L{IMemoryChannel.read}
        """
        try:
            return int(psutil.virtual_memory().available)
        except (OSError, RuntimeError):
            return None


def cgroup_levels(root: str, path: str) -> Iterable[CgroupLevel]:
    """
    @param root: where the cgroup file system is mounted.
    @param path: our control group in it.
    @return: it and its ancestors, as far as they limit memory.
    """
    parts = [part for part in path.split("/") if part]
    for depth in range(len(parts), -1, -1):
        level = CgroupLevel.at(os.path.join(root, *parts[:depth]))
        room = level.room()
        if room is not None and room != float("inf"):
            yield level


def machine_channels(
    *,
    free_too: bool = False,
    meminfo: str = "/proc/meminfo",
    own_cgroup: str = "/proc/self/cgroup",
    cgroup_root: str = "/sys/fs/cgroup",
) -> tuple[IMemoryChannel, ...]:
    """
    @param free_too: whether engines look at C{MemFree} as well, as those do
        that ask CUDA on a GPU that shares the memory of the host.
    @return: the channels of this machine, that of the host first.
    """
    available = MeminfoChannel(AVAILABLE, "MemAvailable", meminfo)
    if available.read() is None:
        return (PsutilChannel(),)
    channels: list[IMemoryChannel] = [available]
    if free_too:
        channels.append(MeminfoChannel(FREE, "MemFree", meminfo))
    text = KeptFile(own_cgroup).read()
    path = None if text is None else cgroup_path(text.decode("utf-8", "replace"))
    levels = [] if path is None else list(cgroup_levels(cgroup_root, path))
    if levels:
        channels.append(CgroupChannel(levels))
    return tuple(channels)
