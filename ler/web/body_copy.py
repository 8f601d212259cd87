# -*- test-case-name: ler.test.test_relay -*-
"""
The body of an engine's answer, on its way to whoever wants the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

HANG_UP_S = 2.0
"""How long the end of an upstream connection is waited for."""


class BodyCopy(Protocol):
    """
    Hands on the bytes of an upstream body, and tells when they end.

    @ivar done: fires with the exception that ended the body; L{ResponseDone}
        when it is whole.  Cancelling it hangs up.
    """

    transport: Any

    def __init__(self, arrived: Callable[[bytes], None], clock: IReactorTime) -> None:
        self.done: Deferred[Exception] = Deferred(lambda _: self.hang_up())
        self._arrived = arrived
        self._clock = clock
        self._closed: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        @see: L{Protocol.dataReceived}
        """
        self._arrived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        @see: L{Protocol.connectionLost}
        """
        self._closed.callback(None)
        if not self.done.called:
            self.done.callback(cast(Exception, reason.value))

    def hang_up(self) -> None:
        """
        Nobody wants the rest.
        """
        self.transport.stopProducing()

    async def closed(self) -> None:
        """
        Wait, not for ever, until the connection has given the body up.
        """
        self._closed.addTimeout(HANG_UP_S, self._clock, lambda *_: None)
        await self._closed
