# -*- test-case-name: ler.test.test_deliveries -*-
"""
Answers in another dialect than the client's.
"""

from __future__ import annotations

import json
from typing import Any

from zope.interface import implementer

from ler.errors import UpstreamError
from ler.web.client_stream import ClientStream
from ler.web.deliveries.collector import Collector
from ler.web.deliveries.contract import IDelivery, truncated
from ler.web.dialects import JSON, IDialect
from ler.web.job import Translated

LONGEST = 64 << 20
"""The longest answer, or event, that is translated, in bytes."""


@implementer(IDelivery)
class TranslatedFrames:
    """
    A stream in another dialect than the client's.
    """

    at_boundary = True
    satisfied = False

    def __init__(
        self, engine: str, translated: Translated, dialect: IDialect, stream: ClientStream
    ) -> None:
        self.ended = False
        self._engine = engine
        self._translation = translated.translation
        self._from = translated.dialect
        self._to = dialect
        self._stream = stream
        self._frames = self._from.frames(LONGEST)
        if not stream.committed:
            stream.commit_stream()

    def arrived(self, data: bytes) -> None:
        """
        @see: L{IDelivery.arrived}
        """
        frames = self._frames.feed(data)
        if not self._frames.at_boundary:
            raise UpstreamError(f"engine {self._engine} sent an event that has no end")
        if frames:
            self._translate(frames)

    def _translate(self, frames: bytes) -> None:
        try:
            events = self._from.decode(frames)
        except (ValueError, RecursionError) as e:
            raise UpstreamError(f"engine {self._engine} sent an event that is no JSON") from e
        self._say([said for event in events for said in self._translation.event(event)])
        # Not before: an error may stand beside the end mark.
        self.ended = self.ended or self._from.is_end(frames)

    def _say(self, events: list[Any], closing: bytes = b"") -> None:
        try:
            said = b"".join(map(self._to.encode, events)) + closing
        except (ValueError, RecursionError) as e:
            raise _untellable(self._engine) from e
        if said:
            self._stream.write(said)

    def conclude(self, clean: bool) -> None:
        """
        @see: L{IDelivery.conclude}
        """
        rest = self._frames.flush()
        if rest and (clean or self._from.is_end(rest)):
            self._translate(rest)
        if not self.ended:
            raise truncated(self._engine)
        self.complete()

    def complete(self) -> None:
        """
        @see: L{IDelivery.complete}
        """
        self._say(self._translation.end(), self._to.closing)
        self._stream.finish()


@implementer(IDelivery)
class TranslatedDocument(Collector):
    """
    A whole answer in another dialect than the client's.
    """

    def __init__(self, engine: str, translated: Translated, stream: ClientStream) -> None:
        super().__init__(LONGEST)
        self._engine = engine
        self._translation = translated.translation
        self._stream = stream

    def conclude(self, clean: bool) -> None:
        """
        @see: L{IDelivery.conclude}
        """
        if self.satisfied:
            raise UpstreamError(f"engine {self._engine} answered more than {LONGEST >> 20} MiB")
        if not clean:
            raise truncated(self._engine)
        try:
            answer = json.loads(self._body)
        except (ValueError, RecursionError) as e:
            raise UpstreamError(f"engine {self._engine} answered what is no JSON") from e
        said = self._translation.document(answer)
        try:
            # Not all that Python takes for a number is one in JSON.
            body = json.dumps(said, allow_nan=False).encode("ascii")
        except (ValueError, RecursionError) as e:
            raise _untellable(self._engine) from e
        self._stream.respond(200, [(b"Content-Type", JSON.encode())], body)


@implementer(IDelivery)
class Unreadable(Collector):
    """
    An answer that nobody here can read.
    """

    def __init__(self, engine: str) -> None:
        super().__init__(0)
        self._engine = engine

    def conclude(self, clean: bool) -> None:
        """
        @see: L{IDelivery.conclude}
        """
        raise UpstreamError(f"engine {self._engine} compressed its answer without being asked to")


def _untellable(engine: str) -> UpstreamError:
    return UpstreamError(f"engine {engine} said something that has no form in JSON")
