# -*- test-case-name: ler.test.test_memory_hidden -*-
"""
Memory that is free and does not look it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ler.memory.hidden import (
    DROP_CACHE,
    DROP_SLAB,
    ENOUGH_IN_VAIN,
    STAT_REFRESH,
    VERBS,
    HiddenMemory,
    per_cpu_pages,
    spare_arc,
)

PAGE = os.sysconf("SC_PAGE_SIZE")

ZONE = """\
Node {node}, zone   {zone}
  pages free     3840
        boost    0
      nr_free_pages 3840
  pagesets
    cpu: 0
              count:    {first}
              high:     6975
              batch:    63
  vm stats threshold: 24
    cpu: 1
              count:    {second}
              high:     48307
              batch:    63
  vm stats threshold: 24
  node_unreclaimable:  0
  start_pfn:           1
"""


def zoneinfo(*counts: tuple[int, int]) -> bytes:
    """
    @param counts: pages in the lists of two CPUs, for each node.
    @return: what the kernel says of that, with an empty zone for each node.
    """
    return "".join(
        ZONE.format(node=node, zone=zone, first=first, second=second)
        for node, (one, two) in enumerate(counts)
        for zone, first, second in (("DMA", 0, 0), ("Normal", one, two))
    ).encode()


class ParserTests(SynchronousTestCase):
    """
    What the kernel's files say.
    """

    def test_per_cpu_pages(self) -> None:
        """
        The lists of all CPUs count, in all zones of all nodes.
        """
        for counts, pages in (
            ([(3, 939)], 942),
            ([(1, 2), (30, 40)], 73),
            ([(1, 2), (30, 40), (500, 0)], 573),
            ([], 0),
        ):
            self.assertEqual(pages, per_cpu_pages(zoneinfo(*counts)), counts)

    def test_spare_arc(self) -> None:
        """
        What ZFS caches beyond its minimum is spare.
        """
        text = b"name type data\nhits 4 123\nc_min 4 1000\nsize 4 31000\nhdr_size 4 7\n"
        self.assertEqual(30000, spare_arc(text))
        self.assertEqual(0, spare_arc(text.replace(b"31000", b"900")))
        self.assertEqual(0, spare_arc(b""))


def at_once(function: Callable[..., None], *args: object) -> Deferred[None]:
    """
    A thread that is none.
    """
    return maybeDeferred(function, *args)


class HiddenMemoryTests(SynchronousTestCase):
    """
    Looking at it, and bringing it out.
    """

    def setUp(self) -> None:
        """
        Have a C{/proc} of our own.
        """
        self.proc = self.mktemp()
        os.makedirs(os.path.join(self.proc, "sys/vm"))
        self.write("sys/vm/stat_refresh", b"")
        self.write("sys/vm/drop_caches", b"")

    def write(self, name: str, content: bytes) -> None:
        """
        Have the file C{name} say C{content}.
        """
        path = os.path.join(self.proc, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def written(self, name: str) -> bytes:
        """
        @return: what the file C{name} holds.
        """
        with open(os.path.join(self.proc, name), "rb") as file:
            return file.read()

    def hidden(self, *allowed: str) -> HiddenMemory:
        """
        @return: the hidden memory there.
        """
        return HiddenMemory(allowed, at_once, self.proc)

    def test_nowhere(self) -> None:
        """
        On a system without such files nothing hides.
        """
        self.assertEqual(0, self.hidden().look())

    def test_sum(self) -> None:
        """
        Lists of CPUs, pools of drivers and the cache of ZFS add up.
        """
        self.write("zoneinfo", zoneinfo((3, 4)))
        self.write("meminfo", b"MemFree: 9 kB\nGPUReclaim: 2 kB\n")
        self.write("spl/kstat/zfs/arcstats", b"size 4 900\nc_min 4 100\n")
        self.assertEqual(7 * PAGE + 2048 + 800, self.hidden().look())

    def test_order(self) -> None:
        """
        What is allowed is tried from the gentlest on, however it was listed.
        """
        self.assertEqual((STAT_REFRESH, DROP_CACHE), self.hidden(DROP_CACHE, STAT_REFRESH).verbs)
        self.assertEqual((), self.hidden().verbs)

    def test_drop(self) -> None:
        """
        Each kind of cache is dropped by its own figure.
        """
        for verb, order in ((DROP_SLAB, b"2"), (DROP_CACHE, b"1")):
            self.assertTrue(self.successResultOf(self.hidden(verb).bring_out(verb)))
            self.assertEqual(order, self.written("sys/vm/drop_caches"))

    def refresh(self, lists: Iterable[int]) -> int:
        """
        Bring out lists that shrink like C{lists}.

        @return: how often the lists were looked at.
        """
        hidden = self.hidden(STAT_REFRESH)
        looks = []
        counts = iter(lists)

        def listed() -> int:
            looks.append(next(counts))
            return looks[-1]

        self.patch(hidden, "_listed", listed)
        self.assertTrue(self.successResultOf(hidden.bring_out(STAT_REFRESH)))
        return len(looks)

    def test_refresh_while_it_helps(self) -> None:
        """
        The lists are folded until they have stopped to shrink for a while.
        """
        lists = [9, 7, 8, 5, 3, *[3] * 100]
        self.assertEqual(5 + ENOUGH_IN_VAIN, self.refresh(lists))

    def test_refresh_bounded(self) -> None:
        """
        However long they shrink, there is an end to it.
        """
        self.assertEqual(1 + VERBS[STAT_REFRESH].times, self.refresh(range(1000, 0, -1)))

    def test_refused(self) -> None:
        """
        Where the system does not permit it, the command is logged, once.
        """
        os.remove(os.path.join(self.proc, "sys/vm/stat_refresh"))
        hidden = self.hidden(STAT_REFRESH)
        with capturedLogs() as events:
            for _ in range(2):
                self.assertFalse(self.successResultOf(hidden.bring_out(STAT_REFRESH)))
        (event,) = events
        self.assertIn("sudo", event["command"])
        self.assertIn("stat_refresh", event["command"])

    def test_bug(self) -> None:
        """
        A bug is no refusal.
        """
        self.failureResultOf(self.hidden().bring_out("nonsense"), KeyError)
