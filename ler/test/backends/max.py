# -*- test-case-name: ler.test.test_live_presets -*-
"""
A Modular MAX without the inference, with the habits that a router has to know:

  - the port refuses connections until the model is loaded;
  - it has a second port, for metrics, and fails if either is taken;
  - a wrong name is answered with 400 C{Value error.};
  - it has a model worker and a telemetry worker, which SIGKILL of their parent
    leaves.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
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

WORKERS = 2


class Server(Program):
    """
    The API server.
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
            return 400, {"detail": "Value error."}
        return completion(name, request)


def listener(host: str, port: int) -> socket.socket:
    """
    @return: what listens on a port.
    """
    try:
        return socket.create_server((host, port))
    except OSError:
        sys.exit(f"The network port {port} is already in use")


def main() -> None:
    """
    Serve until SIGTERM.
    """
    options = parser()
    options.add_argument("serve", choices=["serve"])
    options.add_argument("--model", required=True)
    options.add_argument("--served-model-name", required=True)
    chosen, _ = options.parse_known_args()
    listener(chosen.host, chosen.port).close()
    metrics_port = int(os.environ.get("MAX_SERVE_METRICS_ENDPOINT_PORT", "8001"))
    with listener(chosen.host, metrics_port):
        serve(Server(chosen))


def serve(server: Server) -> None:
    """
    Have workers, and end them.
    """
    workers = [fork(idle) for _ in range(WORKERS)]
    obey()
    try:
        server.load()
        server.listen()
        idle()
    except Told:
        for pid in workers:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
    note("ended properly")


if __name__ == "__main__":
    main()
