# -*- test-case-name: ler.test.test_live_clients -*-
"""
The engines that clients are tried with, and two routers before them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ler.demo.__main__ import llama_engine, write_tiny_models
from ler.test.clients import check, recorded
from ler.test.live import Server, free_port
from ler.test.live_router import run_router, url_of

Commands = Mapping[str, Sequence[str]]

BESIDE = frozenset({"tiny-embed", *recorded.FAULTS})
"""What lives beside others."""


def player(model: str, *options: str, says: str = check.SENTENCE) -> list[str]:
    """
    @param options: see L{ler.test.clients.recorded}.
    @param says: what it answers.
    @return: the command line of an engine with recorded answers.
    """
    command = [sys.executable, "-I", "-S", recorded.__file__, "--port={port}"]
    return [*command, f"--model={model}", f"--says={says}", *options]


def players(slow_s: float) -> Commands:
    """
    @param slow_s: how long the slow one takes to load, in seconds.
    @return: the engines whose answers are recorded, by the name of the model.
    """
    return {
        "recorded": player("recorded"),
        "slow": player("slow", f"--load-s={slow_s}"),
        "broken": ["sh", "-c", "sleep 1; echo {port}: out of memory; exit 1"],
        **{fault: player(fault, f"--plays={fault}") for fault in recorded.FAULTS},
    }


def llamas(folder: Path) -> Commands:
    """
    @param folder: where the models are written.
    @return: real llama.cpp engines that take three seconds longer to start
        than they must, by the name of the model.
    """
    models = write_tiny_models(folder)
    embedder = llama_engine("tiny-embed", models["tiny-birds"])["start_cmd"]
    commands = {name: llama_engine(name, path)["start_cmd"] for name, path in models.items()}
    commands["tiny-embed"] = [*embedder, "--embeddings"]
    late = ["sh", "-c", 'sleep 3; exec "$@"', "sh"]
    return {name: [*late, *command] for name, command in commands.items()}


def configuration(commands: Commands) -> dict[str, Any]:
    """
    @return: what the configuration of a router says of engines and models.
    """

    def engine(name: str, command: Sequence[str]) -> dict[str, Any]:
        return {
            "type": "generic_process",
            "base_url": "http://127.0.0.1:{port}",
            "port": free_port(),
            "start_cmd": list(command),
            "start_timeout_s": 900,
            "exclusive": name not in BESIDE,
        }

    return {
        "engines": {name: engine(name, command) for name, command in commands.items()},
        "models": [{"id": name, "engine": name, "context_length": 4096} for name in commands],
    }


class Fleet:
    """
    The routers, one of which wants a key.
    """

    def __init__(self, folder: Path) -> None:
        """
        @param folder: for all that they write.
        """
        self._folder = folder
        self._routers: list[Server] = []

    def start(self, slow_s: float) -> Mapping[str, str]:
        """
        @param slow_s: see L{players}.
        @return: the environment that tells scripts where the routers listen.
        """
        recordings = players(slow_s)
        everything = {**llamas(self._folder), **recordings}
        guarded = {"recorded": recordings["recorded"]}
        return {
            "ROUTER": self._start("open", everything),
            "GUARDED": self._start("guarded", guarded, api_keys=[check.KEY]),
        }

    def _start(self, name: str, commands: Commands, **settings: object) -> str:
        folder = self._folder / name
        folder.mkdir()
        port = free_port()
        document = {"port": port, "state_dir": "state", **configuration(commands), **settings}
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(document, sort_keys=False))
        with (folder / "router.log").open("wb") as log:
            router = run_router(config, port, stdout=log, stderr=subprocess.STDOUT)
        self._routers.append(router)
        router.wait_until_ready()
        return url_of(port)

    def stop(self) -> None:
        """
        Stop the routers, and with them the engines.
        """
        for router in self._routers:
            router.stop()
