# -*- test-case-name: ler.test.test_former -*-
"""
An engine that an earlier router left running, and that nobody configures any
more: it holds memory like any other until it is stopped.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from ler.engines.identity import ProcessTable, process_table
from ler.engines.process import GuardedProcess, Threads
from ler.engines.records import Records
from ler.engines.reown import reown
from ler.errors import EngineStartFailed
from ler.interfaces import IEngine, IEngineWatcher, Residency

PATIENCE_S = 60.0
"""How long it may take to stop; what was configured only its guardian knows."""


@implementer(IEngine)
class FormerEngine:
    """
    What the record of a guardian says of an engine.  It serves no model, and
    is stopped when it is looked at.
    """

    _log = Logger()

    base_url = ""

    def __init__(
        self,
        key: str,
        *,
        reactor: Any,
        records: Records,
        threads: Threads,
        table: ProcessTable | None = None,
    ) -> None:
        """
        @param key: the key that it was configured by.
        @param reactor: an C{IReactorTime} and C{IReactorFDSet}.
        """
        self.key = key
        self._reactor = reactor
        self._records = records
        self._threads = threads
        self._table = process_table() if table is None else table
        self._process: GuardedProcess | None = None

    def bring_up(self, model: str | None) -> Deferred[None]:
        """
        @see: L{IEngine.bring_up}
        """
        return fail(EngineStartFailed(f"engine {self.key} is not configured any more"))

    def free(self) -> Deferred[None]:
        """
        @see: L{IEngine.free}
        """
        return succeed(None) if self._process is None else self._process.stop()

    def close(self) -> Deferred[None]:
        """
        @see: L{IEngine.close}
        """
        return self.free()

    def leave(self) -> Deferred[None]:
        """
        @see: L{IEngine.leave}
        """
        return self.free()

    def loaded(self) -> Deferred[tuple[Residency, ...]]:
        """
        @see: L{IEngine.loaded}
        """
        record = self._records.get(self.key)
        if record is not None and self._process is None:
            self._log.info("engine {key} is not configured any more: it is stopped", key=self.key)
            process = self._process = GuardedProcess(
                self.key,
                record.marker,
                PATIENCE_S,
                table=self._table,
                clock=self._reactor,
                threads=self._threads,
            )
            process.when_gone().addCallback(self._vanished)
            reown(process, record, reactor=self._reactor, table=self._table)
        return self.free().addCallback(lambda _: ())

    def watch(self, watcher: IEngineWatcher) -> None:
        """
        @see: L{IEngine.watch}
        """

    def alive(self) -> bool:
        """
        @see: L{IEngine.alive}
        """
        return self._process is not None

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IEngine.describe}
        """
        return {"type": "former", "process_running": self.alive()}

    def _vanished(self, _: None) -> None:
        self._process = None
        self._records.remove(self.key)
