# -*- test-case-name: ler.test.test_dialects -*-
"""
The OpenAI Responses API.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from ler.errors import RouterError
from ler.web.dialects.events import LINE, named_event
from ler.web.dialects.openai import OpenAI, error_object


class Responses(OpenAI):
    """
    Answers as responses, where a stream ends with an event.
    """

    closing = b""

    _END = re.compile(
        rb"(?:" + LINE + rb'event: ?|"type"\s*:\s*")response\.(?:completed|failed|incomplete)\b'
    )

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """
        @param wall: the time of day.
        """
        self._wall = wall

    def error_frame(self, error: RouterError, request_id: str) -> bytes:
        """
        @see: L{IDialect.error_frame}
        """
        # The error stands twice: no other form makes every client raise it.
        return self.encode(
            {
                "type": "response.failed",
                "sequence_number": 0,
                "response": {
                    "id": f"resp_{request_id}",
                    "object": "response",
                    "created_at": int(self._wall()),
                    "status": "failed",
                    "error": {"code": error.code, "message": error.message},
                    "incomplete_details": None,
                    "output": [],
                    "model": "",
                    "usage": None,
                },
                "error": error_object(error),
            }
        )

    def encode(self, event: Any) -> bytes:
        """
        @see: L{IDialect.encode}
        """
        return named_event(event)
