# -*- test-case-name: ler.test.test_dialects -*-
"""
Ollama's own API: a stream is lines of JSON, an error is a plain text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from zope.interface import implementer

from ler.errors import RouterError
from ler.web.dialects.contract import JSON, IDialect, Rendered, retry_headers
from ler.web.frames import LineFrames

NDJSON = b"application/x-ndjson"


@implementer(IDialect)
class Ollama:
    """
    Chats, completions and embeddings, where a stream ends with a line that
    says so.
    """

    content_type = NDJSON

    # A blank line would be a document that cannot be read; a blank at the
    # beginning of the next line is none.
    heartbeat = b" "

    closing = b""

    own_errors = True

    # Found in most lines that end a stream, and in few others.
    _PERHAPS_END = re.compile(rb'"done"\s*:\s*true|"error"\s*:')

    def render(self, error: RouterError, request_id: str) -> Rendered:
        """
        @see: L{IDialect.render}
        """
        body = json.dumps({"error": error.message}).encode()
        return Rendered(error.ollama, (("Content-Type", JSON), *retry_headers(error)), body)

    def error_frame(self, error: RouterError, request_id: str) -> bytes:
        """
        @see: L{IDialect.error_frame}
        """
        return self.encode({"error": error.message})

    def is_error(self, said: object) -> bool:
        """
        @see: L{IDialect.is_error}
        """
        return isinstance(said, dict) and isinstance(said.get("error"), str)

    def is_end(self, frames: bytes) -> bool:
        """
        @see: L{IDialect.is_end}
        """
        if self._PERHAPS_END.search(frames) is None:
            return False
        # The arguments of a tool may hold such members, too.
        try:
            lines = self.decode(frames)
        except ValueError:
            return False
        return any(
            isinstance(line, dict) and (line.get("done") is True or "error" in line)
            for line in lines
        )

    def must_end(self) -> bool:
        """
        @see: L{IDialect.must_end}
        """
        return True

    def frames(self, longest: int) -> LineFrames:
        """
        @see: L{IDialect.frames}
        """
        return LineFrames(longest)

    def decode(self, frames: bytes) -> list[Any]:
        """
        @see: L{IDialect.decode}
        """
        return [json.loads(line) for line in frames.split(b"\n") if line.strip()]

    def encode(self, event: Any) -> bytes:
        """
        @see: L{IDialect.encode}
        """
        # Escaped to ASCII: Python's clients take U+2028 for the end of a line.
        return json.dumps(event, allow_nan=False).encode("ascii") + b"\n"


class OllamaOther(Ollama):
    """
    What manages models, whose streams end in ways of their own.
    """

    def must_end(self) -> bool:
        """
        @see: L{IDialect.must_end}
        """
        return False
