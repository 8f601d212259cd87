# -*- test-case-name: ler.test.test_wizard_document -*-
"""
Tests for L{ler.wizard.document}.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ler.config import ConfigError, Ollama, load
from ler.test.wizard_case import WizardCase
from ler.wizard.document import compose, example, write
from ler.wizard.draft import Draft, ModelDraft
from ler.wizard.preset import Block

ENVIRON = {"PATH": "/bin"}

REMOTE = ["    type: remote", "    base_url: http://127.0.0.1:1"]


def draft(key: str, *ids: str) -> Draft:
    """
    @return: an engine with models.
    """
    return Draft(f"A {key}", key, Block(REMOTE), [ModelDraft(id, Block([])) for id in ids])


class ComposeTests(SynchronousTestCase):
    """
    L{compose}
    """

    def compose(self, *drafts: Draft, api_key: str | None = None) -> str:
        """
        @return: the text, which the loader likes.
        """
        text = compose(drafts, host="::1", port=9000, api_key=api_key)
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        loaded = load(path, ENVIRON)
        self.assertEqual((), loaded.warnings)
        self.config = loaded.config
        return text

    def test_whole(self) -> None:
        """Engines and their models are written, each with what it is."""
        text = self.compose(draft("one", "m", "n"), draft("two", "o"))
        self.assertEqual(
            ("::1", 9000, ()), (self.config.host, self.config.port, self.config.api_keys)
        )
        self.assertEqual(
            [("m", "one"), ("n", "one"), ("o", "two")],
            [(model.id, model.engine) for model in self.config.models],
        )
        self.assertIn("  # A two\n  two:\n    type: remote\n", text)
        self.assertTrue(text.startswith("# ") and text.endswith("\n"))

    def test_keys(self) -> None:
        """Keys are such as an engine may have, and no two are equal."""
        self.compose(draft("org/Some Model!"), draft("org/Some Model?"), draft("..."), draft("NO"))
        self.assertEqual(
            ["org-Some-Model", "org-Some-Model-2", "engine", "NO"], [*self.config.engines]
        )
        self.compose(draft("x" * 100), draft("x" * 100))

    def test_ids(self) -> None:
        """Nor are two ids."""
        self.compose(draft("a", "m", "2024-01-01"), draft("b", "m"))
        self.assertEqual(["m", "2024-01-01", "m-2"], [model.id for model in self.config.models])

    def test_no_models(self) -> None:
        """Where engines tell their models themselves, it says so."""
        self.assertIn("#     engine: a\n", self.compose(draft("a")))
        self.assertEqual((), self.config.models)

    def test_key(self) -> None:
        """A key locks the router."""
        self.compose(draft("a"), api_key="s3cr3t")
        self.assertEqual(1, len(self.config.api_keys))


class ExampleTests(WizardCase):
    """
    L{example}
    """

    def test_loads(self) -> None:
        """The example is right as it is, and shows an engine of another kind."""
        text = example(self.preset("ollama"), self.preset("llamacpp"))
        path = self.mktemp()
        loaded, _ = write(path, text, ENVIRON)
        self.assertEqual([Ollama], [type(each) for each in loaded.config.engines.values()])
        self.assertEqual((), loaded.warnings)
        self.assertIn("\n  # llamacpp:\n  #   type: generic_process\n", text)

    def test_comments(self) -> None:
        """What it has in comments is right, too, once it is filled in."""
        text = example(self.preset("ollama"), self.preset("llamacpp"))
        _, _, rest = text.partition("  # llamacpp:\n")
        block, _, _ = rest.partition("\n\n")
        lines = "".join(f"  {line[4:]}\n" for line in block.splitlines())
        engine = f"engines:\n  llamacpp:\n{lines}".replace("MEMORY_GIB", "5")
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(engine)
        self.assertEqual(["llamacpp"], [*load(path, ENVIRON).config.engines])


class WriteTests(SynchronousTestCase):
    """
    L{write}
    """

    def setUp(self) -> None:
        """
        Have a text, and a place for it.
        """
        self.text = compose([draft("a", "m")], host="127.0.0.1", port=9000)
        self.path = Path(self.mktemp()).absolute() / "new" / "config.yaml"

    def write(self, text: str | None = None) -> str | None:
        """
        @return: where the old file is now.
        """
        _, old = write(str(self.path), text or self.text, ENVIRON)
        return old

    def names(self) -> list[str]:
        """
        @return: the files in its folder.
        """
        return sorted(os.listdir(self.path.parent))

    def test_new(self) -> None:
        """A file is written, with its folder, for its owner alone."""
        self.assertIsNone(self.write())
        self.assertEqual(self.text, self.path.read_text())
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))
        self.assertEqual(["config.yaml"], self.names())

    def test_old(self) -> None:
        """Files that were there are kept, all of them."""
        for number in range(3):
            self.path.parent.mkdir(exist_ok=True, parents=True)
            self.path.write_text(f"old {number}")
            self.write()
        self.assertEqual(
            ["config.yaml", "config.yaml.old", "config.yaml.old2", "config.yaml.old3"],
            self.names(),
        )
        self.assertEqual("old 0", Path(f"{self.path}.old").read_text())

    def test_wrong(self) -> None:
        """What is not right is not written, and nothing else is touched."""
        self.write()
        error = self.assertRaises(ConfigError, self.write, "port: x\n")
        self.assertEqual(str(self.path), error.file)
        self.assertEqual(self.text, self.path.read_text())
        self.assertEqual(["config.yaml"], self.names())

    def test_suspicious(self) -> None:
        """What is likely a mistake is told of the file as it is called."""
        text = self.text.replace("127.0.0.1", "0.0.0.0", 1)
        loaded, _ = write(str(self.path), text, ENVIRON)
        self.assertTrue(loaded.warnings[0].startswith(f"{self.path}:"))

    def test_impossible(self) -> None:
        """Where nothing can be written it is told."""
        self.path = Path("/dev/null/config.yaml")
        self.assertRaises(OSError, self.write)
