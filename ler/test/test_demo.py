# -*- test-case-name: ler.test.test_demo -*-
"""
Tests for L{ler.demo}, without starting anything.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ler.config import load
from ler.demo.__main__ import (
    TINY_MLX_MODELS,
    TINY_MODELS,
    commands_to_try,
    configuration,
    main,
)

MODELS = {"birds": Path("/models/birds.gguf"), "trees": Path("/models/trees.gguf")}


class TinyGGUFTests(SynchronousTestCase):
    """
    The models that the demo writes for llama.cpp.
    """

    def setUp(self) -> None:
        """Skip where the demo's extra is not installed."""
        try:
            from ler.demo.tiny_gguf import write_model
        except ImportError as e:
            raise SkipTest(str(e)) from e
        self.write_model = write_model

    def test_file(self) -> None:
        """A model is a small llama file with the words, and a template for chats."""
        from gguf import GGUFReader

        path = Path(self.mktemp())
        self.write_model(path, "some", ["oak", "elm"])
        fields = GGUFReader(path).fields
        self.assertLess(path.stat().st_size, 1_000_000)
        self.assertEqual("llama", fields["general.architecture"].contents())
        self.assertEqual(
            ["\u2581oak", "\u2581elm"], fields["tokenizer.ggml.tokens"].contents()[-2:]
        )
        self.assertIn("messages", fields["tokenizer.chat_template"].contents())

    def test_same(self) -> None:
        """The same words make the same file, over an older one and with nothing left beside."""
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / "some.gguf"
        self.write_model(path, "some", ["oak"])
        first = path.read_bytes()
        self.write_model(path, "some", ["oak"])
        self.assertEqual(first, path.read_bytes())
        self.assertEqual([path], list(folder.iterdir()))


class TinyMLXTests(SynchronousTestCase):
    """
    The models that the demo writes for MLX.
    """

    def setUp(self) -> None:
        """Write one; skip where the demo's extra for MLX is not installed."""
        try:
            from ler.demo.tiny_mlx import write_model
        except ImportError as e:
            raise SkipTest(str(e)) from e
        self.folder = Path(self.mktemp())
        write_model(self.folder, ["oak", "elm"])

    def test_tokenizer(self) -> None:
        """It reads any text byte by byte, and says whole words."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.assertEqual(["<0x68>", "<0xC3>", "<0xA9>"], tokenizer.encode("h\u00e9").tokens)
        oak, elm = (tokenizer.get_vocab()[f"\u2581{word}"] for word in ("oak", "elm"))
        self.assertEqual(" oak elm oak", tokenizer.decode([oak, elm, oak]))

    def test_weights(self) -> None:
        """Every tensor has a name that MLX's llama knows, and the vocabulary its size."""
        from safetensors.numpy import load_file

        tensors = load_file(self.folder / "model.safetensors")
        config = json.loads((self.folder / "config.json").read_text())
        self.assertEqual(
            {"model.embed_tokens", "model.norm", "lm_head"},
            {name.removesuffix(".weight") for name in tensors if ".layers." not in name},
        )
        self.assertEqual(
            {
                *("input_layernorm", "post_attention_layernorm"),
                *(f"self_attn.{part}_proj" for part in "qkvo"),
                *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
            },
            {
                name.removeprefix("model.layers.1.").removesuffix(".weight")
                for name in tensors
                if ".layers.1." in name
            },
        )
        self.assertEqual(config["vocab_size"], len(tensors["lm_head.weight"]))


class ConfigurationTests(SynchronousTestCase):
    """
    L{configuration}
    """

    def test_engines(self) -> None:
        """Each model has an engine that serves it under its name."""
        engines = configuration(MODELS, 8077, {})["engines"]
        self.assertEqual(MODELS.keys(), engines.keys())
        for name, path in MODELS.items():
            command = engines[name]["start_cmd"]
            self.assertEqual(sys.executable, command[0])
            self.assertEqual(name, command[command.index("--alias") + 1])
            self.assertEqual(str(path), command[command.index("--model") + 1])

    def test_mlx(self) -> None:
        """A model of MLX keeps the name that its server has for it, and is asked for a token."""
        content = configuration(MODELS, 8077, {"fish": Path("/models/fish")})
        engine = content["engines"]["fish"]
        self.assertEqual("/models/fish", engine["start_cmd"][-1])
        self.assertEqual("completion", engine["ready_check"])
        self.assertEqual("1", engine["env"]["HF_HUB_OFFLINE"])
        self.assertEqual(
            {"birds": None, "trees": None, "fish": "default_model"},
            {model["id"]: model.get("model_name") for model in content["models"]},
        )


class CommandsTests(SynchronousTestCase):
    """
    L{commands_to_try}
    """

    def test_requests(self) -> None:
        """A shell makes of them requests in JSON to each model, one of which streams."""
        lines = [shlex.split(line) for line in commands_to_try([*MODELS], 8077)]
        requests = [json.loads(line[-1]) for line in lines if "--json" in line]
        self.assertEqual(["birds", "trees", "birds"], [r["model"] for r in requests])
        self.assertEqual([None, None, True], [r.get("stream") for r in requests])


class MainTests(SynchronousTestCase):
    """
    L{main}
    """

    def setUp(self) -> None:
        """Send the demo's files to a folder of the test."""
        cache = os.path.abspath(self.mktemp())
        self.patch(os, "environ", {**os.environ, "XDG_CACHE_HOME": cache})
        self.folder = Path(cache) / "engine-router-demo"
        self.executed: list[Sequence[str]] = []
        self.output = StringIO()

    def run_main(self, *argv: str) -> None:
        """
        Run the demo up to where it would become the router.
        """
        with redirect_stdout(self.output), redirect_stderr(self.output):
            main(argv, execv=lambda path, argv: self.executed.append(argv))

    def own_model(self, name: str) -> str:
        """
        @return: the path of a new file.
        """
        path = Path(self.mktemp())
        path.mkdir()
        (path / name).touch()
        return str(path / name)

    def test_becomes_the_router(self) -> None:
        """Having said what to try, it runs twistd with the configuration it wrote."""
        self.run_main("--gguf", self.own_model("mine.gguf"), "--port", "8078")
        [command] = self.executed
        self.assertEqual(
            ["engine-router", "--config", str(self.folder / "config.yaml")], list(command[-3:])
        )
        self.assertIn("http://127.0.0.1:8078/v1/models", self.output.getvalue())

    def test_configuration_is_valid(self) -> None:
        """The router accepts the configuration without a warning."""
        paths = [self.own_model("one.gguf"), self.own_model("two.gguf")]
        self.run_main("--gguf", paths[0], "--gguf", paths[1], "--write-only")
        loaded = load(str(self.folder / "config.yaml"), os.environ)
        self.assertEqual((), loaded.warnings)
        self.assertEqual(["one", "two"], [model.id for model in loaded.config.models])
        self.assertEqual([], self.executed)

    def test_tiny_models(self) -> None:
        """Without models of the user it writes its own."""
        try:
            self.run_main("--write-only")
        except SystemExit as e:
            raise SkipTest(str(e)) from e
        written = {path.stem for path in self.folder.glob("*.gguf")}
        self.assertEqual(TINY_MODELS.keys(), written)

    def test_mlx(self) -> None:
        """A model for MLX stands beside those for llama.cpp, and the router accepts it."""
        try:
            self.run_main("--mlx", "--gguf", self.own_model("mine.gguf"), "--write-only")
        except SystemExit as e:
            raise SkipTest(str(e)) from e
        loaded = load(str(self.folder / "config.yaml"), os.environ)
        self.assertEqual((), loaded.warnings)
        self.assertEqual(["mine", *TINY_MLX_MODELS], [model.id for model in loaded.config.models])
        for name in TINY_MLX_MODELS:
            self.assertTrue((self.folder / name / "model.safetensors").is_file())
            self.assertIn(name, self.output.getvalue())

    def test_missing_file(self) -> None:
        """A model that is not there is refused before anything is written."""
        self.assertRaises(SystemExit, self.run_main, "--gguf", "nowhere.gguf")
        self.assertIn("nowhere.gguf is not a file", self.output.getvalue())
        self.assertFalse(self.folder.exists())
