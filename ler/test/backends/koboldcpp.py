# -*- test-case-name: ler.test.test_live_presets -*-
"""
A KoboldCpp without the inference, with the habits that a router has to know:

  - the port is closed until the model is loaded; if it is taken by then, the
    exit code is 0 all the same;
  - with C{--nomodel} every check is passed, but the model is C{inactive};
  - there is no C{/health}, and what the request says of the model is ignored;
  - the one-file program is a parent, which SIGTERM ends alone, and a child,
    which has the model and the port.
"""

from __future__ import annotations

import os
import signal
import sys
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


class Server(Program):
    """
    The child.
    """

    def answer(self, asked: str, request: dict[str, Any]) -> Answer:
        """
        @see: L{Program.answer}
        """
        options = self.options
        name = "inactive" if options.nomodel else f"koboldcpp/{options.hordemodelname}"
        if asked == "GET /api/v1/model":
            return 200, {"result": name}
        if asked == "GET /ping":
            return 200, {"status": "healthy"}
        if asked == "GET /v1/models":
            return listing(name)
        if asked == "POST /v1/chat/completions":
            return completion(name, request)
        return 404, "<html><head><title>404</title></head></html>"

    def run(self) -> None:
        """
        Load, then serve until SIGTERM.
        """
        obey()
        try:
            self.load()
            with suppress(OSError):
                self.listen()
                idle()
        except Told:
            note("child told to end")


def main() -> None:
    """
    Be the parent.
    """
    options = parser()
    options.add_argument("--model")
    options.add_argument("--hordemodelname", required=True)
    options.add_argument("--nomodel", action="store_true")
    chosen, _ = options.parse_known_args()
    if chosen.model is None and not chosen.nomodel:
        sys.exit(2)
    child = fork(Server(chosen).run)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
