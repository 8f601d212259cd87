# -*- test-case-name: ler.test.test_translation_to_ollama_embeddings -*-
"""
OpenAI's clients of engines that speak Ollama's API alone: embeddings.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from ler.errors import BadRequest
from ler.web.translation.contract import Circumstances, ITranslation
from ler.web.translation.fields import Fields, readable, unreadable
from ler.web.translation.to_ollama.answers import tokens


@implementer(ITranslation)
class EmbeddingsToOllama:
    """
    C{/v1/embeddings} to C{/api/embed}.
    """

    path = "/api/embed"
    streams = False

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the body is wrong, or wants what Ollama cannot
            do.
        """
        fields = Fields(body, BadRequest)
        self._model = circumstances.model
        self._texts = _texts(fields)
        self._dimensions = fields.integer("dimensions")
        form = fields.text("encoding_format") or "float"
        if form not in ("float", "base64"):
            raise fields.wrong("encoding_format", "float or base64")
        self._packs = form == "base64"

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        request: dict[str, Any] = {"model": model, "input": self._texts}
        if self._dimensions is not None:
            request["dimensions"] = self._dimensions
        return request

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """

    def document(self, answer: object) -> dict[str, Any]:
        """
        @see: L{ITranslation.document}
        """
        fields = readable(answer)
        vectors = fields.items("embeddings")
        if len(vectors) != len(self._texts):
            raise unreadable(f"{len(vectors)} embeddings of {len(self._texts)} texts")
        used = tokens(fields, "prompt_eval_count")
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": self._formed(vector)}
                for index, vector in enumerate(vectors)
            ],
            "model": self._model,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }

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

    def _formed(self, vector: Any) -> list[float] | str:
        if not isinstance(vector, list):
            raise unreadable("an embedding is no list")
        if not self._packs:
            return vector
        try:
            return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
        except (struct.error, OverflowError):
            raise unreadable("an embedding is no list of numbers") from None


def _texts(body: Fields) -> list[str]:
    """
    @return: what is to be embedded.  Nothing would only load the model.
    """
    value = body.value("input")
    texts = [value] if isinstance(value, str) else value
    if not (
        isinstance(texts, list) and texts and all(text and isinstance(text, str) for text in texts)
    ):
        raise body.wrong(
            "input",
            "a text, or a list of texts, none of them empty: the engine of this model takes no "
            "tokens",
        )
    return texts
