# -*- test-case-name: ler.test.test_process_port -*-
"""
Tests for L{ler.engines.port}.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ler.engines.port import Port
from ler.test.fakeprocess import no_threads


class PortTests(SynchronousTestCase):
    """
    L{Port}
    """

    def setUp(self) -> None:
        """
        Make a reactor.
        """
        self.reactor = MemoryReactorClock()

    def port(self, base_url: str) -> Port:
        """
        @return: the port of an engine.
        """
        return Port(base_url, self.reactor, no_threads)

    def refuse(self) -> None:
        """
        Nobody listens.
        """
        factory = self.reactor.tcpClients[-1][2]
        factory.clientConnectionFailed(
            self.reactor.connectors[-1], Failure(ConnectionRefusedError())
        )

    def test_open(self) -> None:
        """
        A port that accepts a connection is open, and hung up on.
        """
        answer = self.port("http://127.0.0.1:8000/v1").is_open()
        host, number, factory, timeout, _ = self.reactor.tcpClients.pop()
        self.assertEqual(("127.0.0.1", 8000, 2.0), (host, number, timeout))
        transport = StringTransport()
        protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 8000))
        assert protocol is not None
        protocol.makeConnection(transport)
        self.assertIs(True, self.successResultOf(answer))
        self.assertTrue(transport.disconnecting)

    def test_closed(self) -> None:
        """
        A port that refuses is closed.
        """
        answer = self.port("http://[::1]:8000").is_open()
        self.assertEqual("::1", self.reactor.tcpClients[-1][0])
        self.refuse()
        self.assertIs(False, self.successResultOf(answer))

    def test_localhost(self) -> None:
        """
        A name that stands for two addresses is closed when both are.
        """
        answer = self.port("http://localhost:8000").is_open()
        self.refuse()
        self.assertNoResult(answer)
        self.refuse()
        self.assertIs(False, self.successResultOf(answer))
        hosts = [client[0] for client in self.reactor.tcpClients]
        self.assertEqual(["127.0.0.1", "::1"], hosts)

    def test_cancel(self) -> None:
        """
        Whoever does not want to know any more is told nothing else.
        """
        answer = self.port("http://127.0.0.1:8000").is_open()
        answer.cancel()
        self.failureResultOf(answer, CancelledError)

    def test_name(self) -> None:
        """
        It has a name for messages.
        """
        self.assertEqual("port 80 of engines", str(self.port("http://engines/v1")))

    def test_unknown_holder(self) -> None:
        """
        Who listens where nobody does cannot be named.
        """
        holder = self.port("http://127.0.0.1:1").holder()
        self.assertEqual("another program", self.successResultOf(holder))
