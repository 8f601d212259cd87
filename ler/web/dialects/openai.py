# -*- test-case-name: ler.test.test_dialects -*-
"""
The OpenAI API, but for its Responses.
"""

from __future__ import annotations

import json
import re
from typing import Any

from zope.interface import implementer

from ler.errors import RouterError
from ler.web.dialects.contract import JSON, IDialect, Rendered, retry_headers
from ler.web.dialects.events import LINE, EventStreams


def error_object(error: RouterError) -> dict[str, Any]:
    """
    @return: C{error} as this API's clients know it.
    """
    return {
        "message": error.message,
        "type": error.openai[1],
        "param": error.param,
        "code": error.code,
    }


@implementer(IDialect)
class OpenAI(EventStreams):
    """
    Chats and completions, where a stream ends with C{[DONE]}, with a reason to
    finish, or with an error.
    """

    # One line feed and no blank line: a blank line after a comment is an
    # empty event to older Go clients, and to Python's after an id field.
    heartbeat = b": keep-alive\n"

    closing = b"data: [DONE]\n\n"

    own_errors = True

    # Not every engine says that it is done after an error.
    _END = re.compile(
        LINE + rb'data: ?(?:\[DONE\]|\{\s*"error"\s*:\s*[{"])|"finish_reason"\s*:\s*"'
    )

    def render(self, error: RouterError, request_id: str) -> Rendered:
        """
        @see: L{IDialect.render}
        """
        body = json.dumps({"error": error_object(error)}).encode()
        return Rendered(error.openai[0], (("Content-Type", JSON), *retry_headers(error)), body)

    def error_frame(self, error: RouterError, request_id: str) -> bytes:
        """
        @see: L{IDialect.error_frame}
        """
        return self.encode({"error": error_object(error)}) + b"data: [DONE]\n\n"

    def is_error(self, said: object) -> bool:
        """
        @see: L{IDialect.is_error}
        """
        error = said.get("error") if isinstance(said, dict) else None
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
        return f"data: {json.dumps(event, allow_nan=False)}\n\n".encode()


class OpenAIOther(OpenAI):
    """
    Endpoints whose streams end in ways of their own (audio, images): only a
    broken connection tells that one was cut short.
    """

    def must_end(self) -> bool:
        """
        @see: L{IDialect.must_end}
        """
        return False


class Raw(OpenAIOther):
    """
    Answers that pass as the engine gives them, whatever they are.
    """

    # Of no answer: streams of events pass with the engine's own heartbeats,
    # as the client gets none of ours.
    content_type = b"*/*"

    own_errors = False
