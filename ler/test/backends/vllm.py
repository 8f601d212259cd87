# -*- test-case-name: ler.test.test_live_presets -*-
"""
A vLLM without the inference, with the habits that a router has to know:

  - the port refuses connections until the model is loaded;
  - a wrong name is answered with 404;
  - it is a tree: the API server, the engine core, two workers, which heed no
    signal but SIGKILL;
  - SIGTERM to the API server ends all of them, but a second one to the core
    during that time ends the core half way, without the workers;
  - SIGKILL of the API server leaves the others, while the port is free again.

It cannot sleep, and does not look at the memory.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Any

from ler.test.backends.program import (
    Answer,
    Program,
    Told,
    completion,
    fork,
    idle,
    listing,
    note,
    obey,
    parser,
)

PASS_ON_S = 0.1
TEAR_DOWN_S = 0.3
WORKERS = 2


class ApiServer(Program):
    """
    The part that speaks HTTP.
    """

    def answer(self, asked: str, request: dict[str, Any]) -> Answer:
        """
        @see: L{Program.answer}
        """
        name = self.options.served_model_name
        if asked == "GET /health":
            return 200, None
        if asked == "GET /v1/models":
            return listing(name)
        if asked != "POST /v1/chat/completions":
            return 404, {"detail": "Not Found"}
        if request.get("model") not in (None, "", name):
            message = f"The model `{request['model']}` does not exist."
            kind = {"type": "NotFoundError", "param": "model", "code": 404}
            return 404, {"error": {"message": message, **kind}}
        return completion(name, request)


def work() -> None:
    """
    Be a worker.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    idle()


def core() -> None:
    """
    Be the engine core.
    """
    workers = [fork(work) for _ in range(WORKERS)]
    with suppress(Told):
        idle()
    try:
        time.sleep(TEAR_DOWN_S)
    except Told:
        note("core ended half way")
        return
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    note("core ended")


def main() -> None:
    """
    Serve until SIGTERM.
    """
    options = parser()
    options.add_argument("serve", choices=["serve"])
    options.add_argument("model")
    options.add_argument("--served-model-name", required=True)
    server = ApiServer(options.parse_known_args()[0])
    obey()
    child = fork(core)
    try:
        server.load()
        server.listen()
        idle()
    except Told:
        note("API server told to end")
        time.sleep(PASS_ON_S)
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
