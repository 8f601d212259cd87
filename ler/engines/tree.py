# -*- test-case-name: ler.test.test_live_process -*-
"""
The processes that a guardian owns: how they are bound to it, and reached.

Used by the guardian, so nothing but the standard library is imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

from ler.engines import procfs

OOM_SCORE = 500
"""A kernel that is short of memory is to kill an engine, and not the router."""

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class LinuxTree:
    """
    Everything that descends from the guardian, which, as a subreaper, becomes
    the parent of every orphan: nothing is left when it has no child.

    @ivar tick: how often to look whether anything is left, in seconds, or
        L{None} where SIGCHLD tells.
    """

    tick: float | None = None

    def __init__(self) -> None:
        self._prctl = ctypes.CDLL(None).prctl
        self._prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def bind(self, guardian: int) -> None:
        """
        In a child, before it becomes the engine: die with the guardian.
        """
        self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guardian:
            os._exit(1)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "r+") as file:
            score = max(int(file.read()), OOM_SCORE)
            file.seek(0)
            file.write(str(score))

    def left(self, leader: int, childless: bool) -> bool:
        """
        @param leader: the pid of the engine's first process.
        @param childless: whether the guardian has no child.
        @return: whether anything of the tree is left.
        """
        return not childless

    def send(self, leader: int, signum: int, but_group: bool = False) -> None:
        """
        Signal everything that is left, except the process group of C{leader}
        if C{but_group} is set.
        """
        for process in procfs.descendants(os.getpid(), procfs.processes()):
            if not (but_group and process.group == leader):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signum)


class GroupTree:
    """
    The engine's process group, which is as much as other systems let us own.
    Written for macOS, and not tested there.
    """

    tick: float | None = 0.05

    def bind(self, guardian: int) -> None:
        """
        Nothing ties a child's life to its parent's here.
        """

    def left(self, leader: int, childless: bool) -> bool:
        """
        @return: whether the guardian has a child, or the group a member.
        """
        if not childless:
            return True
        # A group of zombies only, which is as good as none, gives EPERM.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, 0)
            return True
        return False

    def send(self, leader: int, signum: int, but_group: bool = False) -> None:
        """
        Signal the group, unless C{but_group} leaves nobody to signal.
        """
        if not but_group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signum)


Tree = LinuxTree if sys.platform == "linux" else GroupTree
