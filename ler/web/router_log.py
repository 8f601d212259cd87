# -*- test-case-name: ler.test.test_router_log -*-
"""
The last lines of the router's own log, as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    eventAsText,
)
from zope.interface import implementer

from ler.interfaces import ILog
from ler.lines import Lines


@implementer(ILog, ILogObserver)
class RouterLog(Service):
    """
    Keeps the log in memory, while it runs.
    """

    def __init__(
        self, level: LogLevel, publisher: LogPublisher, redact: Callable[[str], str]
    ) -> None:
        """
        @param level: the least level that is kept.
        @param publisher: where the events come from.
        @param redact: takes secrets out of a line.
        """
        self._publisher = publisher
        self._lines = Lines(redact)
        self._observer = FilteringLogObserver(self, [LogLevelFilterPredicate(level)])

    def __call__(self, event: LogEvent) -> None:
        """
        @see: L{ILogObserver.__call__}
        """
        for line in eventAsText(event, includeSystem=False).splitlines():
            self._lines.add(line)

    def last_lines(self, count: int) -> Deferred[list[str]]:
        """
        @see: L{ILog.last_lines}
        """
        return succeed(self._lines.last(count))

    def follow(self, told: Callable[[str], None], count: int) -> Callable[[], None]:
        """
        @see: L{ILog.follow}
        """
        return self._lines.follow(told, count)

    def privilegedStartService(self) -> None:
        """
        Begin to keep it.
        """
        self._publisher.addObserver(self._observer)
        super().privilegedStartService()

    def stopService(self) -> None:
        """
        Keep no more.
        """
        super().stopService()
        self._publisher.removeObserver(self._observer)
