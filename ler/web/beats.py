# -*- test-case-name: ler.test.test_beats -*-
"""
What keeps each kind of client waiting.

Anything said before the first event must mean nothing to a client; but some
have timers that nothing but an event resets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from ler.web.dialects import ANTHROPIC, OLLAMA, OPENAI, RESPONSES

NDJSONKeepalive = Literal["space", "newline", "chunk"]


@dataclass(frozen=True)
class Beats:
    """
    What a client is sent while it waits for a stream.

    @ivar light: bytes that say nothing.
    @ivar heavy: an event that says nothing, for clients whose timers nothing
        else resets; L{None} where there is no such thing.
    """

    light: bytes
    heavy: bytes | None = None

    def telling(self, remark: bytes) -> bytes:
        """
        @return: L{light}, with C{remark} where it is a comment.
        """
        is_comment = self.light.startswith(b":")
        return self.light[:-1] + b" " + remark + b"\n" if is_comment else self.light


class Heart:
    """
    Knows what to send to whom.
    """

    def __init__(
        self, ndjson: NDJSONKeepalive = "space", wall: Callable[[], float] = time.time
    ) -> None:
        """
        @param ndjson: the form of a heartbeat between lines of JSON: a space,
            which every client takes; a newline, which older routers send and
            many clients die of; or a line with an empty answer.
        @param wall: the time of day.
        """
        self._ndjson = ndjson
        self._wall = wall

    def beats(self, path: str, model: str, user_agent: str) -> Beats:
        """
        @param path: the endpoint that the client calls; one that streams.
        @param model: the name that it uses.
        @param user_agent: what it calls itself.
        """
        if path == "/v1/chat/completions":
            delta = {"index": 0, "delta": {"content": ""}, "finish_reason": None}
            return Beats(OPENAI.heartbeat, self._chunk("chat.completion.chunk", model, delta))
        if path == "/v1/completions":
            text = {"index": 0, "text": "", "logprobs": None, "finish_reason": None}
            return Beats(OPENAI.heartbeat, self._chunk("text_completion", model, text))
        if path == "/v1/messages":
            return Beats(ANTHROPIC.heartbeat)
        if path.startswith("/api/"):
            return Beats(self._line(path, model))
        if user_agent.lower().startswith("codex"):
            # It gives up after five minutes without an event, and skips those
            # that it does not know; others break at them.
            return Beats(RESPONSES.encode({"type": "keepalive"}))
        return Beats(RESPONSES.heartbeat)

    def _chunk(self, kind: str, model: str, choice: dict[str, Any]) -> bytes:
        return OPENAI.encode(
            {
                "id": "chatcmpl-hold",
                "object": kind,
                "created": int(self._wall()),
                "model": model,
                "choices": [choice],
            }
        )

    def _line(self, path: str, model: str) -> bytes:
        if self._ndjson == "space":
            return OLLAMA.heartbeat
        if self._ndjson == "newline":
            return b"\n"
        empty: dict[str, Any] = {"response": ""}
        if path == "/api/chat":
            empty = {"message": {"role": "assistant", "content": ""}}
        now = datetime.fromtimestamp(self._wall(), timezone.utc)
        created = now.isoformat().replace("+00:00", "Z")
        return OLLAMA.encode({"model": model, "created_at": created, **empty, "done": False})
