# -*- test-case-name: ler.test.test_operations -*-
"""
What clients ask engines to do, by path: in which dialect, and what becomes of
it at an engine that does not speak that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from ler.config.engines import Speech
from ler.errors import NotSpoken
from ler.web.dialects import ANTHROPIC, OLLAMA, OPENAI, RESPONSES, IDialect
from ler.web.translation.anthropic import AnthropicMessages
from ler.web.translation.chain import Chain
from ler.web.translation.contract import Maker
from ler.web.translation.ollama import OllamaChat, OllamaEmbed, OllamaEmbedding, OllamaGenerate
from ler.web.translation.responses import ResponsesToChat
from ler.web.translation.to_ollama import ChatToOllama, CompletionToOllama, EmbeddingsToOllama


@dataclass(frozen=True)
class Way:
    """
    A way to have an operation done by an engine of another dialect.

    @ivar speech: what the engine must speak.
    @ivar dialect: what it is asked in.
    @ivar make: makes the translation of one request.
    """

    speech: Speech
    dialect: IDialect
    make: Maker


@dataclass(frozen=True)
class Operation:
    """
    What is done at a path.

    @ivar dialect: what its clients understand.
    @ivar speech: what an engine speaks that takes requests as they are.
    @ivar streams: whether answers can be streams.
    @ivar unasked: whether they are, unless the client says otherwise.
    @ivar ways: how else it can be done, the best first.
    """

    dialect: IDialect
    speech: Speech
    streams: bool = True
    unasked: bool = False
    ways: tuple[Way, ...] = ()

    def way(self, engine: str, speaks: Collection[Speech]) -> Way | None:
        """
        @param engine: the key of the engine, for the error.
        @param speaks: what it speaks.
        @return: how to ask it; L{None} for as it is.
        @raise NotSpoken: when that is impossible.
        """
        if self.speech in speaks:
            return None
        for way in self.ways:
            if way.speech in speaks:
                return way
        raise NotSpoken(
            f"engine {engine} speaks {', '.join(speaks)} only, into which this request is not "
            "translated; ask another model, or complete the engine's 'speaks' if that is wrong"
        )

    def wants_stream(self, stream: object) -> bool:
        """
        @param stream: what the client says of it, L{None} for nothing.
        @return: whether the answer is to be a stream.
        """
        if not self.streams:
            return False
        return stream is not False if self.unasked else stream is True


def _openai(make: Maker) -> Way:
    return Way("openai", OPENAI, make)


def _ollama(make: Maker) -> Way:
    return Way("ollama", OLLAMA, make)


OPERATIONS: Mapping[str, Operation] = {
    "/v1/chat/completions": Operation(OPENAI, "openai", ways=(_ollama(ChatToOllama),)),
    "/v1/completions": Operation(OPENAI, "openai", ways=(_ollama(CompletionToOllama),)),
    "/v1/embeddings": Operation(
        OPENAI, "openai", streams=False, ways=(_ollama(EmbeddingsToOllama),)
    ),
    "/v1/responses": Operation(
        RESPONSES,
        "responses",
        ways=(
            _openai(ResponsesToChat),
            _ollama(partial(Chain, ResponsesToChat, ChatToOllama)),
        ),
    ),
    "/v1/messages": Operation(
        ANTHROPIC,
        "anthropic",
        ways=(
            _openai(AnthropicMessages),
            _ollama(partial(Chain, AnthropicMessages, ChatToOllama)),
        ),
    ),
    "/api/chat": Operation(OLLAMA, "ollama", unasked=True, ways=(_openai(OllamaChat),)),
    "/api/generate": Operation(OLLAMA, "ollama", unasked=True, ways=(_openai(OllamaGenerate),)),
    "/api/embed": Operation(OLLAMA, "ollama", streams=False, ways=(_openai(OllamaEmbed),)),
    "/api/embeddings": Operation(OLLAMA, "ollama", streams=False, ways=(_openai(OllamaEmbedding),)),
}
"""The operations that the router understands.  What is asked at any other path
that names a model goes to the engine as it is."""
