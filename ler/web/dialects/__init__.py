# -*- test-case-name: ler.test.test_dialects -*-
"""
How each client dialect says "wait", "failed" and "done", and what its streams
look like.  L{contract<ler.web.dialects.contract>} says what a dialect is.
"""

from __future__ import annotations

from collections.abc import Mapping

from ler.web.dialects.anthropic import Anthropic
from ler.web.dialects.contract import JSON, IDialect, Rendered
from ler.web.dialects.events import EVENT_STREAM
from ler.web.dialects.ollama import NDJSON, Ollama, OllamaOther
from ler.web.dialects.openai import OpenAI, OpenAIOther, Raw
from ler.web.dialects.responses import Responses

__all__ = [
    "ANTHROPIC",
    "EVENT_STREAM",
    "JSON",
    "NDJSON",
    "OLLAMA",
    "OLLAMA_OTHER",
    "OPENAI",
    "OPENAI_OTHER",
    "RAW",
    "RESPONSES",
    "Anthropic",
    "IDialect",
    "Ollama",
    "OllamaOther",
    "OpenAI",
    "OpenAIOther",
    "Raw",
    "Rendered",
    "Responses",
    "dialect_of",
]

OPENAI = OpenAI()
OPENAI_OTHER = OpenAIOther()
RAW = Raw()
RESPONSES = Responses()
ANTHROPIC = Anthropic()
OLLAMA = Ollama()
OLLAMA_OTHER = OllamaOther()

_BY_PATH: Mapping[str, IDialect] = {
    "/v1/chat/completions": OPENAI,
    "/v1/completions": OPENAI,
    "/v1/embeddings": OPENAI,
    "/v1/responses": RESPONSES,
    "/api/chat": OLLAMA,
    "/api/generate": OLLAMA,
    "/api/embed": OLLAMA,
    "/api/embeddings": OLLAMA,
}


def dialect_of(path: str) -> IDialect:
    """
    @return: the dialect of the clients that call C{path}.
    """
    if path.startswith("/v1/messages"):
        return ANTHROPIC
    if path.startswith("/api/"):
        return _BY_PATH.get(path, OLLAMA_OTHER)
    return _BY_PATH.get(path, OPENAI_OTHER)
