"""
Tests for L{ler.web.router_log}.
"""

from __future__ import annotations

from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import ILog
from ler.redaction import REDACTED, Redaction
from ler.web.router_log import RouterLog


class RouterLogTests(SynchronousTestCase):
    """
    L{RouterLog}
    """

    def setUp(self) -> None:
        """
        The router runs.
        """
        publisher = LogPublisher()
        self.logger = Logger("ler", observer=publisher)
        self.log = RouterLog(LogLevel.info, publisher, Redaction(["hunter22"]))
        self.logger.info("before")
        self.log.privilegedStartService()
        self.log.startService()

    def lines(self) -> list[str]:
        """
        @return: what was kept, without the times.
        """
        return [line.partition(" ")[2] for line in self.successResultOf(self.log.last_lines(9))]

    def test_interfaces(self) -> None:
        """It is a log for whoever looks, and an observer for the logger."""
        self.assertTrue(verifyObject(ILog, self.log))
        self.assertTrue(verifyObject(ILogObserver, self.log))

    def test_kept(self) -> None:
        """What is logged while the router runs is kept, without secrets."""
        self.logger.info("it is {what}", what="hunter22")
        self.assertEqual([f"it is {REDACTED}"], self.lines())
        self.successResultOf(self.log.last_lines(1))
        self.log.stopService()
        self.logger.info("after")
        self.assertEqual([f"it is {REDACTED}"], self.lines())

    def test_level(self) -> None:
        """What is of no interest is not kept."""
        self.logger.debug("a detail")
        self.logger.warn("a warning")
        self.assertEqual(["a warning"], self.lines())

    def test_traceback(self) -> None:
        """A traceback is some lines."""
        try:
            raise ValueError("a bug")
        except ValueError:
            self.logger.failure("it broke")
        lines = self.successResultOf(self.log.last_lines(20))
        self.assertIn("builtins.ValueError: a bug", lines)

    def test_follow(self) -> None:
        """It can be followed."""
        heard: list[str] = []
        self.logger.info("one")
        end = self.log.follow(heard.append, 1)
        self.logger.info("two")
        end()
        self.logger.info("three")
        self.assertEqual(["one", "two"], [line.partition(" ")[2] for line in heard])
