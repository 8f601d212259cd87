# -*- test-case-name: ler.test.test_logs -*-
"""
The router's own log file, beside what C{twistd} logs to the terminal.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    textFileLogObserver,
)
from twisted.python.logfile import LogFile

ROTATE_BYTES = 5_000_000
KEPT_FILES = 3

LEVELS = {
    "DEBUG": LogLevel.debug,
    "INFO": LogLevel.info,
    "WARNING": LogLevel.warn,
    "ERROR": LogLevel.error,
}


class LogFileService(Service):
    """
    Writes the log to a file that rotates, while it runs.
    """

    def __init__(self, path: str, level: str, publisher: LogPublisher) -> None:
        """
        @param level: the least level that is written; a key of L{LEVELS}.
        @param publisher: where the events come from.
        """
        self._path = os.path.abspath(path)
        self._level = LEVELS[level]
        self._publisher = publisher
        self._file: Any = None
        self._observer: ILogObserver | None = None

    def privilegedStartService(self) -> None:
        """
        Open the file.

        @raise OSError: when it cannot be written.
        """
        folder, name = os.path.split(self._path)
        os.makedirs(folder, exist_ok=True)
        self._file = LogFile(name, folder, rotateLength=ROTATE_BYTES, maxRotatedFiles=KEPT_FILES)
        self._observer = FilteringLogObserver(
            textFileLogObserver(self._file), [LogLevelFilterPredicate(self._level)]
        )
        self._publisher.addObserver(self._observer)
        super().privilegedStartService()

    def stopService(self) -> None:
        """
        Close the file.
        """
        super().stopService()
        if self._observer is not None:
            self._publisher.removeObserver(self._observer)
            self._file.close()
            self._observer = None
