# -*- test-case-name: ler.test.test_deliveries -*-
"""
The ways in which an engine's answer reaches the client: as it is, in whole
frames, translated, or as the error that it is.
L{contract<ler.web.deliveries.contract>} says what they have in common.
"""

from __future__ import annotations

from typing import Any

from ler.upstream import Answer
from ler.web.client_stream import ClientStream
from ler.web.deliveries.complaint import Complaint
from ler.web.deliveries.contract import IDelivery
from ler.web.deliveries.translated import TranslatedDocument, TranslatedFrames, Unreadable
from ler.web.deliveries.verbatim import Frames, Verbatim
from ler.web.dialects import IDialect
from ler.web.job import Job, Translated

__all__ = ["IDelivery", "deliver"]


def deliver(job: Job, dialect: IDialect, answer: Answer, stream: ClientStream) -> Any:
    """
    @param dialect: the client's.
    @return: the L{IDelivery} of C{answer}.
    """
    failed = answer.status >= 400
    if job.translated is not None:
        if failed:
            return Complaint(job.engine, dialect, answer, stream)
        return _translated(job.engine, job.translated, dialect, answer, stream)
    is_stream = _is_stream(answer, dialect)
    if (failed and dialect.own_errors) or (stream.committed and not is_stream):
        return Complaint(job.engine, dialect, answer, stream)
    if is_stream:
        return Frames(job.engine, dialect, answer, stream)
    return Verbatim(job.engine, answer, stream)


def _translated(
    engine: str, translated: Translated, dialect: IDialect, answer: Answer, stream: ClientStream
) -> Any:
    if _is_encoded(answer):
        return Unreadable(engine)
    if not translated.translation.streams:
        return TranslatedDocument(engine, translated, stream)
    if _is_stream(answer, translated.dialect):
        return TranslatedFrames(engine, translated, dialect, stream)
    return Complaint(engine, dialect, answer, stream)


def _is_stream(answer: Answer, dialect: IDialect) -> bool:
    """
    @return: whether C{answer} is a stream of C{dialect} that we can read.
    """
    return (
        200 <= answer.status < 300
        and answer.content_type == dialect.content_type
        and not _is_encoded(answer)
    )


def _is_encoded(answer: Answer) -> bool:
    return any(name.lower() == b"content-encoding" for name, _ in answer.headers)
