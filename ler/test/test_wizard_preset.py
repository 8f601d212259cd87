# -*- test-case-name: ler.test.test_wizard_preset -*-
"""
Tests for L{ler.wizard.preset}.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ler
from ler.config import load
from ler.wizard.preset import Block, Preset, filled, presets_folder, quoted, scalar

TRICKY = (
    *("NO", "true", "null", "0b11", "2024-01-01", "1e5", "0o17", "12:30:00", ".5e3", "1_000", "~"),
    *("a: b", "a #b", "- x", "@x", "*x", "&x", "!x", "%x", "{port}", "[x]", "'", '"', "\\n", " x "),
    *("line\nbreak", "tab\t", "\u00a0", "\u2028", "caf\u00e9", "\U0001f600", "\x7f", "x" * 200),
    *("a" + " b" * 100, "${HOME}", "$${HOME}", "$$${x}", "$HOME", "--flag=${x}", "=", "<<", "-"),
)
"""Texts that are easily taken for something else."""


class ScalarTests(SynchronousTestCase):
    """
    How values are written.
    """

    def test_lines(self) -> None:
        """Every value is one line, and what it was when it is read."""
        for value in (*TRICKY, 5, 1.5, True, None):
            written = scalar(value)
            self.assertEqual([written], written.splitlines())
            self.assertEqual([value], yaml.safe_load(f"- {written}"))

    def test_loaded(self) -> None:
        """The loader reads every text as it was, variables and all."""
        words = [text for text in TRICKY if text != "{port}"]
        path = self.mktemp()
        items = "".join(f"      - {quoted(word)}\n" for word in words)
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                "engines:\n  x:\n    type: generic_process\n    base_url: http://127.0.0.1:1\n"
                f"    start_cmd:\n      - sh\n{items}"
            )
        engine = load(path, {"PATH": "/bin"}).config.engines["x"]
        self.assertEqual(("sh", *words), getattr(engine, "start_cmd", None))

    def test_plain(self) -> None:
        """What needs no quotes has none."""
        for text in ("127.0.0.1", "--port={port}", "/models/a.gguf", "qwen3:8b"):
            self.assertEqual(text, scalar(text))


BLOCK = """\
    # Where it is.
    base_url: http://x

    # A list,
    # with a comment.
    start_cmd:
      - a
      # Inside.
      - MODEL_ID
    memory: MODEL_ID
    # Left over.
""".splitlines()


class BlockTests(SynchronousTestCase):
    """
    L{Block}
    """

    def setUp(self) -> None:
        """
        Have one.
        """
        self.block = Block(BLOCK)

    def test_unchanged(self) -> None:
        """Lines come out as they went in, but for what belongs to no key."""
        self.assertEqual(BLOCK[:-1], self.block.lines)

    def test_put(self) -> None:
        """A key changes in its place, and its comment with it."""
        self.block.put("start_cmd", "x", "New.\nComment.")
        self.assertEqual(
            ["", "    # New.", "    # Comment.", "    start_cmd: x"], self.block.lines[2:6]
        )
        self.block.put("base_url", "y")
        self.assertEqual("    base_url: y", self.block.lines[0])

    def test_put_new(self) -> None:
        """A new key comes last."""
        self.block.put("pin", "true")
        self.assertEqual("    pin: true", self.block.lines[-1])
        block = Block([])
        block.put("pin", "true")
        self.assertEqual(["    pin: true"], block.lines)

    def test_collections(self) -> None:
        """Lists and mappings are written item by item."""
        self.block.put_list("start_cmd", ["b", "c"])
        self.block.put_mapping("env", {"A": "1", "NO": "2"})
        self.assertEqual(
            {
                "base_url": "http://x",
                "start_cmd": ["b", "c"],
                "memory": "MODEL_ID",
                "env": {"A": 1, "NO": 2},
            },
            yaml.safe_load("\n".join(self.block.lines)),
        )

    def test_get(self) -> None:
        """A key can be looked at."""
        self.assertEqual(["a", "MODEL_ID"], self.block.get("start_cmd"))
        self.assertIsNone(self.block.get("pin"))
        self.assertIn("memory", self.block)
        self.assertNotIn("pin", self.block)

    def test_items(self) -> None:
        """Single items of a list can change."""
        self.block.replace_item("start_cmd", "a", "/bin/a")
        self.block.add_item("start_cmd", "z")
        self.assertEqual(["/bin/a", "MODEL_ID", "z"], self.block.get("start_cmd"))

    def test_drop(self) -> None:
        """A key goes with its comment."""
        self.block.drop("start_cmd", "pin")
        self.assertEqual([*BLOCK[:2], BLOCK[9]], self.block.lines)

    def test_fill(self) -> None:
        """Words in capitals are replaced by what may be anything."""
        for text in TRICKY:
            block = Block(BLOCK)
            block.fill({"MODEL_ID": text})
            written = text.replace("${", "$${")
            self.assertEqual(["a", written], block.get("start_cmd"))
            self.assertEqual(written, block.get("memory"))

    def test_filled(self) -> None:
        """Only whole words are replaced, outside of comments, and within a text, too."""
        words = {"ID": "a: b", "KEY": "k"}
        for line, result in (
            ("  x: ID", "  x: 'a: b'"),
            ("  - --name=ID", "  - '--name=a: b'"),
            ("    # An ID.", "    # An ID."),
            ("  x: IDS", "  x: IDS"),
            ("  x:", "  x:"),
            ("", ""),
            ('  x: "KEY" ', "  x: k"),
        ):
            self.assertEqual(result, filled(line, words))
        self.assertEqual("x: ID", filled("x: ID", {}))


class PresetTests(SynchronousTestCase):
    """
    L{Preset}, and where they are.
    """

    def setUp(self) -> None:
        """
        Find them.
        """
        folder = presets_folder()
        if folder is None:
            raise SkipTest("there are no presets")
        self.folder = folder

    def test_understood(self) -> None:
        """The one engine and the first model of every preset are understood, line by line."""
        for path in self.folder.glob("*.yaml"):
            text = path.read_text()
            document = yaml.safe_load(text)
            [engine] = document["engines"].values()
            preset = Preset(text)
            self.assertEqual(engine, yaml.safe_load("\n".join(preset.engine.lines)))
            self.assertIn("\n".join(preset.engine.lines), text)
            self.assertEqual(document["models"][0], yaml.safe_load("\n".join(preset.model.lines)))

    def test_installed(self) -> None:
        """Where there is no checkout they are in the folder of the installation."""
        root = Path(self.mktemp()).resolve()
        share = root / "share" / "engine-router" / "presets"
        package = root / "lib" / "python3" / "site-packages" / "ler" / "__init__.py"
        self.patch(ler, "__file__", str(package))
        self.assertIsNone(presets_folder())
        share.mkdir(parents=True)
        (share / "ollama.yaml").touch()
        self.assertEqual(share, presets_folder())
