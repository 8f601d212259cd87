# -*- test-case-name: ler.test.test_translation_ollama_embeddings -*-
"""
Ollama's clients of engines that speak OpenAI's API: embeddings.
"""

from __future__ import annotations

import math
import struct
from array import array
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer

from ler.errors import BadRequest
from ler.web.translation.contract import Circumstances, ITranslation
from ler.web.translation.fields import Fields, readable, unreadable
from ler.web.translation.ollama.figures import Figures

_LEAST_NORM = 1e-12


class _Embedding:
    """
    What both endpoints have in common.  Neither ever streams.
    """

    path = "/v1/embeddings"
    streams = False

    def __init__(self, circumstances: Circumstances, request: dict[str, Any], count: int) -> None:
        """
        @param request: what the engine is asked, but for the model.
        @param count: how many vectors must come of it.
        """
        self._circumstances = circumstances
        self._figures = Figures(circumstances.now)
        self._request = request
        self._count = count

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        return {"model": model, **self._request, "encoding_format": "float"}

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """
        self._figures.sent()

    def event(self, event: object) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.event}
        """
        raise unreadable("embeddings are no stream")

    def end(self) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.end}
        """
        return []

    def _vectors(self, answer: Fields) -> list[Sequence[float]]:
        """
        @return: the vectors, in the order of what they are made of.
        """
        data = answer.each("data")
        vectors: dict[int, Sequence[float]] = {}
        for position, entry in enumerate(data):
            index = entry.integer("index")
            vectors[position if index is None else index] = _vector(entry)
        if sorted(vectors) != list(range(self._count)) or len(data) != self._count:
            raise unreadable(f"it holds {len(data)} vectors for {self._count} texts")
        return [vectors[index] for index in range(self._count)]


@implementer(ITranslation)
class OllamaEmbed(_Embedding):
    """
    C{/api/embed} to C{/v1/embeddings}.
    """

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the body is wrong.
        """
        fields = Fields(body, BadRequest)
        texts = fields.texts("input")
        request: dict[str, Any] = {"input": texts}
        self._dimensions = fields.integer("dimensions") or 0
        if self._dimensions < 0:
            raise fields.wrong("dimensions", "positive")
        if self._dimensions:
            request["dimensions"] = self._dimensions
        if fields.flag("truncate"):
            # As vLLM calls it.
            request["truncate_prompt_tokens"] = -1
        super().__init__(circumstances, request, len(texts))

    def document(self, answer: object) -> dict[str, Any]:
        """
        @see: L{ITranslation.document}
        """
        fields = readable(answer)
        embeddings = [_normal(self._cut(vector)) for vector in self._vectors(fields)]
        said = {
            "model": self._circumstances.model,
            "embeddings": embeddings,
            **self._figures.waits(),
        }
        count = fields.fields("usage").integer("prompt_tokens")
        if count is not None:
            said["prompt_eval_count"] = count
        return said

    def _cut(self, vector: Sequence[float]) -> Sequence[float]:
        # Some engines ignore how long a vector shall be.
        return vector[: self._dimensions] if self._dimensions else vector


@implementer(ITranslation)
class OllamaEmbedding(_Embedding):
    """
    C{/api/embeddings}, for older clients, to C{/v1/embeddings}.
    """

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the body is wrong.
        """
        prompt = Fields(body, BadRequest).text("prompt") or ""
        super().__init__(circumstances, {"input": prompt}, 1)

    def document(self, answer: object) -> dict[str, Any]:
        """
        @see: L{ITranslation.document}
        """
        [vector] = self._vectors(readable(answer))
        return {"embedding": list(vector)}


def _vector(entry: Fields) -> Sequence[float]:
    """
    @return: finite numbers, whether they come as such or as base64.
    """
    vector = _numbers(entry.value("embedding"))
    if vector is None or not math.isfinite(math.hypot(*vector)):
        raise entry.wrong("embedding", "a list of numbers")
    return vector


def _numbers(given: object) -> Sequence[float] | None:
    """
    @return: L{None} when they are none.
    """
    try:
        if isinstance(given, str):
            data = b64decode(given, validate=True)
            return struct.unpack(f"<{len(data) // 4}f", data)
        if isinstance(given, list):
            return array("d", given)
    except (TypeError, ValueError, OverflowError, struct.error):
        pass
    return None


def _normal(vector: Sequence[float]) -> list[float]:
    """
    @return: the vector at a length of 1.
    """
    norm = max(math.hypot(*vector), _LEAST_NORM)
    return [value / norm for value in vector]
