# -*- test-case-name: ler.test.test_deliveries -*-
"""
Answers that the client did not ask for: errors, as a rule.
"""

from __future__ import annotations

import json
from typing import Any

from zope.interface import implementer

from ler.errors import RouterError, UpstreamError, UpstreamRefused
from ler.upstream import Answer
from ler.web.client_stream import ClientStream
from ler.web.deliveries.collector import Collector
from ler.web.deliveries.contract import IDelivery
from ler.web.dialects import IDialect

LONGEST = 1 << 16
"""How much of an engine's error is read, in bytes."""

QUOTED = 500
"""How many characters of it are quoted."""


@implementer(IDelivery)
class Complaint(Collector):
    """
    An error, or something else that the client did not ask for.
    """

    def __init__(
        self, engine: str, dialect: IDialect, answer: Answer, stream: ClientStream
    ) -> None:
        super().__init__(LONGEST)
        self._engine = engine
        self._dialect = dialect
        self._answer = answer
        self._stream = stream

    def conclude(self, clean: bool) -> None:
        """
        @see: L{IDelivery.conclude}
        """
        text = self._body.decode("utf-8", "replace")
        said = _decoded(text)
        answer = self._answer
        if (
            clean
            and answer.status >= 400
            and not self._stream.committed
            and not self.satisfied
            and self._dialect.is_error(said)
        ):
            self._stream.respond(answer.status, answer.headers, bytes(self._body), answer.phrase)
            return
        message = f"engine {self._engine} answered {answer.status}: {_words(said, text)}"
        if answer.status < 400 or self._stream.committed:
            raise UpstreamError(message)
        raise self._refused(message)

    def _refused(self, message: str) -> RouterError:
        kept = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._answer.headers
            if name.lower() in (b"retry-after", b"x-should-retry")
        )
        return UpstreamRefused(message, self._answer.status, headers=kept)


def _decoded(text: str) -> Any:
    """
    @return: what C{text} means as JSON, or L{None}.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words(said: Any, text: str) -> str:
    """
    @param said: an engine's error, decoded.
    @param text: the same as it came.
    @return: the words in it.
    """
    while isinstance(said, dict):
        said = said.get("message") or said.get("error") or said.get("detail")
    words = said if isinstance(said, str) and said else text
    return words.strip()[:QUOTED] or "nothing"
