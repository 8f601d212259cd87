# -*- test-case-name: ler.test.test_api_swap,ler.test.test_live_model_servers -*-
"""
LM Studio: unknown paths are answered with status 200, every load of a model
makes another instance, and requests load what they name.

Its source is closed: the status of a failed load is a guess.  Left out: its
other surfaces, tokens, time-outs of instances.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from ler.test.backends.model_server import TOO_LARGE, Answer, ModelServer, serve

MODELS = ("qwen/qwen3-8b", "google/gemma-3-12b")


class LMStudio(ModelServer):
    """
    One LM Studio, with just-in-time loading.
    """

    def __init__(self, clock: Any, load_s: float = 0.0) -> None:
        super().__init__(clock, load_s)
        self.routes = {
            "GET /lmstudio-greeting": lambda request, body: (200, {"lmstudio": True}),
            "GET /v1/models": self._models,
            "GET /api/v1/models": self._list,
            "POST /api/v1/models/load": self._load,
            "POST /api/v1/models/unload": self._unload,
            "POST /v1/chat/completions": self._chat,
        }

    def unknown(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        @see: L{ModelServer.unknown}
        """
        asked = f"{request.method.decode()} {request.path.decode()}"
        return 200, {"error": f"Unexpected endpoint or method. ({asked})"}

    def _models(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        With just-in-time loading, all that could be loaded.
        """
        return 200, {"object": "list", "data": [{"id": key, "object": "model"} for key in MODELS]}

    def _list(self, request: Request, body: dict[str, Any]) -> Answer:
        models = [
            {
                "type": "llm",
                "key": key,
                "display_name": key.rpartition("/")[2],
                "loaded_instances": [
                    {"id": instance, "config": {"context_length": 4096}}
                    for instance, model in self.loaded.items()
                    if model == key
                ],
                "max_context_length": 32768,
                "format": "gguf",
            }
            for key in MODELS
        ]
        return 200, {"models": models}

    def _load(self, request: Request, body: dict[str, Any]) -> Answer | Deferred[Answer]:
        """
        A second load makes a second instance.
        """
        key = body.get("model")
        if key not in (*MODELS, TOO_LARGE):
            return 404, _error("model_not_found", f"Model {key} not found")

        def end(_: None) -> Answer:
            if key == TOO_LARGE:
                words = "Model loading was stopped due to insufficient system resources."
                return 500, _error("model_load_failed", words)
            return 200, {
                "type": "llm",
                "instance_id": self._instantiate(key),
                "load_time_seconds": self.load_s,
                "status": "loaded",
            }

        return self.after_load().addCallback(end)

    def _instantiate(self, key: str) -> str:
        count = sum(model == key for model in self.loaded.values())
        instance = f"{key}:{count + 1}" if count else key
        self.loaded[instance] = key
        return instance

    def _unload(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        It wants the id of an instance, not the name of a model.
        """
        instance = body.get("instance_id")
        if instance is None:
            return 400, _error("missing_required_parameter", "'instance_id' is required")
        if self.loaded.pop(instance, None) is None:
            return 404, _error("model_not_found", f"No instance {instance}")
        return 200, {"instance_id": instance}

    def _chat(self, request: Request, body: dict[str, Any]) -> Answer | Deferred[Answer]:
        """
        What is not loaded is loaded.
        """
        model = body.get("model", "")
        if model in self.loaded:
            return self.completion(model, body)
        if model not in MODELS:
            return 404, _error("model_not_found", f"Model {model} not found")

        def end(_: None) -> Answer:
            return self.completion(self._instantiate(model), body)

        return self.after_load().addCallback(end)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"type": "invalid_request", "code": code, "message": message}}


if __name__ == "__main__":
    serve(LMStudio, sys.argv[1:])
