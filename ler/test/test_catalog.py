# -*- test-case-name: ler.test.test_catalog -*-
"""
Tests for L{ler.engines.catalog}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.engines.catalog import LONGEST, Catalog, Entry
from ler.errors import UnknownModel
from ler.interfaces import Residency


def entry(id: str, engine: str = "e") -> Entry:
    """
    @return: a model of C{engine}.
    """
    return Entry(id, engine, upstream_name=f"{id}.gguf", display_name=id.title())


class CatalogTests(SynchronousTestCase):
    """
    Who owns a model.
    """

    def catalog(self, *ids: str, **aliases: str) -> Catalog:
        """
        @return: a catalog of models, each of the engine C{e}.
        """
        return Catalog(map(entry, ids), aliases)

    def test_id(self) -> None:
        """A model is found by its id, to the letter."""
        catalog = self.catalog("qwen", "gpt-oss:20b")
        self.assertEqual(entry("gpt-oss:20b"), catalog.find("gpt-oss:20b"))
        self.assertEqual(entry("qwen"), catalog.resolve("qwen"))
        for name in ("Qwen", "qwen ", "gpt-oss", ""):
            self.assertIsNone(catalog.find(name))

    def test_residency(self) -> None:
        """To serve a model its engine must be resident."""
        self.assertEqual(Residency("llama"), entry("m", "llama").residency)

    def test_first_counts(self) -> None:
        """Of two models with one id the first counts, and is listed once."""
        catalog = Catalog([entry("m", "first"), entry("x"), entry("m", "second")], {})
        self.assertEqual("first", catalog.resolve("m").engine)
        self.assertEqual(["m", "x"], [model.id for model in catalog.entries()])

    def test_alias(self) -> None:
        """An alias is another name for a model."""
        self.assertEqual(entry("qwen"), self.catalog("qwen", small="qwen").find("small"))

    def test_id_before_alias(self) -> None:
        """An id is never taken over by an alias or a pattern."""
        catalog = Catalog([entry("a"), entry("b")], {"a": "b", "*": "b"})
        self.assertEqual("a", catalog.resolve("a").id)

    def test_patterns(self) -> None:
        """A star in an alias matches any text, also none, in any place."""
        catalog = Catalog([entry("m")], {"claude-*": "m", "*:free": "m", "x*y*z": "m"})
        for name in ("claude-", "claude-4.5", "claude-\n", "a/b:free", ":free", "xyz", "x1y2z"):
            self.assertEqual("m", catalog.resolve(name).id, name)
        for name in ("claude", "a-claude-4", "free", "x:freex", "xz", "axyz"):
            self.assertIsNone(catalog.find(name), name)

    def test_patterns_are_no_expressions(self) -> None:
        """In a pattern only the star is special."""
        catalog = Catalog([entry("m")], {"a.c[0]+*": "m"})
        self.assertIsNotNone(catalog.find("a.c[0]+1"))
        self.assertIsNone(catalog.find("abc01"))

    def test_preference(self) -> None:
        """A plain alias goes before a pattern, a long pattern before a short
        one, whatever the order in the configuration."""
        aliases = {"*": "short", "claude-*": "long", "claude-4": "plain"}
        catalog = Catalog(map(entry, ("short", "long", "plain")), aliases)
        self.assertEqual("plain", catalog.resolve("claude-4").id)
        self.assertEqual("long", catalog.resolve("claude-5").id)
        self.assertEqual("short", catalog.resolve("gpt-5").id)

    def test_endless_names(self) -> None:
        """A name without end matches no pattern, and is told so in no time."""
        catalog = Catalog([entry("m")], {"a*b*c*d": "m"})
        error = self.assertRaises(UnknownModel, catalog.resolve, "a" + "bc" * 1_000_000)
        self.assertLess(len(error.message), LONGEST + 200)

    def test_near(self) -> None:
        """Who asks for an unknown model is told what is near: ids and plain
        aliases."""
        catalog = Catalog([entry("qwen3-32b"), entry("other")], {"qwen-small": "other"})
        error = self.assertRaises(UnknownModel, catalog.resolve, "qwen3-32")
        self.assertIn("no engine has a model 'qwen3-32'; did you mean qwen3-32b", error.message)
        error = self.assertRaises(UnknownModel, catalog.resolve, "qwen-smal")
        self.assertIn("qwen-small", error.message)

    def test_nothing_near(self) -> None:
        """Who is far off is told where the list is."""
        error = self.assertRaises(UnknownModel, self.catalog("qwen").resolve, "gpt")
        self.assertIn("GET /v1/models", error.message)

    def test_never_a_guess(self) -> None:
        """What is near is named, not taken."""
        self.assertIsNone(self.catalog("qwen3").find("qwen"))

    def test_listing(self) -> None:
        """Models are listed in the order of the configuration, plain aliases
        with what they name; patterns cannot be listed."""
        catalog = Catalog([entry("b"), entry("a")], {"x-*": "a", "z": "a", "y": "b", "gone": "c"})
        self.assertEqual([entry("b"), entry("a")], catalog.entries())
        self.assertEqual([("z", entry("a")), ("y", entry("b"))], catalog.aliases())

    def test_alias_to_nowhere(self) -> None:
        """An alias of a model whose engine is disabled names nothing."""
        catalog = Catalog([], {"a": "gone", "b*": "gone"})
        self.assertRaises(UnknownModel, catalog.resolve, "a")
        self.assertRaises(UnknownModel, catalog.resolve, "b1")

    def test_empty(self) -> None:
        """A catalog may be empty."""
        self.assertEqual([], self.catalog().entries())
        self.assertRaises(UnknownModel, self.catalog().resolve, "a")
