# -*- test-case-name: ler.test.test_memory_hidden -*-
"""
Memory that is free and does not look it, and how to bring it out.

Since Linux 6.7 the pages that a process frees may stay in lists of each CPU,
an eighth of the memory in all, and count neither as free nor as available;
drivers keep pools of pages, and ZFS its cache.  An allocation gets all of it.
What an engine reads before it allocates shows none of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ler.memory.probes import meminfo_field

STAT_REFRESH = "stat_refresh"
DROP_SLAB = "drop_slab"
DROP_CACHE = "drop_cache"

#: Times in a row without effect after which a verb has done what it can; on a
#: busy machine the lists are filled while they are emptied.
ENOUGH_IN_VAIN = 5

_COUNT = re.compile(rb"^\s+count:\s+(\d+)", re.MULTILINE)


def per_cpu_pages(zoneinfo: bytes) -> int:
    """
    @param zoneinfo: the content of C{/proc/zoneinfo}.
    @return: pages in the lists of all CPUs, over all zones and nodes.
    """
    return sum(int(count) for count in _COUNT.findall(zoneinfo))


def spare_arc(arcstats: bytes) -> int:
    """
    @param arcstats: the content of C{/proc/spl/kstat/zfs/arcstats}.
    @return: bytes that ZFS would give up under pressure.
    """
    size, least = (
        int(found[1]) if (found := re.search(pattern, arcstats, re.MULTILINE)) else 0
        for pattern in (rb"^size\s+\d+\s+(\d+)", rb"^c_min\s+\d+\s+(\d+)")
    )
    return max(0, size - least)


@dataclass(frozen=True)
class Verb:
    """
    One way to bring hidden memory out.

    @ivar path: the file of the kernel that does it, below C{/proc}.
    @ivar order: what is written there; nothing means that it is read.
    @ivar times: how often, at most.
    @ivar command: what a person types to the same end.
    """

    path: str
    order: bytes
    times: int
    command: str


#: In the order in which they are tried, the gentlest first.  The first only
#: folds the lists of the CPUs; the second costs caches of directories, the
#: third those of files.
VERBS = {
    STAT_REFRESH: Verb(
        "sys/vm/stat_refresh",
        b"",
        200,
        "sudo sh -c 'for i in $(seq 200); do cat /proc/sys/vm/stat_refresh; done'",
    ),
    DROP_SLAB: Verb(
        "sys/vm/drop_caches", b"2", 1, "sudo sh -c 'echo 2 > /proc/sys/vm/drop_caches'"
    ),
    DROP_CACHE: Verb(
        "sys/vm/drop_caches", b"1", 1, "sudo sh -c 'echo 1 > /proc/sys/vm/drop_caches'"
    ),
}


class HiddenMemory:
    """
    The hidden free memory of this machine.

    @ivar verbs: what may be done to bring it out, in the order to try.
    """

    _log = Logger()

    def __init__(
        self,
        allowed: Collection[str],
        threads: Callable[..., Deferred[None]],
        proc: str = "/proc",
    ) -> None:
        """
        @param allowed: names of L{VERBS}.
        @param threads: like L{deferToThread<twisted.internet.threads>}.
        """
        self.verbs = tuple(verb for verb in VERBS if verb in allowed)
        self._threads = threads
        self._proc = proc
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._told: set[str] = set()

    def look(self) -> int:
        """
        @return: hidden free bytes at this moment; 0 where there are none, or
            nobody can tell.  Takes a tenth of a millisecond.
        """
        reclaimable = meminfo_field(self._read("meminfo"), b"GPUReclaim") or 0
        return self._listed() + reclaimable + spare_arc(self._read("spl/kstat/zfs/arcstats"))

    def bring_out(self, verb: str) -> Deferred[bool]:
        """
        Do C{verb}, in a thread.

        @return: a L{Deferred} firing with whether the system permitted it.
        """
        return Deferred.fromCoroutine(self._bring_out(verb))

    async def _bring_out(self, verb: str) -> bool:
        try:
            await self._threads(self._perform, VERBS[verb])
        except OSError as e:
            if verb not in self._told:
                self._told.add(verb)
                self._log.warn(
                    "free memory is in hiding, and {verb} is not permitted ({error}); "
                    "to bring it out: {command}",
                    verb=verb,
                    error=e.strerror,
                    command=VERBS[verb].command,
                )
            return False
        return True

    def _perform(self, verb: Verb) -> None:
        path = os.path.join(self._proc, verb.path)
        least, in_vain = self._listed(), 0
        for _ in range(verb.times):
            if verb.order:
                with open(path, "wb", buffering=0) as file:
                    file.write(verb.order)
            else:
                with open(path, "rb", buffering=0) as file:
                    file.read()
            left = self._listed()
            least, in_vain = (left, 0) if left < least else (least, in_vain + 1)
            if in_vain == ENOUGH_IN_VAIN:
                return

    def _listed(self) -> int:
        return per_cpu_pages(self._read("zoneinfo")) * self._page

    def _read(self, name: str) -> bytes:
        try:
            with open(os.path.join(self._proc, name), "rb") as file:
                return file.read()
        except OSError:
            return b""
