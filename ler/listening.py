# -*- test-case-name: ler.test.test_listening,ler.test.test_live_service -*-
"""
Where clients connect: at the configured address, or at the sockets that a
service manager holds for us (C{sd_listen_fds(3)}).

Such a socket outlives the router: who connects while one router has gone and
the next has not come yet waits in its queue, and is not refused.  And who was
let in just before the end has a moment to say what he wants.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

from twisted.application import strports
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import quoteStringArgument, serverFromString
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import deferLater
from twisted.logger import Logger

BACKLOG = 1024
"""How many clients may come at once; one too many would try again after a second."""

MOMENT_S = 0.5
"""How long the requests of the last clients may take to come, where no client shall be lost."""

FIRST_PASSED = 3
"""The first descriptor that a service manager hands over; the others follow it."""


class Place(NamedTuple):
    """
    Somewhere to listen.

    @ivar endpoint: the endpoint description.
    @ivar text: how people write it.
    """

    endpoint: str
    text: str


class Listening(MultiService):
    """
    Listens as long as it runs.
    """

    _log = Logger()

    def __init__(self, host: str, port: int, factory: IProtocolFactory, reactor: Any) -> None:
        """
        @param host: the configured address.
        @param port: the configured port.
        """
        super().__init__()
        self._clock = reactor
        self._configured = configured_place(host, port)
        self._passed = [*passed_places(reactor)]
        self._places = self._passed or [self._configured]
        for place in self._places:
            service = strports.service(place.endpoint, factory, reactor=reactor)
            service.setServiceParent(self)

    def startService(self) -> None:
        """
        Say where we listen; L{privilegedStartService} has begun to.
        """
        super().startService()
        places = ", ".join(place.text for place in self._places)
        self._log.info("engine-router on {places}", places=places)
        if self._configured.text not in [place.text for place in self._places]:
            self._log.warn(
                "{configured} of the configuration has no effect: the service manager opened "
                "{places}; let both say the same",
                configured=self._configured.text,
                places=places,
            )

    def stopService(self) -> Deferred[None]:
        """
        Let nobody in any more.

        @return: a L{Deferred} firing with L{None} when the last ones have had
            their moment.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()
        if self._passed:
            await deferLater(self._clock, MOMENT_S)


def configured_place(host: str, port: int) -> Place:
    """
    @return: the place that the configuration names.
    """
    kind = "tcp6" if ":" in host else "tcp"
    interface = quoteStringArgument(host)
    endpoint = f"{kind}:{port}:backlog={BACKLOG}:interface={interface}"
    return Place(endpoint, _url(host, port))


def passed_places(reactor: Any) -> Iterator[Place]:
    """
    @param reactor: an C{IReactorSocket}.
    @return: the places of the sockets that were handed over to this process.
    """
    for index in count():
        try:
            # We ask Twisted: its import takes what tells of them from the environment.
            serverFromString(reactor, f"systemd:domain=INET:index={index}")
        except LookupError:
            return
        with socket.socket(fileno=os.dup(FIRST_PASSED + index)) as passed:
            domain = passed.family.name.removeprefix("AF_")
            address = passed.getsockname()
        endpoint = f"systemd:domain={domain}:index={index}"
        text = _url(*address[:2]) if isinstance(address, tuple) else str(address)
        yield Place(endpoint, text)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
