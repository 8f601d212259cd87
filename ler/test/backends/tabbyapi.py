# -*- test-case-name: ler.test.test_api_swap,ler.test.test_live_model_servers -*-
"""
TabbyAPI: one model at a time; loads are streams of events with status 200,
whatever becomes of them.

Left out: embedding models, completions of a bare text, inline loading.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from ler.test.backends.model_server import TOO_LARGE, Answer, ModelServer, serve

MODELS = ("Qwen3-8B-exl3", "Llama-3.3-70B-exl3")

API_KEY = "API-KEY"
ADMIN_KEY = "ADMIN-KEY"
"""Its keys are the placeholders of the preset."""


class TabbyAPI(ModelServer):
    """
    One TabbyAPI.
    """

    def __init__(self, clock: Any, load_s: float = 0.0) -> None:
        super().__init__(clock, load_s)
        self.routes = {
            "GET /health": self._health,
            "GET /v1/model": self._model,
            "GET /v1/models": self._models,
            "POST /v1/model/load": self._load,
            "POST /v1/model/unload": self._unload,
            "POST /v1/chat/completions": self._chat,
        }

    def _health(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        It is healthy without a model.
        """
        return 200, {"status": "healthy", "issues": []}

    def _model(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        The one model; also while one loads there is none.
        """
        if self._rights(request) is None:
            return _unauthorized()
        if not self.loaded:
            return 503, {"detail": "No models are currently loaded."}
        (model,) = self.loaded.values()
        return 200, _card(model)

    def _models(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        An administrator sees all models, others the one that is loaded.
        """
        rights = self._rights(request)
        if rights is None:
            return _unauthorized()
        names = MODELS if rights == ADMIN_KEY else self.loaded.values()
        return 200, {"object": "list", "data": [_card(name) for name in names]}

    def _load(self, request: Request, body: dict[str, Any]) -> Answer | Deferred[Answer]:
        """
        The head and the first event come at once.
        """
        if self._rights(request) != ADMIN_KEY:
            return _unauthorized()
        model = body.get("model_name")
        if model not in (*MODELS, TOO_LARGE):
            return 400, {"detail": "Could not find the model path for load."}
        self.loaded.clear()
        request.setHeader("Content-Type", "text/event-stream")
        request.write(_progress("processing").encode())

        def end(_: None) -> Answer:
            if model == TOO_LARGE:
                error = {"message": "CUDA out of memory.", "trace": "Traceback ..."}
                return 200, _event({"error": error})
            self.loaded[model] = model
            return 200, _progress("finished")

        return self.after_load().addCallback(end)

    def _unload(self, request: Request, body: dict[str, Any]) -> Answer:
        if self._rights(request) != ADMIN_KEY:
            return _unauthorized()
        if not self.loaded:
            return 503, {"detail": "No models are currently loaded."}
        self.loaded.clear()
        return 200, None

    def _chat(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        The model that the body names does not matter.
        """
        status, card = self._model(request, body)
        if status != 200:
            return status, card
        (model,) = self.loaded.values()
        return self.completion(model, body)

    def _rights(self, request: Request) -> str | None:
        """
        @return: the better of the keys that came along, if any was right.
        """
        bearer = (request.getHeader("authorization") or "").removeprefix("Bearer ")
        if ADMIN_KEY in (request.getHeader("x-admin-key"), bearer):
            return ADMIN_KEY
        return API_KEY if API_KEY in (request.getHeader("x-api-key"), bearer) else None


def _unauthorized() -> Answer:
    return 401, {"detail": "Invalid API key"}


def _card(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 0, "owned_by": "tabbyAPI"}


def _event(document: object) -> str:
    return f"data: {json.dumps(document)}\n\n"


def _progress(status: str) -> str:
    modules = {"module": 1, "modules": 1}
    return _event({"model_type": "model", **modules, "status": status})


if __name__ == "__main__":
    serve(TabbyAPI, sys.argv[1:])
