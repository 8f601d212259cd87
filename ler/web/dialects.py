# -*- test-case-name: ler.test.test_dialects -*-
"""
How each client dialect says "wait", "failed" and "done".
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zope.interface import Attribute, Interface, implementer

from ler.errors import RouterError, Unavailable

JSON = "application/json"
EVENT_STREAM = b"text/event-stream"

# The text that a model writes may hold anything, but it cannot begin a line.
_LINE = rb"(?<![^\r\n])"


@dataclass(frozen=True)
class Rendered:
    """
    A complete error response.

    @ivar headers: without the length.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class IDialect(Interface):
    """
    What one kind of client understands.  Stateless.
    """

    heartbeat = Attribute("Bytes that mean nothing to a waiting client.")

    def render(error: RouterError, request_id: str):
        """
        @return: C{error} as a L{Rendered} response, while the status is still
            open.
        """

    def error_frame(error: RouterError, request_id: str):
        """
        @return: C{error} as L{bytes} in a stream that was begun, with
            whatever ends such a stream.
        """

    def is_end(frames: bytes):
        """
        @return: whether C{frames}, whole ones, hold the mark after which
            nothing comes.
        """

    def must_end():
        """
        @return: whether a stream without that mark was cut short.
        """


def retry_headers(error: RouterError) -> tuple[tuple[str, str], ...]:
    """
    @return: the headers of C{error} that tell clients when to come back.
    """
    headers = list(error.headers)
    if error.retry_after is not None:
        if error.retry_after <= 60:
            headers.append(("Retry-After", str(max(1, math.ceil(error.retry_after)))))
        elif isinstance(error, Unavailable):
            headers.append(("x-should-retry", "false"))
    if error.should_retry is False:
        headers.append(("x-should-retry", "false"))
    return tuple(headers)


def _openai_error(error: RouterError) -> dict[str, Any]:
    return {
        "message": error.message,
        "type": error.openai[1],
        "param": error.param,
        "code": error.code,
    }


@implementer(IDialect)
class OpenAI:
    """
    The OpenAI API, where a stream ends with C{[DONE]} or with a reason to
    finish.
    """

    # One line feed and no blank line: a blank line after a comment is an
    # empty event to older Go clients, and to Python's after an id field.
    heartbeat = b": keep-alive\n"

    _END = re.compile(_LINE + rb'data: ?\[DONE\]|"finish_reason"\s*:\s*"')

    def render(self, error: RouterError, request_id: str) -> Rendered:
        """
        @see: L{IDialect.render}
        """
        body = json.dumps({"error": _openai_error(error)}).encode()
        return Rendered(error.openai[0], (("Content-Type", JSON), *retry_headers(error)), body)

    def error_frame(self, error: RouterError, request_id: str) -> bytes:
        """
        @see: L{IDialect.error_frame}
        """
        text = json.dumps({"error": _openai_error(error)})
        return f"data: {text}\n\ndata: [DONE]\n\n".encode()

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


class OpenAIOther(OpenAI):
    """
    OpenAI endpoints whose streams end in ways of their own (audio, images):
    only a broken connection tells that one was cut short.
    """

    def must_end(self) -> bool:
        """
        @see: L{IDialect.must_end}
        """
        return False


class Responses(OpenAI):
    """
    The OpenAI Responses API, where a stream ends with an event.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """
        @param wall: the time of day.
        """
        self._wall = wall

    _END = re.compile(
        rb"(?:" + _LINE + rb'event: ?|"type"\s*:\s*")response\.(?:completed|failed|incomplete)\b'
    )

    def error_frame(self, error: RouterError, request_id: str) -> bytes:
        """
        @see: L{IDialect.error_frame}
        """
        # The error stands twice: no other form makes every client raise it.
        said = {"code": error.code, "message": error.message}
        event = {
            "type": "response.failed",
            "sequence_number": 0,
            "response": {
                "id": f"resp_{request_id}",
                "object": "response",
                "created_at": int(self._wall()),
                "status": "failed",
                "error": said,
                "incomplete_details": None,
                "output": [],
                "model": "",
                "usage": None,
            },
            "error": _openai_error(error),
        }
        return f"event: response.failed\ndata: {json.dumps(event)}\n\n".encode()


@implementer(IDialect)
class Anthropic:
    """
    The Anthropic Messages API.
    """

    heartbeat = b'event: ping\ndata: {"type": "ping"}\n\n'

    _END = re.compile(_LINE + rb"event: ?(?:message_stop|error)\b")

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
        return f"event: error\ndata: {json.dumps(self._error(error, request_id))}\n\n".encode()

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


OPENAI = OpenAI()
OPENAI_OTHER = OpenAIOther()
RESPONSES = Responses()
ANTHROPIC = Anthropic()

STREAMS: Mapping[str, IDialect] = {
    "/v1/chat/completions": OPENAI,
    "/v1/completions": OPENAI,
    "/v1/responses": RESPONSES,
    "/v1/messages": ANTHROPIC,
}
"""The endpoints that stream events when asked to, so that heartbeats may be
sent on them."""


def dialect_of(path: str) -> IDialect:
    """
    @return: the dialect of the clients that call C{path}.
    """
    if path.startswith("/v1/messages"):
        return ANTHROPIC
    return STREAMS.get(path, OPENAI_OTHER)
