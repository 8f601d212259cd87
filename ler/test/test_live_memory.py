# -*- test-case-name: ler.test.test_live_memory -*-
"""
The memory of a real process that comes back.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from ler.interfaces import SettleReport
from ler.memory.hidden import STAT_REFRESH, HiddenMemory
from ler.memory.memory import Memory
from ler.memory.probes import machine_channels
from ler.memory.settle import SETTLED
from ler.testing import FakeStateStore

#: Takes 512 MiB in small pages, says so, and stays.
HOLDER = """
import mmap, sys
held = mmap.mmap(-1, 512 << 20)
if hasattr(mmap, "MADV_NOHUGEPAGE"):
    held.madvise(mmap.MADV_NOHUGEPAGE)
for page in range(0, len(held), 4096):
    held[page] = 1
print("held", flush=True)
sys.stdin.read()
"""


class Holder(ProcessProtocol):
    """
    A process that holds memory.

    @ivar held: fires when it does.
    @ivar gone: whether it has ended.
    """

    def __init__(self) -> None:
        self.held: Deferred[None] = Deferred()
        self.gone = False

    def outReceived(self, data: bytes) -> None:
        """
        It has said that it holds its memory.
        """
        self.held.callback(None)

    def processExited(self, reason: Failure) -> None:
        """
        It has ended.
        """
        self.gone = True


async def kill_holder(reactor: Any) -> SettleReport:
    """
    @return: how the wait ended for a process that held memory and was killed.
    """
    memory = Memory(
        machine_channels(),
        reactor,
        FakeStateStore(),
        needs={},
        sizing={},
        timeout=5.0,
        assist=HiddenMemory([STAT_REFRESH], deferToThread),
        observe=lambda outgoing, incoming, report: None,
    )
    memory.starting("holder")
    holder = Holder()
    process = reactor.spawnProcess(holder, sys.executable, [sys.executable, "-c", HOLDER], env={})
    await holder.held
    memory.started("holder")
    release = memory.begin("holder", None, lambda: not holder.gone)
    release.stopping()
    process.signalProcess("KILL")
    report: SettleReport = await release.wait()
    return report


class LiveMemoryTests(TestCase):
    """
    One real release.
    """

    timeout = 60

    def test_killed(self) -> Deferred[None]:
        """
        The memory of a process that is killed has settled soon after its
        death.  Other programs share this machine and may take memory at just
        that moment, so it is given three chances, and far more time than the
        blink that it takes: C{benchmarks/settle.py} measures that.
        """
        return Deferred.fromCoroutine(self.killed())

    async def killed(self) -> None:
        """
        Kill, and watch, until the memory came back undisturbed.
        """
        endings = []
        for _ in range(3):
            report = await kill_holder(reactor)
            after_death = report.fields["waited_after_death"]
            assert isinstance(after_death, float)
            if report.verdict == SETTLED and after_death < 1.0:
                return
            endings.append((report.verdict, after_death))
        self.fail(f"memory came back like this: {endings}")
