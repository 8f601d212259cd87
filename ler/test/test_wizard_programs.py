# -*- test-case-name: ler.test.test_wizard_programs -*-
"""
Tests for L{ler.wizard.programs}.
"""

from __future__ import annotations

import os
import shlex

from twisted.trial.unittest import SynchronousTestCase

from ler.wizard.preset import presets_folder
from ler.wizard.programs import PROGRAMS, TABBYAPI, program_of, value_of, with_port

SERVERS = {
    "ollama serve": "Ollama",
    "/usr/local/bin/ollama serve": "Ollama",
    "llama-server -m x.gguf": "llama-server",
    "/opt/llama.cpp/build/bin/llama-server -hf ggml-org/x": "llama-server",
    "/v/bin/python -m ler.demo.llama_server --port 1 --model x": "llama-server",
    "/v/bin/python3.11 /v/bin/vllm serve org/model --port 8001": "vLLM",
    "python -u -X dev -m vllm.entrypoints.openai.api_server --model m": "vLLM",
    "sglang serve --model-path m": "SGLang",
    "python3 -m sglang.launch_server --model-path m": "SGLang",
    "./koboldcpp-linux-x64 --model m": "KoboldCpp",
    "python koboldcpp.py m": "KoboldCpp",
    "python /v/bin/mlx_lm.server --model m": "mlx-lm",
    "python -m mlx_lm server --model m": "mlx-lm",
    "/v/bin/python /v/bin/max serve --model m": "MAX",
    "ramalama --nocontainer serve m": "ramalama",
    "local-ai run --address :8080": "LocalAI",
}

OTHERS = (
    "",
    "ollama run qwen3",
    "vim llama-server",
    "vllm bench",
    "python",
    "python -c pass llama-server",
    "python -m http.server 8080",
    "python main.py",
    "python -m",
    "bash -c llama-server",
    "less vllm serve",
)


class ProgramTests(SynchronousTestCase):
    """
    L{program_of}
    """

    def test_servers(self) -> None:
        """A server is told by its command line, however it was started."""
        for line, name in SERVERS.items():
            program = program_of(shlex.split(line))
            self.assertEqual(name, None if program is None else program.name, line)

    def test_others(self) -> None:
        """Whatever serves nothing is left alone."""
        for line in OTHERS:
            self.assertIsNone(program_of(shlex.split(line)), line)

    def test_beside(self) -> None:
        """A name that many have is told by the folder."""
        folder = self.mktemp()
        os.mkdir(folder)
        self.assertIsNone(program_of(["python", "main.py"], folder))
        with open(os.path.join(folder, "api_tokens.yml"), "w"):
            self.assertIs(TABBYAPI, program_of(["python", "main.py"], folder))

    def test_presets(self) -> None:
        """Every program has a preset."""
        folder = presets_folder()
        assert folder is not None
        for program in PROGRAMS:
            self.assertTrue((folder / f"{program.preset}.yaml").is_file(), program.name)


class OptionTests(SynchronousTestCase):
    """
    Options of a command line.
    """

    def test_value(self) -> None:
        """An option is followed by its value, or joined to it; the last one counts."""
        argv = shlex.split("server -m a --model=b=c --port 80 --port=81 --flag")
        self.assertEqual("b=c", value_of(argv, ("-m", "--model")))
        self.assertEqual("81", value_of(argv, ("--port",)))
        self.assertIsNone(value_of(argv, ("--flag",)))
        self.assertIsNone(value_of(argv, ("--other",)))

    def test_port(self) -> None:
        """The port is left to the router, wherever it was given."""
        for line, left in (
            ("s --port 80 -m x", "s --port {port} -m x"),
            ("s --port=80 --port 81", "s --port={port} --port {port}"),
            ("s -m x", "s -m x --port {port}"),
        ):
            self.assertEqual(left.split(), with_port(line.split()))
