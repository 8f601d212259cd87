# -*- test-case-name: ler.test.test_demo -*-
"""
Write two models and a configuration, and start the router with them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

# Each model knows words of its own, so that an answer shows who gave it.
TINY_MODELS = {
    "tiny-birds": "crane finch heron kestrel lark owl plover raven robin swift thrush wren",
    "tiny-trees": "alder ash beech birch cedar elm hazel larch maple oak pine willow",
}

CONTEXT_LENGTH = 4096


def demo_folder() -> Path:
    """
    @return: where the demo keeps its files.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache).absolute() / "engine-router-demo"


def write_tiny_models(folder: Path) -> dict[str, Path]:
    """
    @return: the GGUF files of L{TINY_MODELS}, by model id.
    """
    try:
        from ler.demo.tiny_model import write_model
    except ImportError as e:
        sys.exit(f"{e}; the demo needs: pip install 'engine-router[demo]'")
    models = {name: folder / f"{name}.gguf" for name in TINY_MODELS}
    for name, path in models.items():
        write_model(str(path), name, TINY_MODELS[name].split())
    return models


def configuration(models: Mapping[str, Path], port: int) -> dict[str, Any]:
    """
    Give each model an engine, of which one at a time has the memory.

    @param models: GGUF files, by model id.
    @param port: where the router shall listen.
    @return: the configuration, before it is written as YAML.
    """
    server = [sys.executable, "-m", "ler.demo.llama_server", "--port", "{port}"]
    server += ["--ctx-size", str(CONTEXT_LENGTH)]
    return {
        "port": port,
        "state_dir": "state",
        "engines": {
            name: {
                "type": "generic_process",
                "base_url": "http://127.0.0.1:{port}",
                "port": "auto",
                "start_cmd": [*server, "--alias", name, "--model", str(path)],
            }
            for name, path in models.items()
        },
        "models": [
            {"id": name, "engine": name, "context_length": CONTEXT_LENGTH} for name in models
        ],
    }


def commands_to_try(models: Sequence[str], port: int) -> list[str]:
    """
    @return: command lines that talk to the router.
    """
    url = f"http://127.0.0.1:{port}"

    def chat(model: str, **more: object) -> str:
        request = {"model": model, **more, "messages": [{"role": "user", "content": "Hello"}]}
        return f"curl -N {url}/v1/chat/completions --json {shlex.quote(json.dumps(request))}"

    return [
        f"curl {url}/v1/models",
        *(chat(model) for model in models),
        chat(models[0], stream=True),
        f"curl {url}/status",
    ]


def main(
    argv: Sequence[str] | None = None,
    execv: Callable[[str, list[str]], object] = os.execv,
) -> None:
    """
    Write the demo's files and become the router.

    @param argv: the command line without the program's name; by default that
        of the process.
    @param execv: replaces this process, as L{os.execv} does.
    """
    parser = argparse.ArgumentParser(prog="python -m ler.demo", description=__doc__)
    parser.add_argument(
        "--gguf",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="a model of your own in place of the tiny ones; may be repeated",
    )
    parser.add_argument("--port", type=int, default=8077, help="port of the router")
    parser.add_argument("--write-only", action="store_true", help="do not start the router")
    options = parser.parse_args(argv)

    for path in options.gguf:
        if not path.is_file():
            parser.error(f"{path} is not a file")

    folder = demo_folder()
    folder.mkdir(parents=True, exist_ok=True)
    models = {path.stem: path.resolve() for path in options.gguf} or write_tiny_models(folder)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(configuration(models, options.port), sort_keys=False))
    print(f"The configuration is {config}. Try, in another terminal:\n")
    print("\n".join(f"  {line}" for line in commands_to_try([*models], options.port)), flush=True)
    if not options.write_only:
        # The twistd script may have another name, or none on the PATH.
        twistd = "from twisted.scripts.twistd import run; run()"
        router = ["--nodaemon", "--pidfile=", "engine-router", "--config", str(config)]
        execv(sys.executable, [sys.executable, "-c", twistd, *router])


if __name__ == "__main__":
    main()
