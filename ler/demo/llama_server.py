# -*- test-case-name: ler.test.test_live_demo -*-
"""
A llama.cpp server in one process, from Python's package index.

It stands where C{llama-server} would, and takes that program's options.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from xllamacpp import CommonParams, Server, llama_pooling_type

# llama.cpp's scale: 1 errors, 2 warnings, 3 what it does.
_ERRORS_ONLY = 1


def main(argv: Sequence[str] | None = None) -> None:
    """
    Serve one model until SIGTERM or SIGINT, then exit with status 0.

    @param argv: the command line without the program's name; by default that
        of the process.
    """
    parser = argparse.ArgumentParser(prog="llama_server", description="Serve one GGUF model.")
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--alias", required=True, help="the model's id for clients")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--ctx-size", type=int, default=4096, help="tokens of context")
    parser.add_argument("--embeddings", action="store_true", help="give vectors, and no answers")
    options = parser.parse_args(argv)

    params = CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_ctx = options.ctx_size
    params.embedding = options.embeddings
    if options.embeddings:
        params.pooling_type = llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.ui = False
    params.verbosity = _ERRORS_ONLY

    # A load cannot be interrupted from Python, so until it is over the signals keep their default
    # action, which ends the process at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        server = Server(params)
    except RuntimeError as e:
        sys.exit(f"cannot serve {options.model}: {e}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    print(f"{options.alias} is served at {server.listening_address}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
