# -*- test-case-name: ler.test.test_live_presets -*-
"""
An SGLang without the inference, with the habits that a router has to know:

  - it listens before it is warm: the list of models is there at once;
  - C{/ready} is a flag, C{/health} takes a second and a token each time;
  - told to end, it looks up from time to time, and then waits for running
    requests, without a limit;
  - a name with a colon means a LoRA adapter, which it does not have; any other
    wrong name is ignored.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

from ler.test.backends.program import (
    Answer,
    Program,
    Told,
    completion,
    idle,
    listing,
    note,
    obey,
    parser,
)

HEALTH_S = 1.0
LOOK_S = 0.1


class Server(Program):
    """
    The server.

    @ivar running: how many requests are.
    """

    running = 0
    _counting = threading.Lock()

    def answer(self, asked: str, request: dict[str, Any]) -> Answer:
        """
        @see: L{Program.answer}
        """
        name = self.options.served_model_name
        if asked == "GET /v1/models":
            return listing(name)
        if not self.loaded.is_set():
            return 503, None
        if asked in ("GET /ready", "GET /health"):
            if asked == "GET /health":
                note("generates for a health check")
                time.sleep(HEALTH_S)
            return 200, None
        if asked != "POST /v1/chat/completions":
            return 404, {"detail": "Not Found"}
        if ":" in request.get("model", ""):
            return 400, {"object": "error", "message": "no such LoRA adapter", "code": 400}
        return self._generate(request)

    def _generate(self, request: dict[str, Any]) -> Answer:
        with self._counting:
            self.running += 1
        note("generates")
        try:
            return completion(self.options.served_model_name, request)
        finally:
            with self._counting:
                self.running -= 1


def main() -> None:
    """
    Serve until SIGTERM, and for as long as somebody waits for an answer.
    """
    options = parser()
    options.add_argument("serve", choices=["serve"])
    options.add_argument("--model-path", required=True)
    options.add_argument("--served-model-name", required=True)
    server = Server(options.parse_known_args()[0])
    obey()
    try:
        server.listen()
        server.load()
        idle()
    except Told:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("told to end")
    time.sleep(LOOK_S)
    while server.running:
        time.sleep(LOOK_S)
    note("ended properly")


if __name__ == "__main__":
    main()
