# -*- test-case-name: ler.test.test_api_swap,ler.test.test_live_model_servers -*-
"""
LocalAI: ready without a model, which the first request loads; after a load
that failed it refuses to try again for a while, each time for longer.

Left out: its other surfaces, keys, its watchdog, the processes that it starts.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from ler.test.backends.model_server import TOO_LARGE, Answer, ModelServer, serve

MODELS = ("qwen3-8b", "gemma-3-12b")

COOLDOWN_S = 10.0
MAX_COOLDOWN_S = 300.0


class LocalAI(ModelServer):
    """
    One LocalAI.

    @ivar fail: how many of the next loads fail.
    """

    def __init__(self, clock: Any, load_s: float = 0.0) -> None:
        super().__init__(clock, load_s)
        self.fail = 0
        self._failures = 0
        self._cool_at = 0.0
        self.routes = {
            "GET /healthz": lambda request, body: (200, ""),
            "GET /readyz": lambda request, body: (200, ""),
            "GET /v1/models": self._models,
            "GET /api/ps": self._ps,
            "GET /backend/monitor": self._monitor,
            "POST /backend/load": self._load,
            "POST /v1/backend/load": self._load,
            "POST /backend/shutdown": self._shutdown,
            "POST /v1/chat/completions": self._chat,
        }

    def _models(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        All that is configured.
        """
        return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]}

    def _ps(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        The sizes are always 0.
        """
        models = [{"name": name, "model": name, "size": 0, "size_vram": 0} for name in self.loaded]
        return 200, {"models": models}

    def _monitor(self, request: Request, body: dict[str, Any]) -> Answer:
        assert request.args is not None
        model = request.args.get(b"model", [b""])[0].decode()
        if model not in self.loaded:
            return 500, _error(f"backend {model} is not loaded")
        return 200, {"state": 2, "memory": {"total": 0, "breakdown": {}}}

    def _load(self, request: Request, body: dict[str, Any]) -> Answer | Deferred[Answer]:
        model = body.get("model")
        if not model:
            return 400, _error("model is required")
        return self._loading(request, model)

    def _loading(self, request: Request, model: str) -> Answer | Deferred[Answer]:
        left = self._cool_at - self.clock.seconds()
        if left > 0:
            request.setHeader("Retry-After", str(math.ceil(left)))
            return 503, _error(f"model {model} failed to load a moment ago")

        def end(_: None) -> Answer:
            if self.fail or model == TOO_LARGE or model not in MODELS:
                self.fail = max(self.fail - 1, 0)
                pause = min(COOLDOWN_S * 2**self._failures, MAX_COOLDOWN_S)
                self._failures += 1
                self._cool_at = self.clock.seconds() + pause
                words = "rpc error: code = Unavailable desc = error reading from server: EOF"
                message = f"failed to load model: could not load model: {words}"
                return 500, {"loaded": list(self.loaded), "message": message}
            self._failures = 0
            self.loaded[model] = model
            return 200, {"loaded": list(self.loaded), "message": "model loaded"}

        return self.after_load().addCallback(end)

    def _shutdown(self, request: Request, body: dict[str, Any]) -> Answer:
        model = body.get("model", "")
        if self.loaded.pop(model, None) is None:
            return 404, _error(f"model {model} not found")
        return 200, {"message": "model stopped"}

    def _chat(self, request: Request, body: dict[str, Any]) -> Answer | Deferred[Answer]:
        """
        What is not loaded is loaded.
        """
        model = body.get("model", "")
        if model in self.loaded:
            return self.completion(model, body)

        def loaded(answer: Answer) -> Answer:
            return self.completion(model, body) if model in self.loaded else answer

        loading = self._loading(request, model)
        return loading.addCallback(loaded) if isinstance(loading, Deferred) else loading


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": 0, "message": message, "type": ""}}


if __name__ == "__main__":
    serve(LocalAI, sys.argv[1:])
