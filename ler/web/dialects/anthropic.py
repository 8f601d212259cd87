# -*- test-case-name: ler.test.test_dialects -*-
"""
The Anthropic Messages API.
"""

from __future__ import annotations

import json
import re
from typing import Any

from zope.interface import implementer

from ler.errors import RouterError
from ler.web.dialects.contract import JSON, IDialect, Rendered, retry_headers
from ler.web.dialects.events import LINE, EventStreams, named_event


@implementer(IDialect)
class Anthropic(EventStreams):
    """
    Messages, where a stream ends with an event.
    """

    heartbeat = b'event: ping\ndata: {"type": "ping"}\n\n'

    own_errors = True

    _END = re.compile(LINE + rb"event: ?(?:message_stop|error)\b")

    @staticmethod
    def _error(error: RouterError, request_id: str) -> dict[str, Any]:
        return {
            "type": "error",
            "error": {"type": error.anthropic[1], "message": error.message},
            "request_id": request_id,
        }

    def render(self, error: RouterError, request_id: str) -> Rendered:
        """
        @see: L{IDialect.render}
        """
        return Rendered(
            error.anthropic[0],
            (("Content-Type", JSON), ("request-id", request_id), *retry_headers(error)),
            json.dumps(self._error(error, request_id)).encode(),
        )

    def error_frame(self, error: RouterError, request_id: str) -> bytes:
        """
        @see: L{IDialect.error_frame}
        """
        return self.encode(self._error(error, request_id))

    def is_error(self, said: object) -> bool:
        """
        @see: L{IDialect.is_error}
        """
        if not isinstance(said, dict) or said.get("type") != "error":
            return False
        error = said.get("error")
        return isinstance(error, dict) and isinstance(error.get("message"), str)

    def is_end(self, frames: bytes) -> bool:
        """
        @see: L{IDialect.is_end}
        """
        return self._END.search(frames) is not None

    def must_end(self) -> bool:
        """
        @see: L{IDialect.must_end}
        """
        return True

    def encode(self, event: Any) -> bytes:
        """
        @see: L{IDialect.encode}
        """
        return named_event(event)
