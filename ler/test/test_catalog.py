# -*- test-case-name: ler.test.test_catalog -*-
"""
Tests for L{ler.engines.catalog}.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from ler.config import Config
from ler.config.model import ApiSwap, Engine, GenericProcess, Model, Ollama, Remote
from ler.engines.catalog import LONGEST, Catalog, Entry, Owner, Right, build_catalog
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

    def test_as_ollama(self) -> None:
        """Clients of Ollama may leave the tag away, write it, and not care for
        case, whoever owns the model; what is written to the letter goes
        first, and a pattern last."""
        catalog = Catalog(
            map(entry, ("Qwen", "gpt-oss:20b", "a:latest", "a", "Org/Name", "qwen")),
            {"Small": "a", "*": "gpt-oss:20b"},
        )
        for name, id in {
            "QWEN": "Qwen",
            "qwen": "qwen",
            "qwen:latest": "Qwen",
            "GPT-OSS:20b": "gpt-oss:20b",
            "A": "a:latest",
            "a": "a",
            "library/org/name:LATEST": "Org/Name",
            "small:latest": "a",
            "gpt-oss": "gpt-oss:20b",
            "else": "gpt-oss:20b",
        }.items():
            self.assertEqual(id, catalog.resolve(name, as_ollama=True).id, name)
        catalog = self.catalog("qwen", small="qwen")
        self.assertIsNone(catalog.find("qwen:8b", as_ollama=True))
        for name in ("Qwen", "qwen:latest", "SMALL"):
            self.assertIsNone(catalog.find(name))
            self.assertIsNotNone(catalog.find(name, as_ollama=True))

    def test_as_ollama_claimed(self) -> None:
        """So they may when the model is one that its engine was found to have."""
        catalog = Catalog([], {}, [Owner("e")])
        catalog.claim("e", Right.LIVE, ["Found"])
        self.assertEqual("Found", catalog.resolve("found:latest", as_ollama=True).id)
        catalog.claim("e", Right.LIVE, [])
        self.assertIsNone(catalog.find("found:latest", as_ollama=True))

    def test_residency(self) -> None:
        """To serve a model its engine must be resident, or, where an engine
        holds single models, the one that the engine has under its own name."""
        self.assertEqual(Residency("llama"), entry("m", "llama").residency)
        single = Entry("m", "tabby", "m-exl3", "M", by_model=True)
        self.assertEqual(Residency("tabby", "m-exl3"), single.residency)

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


class ClaimTests(SynchronousTestCase):
    """
    Models that nobody configured.
    """

    def setUp(self) -> None:
        """
        Make a catalog of two engines, with one model each.
        """
        self.catalog = Catalog(
            [entry("one", "a"), entry("two", "b")],
            {"plain": "found", "any-*": "found", "taken": "one"},
            [Owner("a"), Owner("b", by_model=True)],
        )

    def owner(self, id: str) -> str | None:
        """
        @return: the engine that has C{id}.
        """
        found = self.catalog.find(id)
        return None if found is None else found.engine

    def test_claim(self) -> None:
        """A claimed model is listed after those that are configured; its
        engine knows it by its id, and holds it as it holds others."""
        self.catalog.claim("b", Right.LIVE, ["found"])
        self.assertEqual(
            Entry("found", "b", "found", "found", by_model=True), self.catalog.resolve("found")
        )
        self.assertEqual(Residency("b", "found"), self.catalog.resolve("found").residency)
        self.assertEqual(["one", "two", "found"], [model.id for model in self.catalog.entries()])

    def test_replaced(self) -> None:
        """A claim takes the place of the one before, by the same engine and
        the same right."""
        self.catalog.claim("a", Right.LIVE, ["x", "y"])
        self.catalog.claim("b", Right.LIVE, ["z"])
        self.catalog.claim("a", Right.COMMAND, ["w"])
        self.catalog.claim("a", Right.LIVE, ["y"])
        self.assertEqual([None, "a", "b", "a"], [self.owner(id) for id in ("x", "y", "z", "w")])

    def test_inherit(self) -> None:
        """A later catalog knows what those engines have said that it is to
        ask, and no more."""
        self.catalog.claim("a", Right.LIVE, ["x"])
        self.catalog.claim("b", Right.LIVE, ["y"])
        self.catalog.claim("a", Right.SEEN, ["z"])
        later = Catalog([entry("two", "b")], {}, [Owner("a"), Owner("b")])
        later.inherit(self.catalog, ["a"])
        self.assertEqual(["two", "x"], [model.id for model in later.entries()])

    def test_rights(self) -> None:
        """What an engine has goes before what a command line promises, that
        before what was seen; what is configured goes before all."""
        self.catalog.claim("a", Right.SEEN, ["x", "two"])
        self.assertEqual(("a", "b"), (self.owner("x"), self.owner("two")))
        self.catalog.claim("b", Right.COMMAND, ["x", "one"])
        self.assertEqual(("b", "a"), (self.owner("x"), self.owner("one")))
        self.catalog.claim("a", Right.LIVE, ["x"])
        self.assertEqual("a", self.owner("x"))

    def test_order(self) -> None:
        """Of two engines with the same right the first of the configuration
        has the model, whoever came first."""
        self.catalog.claim("b", Right.LIVE, ["x"])
        self.assertEqual("b", self.owner("x"))
        self.catalog.claim("a", Right.LIVE, ["x"])
        self.assertEqual("a", self.owner("x"))
        self.catalog.claim("a", Right.LIVE, [])
        self.assertEqual("b", self.owner("x"))

    def test_warned_once(self) -> None:
        """That two engines have one model is told once for each pair, with
        the cure; an engine that says twice what it has is no dispute."""
        with capturedLogs() as logged:
            self.catalog.claim("a", Right.LIVE, ["one", "x", "y"])
            self.catalog.claim("a", Right.COMMAND, ["x"])
            self.assertEqual([], logged)
            self.catalog.claim("b", Right.LIVE, ["x", "y"])
            self.catalog.claim("b", Right.LIVE, ["x", "y", "one"])
        (event,) = logged
        self.assertEqual(("a", "b", "x"), (event["owner"], event["other"], event["id"]))
        self.assertIn("list it under 'models' for b", formatEvent(event))

    def test_alias(self) -> None:
        """An alias, also a pattern, may name a claimed model, once there is
        one."""
        for name in ("plain", "any-thing"):
            self.assertIsNone(self.catalog.find(name))
        self.catalog.claim("a", Right.LIVE, ["found"])
        for name in ("plain", "any-thing"):
            self.assertEqual("found", self.catalog.resolve(name).id)
        self.assertIn("plain", [name for name, _ in self.catalog.aliases()])

    def test_alias_stays(self) -> None:
        """An engine cannot take a configured alias away; a pattern leaves
        room for it."""
        self.catalog.claim("b", Right.LIVE, ["taken", "any-model"])
        self.assertEqual("one", self.catalog.resolve("taken").id)
        self.assertEqual("any-model", self.catalog.resolve("any-model").id)
        self.assertNotIn("taken", [model.id for model in self.catalog.entries()])

    def test_near(self) -> None:
        """Claimed models are near, too."""
        self.catalog.claim("a", Right.LIVE, ["gemma-27b"])
        error = self.assertRaises(UnknownModel, self.catalog.resolve, "gemma-27")
        self.assertIn("did you mean gemma-27b", error.message)


class TaggedTests(SynchronousTestCase):
    """
    Models that may be spelled as Ollama lets them.
    """

    def setUp(self) -> None:
        """
        Make a catalog of an Ollama and another engine.
        """
        self.ollama = Owner("ollama", by_model=True, tagged=True)
        self.catalog = Catalog(
            [self.ollama.entry("llama3.2"), self.ollama.entry("fast", "Qwen3:8B"), entry("plain")],
            {"alias": "llama3.2:LATEST", "small:latest": "plain"},
            [self.ollama, Owner("e")],
        )

    def test_spellings(self) -> None:
        """A tag that is not said is C{latest}, and case makes no
        difference."""
        self.catalog.claim("ollama", Right.LIVE, ["Gemma3:27b", "hf.co/Org/Name:latest"])
        for id, names in {
            "llama3.2": ("llama3.2", "llama3.2:latest", "LLAMA3.2", "alias"),
            "Gemma3:27b": ("gemma3:27B",),
            "hf.co/Org/Name:latest": ("hf.co/org/name", "HF.co/Org/Name:Latest"),
        }.items():
            for name in names:
                self.assertEqual(id, self.catalog.resolve(name).id, name)
        for name in ("gemma3", "llama3.2:1b", "Plain", "plain:latest", "small"):
            self.assertIsNone(self.catalog.find(name), name)

    def test_to_the_letter_first(self) -> None:
        """A name that another engine has to the letter is that engine's."""
        self.catalog.claim("e", Right.LIVE, ["llama3.2:latest"])
        self.assertEqual("e", self.catalog.resolve("llama3.2:latest").engine)
        self.assertEqual("ollama", self.catalog.resolve("Llama3.2:latest").engine)

    def test_one_model(self) -> None:
        """Two spellings are one model, which is listed, and resident, once;
        what is configured gives it its name."""
        self.catalog.claim("ollama", Right.LIVE, ["llama3.2:latest", "qwen3:8b"])
        self.assertEqual(
            ["llama3.2", "fast", "plain", "qwen3:8b"], [m.id for m in self.catalog.entries()]
        )
        self.assertEqual(
            Residency("ollama", "llama3.2"), self.catalog.resolve("llama3.2:latest").residency
        )
        for name in ("fast", "qwen3:8b"):
            self.assertEqual(Residency("ollama", "Qwen3:8B"), self.catalog.resolve(name).residency)


class BuildTests(SynchronousTestCase):
    """
    The catalog of a configuration.
    """

    def build(self, *engines: Engine, models: tuple[Model, ...] = ()) -> Catalog:
        """
        @return: the catalog of C{engines}.
        """
        return build_catalog(Config({engine.key: engine for engine in engines}, models))

    def process(self, key: str = "p", *, discover: bool = False, **more: Any) -> GenericProcess:
        """
        @return: an engine that is launched.
        """
        return GenericProcess(
            key=key,
            base_url="http://127.0.0.1:1",
            start_cmd=("llama-server", "-m", "/models/qwen3.gguf"),
            discover_models=discover,
            **more,
        )

    def test_models(self) -> None:
        """A listed model has what is said of it, and the names that are not
        said from its id."""
        full = Model(
            "m",
            "p",
            display_name="M",
            model_name="m.gguf",
            context_length=99,
            disable_thinking_below_max_tokens=5,
            capabilities=("completion", "vision"),
            family="qwen3",
            parameter_size="32.8B",
            quantization="Q4_K_M",
            size_gb=1.5,
        )
        catalog = self.build(self.process(), models=(full, Model("n", "p", context_length=9)))
        self.assertEqual(
            [
                Entry(
                    "m",
                    "p",
                    "m.gguf",
                    "M",
                    context_length=99,
                    thinking_floor=5,
                    capabilities=("completion", "vision"),
                    family="qwen3",
                    parameter_size="32.8B",
                    quantization="Q4_K_M",
                    size=1_610_612_736,
                ),
                Entry("n", "p", "n", "n", context_length=9),
            ],
            catalog.entries(),
        )

    def test_served(self) -> None:
        """What an engine is said to serve comes after what is listed."""
        engine = self.process(served_models=("s", "m"))
        catalog = self.build(engine, models=(Model("m", "p", model_name="x"),))
        self.assertEqual(["m", "s"], [model.id for model in catalog.entries()])
        self.assertEqual("x", catalog.resolve("m").upstream_name)

    def test_disabled(self) -> None:
        """An engine that takes no part has no models."""
        engine = self.process(enabled=False, discover=True, served_models=("s",))
        catalog = self.build(engine, models=(Model("m", "p"),))
        self.assertEqual([], catalog.entries())

    def test_command(self) -> None:
        """The command line of an engine that may name its own models is read
        for ids; that of another is not."""
        self.assertEqual([], self.build(self.process()).entries())
        catalog = self.build(self.process(discover=True))
        self.assertEqual(["qwen3", "qwen3.gguf"], [model.id for model in catalog.entries()])

    def test_units(self) -> None:
        """Servers that load single models hold these; others are there as a
        whole.  Only Ollama's models have many spellings."""
        url = "http://127.0.0.1:1"
        served = ("m",)
        for engine, unit, tagged in (
            (self.process("e", served_models=served), None, False),
            (Remote(key="e", base_url=url, served_models=served), None, False),
            (ApiSwap(key="e", base_url=url, served_models=served), "m", False),
            (Ollama(key="e", served_models=served), "m", True),
        ):
            catalog = self.build(engine)
            self.assertEqual(Residency("e", unit), catalog.resolve("m").residency)
            self.assertEqual(tagged, catalog.find("M:latest") is not None)

    def test_claims(self) -> None:
        """Every enabled engine may turn out to have more models; disputes go
        by the order of the configuration."""
        catalog = self.build(self.process("z"), self.process("y"))
        catalog.claim("y", Right.LIVE, ["x"])
        catalog.claim("z", Right.LIVE, ["x"])
        self.assertEqual("z", catalog.resolve("x").engine)
