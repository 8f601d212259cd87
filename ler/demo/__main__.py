# -*- test-case-name: ler.test.test_demo -*-
"""
Write tiny models and a configuration, and start the router with them.
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
TINY_MLX_MODELS = {
    "tiny-fish": "bream carp cod eel perch pike roach salmon tench trout tuna turbot",
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
        from ler.demo.tiny_gguf import write_model
    except ImportError as e:
        sys.exit(f"{e}; the demo needs: pip install 'engine-router[demo]'")
    models = {name: folder / f"{name}.gguf" for name in TINY_MODELS}
    for name, path in models.items():
        write_model(path, name, TINY_MODELS[name].split())
    return models


def write_tiny_mlx_models(folder: Path) -> dict[str, Path]:
    """
    @return: the folders of L{TINY_MLX_MODELS}, by model id.
    """
    try:
        from ler.demo.tiny_mlx import write_model
    except ImportError as e:
        sys.exit(f"{e}; --mlx needs: pip install 'engine-router[demo-mlx]'")
    models = {name: folder / name for name in TINY_MLX_MODELS}
    for name, path in models.items():
        write_model(path, TINY_MLX_MODELS[name].split())
    return models


def llama_engine(name: str, path: Path) -> dict[str, Any]:
    """
    @param path: a GGUF file.
    @return: how llama.cpp serves it under that name.
    """
    command = [sys.executable, "-m", "ler.demo.llama_server", "--port", "{port}"]
    command += ["--ctx-size", str(CONTEXT_LENGTH), "--alias", name, "--model", str(path)]
    return {"start_cmd": command}


def mlx_engine(path: Path) -> dict[str, Any]:
    """
    @param path: the folder of a model.
    @return: how MLX serves it; C{presets/mlx.yaml} says why so.
    """
    command = [sys.executable, "-m", "mlx_lm", "server", "--host", "127.0.0.1", "--port", "{port}"]
    # At its own temperature, which is 0, the tiny model hardly ever comes to an end.
    command += ["--temp", "0.8", "--log-level", "WARNING", "--model", str(path)]
    return {
        "start_cmd": command,
        "env": {"HF_HUB_OFFLINE": "1"},
        "ready_check": "completion",
        "ready_timeout_s": 120,
    }


def configuration(
    models: Mapping[str, Path], port: int, mlx_models: Mapping[str, Path]
) -> dict[str, Any]:
    """
    Give each model an engine, of which one at a time has the memory.

    @param models: GGUF files, by model id.
    @param port: where the router shall listen.
    @param mlx_models: folders of models for MLX, by model id.
    @return: the configuration, before it is written as YAML.
    """
    engines = {name: llama_engine(name, path) for name, path in models.items()}
    engines |= {name: mlx_engine(path) for name, path in mlx_models.items()}
    common = {"type": "generic_process", "base_url": "http://127.0.0.1:{port}", "port": "auto"}

    def model(name: str, **more: str) -> dict[str, Any]:
        return {"id": name, "engine": name, "context_length": CONTEXT_LENGTH, **more}

    return {
        "port": port,
        "state_dir": "state",
        "engines": {name: common | engine for name, engine in engines.items()},
        "models": [
            *(model(name) for name in models),
            *(model(name, model_name="default_model") for name in mlx_models),
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
    parser.add_argument("--mlx", action="store_true", help="serve a tiny model with MLX, too")
    parser.add_argument("--port", type=int, default=8077, help="port of the router")
    parser.add_argument("--write-only", action="store_true", help="do not start the router")
    options = parser.parse_args(argv)

    for path in options.gguf:
        if not path.is_file():
            parser.error(f"{path} is not a file")

    folder = demo_folder()
    folder.mkdir(parents=True, exist_ok=True)
    models = {path.stem: path.resolve() for path in options.gguf} or write_tiny_models(folder)
    mlx_models = write_tiny_mlx_models(folder) if options.mlx else {}
    config = folder / "config.yaml"
    content = configuration(models, options.port, mlx_models)
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    print(f"The configuration is {config}. Try, in another terminal:\n")
    to_try = commands_to_try([*models, *mlx_models], options.port)
    print("\n".join(f"  {line}" for line in to_try), flush=True)
    if not options.write_only:
        # The twistd script may have another name, or none on the PATH.
        twistd = "from twisted.scripts.twistd import run; run()"
        router = ["--nodaemon", "--pidfile=", "engine-router", "--config", str(config)]
        execv(sys.executable, [sys.executable, "-c", twistd, *router])


if __name__ == "__main__":
    main()
