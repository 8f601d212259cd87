# -*- test-case-name: ler.test.test_deliveries -*-
"""
Answers that have to be whole before anything can be made of them.
"""

from __future__ import annotations


class Collector:
    """
    Keeps the beginning of a body.
    """

    at_boundary = True
    ended = False

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()

    @property
    def satisfied(self) -> bool:
        """
        @see: L{IDelivery.satisfied}
        """
        return len(self._body) > self._limit

    def arrived(self, data: bytes) -> None:
        """
        @see: L{IDelivery.arrived}
        """
        self._body += data

    def complete(self) -> None:
        """
        @see: L{IDelivery.complete}
        """
