# -*- test-case-name: ler.test.test_wizard_files -*-
"""
Tests for L{ler.wizard.files}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ler.wizard.files import DEEPEST, ModelFile, embeds, model_files, places


class ModelFilesTests(SynchronousTestCase):
    """
    L{model_files}
    """

    def setUp(self) -> None:
        """
        Have a folder.
        """
        self.folder = Path(self.mktemp()).absolute()

    def put(self, name: str, content: bytes = b"GGUF----") -> str:
        """
        @return: a file in the folder.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def found(self) -> list[ModelFile]:
        """
        @return: the models in the folder.
        """
        return model_files([str(self.folder), "/nowhere"])

    def test_found(self) -> None:
        """Models are found by their beginning, and sorted by name."""
        b, a = self.put("x/y/b-Q4.gguf"), self.put("A.GGUF", b"GGUF")
        self.assertEqual([ModelFile(a, "A", 4), ModelFile(b, "b-Q4", 8)], self.found())

    def test_others(self) -> None:
        """Other files, also those of the same kind that are no models, are passed over."""
        self.put("a.gguf", b"half of a download")
        self.put("b.gguf", b"")
        for name in ("a.bin", "mmproj-F16.gguf", "ggml-vocab-x.gguf", "x-lora-y.gguf", "a\n.gguf"):
            self.put(name)
        self.assertEqual([], self.found())

    def test_unreadable(self) -> None:
        """So is one that leads nowhere."""
        self.folder.mkdir()
        (self.folder / "a.gguf").symlink_to("/nowhere")
        self.assertEqual([], self.found())

    def test_parts(self) -> None:
        """A model may have several files, all of which must be there."""
        first = self.put("big-00001-of-00002.gguf")
        self.assertEqual([], self.found())
        self.put("big-00002-of-00002.gguf")
        self.assertEqual([ModelFile(first, "big", 16)], self.found())

    def test_links(self) -> None:
        """A file that is there under two names is one model."""
        blob = self.put("blobs/sha256")
        link = self.folder / "snapshots" / "a.gguf"
        link.parent.mkdir()
        link.symlink_to(blob)
        (self.folder / "z.gguf").symlink_to(blob)
        self.assertEqual(1, len(self.found()))

    def test_deep(self) -> None:
        """Nobody looks for ever."""
        self.put("/".join(["x"] * (DEEPEST + 1)) + "/a.gguf")
        self.assertEqual([], self.found())
        self.put("/".join(["x"] * DEEPEST) + "/a.gguf")
        self.assertEqual(1, len(self.found()))


class PlacesTests(SynchronousTestCase):
    """
    L{places}
    """

    def test_usual(self) -> None:
        """There are places below the user's folder."""
        self.assertEqual(
            [
                "/h/models",
                "/h/.cache/huggingface/hub",
                "/h/.cache/llama.cpp",
                "/h/.lmstudio/models",
                "/h/.cache/lm-studio/models",
            ],
            places({"HOME": "/h"}),
        )

    def test_moved(self) -> None:
        """Caches may be elsewhere."""
        environ = {"HOME": "/h", "HF_HOME": "/hf", "LLAMA_CACHE": "/l", "XDG_CACHE_HOME": "/c"}
        self.assertEqual(["/hf/hub", "/l"], places(environ)[1:3])
        self.assertEqual("/hub", places({**environ, "HF_HUB_CACHE": "/hub"})[1])
        self.assertEqual("/c/lm-studio/models", places(environ)[4])


class EmbedsTests(SynchronousTestCase):
    """
    L{embeds}
    """

    def test_names(self) -> None:
        """What makes vectors is told by its name."""
        for name in ("nomic-embed-text", "Qwen3-Embedding-0.6B", "bge-m3", "org/e5-large", "gte_x"):
            self.assertTrue(embeds(name), name)
        for name in ("qwen3:8b", "member", "bgem3", "gemma-e5"):
            self.assertFalse(embeds(name), name)
