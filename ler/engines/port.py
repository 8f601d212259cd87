# -*- test-case-name: ler.test.test_process_port -*-
"""
The port that an engine listens on, and who has it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import psutil
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from ler.engines.process import Threads
from ler.errors import EngineStuck

KNOCK_S = 2.0
"""A local port that does not answer within this time is none of ours."""

CLOSE_S = 5.0
CLOSE_PAUSE_S = 0.05
"""How long a port may stay open when all who held it are gone, and how often
to look."""

LOOPBACK = ("127.0.0.1", "::1")


class Port:
    """
    Where an engine listens.
    """

    def __init__(self, base_url: str, reactor: Any, threads: Threads) -> None:
        """
        @param reactor: an C{IReactorTCP} and C{IReactorTime}.
        """
        parts = urlsplit(base_url)
        self._host = parts.hostname or LOOPBACK[0]
        self._number = parts.port or 80
        self._reactor = reactor
        self._threads = threads

    def __str__(self) -> str:
        return f"port {self._number} of {self._host}"

    def is_open(self) -> Deferred[bool]:
        """
        @return: a L{Deferred} firing with whether anybody accepts connections.
        """
        return Deferred.fromCoroutine(self._is_open())

    async def _is_open(self) -> bool:
        # An engine may have bound either of what the name stands for.
        for host in LOOPBACK if self._host == "localhost" else (self._host,):
            endpoint = (TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint)(
                self._reactor, host, self._number, timeout=KNOCK_S
            )
            try:
                await endpoint.connect(_KNOCK)
            except (ConnectError, DNSLookupError):
                continue
            except ConnectingCancelledError:
                raise CancelledError() from None
            return True
        return False

    async def closed(self, after: str) -> None:
        """
        Wait until nobody accepts connections.

        @param after: what has happened, for the complaint.
        @raise EngineStuck: when somebody does for longer than a kernel takes
            to close a port.
        """
        give_up = self._reactor.seconds() + CLOSE_S
        while await self.is_open():
            if self._reactor.seconds() >= give_up:
                raise EngineStuck(
                    f"{after}, but {await self.holder()} listens on {self}; stop it by hand"
                )
            await deferLater(self._reactor, CLOSE_PAUSE_S)

    def holder(self) -> Deferred[str]:
        """
        @return: a L{Deferred} firing with the name and pid of whoever listens
            there, as far as we may know it.
        """
        return self._threads(listener, self._number)


def listener(port: int) -> str:
    """
    Name the process that listens on a port.  Takes its time.
    """
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid is not None:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another program"


class _Knock(Protocol):
    """
    Hangs up at once.
    """

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


_KNOCK = Factory.forProtocol(_Knock)
_KNOCK.noisy = False
