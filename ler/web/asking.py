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
from ler.upstream import FileSpan, HeaderList
from ler.web.beats import Beats, Heart
from ler.web.body import JSONBody, unthinking
from ler.web.dialects import dialect_of
from ler.web.job import Job, Translated
from ler.web.operations import Operation, Way
from ler.web.relay import Relay
from ler.web.translation.chat_requests import CHAT
from ler.web.translation.contract import Circumstances
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
class Wish:
    """
    What a client wants.

    @ivar request: its request.
    @ivar entry: the model.
    @ivar model: the name that it uses for that.
    @ivar path: the endpoint, in its canonical form.
    @ivar query: with the question mark, or empty.
    """

    request: Any
    entry: Entry
    model: str
    path: str
    query: bytes


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

    def operate(self, wish: Wish, operation: Operation, body: JSONBody) -> None:
        """
        Have an operation done, in whichever way the engine can.
        """
        engine = wish.entry.engine
        way = operation.way(engine, self._traits[engine].speaks)
        if way is not None:
            self._translate(wish, way, body.document)
            return
        floor = wish.entry.thinking_floor if wish.path == CHAT else None
        parts = body.rewritten(wish.entry.upstream_name, floor)
        self.pass_on(wish, parts, streams=operation.wants_stream(body.stream))

    def pass_on(self, wish: Wish, parts: list[bytes | FileSpan], *, streams: bool = False) -> None:
        """
        Have the request carried as it is.

        @param parts: its body.
        @param streams: whether the answer will be a stream of its dialect.
        """
        self._carry(
            wish,
            method=wish.request.method,
            target=wish.path.encode("ascii") + wish.query,
            headers=self._upward.headers(wish.request, wish.entry.engine),
            parts=parts,
            streams=streams,
        )

    def _translate(self, wish: Wish, way: Way, document: Mapping[str, Any]) -> None:
        translation = way.make(document, Circumstances(wish.model))
        asked = translation.request(wish.entry.upstream_name)
        if translation.path == CHAT:
            kwargs = unthinking(asked, wish.entry.thinking_floor)
            if kwargs is not None:
                asked["chat_template_kwargs"] = kwargs
        headers = [
            (name, value)
            for name, value in self._upward.headers(wish.request, wish.entry.engine)
            if name.lower() != b"content-type" and not name.lower().startswith(b"anthropic-")
        ]
        self._carry(
            wish,
            method=b"POST",
            target=translation.path.encode("ascii"),
            headers=[*headers, (b"Content-Type", b"application/json")],
            parts=[json.dumps(asked).encode("ascii")],
            streams=translation.streams,
            translated=Translated(translation, way.dialect),
        )

    def _carry(
        self,
        wish: Wish,
        *,
        method: bytes,
        target: bytes,
        headers: HeaderList,
        parts: list[bytes | FileSpan],
        streams: bool,
        translated: Translated | None = None,
    ) -> None:
        job = Job(
            wish.entry.engine,
            wish.entry.residency,
            method,
            target,
            headers,
            parts,
            wish.model,
            self._beats(wish) if streams else None,
            translated,
        )
        self._relay.carry(wish.request, dialect_of(wish.path), job)

    def _beats(self, wish: Wish) -> Beats:
        agent = wish.request.getHeader(b"user-agent") or b""
        return self._heart.beats(wish.path, wish.model, agent.decode("latin-1"))
