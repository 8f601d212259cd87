# -*- test-case-name: ler.test.test_model_paths -*-
"""
The paths at which a model is named, and what clients make of them.
"""

from __future__ import annotations

import re

VERSIONED = frozenset(
    {
        "audio",
        "chat",
        "completions",
        "embeddings",
        "images",
        "messages",
        "moderations",
        "responses",
    }
)
"""What stands under C{/v1}, by its first segment; some clients forget that."""

UNVERSIONED = frozenset(
    {
        "apply-template",
        "classify",
        "completion",
        "detokenize",
        "embedding",
        "generative_scoring",
        "infill",
        "invocations",
        "lora-adapters",
        "openai",
        "pooling",
        "props",
        "rerank",
        "reranking",
        "score",
        "slots",
        "tokenize",
        "v2",
    }
)
"""What engines have beside C{/v1} that names a model, by its first segment."""

POSTED = frozenset(
    {
        "/apply-template",
        "/classify",
        "/completion",
        "/detokenize",
        "/embedding",
        "/infill",
        "/pooling",
        "/rerank",
        "/reranking",
        "/score",
        "/tokenize",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/images/edits",
        "/v1/images/generations",
        "/v1/images/variations",
        "/v1/messages/count_tokens",
        "/v1/moderations",
        "/v1/rerank",
        "/v2/rerank",
    }
)
"""Further paths at which something is, for those who try the wrong method."""

_REPEATED = re.compile(r"/(?:v1/)+(?=v1/)")
_NAMED = re.compile(r"/(?:v1/engines|openai/deployments)/(.+?)/((?:chat/)?completions|embeddings)")


def canonical(path: str) -> tuple[str, str | None]:
    """
    @param path: a normal one.
    @return: what the client means: C{/v1} is often forgotten, or said twice;
        and the name of the model, where the path holds it.
    """
    path = _REPEATED.sub("/", path)
    named = _NAMED.fullmatch(path)
    if named is not None:
        return f"/v1/{named[2]}", named[1]
    return (f"/v1{path}" if path.split("/")[1] in VERSIONED else path), None
