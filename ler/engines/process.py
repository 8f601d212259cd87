# -*- test-case-name: ler.test.test_process -*-
"""
An engine's process tree, as Deferreds.

The tree belongs to a L{guardian<ler.engines.guardian>}, which may be our
child (L{ler.engines.launch}) or that of an earlier router
(L{ler.engines.reown}).  How we talk to it is the business of an L{ILink}.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import Interface

from ler.engines.identity import ProcessTable
from ler.errors import EngineStuck
from ler.waiters import Waiters

Threads = Callable[..., "Deferred[Any]"]
"""Calls a function with arguments in a thread, like C{deferToThread}."""

MARGIN_S = 10.0
"""How long a guardian may take beyond what its stop sequence allows."""

LEAVE_S = 5.0
"""How long a guardian may take to let go."""

SWEEP_PAUSE_S = 0.1
"""How often to look again at processes that were killed."""


@dataclass(frozen=True)
class Ending:
    """
    How an engine's first process ended.

    @ivar code: its exit code, or minus the signal that killed it, or L{None}
        when that is not known.
    @ivar error: why it could not be launched, or L{None}.
    """

    code: int | None = None
    error: str | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"could not be launched ({self.error})"
        if self.code is None:
            return "ended"
        if self.code >= 0:
            return f"exited with code {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"


class ILink(Interface):
    """
    A way to talk to a guardian.
    """

    def ask_to_stop() -> None:
        """
        Have the guardian run its stop sequence.  Asking twice changes nothing.
        """

    def ask_to_leave() -> Deferred[bool]:
        """
        Have the guardian live on without us.

        @return: a L{Deferred} firing with whether it does.
        """

    def drop() -> None:
        """
        The guardian is gone: release what the link holds.
        """


class GuardedProcess:
    """
    One process tree and its guardian.

    @ivar key: the key of the engine.
    @ivar pid: the pid of the engine's first process, or L{None} before it runs
        and where an earlier router launched it.
    @ivar ending: how that process ended, or L{None} while it lives.
    @ivar gone: whether the guardian, and with it the whole tree, is gone.
    """

    _log = Logger()

    def __init__(
        self,
        key: str,
        marker: str,
        patience: float,
        *,
        table: ProcessTable,
        clock: IReactorTime,
        threads: Threads,
    ) -> None:
        """
        @param marker: what the environment of every process of the tree holds.
        @param patience: seconds that the stop sequence may take.
        """
        self.key = key
        self.pid: int | None = None
        self.ending: Ending | None = None
        self.gone = False
        self._marker = marker
        self._patience = patience
        self._table = table
        self._clock = clock
        self._threads = threads
        self._link: ILink
        self._stop_by: float | None = None
        self._ended: Waiters[Ending] = Waiters()
        self._vanished: Waiters[None] = Waiters()

    # What an engine asks for.

    def when_ended(self) -> Deferred[Ending]:
        """
        @return: a L{Deferred} firing with an L{Ending} when the engine's first
            process has ended.  Some of its tree may live on for a moment.
        """
        return self._ended.wait() if self.ending is None else succeed(self.ending)

    def when_gone(self) -> Deferred[None]:
        """
        @return: a L{Deferred} firing with L{None} when the whole tree is gone.
        """
        return succeed(None) if self.gone else self._vanished.wait()

    def stop(self) -> Deferred[None]:
        """
        Run the stop sequence.  May be called again, also while it runs.

        @return: a L{Deferred} firing with L{None} when the whole tree is gone,
            or failing with L{EngineStuck} when that takes too long.
        """
        if not self.gone:
            self._link.ask_to_stop()
        now = self._clock.seconds()
        if self._stop_by is None:
            self._stop_by = now + self._patience + MARGIN_S

        def stuck(result: object, timeout: float) -> None:
            raise EngineStuck(
                f"engine {self.key} does not stop: processes are left that not even SIGKILL "
                f"ended; look at them with ps, and at the kernel's log"
            )

        limit = max(self._stop_by - now, MARGIN_S)
        return self.when_gone().addTimeout(limit, self._clock, onTimeoutCancel=stuck)

    def leave(self) -> Deferred[bool]:
        """
        Let the tree live on without us.

        @return: a L{Deferred} firing with whether it does; if not, its
            guardian stops it when we are gone.
        """
        return self._link.ask_to_leave().addTimeout(
            LEAVE_S, self._clock, onTimeoutCancel=lambda *_: False
        )

    # What the link reports.

    def linked(self, link: ILink) -> None:
        """
        @param link: how its guardian is reached.
        """
        self._link = link

    def engine_ended(self, ending: Ending) -> None:
        """
        The engine's first process has ended.
        """
        if self.ending is None:
            self.ending = ending
            # Its last words come by another pipe, which the reactor may read
            # later in this turn: tell of the end in the next one.
            self._clock.callLater(0, self._ended.fire, ending)

    def guardian_gone(self, clean: bool) -> None:
        """
        @param clean: whether the guardian left nothing behind, as it does
            unless it was killed.
        """
        self.engine_ended(Ending())
        self._link.drop()
        # There are no more words to come.
        assert self.ending is not None
        self._ended.fire(self.ending)
        Deferred.fromCoroutine(self._conclude(clean)).addErrback(
            lambda f: self._log.failure("cannot tell whether engine {key} is gone", f, key=self.key)
        )

    async def _conclude(self, clean: bool) -> None:
        # The engine leads a session, whose number is its pid.
        while not clean and await self._threads(self._table.kill_marked, self._marker, self.pid):
            await deferLater(self._clock, SWEEP_PAUSE_S)
        self.gone = True
        self._vanished.fire(None)
