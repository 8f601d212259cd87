# -*- test-case-name: ler.test.test_websocket -*-
"""
What is kept of a request that has ended: a line in the log, and a few numbers.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from ler.metrics import Metrics
from ler.web.job import Job

_log = Logger()


def record(
    metrics: Metrics,
    request: Any,
    job: Job,
    *,
    status: int,
    outcome: str,
    seconds: float,
    waited: float | None,
    first_byte: float | None,
    sent: int,
) -> None:
    """
    @param request: the twisted.web request.
    @param status: what was sent, 499 for a client that left before.
    @param outcome: C{ok}, an error code, or how the client left.
    @param seconds: how long it took.
    @param waited: after how many seconds it had its lease, if it had one.
    @param first_byte: after how many seconds the engine said something.
    @param sent: how many bytes the client was sent.
    """
    metrics.request_ended(
        engine=job.engine,
        status=status,
        outcome=outcome,
        seconds=seconds,
        waited=waited,
        first_byte=first_byte,
    )
    _log.info(
        "{id} {method} {path} key={key} model={model} engine={engine} status={status} "
        "outcome={outcome} "
        "waited={waited} first_byte={first_byte} seconds={seconds:.3f} bytes={sent}",
        id=request.request_id,
        method=job.method.decode("ascii"),
        path=request.path.decode("latin-1"),
        key=(request.key and request.key.label) or "-",
        model=job.model,
        engine=job.engine,
        status=status,
        outcome=outcome,
        waited=_seconds(waited),
        first_byte=_seconds(first_byte),
        seconds=seconds,
        sent=sent,
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
