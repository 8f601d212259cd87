# -*- test-case-name: ler.test.test_notify -*-
"""
Tests for L{ler.notify}.
"""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ler.notify import MOMENT_S, Notifier

ADDRESS = "/run/systemd/notify"


class NotifierTests(SynchronousTestCase):
    """
    What the service manager hears.
    """

    def setUp(self) -> None:
        """
        Nothing was told yet.
        """
        self.clock = Clock()
        self.told: list[str] = []

    def send(self, address: str, message: bytes) -> None:
        """
        @see: L{ler.notify.send}
        """
        self.assertEqual(ADDRESS, address)
        self.told.append(message.decode())

    def notifier(self, **environ: object) -> Notifier:
        """
        @return: a notifier in an environment with these variables, which does
            not run yet.
        """
        given = {"NOTIFY_SOCKET": ADDRESS, **environ}
        texts = {name: str(value) for name, value in given.items()}
        return Notifier(texts, self.clock, self.send)

    def assert_calm(self, notifier: Notifier) -> None:
        """
        Assert that a running notifier never beats.
        """
        notifier.startService()
        self.assertEqual(["READY=1"], self.told)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_life(self) -> None:
        """It is told of the start, and of the stop as soon as that begins."""
        notifier = self.notifier()
        self.assertEqual([], self.told)
        notifier.startService()
        notifier.stopping()
        notifier.stopService()
        self.assertEqual(["READY=1", "STOPPING=1"], self.told)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_watchdog(self) -> None:
        """It hears twice in the time that it waits that the reactor turns, up
        to the very end."""
        notifier = self.notifier(WATCHDOG_USEC=30_000_000, WATCHDOG_PID=os.getpid())
        notifier.startService()
        self.assertEqual(["READY=1", "WATCHDOG=1"], self.told)
        self.clock.pump([14.9, 0.1])
        self.assertEqual(["WATCHDOG=1"], self.told[2:])
        notifier.stopping()
        self.clock.advance(15)
        self.assertEqual(["STOPPING=1", "WATCHDOG=1"], self.told[3:])
        notifier.stopService()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_another_is_watched(self) -> None:
        """What is expected of another process is not done in its place."""
        self.assert_calm(self.notifier(WATCHDOG_USEC=30_000_000, WATCHDOG_PID=1))

    def test_no_watchdog(self) -> None:
        """Where no beats are expected, or it cannot be understood how many,
        none are sent."""
        for microseconds in ("0", "", "soon", "-1"):
            del self.told[:]
            self.assert_calm(self.notifier(WATCHDOG_USEC=microseconds))

    def test_status(self) -> None:
        """What the router does is told in one line, a moment after it has
        changed, when it is something else."""
        notifier = self.notifier()
        texts = iter(["serving a", "serving a", "swapping\nto b", "serving a"])
        for _ in range(4):
            notifier.look(lambda: next(texts))
            self.clock.advance(MOMENT_S)
        self.assertEqual(
            ["STATUS=serving a", "STATUS=swapping to b", "STATUS=serving a"], self.told
        )

    def test_many_changes(self) -> None:
        """Of many changes in a moment the last is told; of those before the
        end, none."""
        notifier = self.notifier()
        notifier.startService()
        now = "serving a"
        for _ in range(3):
            notifier.look(lambda: now)
        now = "serving b"
        self.clock.advance(MOMENT_S)
        self.assertEqual(["READY=1", "STATUS=serving b"], self.told)
        notifier.look(lambda: "serving c")
        notifier.stopService()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_reload(self) -> None:
        """A reload is told with the moment at which it began, and its end."""
        notifier = self.notifier()
        notifier.reloading()
        notifier.reloaded()
        self.assertRegex(self.told[0], r"^RELOADING=1\nMONOTONIC_USEC=[0-9]+$")
        self.assertEqual("READY=1", self.told[1])

    def test_nobody_asks(self) -> None:
        """Without a service manager, or with one whose address is of no kind
        that is known, nothing is sent."""
        for address in ("", "vsock:2:1234"):
            notifier = self.notifier(NOTIFY_SOCKET=address)
            notifier.startService()
            notifier.look(lambda: "serving a")
            notifier.stopping()
            notifier.stopService()
        self.assertEqual([], self.told)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_deaf(self) -> None:
        """A service manager that cannot be told is a line in the log."""

        def refuse(address: str, message: bytes) -> None:
            raise FileNotFoundError(2, "No such file or directory")

        with capturedLogs() as events:
            Notifier({"NOTIFY_SOCKET": ADDRESS}, self.clock, refuse).startService()
        [event] = events
        self.assertEqual((LogLevel.warn, "READY=1"), (event["log_level"], event["line"]))
