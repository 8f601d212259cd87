# -*- test-case-name: ler.test.test_process_procfs -*-
"""
Tests for L{ler.engines.procfs}.
"""

from __future__ import annotations

import os
import sys
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from ler.engines import procfs
from ler.engines.procfs import Stat, descendants, parse_stat

REST = b"-1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0"


class ParseStatTests(SynchronousTestCase):
    """
    L{parse_stat}
    """

    def test_fields(self) -> None:
        """
        The fields that matter are found.
        """
        text = b"17 (vllm) S 1 16 15 0 " + REST % 99
        self.assertEqual(Stat(17, "S", 1, 16, 15, 99), parse_stat(text))

    def test_nasty_names(self) -> None:
        """
        A program's name may hold anything.
        """
        for name in [b"", b"a b", b") S 2 3 4", b"((", b"\xff\n"]:
            text = b"17 (" + name + b") Z 1 16 15 0 " + REST % 99
            self.assertEqual(Stat(17, "Z", 1, 16, 15, 99), parse_stat(text))


class DescendantsTests(SynchronousTestCase):
    """
    L{descendants}
    """

    def test_descendants(self) -> None:
        """
        Children, and theirs, are found whatever their group, and nobody else.
        """
        parents = {2: 1, 3: 1, 4: 3, 5: 4, 6: 2, 7: 99}
        table = [Stat(pid, "S", parent, pid, pid, 0) for pid, parent in parents.items()]
        found = [process.pid for process in descendants(3, table)]
        self.assertEqual([4, 5], found)

    def test_none(self) -> None:
        """
        A process without children has no descendants.
        """
        self.assertEqual([], list(descendants(1, [])))


@skipUnless(sys.platform == "linux", "there is no /proc")
class ProcTests(SynchronousTestCase):
    """
    What the kernel says of the test itself.
    """

    def test_stat(self) -> None:
        """
        The test finds itself, alone and among all.
        """
        found = procfs.stat(os.getpid())
        assert found is not None
        self.assertEqual(os.getppid(), found.parent)
        self.assertEqual((os.getpgid(0), os.getsid(0)), (found.group, found.session))
        self.assertIn(os.getpid(), [process.pid for process in procfs.processes()])

    def test_nobody(self) -> None:
        """
        There is nothing to say of a process that does not exist.
        """
        self.assertIsNone(procfs.stat(2**22 + 1))
        self.assertEqual([], procfs.environ(2**22 + 1))

    def test_environ(self) -> None:
        """
        The environment that a process was started with can be seen.
        """
        self.assertTrue(any(entry.startswith(b"PATH=") for entry in procfs.environ(os.getpid())))
