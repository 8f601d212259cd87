# -*- test-case-name: ler.test.test_relay -*-
"""
What is kept of each request: an entry in the journal while it lasts, then a
line in the log and a few numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ler.errors import RouterError
from ler.journal import Journal
from ler.metrics import Metrics
from ler.web.job import Job
from ler.web.usage import Usage

_log = Logger()


class Recorder:
    """
    Keeps it for all requests of one router.
    """

    def __init__(self, metrics: Metrics, journal: Journal, clock: IReactorTime) -> None:
        self.metrics = metrics
        self.journal = journal
        self.clock = clock

    def begin(self, request: Any, job: Job, cancel: Callable[[RouterError], None]) -> Record:
        """
        @param request: the twisted.web request.
        @param cancel: ends it early, for the L{RouterError} that it is given.
        @return: what is to be told how the request goes on.
        """
        return Record(self, request, job, cancel)


class Record:
    """
    One request.

    @ivar began: when it came, by the clock.
    @ivar outcome: C{ok}, an error code, or how the client left (C{client_...}).
    """

    def __init__(
        self,
        recorder: Recorder,
        request: Any,
        job: Job,
        cancel: Callable[[RouterError], None],
    ) -> None:
        self.began = recorder.clock.seconds()
        self.outcome = "ok"
        self._recorder = recorder
        self._request = request
        self._job = job
        self._key: str | None = request.key and request.key.label
        self._waited: float | None = None
        self._first_byte: float | None = None
        self._usage = None if job.counted is None else Usage()
        self._entry = recorder.journal.begin(
            request.request_id,
            engine=job.engine,
            model=job.model,
            path=request.path.decode("latin-1"),
            key=self._key,
            cancel=cancel,
        )

    def admitted(self) -> None:
        """
        It may go to its engine now.
        """
        self._waited = self._recorder.clock.seconds() - self.began
        self._entry.admitted()

    def spoke(self, at: float | None = None) -> None:
        """
        The engine says something.

        @param at: when it did so first, by the clock; now when L{None}.
        """
        if self._first_byte is None:
            first = self._recorder.clock.seconds() if at is None else at
            self._first_byte = first - self.began

    def heard(self, data: bytes) -> None:
        """
        The engine has sent C{data}.
        """
        if self._usage is not None:
            self._usage.arrived(data)

    def ended(self, status: int, sent: int) -> None:
        """
        It is over.

        @param status: what was sent, 499 for a client that left before.
        @param sent: how many bytes the client was sent.
        """
        job, seconds = self._job, self._recorder.clock.seconds() - self.began
        self._entry.ended(status=status, outcome=self.outcome, sent=sent)
        self._recorder.metrics.request_ended(
            engine=job.engine,
            key=self._key,
            status=status,
            outcome=self.outcome,
            seconds=seconds,
            waited=self._waited,
            first_byte=self._first_byte,
        )
        self._count_tokens()
        _log.info(
            "{id} {method} {path} key={key} model={model} engine={engine} status={status} "
            "outcome={outcome} "
            "waited={waited} first_byte={first_byte} seconds={seconds:.3f} bytes={sent}",
            id=self._request.request_id,
            method=job.method.decode("ascii"),
            path=self._request.path.decode("latin-1"),
            key=self._key or "-",
            model=job.model,
            engine=job.engine,
            status=status,
            outcome=self.outcome,
            waited=_seconds(self._waited),
            first_byte=_seconds(self._first_byte),
            seconds=seconds,
            sent=sent,
        )

    def _count_tokens(self) -> None:
        tokens = None if self._usage is None else self._usage.tokens()
        if tokens is not None and self._job.counted is not None:
            self._recorder.metrics.tokens_used(
                model=self._job.counted,
                key=self._key,
                read=tokens.read,
                written=tokens.written,
            )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
