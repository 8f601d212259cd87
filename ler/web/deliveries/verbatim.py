# -*- test-case-name: ler.test.test_deliveries -*-
"""
Answers that reach the client as the engine gave them: bytes that nobody looks
at, or whole frames.
"""

from __future__ import annotations

from zope.interface import implementer

from ler.upstream import Answer
from ler.web.client_stream import ClientStream
from ler.web.deliveries.contract import IDelivery, truncated
from ler.web.dialects import IDialect
from ler.web.frames import LONGEST_FRAME


@implementer(IDelivery)
class Verbatim:
    """
    Bytes that nobody looks at.
    """

    at_boundary = False
    ended = False
    satisfied = False

    def __init__(self, engine: str, answer: Answer, stream: ClientStream) -> None:
        self._engine = engine
        self._stream = stream
        headers = list(answer.headers)
        if answer.length is not None:
            headers.append((b"Content-Length", str(answer.length).encode()))
        stream.commit(answer.status, answer.phrase, headers)

    def arrived(self, data: bytes) -> None:
        """
        @see: L{IDelivery.arrived}
        """
        self._stream.write(data)

    def conclude(self, clean: bool) -> None:
        """
        @see: L{IDelivery.conclude}
        """
        if not clean:
            raise truncated(self._engine)
        self._stream.finish()

    def complete(self) -> None:
        """
        @see: L{IDelivery.complete}
        """


@implementer(IDelivery)
class Frames:
    """
    A stream in the client's dialect.
    """

    satisfied = False

    def __init__(
        self, engine: str, dialect: IDialect, answer: Answer, stream: ClientStream
    ) -> None:
        self.ended = False
        self._engine = engine
        self._dialect = dialect
        self._stream = stream
        self._frames = dialect.frames(LONGEST_FRAME)
        if not stream.committed:
            stream.framed = True
            stream.commit(answer.status, answer.phrase, answer.headers)

    @property
    def at_boundary(self) -> bool:
        """
        @see: L{IDelivery.at_boundary}
        """
        return bool(self._frames.at_boundary)

    def arrived(self, data: bytes) -> None:
        """
        @see: L{IDelivery.arrived}
        """
        frames = self._frames.feed(data)
        if frames:
            self.ended = self.ended or self._dialect.is_end(frames)
            self._stream.write(frames)

    def conclude(self, clean: bool) -> None:
        """
        @see: L{IDelivery.conclude}
        """
        rest = self._frames.flush()
        ends = self._dialect.is_end(rest)
        whole = self.ended or ends or (clean and not self._dialect.must_end())
        if not whole:
            raise truncated(self._engine)
        if clean or ends:
            self._stream.write(rest)
        self._stream.finish()

    def complete(self) -> None:
        """
        @see: L{IDelivery.complete}
        """
        self._stream.finish()
