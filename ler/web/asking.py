# -*- test-case-name: ler.test.test_routes -*-
"""
How an engine is asked for what a client wants: as it is, or translated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ler.config.engines import Speech
from ler.engines.catalog import Entry
from ler.slot.wish import ORDINARY, Wish
from ler.upstream import FileSpan, HeaderList
from ler.web.beats import Beats, Heart
from ler.web.body import JSONBody, unthinking
from ler.web.dialects import dialect_of
from ler.web.job import Job, Translated
from ler.web.operations import Operation, Way
from ler.web.relay import Relay
from ler.web.translation.chat_requests import CHAT
from ler.web.translation.contract import Circumstances
from ler.web.translation.ollama.idioms import keep_alive_of
from ler.web.upward import Upward


@dataclass(frozen=True)
class Traits:
    """
    What is to be known of an engine to ask it.

    @ivar speaks: the dialects that it takes as they are.
    @ivar counts_tokens: whether it can count those of a message.
    """

    speaks: Sequence[Speech]
    counts_tokens: bool


@dataclass(frozen=True)
class Inquiry:
    """
    What a client wants.

    @ivar request: its request.
    @ivar entry: the model.
    @ivar model: the name that it uses for that.
    @ivar path: the endpoint, in its canonical form.
    @ivar query: with the question mark, or empty.
    @ivar wish: how it would like to be treated.
    """

    request: Any
    entry: Entry
    model: str
    path: str
    query: bytes
    wish: Wish = ORDINARY


class Asking:
    """
    Makes the requests to engines, and has them carried.
    """

    def __init__(
        self, relay: Relay, heart: Heart, upward: Upward, traits: Mapping[str, Traits]
    ) -> None:
        """
        @param traits: by engine.
        """
        self._relay = relay
        self._heart = heart
        self._upward = upward
        self._traits = traits

    def counts_tokens(self, engine: str) -> bool:
        """
        @return: whether C{engine} can count the tokens of a message.
        """
        return self._traits[engine].counts_tokens

    def operate(self, inquiry: Inquiry, operation: Operation, body: JSONBody) -> None:
        """
        Have an operation done, in whichever way the engine can.
        """
        engine = inquiry.entry.engine
        way = operation.way(engine, self._traits[engine].speaks)
        if way is not None:
            self._translate(inquiry, way, body.document)
            return
        floor = inquiry.entry.thinking_floor if inquiry.path == CHAT else None
        parts = body.rewritten(inquiry.entry.upstream_name, floor)
        self.pass_on(inquiry, parts, streams=operation.wants_stream(body.stream))

    def pass_on(
        self, inquiry: Inquiry, parts: list[bytes | FileSpan], *, streams: bool = False
    ) -> None:
        """
        Have the request carried as it is.

        @param parts: its body.
        @param streams: whether the answer will be a stream of its dialect.
        """
        self._carry(
            inquiry,
            method=inquiry.request.method,
            target=inquiry.path.encode("ascii") + inquiry.query,
            headers=self._upward.headers(inquiry.request, inquiry.entry.engine),
            parts=parts,
            streams=streams,
        )

    def _translate(self, inquiry: Inquiry, way: Way, document: Mapping[str, Any]) -> None:
        translation = way.make(document, Circumstances(inquiry.model))
        asked = translation.request(inquiry.entry.upstream_name)
        if translation.path == CHAT:
            kwargs = unthinking(asked, inquiry.entry.thinking_floor)
            if kwargs is not None:
                asked["chat_template_kwargs"] = kwargs
        headers = [
            (name, value)
            for name, value in self._upward.headers(inquiry.request, inquiry.entry.engine)
            if name.lower() != b"content-type" and not name.lower().startswith(b"anthropic-")
        ]
        self._carry(
            inquiry,
            method=b"POST",
            target=translation.path.encode("ascii"),
            headers=[*headers, (b"Content-Type", b"application/json")],
            parts=[json.dumps(asked).encode("ascii")],
            streams=translation.streams,
            translated=Translated(translation, way.dialect),
            keep_alive=keep_alive_of(document) if inquiry.path.startswith("/api/") else None,
        )

    def _carry(
        self,
        inquiry: Inquiry,
        *,
        method: bytes,
        target: bytes,
        headers: HeaderList,
        parts: list[bytes | FileSpan],
        streams: bool,
        translated: Translated | None = None,
        keep_alive: float | None = None,
    ) -> None:
        job = Job(
            inquiry.entry.engine,
            inquiry.entry.residency,
            method,
            target,
            headers,
            parts,
            inquiry.model,
            self._beats(inquiry) if streams else None,
            translated,
            inquiry.entry.id,
            inquiry.wish,
            keep_alive,
        )
        self._relay.carry(inquiry.request, dialect_of(inquiry.path), job)

    def _beats(self, inquiry: Inquiry) -> Beats:
        agent = inquiry.request.getHeader(b"user-agent") or b""
        return self._heart.beats(inquiry.path, inquiry.model, agent.decode("latin-1"))
