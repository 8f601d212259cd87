# -*- test-case-name: ler.test.test_translation_chain -*-
"""
Two translations in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from ler.web.translation.contract import Circumstances, ITranslation, Maker


@implementer(ITranslation)
class Chain:
    """
    A translation by way of a dialect in between: the client's own into that
    one, and that one into the engine's.  With its first two arguments given, it
    is a L{Maker} itself.
    """

    def __init__(
        self, first: Maker, second: Maker, body: Mapping[str, Any], circumstances: Circumstances
    ) -> None:
        """
        @param first: makes what stands at the client's side.
        @param second: makes what stands at the engine's, and knows C{first}'s
            path.
        @raise BadRequest: when one of them does.
        """
        self._first = first(body, circumstances)
        between = self._first.request(circumstances.model)
        self._second = second(between, circumstances)
        self.path: str = self._second.path
        self.streams: bool = self._second.streams

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        request: dict[str, Any] = self._second.request(model)
        return request

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """
        self._first.sent()
        self._second.sent()

    def document(self, answer: object) -> Any:
        """
        @see: L{ITranslation.document}
        """
        return self._first.document(self._second.document(answer))

    def event(self, event: object) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.event}
        """
        return self._passed(self._second.event(event))

    def end(self) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.end}
        """
        return [*self._passed(self._second.end()), *self._first.end()]

    def _passed(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [said for event in events for said in self._first.event(event)]
