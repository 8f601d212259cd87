# -*- test-case-name: ler.test.test_live_presets -*-
"""
An mlx_lm.server without the inference, with the habits that a router has to
know:

  - C{/health} says C{ok} from the first moment on; a completion waits until the
    model is loaded;
  - the model of a request is what it shall load: any name but C{default_model}
    and its own drops the model, and makes it download if it may;
  - chunked bodies are refused with 411, and connections are not kept;
  - SIGTERM ends it at once.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from ler.test.backends.program import Answer, Conversation, Program, completion, note, parser


class OldConversation(Conversation):
    """
    One request of HTTP/1.0.
    """

    protocol_version = "HTTP/1.0"
    needs_length = True


class Server(Program):
    """
    The server.
    """

    conversation = OldConversation

    def answer(self, asked: str, request: dict[str, Any]) -> Answer:
        """
        @see: L{Program.answer}
        """
        if asked == "GET /health":
            return 200, {"status": "ok"}
        if asked != "POST /v1/chat/completions":
            return 404, "Not Found"
        note("asked for a completion")
        self.loaded.wait()
        model = request.get("model", "default_model")
        if model not in ("default_model", self.options.model):
            note(f"drops its model for {model}")
            if os.environ.get("HF_HUB_OFFLINE") == "1":
                return 404, {"error": f"cannot find {model}"}
            note(f"downloads {model}")
        return completion(model, request)


def main() -> None:
    """
    Serve until a signal ends it.
    """
    options = parser()
    options.add_argument("--model", required=True)
    server = Server(options.parse_known_args()[0])
    server.listen()
    server.load()
    signal.pause()


if __name__ == "__main__":
    main()
