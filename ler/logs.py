# -*- test-case-name: ler.test.test_logs -*-
"""
The files that the router writes: its own log, beside what C{twistd} logs to
the terminal, and a line for each request.
"""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.application.service import Service
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    formatEvent,
    formatTime,
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


def open_log(path: str) -> Any:
    """
    @return: a file at C{path} that rotates, in a folder that is made where it
        is missing.
    @raise OSError: when it cannot be written.
    """
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    return LogFile(name, folder, rotateLength=ROTATE_BYTES, maxRotatedFiles=KEPT_FILES)


def json_line(event: LogEvent) -> str:
    """
    @return: an event as a line of JSON: when, how grave, who, the text, and
        those of its fields that are plain values.
    """
    told = {
        "time": formatTime(event.get("log_time")),
        "level": event["log_level"].name if "log_level" in event else "info",
        "logger": event.get("log_namespace", "-"),
        "message": formatEvent(event),
    }
    if "log_failure" in event:
        told["traceback"] = event["log_failure"].getTraceback()
    fields = {
        name: value
        for name, value in event.items()
        if not name.startswith("log_") and isinstance(value, str | int | float | None)
    }
    return json.dumps({**fields, **told}) + "\n"


class LogFileService(Service):
    """
    Writes the log to a file that rotates, while it runs.
    """

    def __init__(self, path: str, level: str, publisher: LogPublisher, form: str = "text") -> None:
        """
        @param level: the least level that is written; a key of L{LEVELS}.
        @param form: C{text} or C{json}.
        @param publisher: where the events come from.
        """
        self._path = os.path.abspath(path)
        self._level = LEVELS[level]
        self._publisher = publisher
        self._form = form
        self._file: Any = None
        self._observer: ILogObserver | None = None

    def privilegedStartService(self) -> None:
        """
        Open the file.

        @raise OSError: when it cannot be written.
        """
        self._file = open_log(self._path)
        write = (
            FileLogObserver(self._file, json_line)
            if self._form == "json"
            else textFileLogObserver(self._file)
        )
        self._observer = FilteringLogObserver(write, [LogLevelFilterPredicate(self._level)])
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


class RequestLogService(Service):
    """
    Writes lines to a file that rotates, while it runs.
    """

    _log = Logger()

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._file: Any = None

    def privilegedStartService(self) -> None:
        """
        Open the file.

        @raise OSError: when it cannot be written.
        """
        self._file = open_log(self._path)
        super().privilegedStartService()

    def write(self, line: str) -> None:
        """
        Add C{line}.  When it cannot be written this is logged: requests go on.
        """
        if self._file is None:
            return
        try:
            self._file.write(f"{line}\n")
        except OSError as e:
            self._log.warn("{path} is not written: {error}", path=self._path, error=str(e))

    def stopService(self) -> None:
        """
        Close the file.
        """
        super().stopService()
        if self._file is not None:
            self._file.close()
            self._file = None
