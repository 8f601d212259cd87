# -*- test-case-name: ler.test.test_listening -*-
"""
Tests for L{ler.listening}.  Sockets that a service manager holds are tried in
L{ler.test.test_live_service}.
"""

from __future__ import annotations

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

import ler.listening
from ler.listening import BACKLOG, MOMENT_S, Listening, Place


class ListeningTests(SynchronousTestCase):
    """
    Where a router listens that was started by hand.
    """

    def setUp(self) -> None:
        """
        Nothing listens yet.
        """
        self.reactor = MemoryReactorClock()

    def listening(self, host: str, port: int = 1234) -> Listening:
        """
        @return: a service that was not started.
        """
        return Listening(host, port, ServerFactory(), self.reactor)

    def test_addresses(self) -> None:
        """Every address can be listened on, and is told as people write it."""
        for host, url in (
            ("127.0.0.1", "http://127.0.0.1:1234"),
            ("0.0.0.0", "http://0.0.0.0:1234"),
            ("localhost", "http://localhost:1234"),
            ("::1", "http://[::1]:1234"),
        ):
            del self.reactor.tcpServers[:]
            listening = self.listening(host)
            listening.privilegedStartService()
            [(port, _, backlog, interface)] = self.reactor.tcpServers
            self.assertEqual((1234, BACKLOG, host), (port, backlog, interface))
            with capturedLogs() as events:
                listening.startService()
            self.assertEqual([url], [event["places"] for event in events])

    def test_stop(self) -> None:
        """It stops at once."""
        listening = self.listening("127.0.0.1")
        listening.privilegedStartService()
        listening.startService()
        self.successResultOf(listening.stopService())

    def test_last_clients(self) -> None:
        """Where a socket outlives the router, those who were let in just
        before have a moment to say what they want."""
        place = Place("tcp:1234", "http://127.0.0.1:1234")
        self.patch(ler.listening, "passed_places", lambda reactor: iter([place]))
        listening = self.listening("127.0.0.1")
        listening.privilegedStartService()
        listening.startService()
        stopped = listening.stopService()
        self.reactor.advance(MOMENT_S - 0.1)
        self.assertNoResult(stopped)
        self.reactor.advance(0.1)
        self.successResultOf(stopped)

    def test_busy(self) -> None:
        """A port that is taken is an error at once."""

        def refuse(port: int, factory: object, backlog: int, interface: str) -> None:
            raise CannotListenError(interface, port, OSError("Address already in use"))

        self.patch(self.reactor, "listenTCP", refuse)
        listening = self.listening("127.0.0.1")
        self.assertRaises(CannotListenError, listening.privilegedStartService)
