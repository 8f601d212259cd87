# -*- test-case-name: ler.test.test_presets -*-
"""
Tests of the files in C{presets/}: each is a configuration, once it is filled in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ler
from ler.config import Config, GenericProcess, Loaded, load

ROOT = Path(ler.__file__).parent.parent
PRESETS = ROOT / "presets"

FILLINGS = {
    "MODEL_FILE": "/models/some.gguf",
    "MODEL_PATH": "file:///models/some",
    "MODEL_ID": "some",
    "MEMORY_GIB": "20",
    "METRICS_PORT": "18901",
    "CONTAINER_NAME": "some-container",
    "ADMIN-KEY": "some-key",
    "API-KEY": "some-other-key",
}
"""What the first comment of a preset tells to replace, and by what we do."""

PROGRAMS = {
    "llama-server": "llamacpp",
    "vllm": "vllm",
    "sglang": "sglang",
    "koboldcpp": "koboldcpp",
    "mlx_lm.server": "mlx",
    "ramalama": "ramalama",
    "max": "max",
}
"""The programs that presets launch, and their stand-ins in L{ler.test.backends}."""

VARIABLES = {"HF_HUB_OFFLINE", "LLAMA_ARG_", "MAX_SERVE_METRICS_ENDPOINT_PORT"}
"""What looks like something to replace, and is not."""


def presets() -> list[Path]:
    """
    @return: all of them.
    """
    if not PRESETS.is_dir():
        raise SkipTest("not a checkout")
    return sorted(PRESETS.glob("*.yaml"))


def filled(text: str, **fillings: str) -> str:
    """
    @param text: a preset.
    @param fillings: what to replace otherwise than L{FILLINGS} says, or
        besides.
    @return: it, filled in.
    """
    words = {**FILLINGS, **fillings}
    pattern = "|".join(map(re.escape, words))
    return re.sub(rf"\b({pattern})\b", lambda match: words[match[0]], text)


def install_programs(folder: Path) -> None:
    """
    Make stand-ins that are called as the programs are.

    @param folder: a new folder, for the C{PATH}.
    """
    folder.mkdir()
    for program, name in PROGRAMS.items():
        path = folder / program
        command = f'"{sys.executable}" -S -m ler.test.backends.{name}'
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)


class PresetTests(SynchronousTestCase):
    """
    Every preset.
    """

    def setUp(self) -> None:
        """
        Have all programs.
        """
        self.bin = Path(self.mktemp()).absolute()
        install_programs(self.bin)

    def load(self, text: str) -> Loaded:
        """
        @return: the configuration that is written there.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return load(str(path), {"PATH": f"{self.bin}:/usr/bin:/bin"})

    def configs(self) -> Mapping[Path, Config]:
        """
        @return: what the presets say.
        """
        return {path: self.load(filled(path.read_text())).config for path in presets()}

    def test_loads(self) -> None:
        """Each is a configuration, of which nothing is wrong and nothing suspicious."""
        for path in presets():
            loaded = self.load(filled(path.read_text()))
            self.assertEqual((), loaded.warnings, path.name)
            self.assertEqual(1, len(loaded.config.engines), path.name)
            self.assertTrue(loaded.config.models, path.name)

    def test_together(self) -> None:
        """All of them fit into one configuration: no two have a key or an address in common."""
        together: dict[str, Any] = {"engines": {}, "models": []}
        paths = presets()
        for index, path in enumerate(paths):
            own = {"MODEL_ID": path.stem, "METRICS_PORT": str(18901 + index)}
            document = yaml.safe_load(filled(path.read_text(), **own))
            self.assertEqual({"engines", "models"}, set(document), path.name)
            together["engines"].update(document["engines"])
            together["models"] += document["models"]
        # Some servers have the same models.
        models = {model["id"]: model for model in together["models"]}
        together["models"] = list(models.values())
        loaded = self.load(yaml.safe_dump(together))
        self.assertEqual((), loaded.warnings)
        self.assertEqual(len(paths), len(loaded.config.engines))

    def test_placeholders(self) -> None:
        """What is to be replaced is named in the first comment, and nothing else is."""
        for path in presets():
            lines = path.read_text().splitlines()
            head = "\n".join(line for line in lines[: lines.index("")])
            body = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
            for word in FILLINGS:
                used = re.search(rf"\b{word}\b", body) is not None
                self.assertEqual(used, word in head, f"{word} in {path.name}")
            shouted = re.findall(r"\b[A-Z]+(?:[-_][A-Z]*)+", filled(body))
            self.assertEqual(set(), {*shouted} - VARIABLES, path.name)

    def test_processes(self) -> None:
        """
        What the router launches listens on this machine alone, on a port that
        the router chose, and says how much it takes or that it takes what it
        finds.
        """
        for path, config in self.configs().items():
            for engine in config.engines.values():
                if not isinstance(engine, GenericProcess):
                    continue
                command = " ".join(engine.start_cmd)
                self.assertRegex(command, r"--host[ =]127\.0\.0\.1", path.name)
                self.assertRegex(command, rf"--port[ =]{engine.port}", path.name)
                takes_what_it_finds = engine.sizing == "from_free"
                self.assertEqual(takes_what_it_finds, engine.memory is None, path.name)

    def test_every_program(self) -> None:
        """Each program that a preset launches has a stand-in, and no stand-in is left over."""
        launched = {
            word
            for config in self.configs().values()
            for engine in config.engines.values()
            if isinstance(engine, GenericProcess)
            for word in engine.start_cmd
        }
        self.assertEqual(PROGRAMS.keys(), launched & PROGRAMS.keys())
