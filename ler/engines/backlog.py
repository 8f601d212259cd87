# -*- test-case-name: ler.test.test_guardian_backlog -*-
"""
Output on its way from an engine to whoever reads it, if anybody does.

Used by the guardian, so nothing but the standard library is imported.
"""

from __future__ import annotations

import os

LIMIT = 1 << 18
"""Bytes kept for a reader that is slow."""


class Backlog:
    """
    Bytes for a file descriptor that must never make an engine wait: what is
    not read in time is dropped, the oldest first.
    """

    def __init__(self, sink: int, limit: int = LIMIT) -> None:
        self._sink = sink
        self._limit = limit
        self._bytes = bytearray()

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def add(self, data: bytes) -> None:
        """
        Take C{data}, in place of older bytes if need be.
        """
        self._bytes += data
        del self._bytes[: -self._limit]

    def drain(self) -> None:
        """
        Write what the sink takes.
        """
        try:
            while self._bytes:
                del self._bytes[: os.write(self._sink, self._bytes)]
        except BlockingIOError:
            pass
        except OSError:
            # Nobody reads any more, or the disk is full: not the engine's trouble.
            self._bytes.clear()
