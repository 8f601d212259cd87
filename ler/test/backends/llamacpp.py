# -*- test-case-name: ler.test.test_live_presets -*-
"""
A llama-server without the inference, with the habits that a router has to know:

  - it listens before the model is loaded: its page is there at once, everything
    else is answered with 503;
  - without a number of layers and a context it fits itself into what is free,
    without a word;
  - variables named C{LLAMA_ARG_*} act as options, of which it makes an event;
  - SIGTERM kills it at once while it loads, and ends it properly later;
  - the model of a request is ignored.
"""

from __future__ import annotations

import os
import signal
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


class LlamaServer(Program):
    """
    The server.
    """

    def answer(self, asked: str, request: dict[str, Any]) -> Answer:
        """
        @see: L{Program.answer}
        """
        name = self.options.alias
        if asked == "GET /":
            return 200, "<title>llama.cpp</title>"
        if not self.loaded.is_set():
            return error(503, "Loading model", "unavailable_error")
        if asked == "GET /health":
            return 200, {"status": "ok"}
        if asked == "GET /v1/models":
            return listing(name)
        if asked == "POST /v1/chat/completions":
            return completion(name, request)
        return error(404, "File Not Found", "not_found_error")


def error(status: int, message: str, kind: str) -> Answer:
    """
    @return: an error as it words them.
    """
    return status, {"error": {"message": message, "type": kind, "code": status}}


def main() -> None:
    """
    Serve until SIGTERM.
    """
    options = parser()
    options.add_argument("-m", "--model", required=True)
    options.add_argument("-a", "--alias", required=True)
    options.add_argument("-ngl")
    options.add_argument("-c", "--ctx-size")
    chosen, _ = options.parse_known_args()
    for name in os.environ:
        if name.startswith("LLAMA_ARG_"):
            note(f"obeys {name}")
    if chosen.ngl is None or chosen.ctx_size is None:
        note("fits itself into what is free")
    server = LlamaServer(chosen)
    server.listen()
    server.load()
    try:
        obey()
        idle()
    except Told:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        note("ended properly")


if __name__ == "__main__":
    main()
