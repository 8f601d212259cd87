# -*- test-case-name: ler.test.test_dialects -*-
"""
Streams of server-sent events, as three of the dialects have them.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ler.web.frames import EventFrames

EVENT_STREAM = b"text/event-stream"

LINE = rb"(?<![^\r\n])"
"""Where a line begins: the text that a model writes may hold anything, but it
cannot begin one."""

_DATA = re.compile(LINE + rb"data: ?([^\r\n]*)")
_FRAME = re.compile(rb"\n\r?\n|\r\r")


class EventStreams:
    """
    The part of a dialect that is the same wherever events are sent.
    """

    content_type = EVENT_STREAM

    closing = b""

    def frames(self, longest: int) -> EventFrames:
        """
        @see: L{IDialect.frames}
        """
        return EventFrames(longest)

    def decode(self, frames: bytes) -> list[Any]:
        """
        @see: L{IDialect.decode}
        """
        events = []
        for frame in _FRAME.split(frames):
            data = b"\n".join(_DATA.findall(frame))
            if data and data != b"[DONE]":
                events.append(json.loads(data))
        return events


def named_event(event: dict[str, Any]) -> bytes:
    """
    @return: an event that has its type for a name, as a frame.
    """
    data = json.dumps(event, allow_nan=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()
