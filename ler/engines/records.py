# -*- test-case-name: ler.test.test_process_records -*-
"""
What a router that was killed leaves behind about its guardians.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from twisted.logger import Logger

from ler.engines.identity import Identity
from ler.interfaces import IStateStore

SECTION = "guardians"


@dataclass(frozen=True)
class Record:
    """
    One guardian.

    @ivar pid: its pid.
    @ivar start_time: when it started, see L{Identity}.
    @ivar marker: the marker of its engine's processes.
    @ivar fifo: the path of its control FIFO, if it was told to let go.
    @ivar log: the file that its output goes to in that case.
    """

    pid: int
    start_time: int
    marker: str
    fifo: str
    log: str

    @property
    def identity(self) -> Identity:
        """
        Which process it is.
        """
        return Identity(self.pid, self.start_time, self.marker)


class Records:
    """
    The guardians that run, by engine.
    """

    _log = Logger()

    def __init__(self, store: IStateStore) -> None:
        self._store = store

    def _all(self) -> dict[str, Any]:
        found = self._store.get(SECTION)
        return dict(found) if isinstance(found, dict) else {}

    def keys(self) -> frozenset[str]:
        """
        @return: the engines that have one.
        """
        return frozenset(self._all())

    def get(self, key: str) -> Record | None:
        """
        @return: the record of an engine's guardian, if there is a sound one.
        """
        found = self._all().get(key)
        if found is None:
            return None
        try:
            return Record(
                pid=int(found["pid"]),
                start_time=int(found["start_time"]),
                marker=str(found["marker"]),
                fifo=str(found["fifo"]),
                log=str(found["log"]),
            )
        except (LookupError, TypeError, ValueError):
            self._log.warn("the record of engine {key}'s guardian is damaged", key=key)
            return None

    def put(self, key: str, record: Record) -> None:
        """
        Remember the guardian of an engine.
        """
        self._store.put(SECTION, {**self._all(), key: asdict(record)})

    def remove(self, key: str) -> None:
        """
        The engine's guardian is gone.
        """
        records = self._all()
        if records.pop(key, None) is not None:
            self._store.put(SECTION, records)
