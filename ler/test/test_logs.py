# -*- test-case-name: ler.test.test_logs -*-
"""
Tests for L{ler.logs}.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args, get_type_hints

from twisted.logger import Logger, LogLevel, LogPublisher, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from ler import logs
from ler.config.model import Config
from ler.logs import KEPT_FILES, LEVELS, LogFileService, RequestLogService


class LogFileServiceTests(SynchronousTestCase):
    """
    The router's own log file.
    """

    def setUp(self) -> None:
        """
        Name a file in a folder that is not there yet.
        """
        self.path = Path(self.mktemp()) / "logs" / "router.log"
        self.publisher = LogPublisher()
        self.log = Logger(namespace="ler.test", observer=self.publisher)

    def start(self, level: str = "INFO") -> LogFileService:
        """
        @return: a service that writes.
        """
        service = LogFileService(str(self.path), level, self.publisher)
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def test_lines(self) -> None:
        """Events are written as lines, with their time and where they are
        from; text of any script is kept."""
        self.start()
        self.log.info("engine {engine} is up", engine="größer")
        line = self.path.read_text(encoding="utf-8")
        self.assertRegex(line, r"^\d{4}-\d\d-\d\dT.* \[ler\.test#info\] engine größer is up\n$")

    def test_traceback(self) -> None:
        """A failure is written with its traceback."""
        self.start()
        try:
            raise RuntimeError("odd")
        except RuntimeError:
            self.log.failure("a bug")
        text = self.path.read_text(encoding="utf-8")
        self.assertIn("a bug", text)
        self.assertIn("RuntimeError: odd", text)

    def test_json(self) -> None:
        """Events may be written as lines of JSON, with the fields that are
        plain values."""
        service = LogFileService(str(self.path), "INFO", self.publisher, "json")
        service.privilegedStartService()
        self.addCleanup(service.stopService)
        self.log.info("engine {engine} took {seconds:.1f} s", engine="a\n", seconds=1.25, x=[1])
        try:
            raise RuntimeError("odd")
        except RuntimeError:
            self.log.failure("a bug")
        first, second = map(json.loads, self.path.read_text().splitlines())
        self.assertRegex(first.pop("time"), r"^\d{4}-\d\d-\d\dT")
        self.assertEqual(
            {
                "level": "info",
                "logger": "ler.test",
                "message": "engine a\n took 1.2 s",
                "engine": "a\n",
                "seconds": 1.25,
            },
            first,
        )
        self.assertEqual(("critical", "a bug"), (second["level"], second["message"]))
        self.assertIn("RuntimeError: odd", second["traceback"])

    def test_levels(self) -> None:
        """Only what reaches the level is written."""
        self.start("WARNING")
        for level in (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error):
            self.log.emit(level, "said {name}", name=level.name)
        lines = self.path.read_text().splitlines()
        self.assertEqual(["said warn", "said error"], [line[-10:].strip() for line in lines])

    def test_every_level(self) -> None:
        """Every level of the configuration is known."""
        self.assertEqual(set(get_args(get_type_hints(Config)["log_level"])), set(LEVELS))

    def test_appended(self) -> None:
        """What a former router has written is kept."""
        self.path.parent.mkdir(parents=True)
        self.path.write_text("former\n")
        self.start()
        self.log.info("new")
        self.assertTrue(self.path.read_text().startswith("former\n"))

    def test_rotation(self) -> None:
        """A file that is full is set aside, and the oldest is dropped."""
        self.patch(logs, "ROTATE_BYTES", 1000)
        self.start()
        for number in range(100):
            self.log.info("line {number} " + "x" * 80, number=number)
        names = {"router.log", *(f"router.log.{n}" for n in range(1, KEPT_FILES + 1))}
        self.assertEqual(names, set(os.listdir(self.path.parent)))
        self.assertIn("line 99", self.path.read_text())

    def test_stop(self) -> None:
        """After its stop nothing is written; to stop it twice is no harm, nor
        to stop what was never started."""
        service = self.start()
        service.stopService()
        self.log.info("unheard")
        self.assertEqual("", self.path.read_text())
        LogFileService(str(self.path), "INFO", self.publisher).stopService()

    def test_unwritable(self) -> None:
        """A file that cannot be written is an error before anything starts."""
        self.path.parent.parent.mkdir()
        self.path.parent.write_text("no folder")
        service = LogFileService(str(self.path), "INFO", self.publisher)
        self.assertRaises(OSError, service.privilegedStartService)


class FullDisk:
    """
    A file that takes nothing.
    """

    def write(self, data: str) -> None:
        """
        There is no room.
        """
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        """
        It is closed.
        """


class RequestLogServiceTests(SynchronousTestCase):
    """
    A line for each request.
    """

    def setUp(self) -> None:
        """
        Name a file in a folder that is not there yet.
        """
        self.path = Path(self.mktemp()) / "logs" / "requests.jsonl"
        self.service = RequestLogService(str(self.path))

    def start(self) -> None:
        """
        Open the file.
        """
        self.service.privilegedStartService()
        self.service.startService()
        self.addCleanup(self.service.stopService)

    def test_lines(self) -> None:
        """Lines are written at once, behind those that are there."""
        self.path.parent.mkdir(parents=True)
        self.path.write_text("former\n")
        self.start()
        self.service.write('{"model": "größer"}')
        self.assertEqual('former\n{"model": "größer"}\n', self.path.read_text(encoding="utf-8"))

    def test_rotation(self) -> None:
        """A file that is full is set aside, and the oldest is dropped."""
        self.patch(logs, "ROTATE_BYTES", 1000)
        self.start()
        for _ in range(100):
            self.service.write("x" * 99)
        names = {self.path.name, *(f"{self.path.name}.{n}" for n in range(1, KEPT_FILES + 1))}
        self.assertEqual(names, set(os.listdir(self.path.parent)))

    def test_not_running(self) -> None:
        """Before its start and after its stop nothing is written; to stop it
        twice is no harm."""
        self.service.write("early")
        self.start()
        self.service.stopService()
        self.service.write("late")
        self.assertEqual("", self.path.read_text())

    def test_full(self) -> None:
        """A line that cannot be written is told of, and does not stop its
        request."""
        self.start()
        self.service._file.close()
        self.service._file = FullDisk()
        with capturedLogs() as events:
            self.service.write("line")
        said = f"{self.path.resolve()} is not written: [Errno 28] No space left on device"
        self.assertEqual([said], [formatEvent(event) for event in events])

    def test_unwritable(self) -> None:
        """A file that cannot be written is an error before anything starts."""
        self.path.parent.parent.mkdir()
        self.path.parent.write_text("no folder")
        self.assertRaises(OSError, self.service.privilegedStartService)
