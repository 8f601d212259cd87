# -*- test-case-name: ler.test.test_notify,ler.test.test_live_service -*-
"""
What the service manager is told: that the router is ready, what it does, that
it is still alive, and that it stops.

This is the protocol of C{sd_notify(3)}, which takes a datagram and no library.
Where no service manager asks to be told, nothing happens.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

MOMENT_S = 0.2
"""How long changes are gathered before they are told."""


def send(address: str, message: bytes) -> None:
    """
    Send one datagram, now: what is told last has to be out when we exit.

    @param address: a path, or C{@} and an abstract name.
    @raise OSError: when nobody takes it at once.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(message, "\0" + address[1:] if address.startswith("@") else address)


class Notifier(Service):
    """
    Tells the service manager how the router is.

    As long as it runs it also says, twice as often as asked, that the reactor
    still turns.
    """

    _log = Logger()

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: IReactorTime,
        send: Callable[[str, bytes], None] = send,
    ) -> None:
        """
        @param environ: the environment that the router was started with.
        @param send: sends a datagram.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = address if address.startswith(("/", "@")) else None
        self._clock = clock
        self._send = send
        self._status = ""
        self._looking: IDelayedCall | None = None
        self._beat_s = _watchdog_s(environ) / 2
        self._beating = LoopingCall(self._tell, "WATCHDOG=1")
        self._beating.clock = clock

    def startService(self) -> None:
        """
        The router is ready: it listens.
        """
        super().startService()
        self._tell("READY=1")
        if self._beat_s:
            self._beating.start(self._beat_s)

    def stopService(self) -> None:
        """
        The router is about to exit.
        """
        super().stopService()
        if self._beating.running:
            self._beating.stop()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def look(self, describe: Callable[[], str]) -> None:
        """
        Something has changed.  Say in a moment what the router does then,
        unless that was said already.

        @param describe: says it.
        """
        if self._address is not None and self._looking is None:
            self._looking = self._clock.callLater(MOMENT_S, self._say, describe)

    def _say(self, describe: Callable[[], str]) -> None:
        self._looking = None
        text = " ".join(describe().split())
        if text != self._status:
            self._status = text
            self._tell(f"STATUS={text}")

    def reloading(self) -> None:
        """
        The router reads its configuration anew; L{reloaded} has to follow.
        """
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """
        The router is ready again, whatever became of the configuration.
        """
        self._tell("READY=1")

    def stopping(self) -> None:
        """
        The router begins to stop; that may take as long as its engines do.
        """
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            self._send(self._address, "\n".join(lines).encode())
        except OSError as e:
            self._log.warn(
                "the service manager was not told {line}: {error}", line=lines[0], error=str(e)
            )


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """
    @return: the seconds after which a router that does not beat is taken for
        dead, or 0.
    """
    # Without this a program that we start, and that knows the protocol, would be meant.
    meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if meant and microseconds.isdecimal() else 0.0
