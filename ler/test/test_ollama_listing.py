# -*- test-case-name: ler.test.test_ollama_listing -*-
"""
Tests for L{ler.web.ollama_listing} and L{ler.web.ollama_description}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.engines.catalog import Catalog, Entry, Owner, Right
from ler.engines.control import Control
from ler.engines.ollama_cards import OllamaCards
from ler.errors import CloudModel, UnknownModel
from ler.interfaces import Residency
from ler.test.played_server import PlayedServer
from ler.test.test_ollama_cards import DETAILS, SHOW, TAGS, URL, shown, tag
from ler.web.ollama_description import parameter_count
from ler.web.ollama_listing import Fleet

QWEN = Entry(
    "qwen3-32b",
    "vllm",
    "Qwen/Qwen3-32B",
    "Qwen",
    context_length=40960,
    capabilities=("completion", "tools", "thinking"),
    family="qwen3",
    parameter_size="32.8B",
    quantization="AWQ",
    size=19_851_349_856,
)

DIGEST = "24574482cd723c4806eaa4dc8da87ed5318e74e52d2da370cc7f5132c5fdb7b9"

NOW = 1767225600.0
"""The beginning of 2026."""


class FleetCase(SynchronousTestCase):
    """
    A fleet with an Ollama, C{o}, that the test plays.

    @ivar loaded: what is in memory.
    """

    maxDiff = None

    def setUp(self) -> None:
        """
        Nothing is in memory, and nothing known of the Ollama.
        """
        self.loaded: set[Residency] = set()
        self.played = PlayedServer(URL)
        control = Control(URL, self.played.agent, Clock(), {})
        self.cards = OllamaCards(control, timeout=1.0, allow_cloud=False)

    def fleet(
        self,
        *entries: Entry,
        aliases: Mapping[str, str] | None = None,
        found: Iterable[str] = (),
        idle_unload: Mapping[str, float] | None = None,
    ) -> Fleet:
        """
        @param found: what the Ollama was found to have.
        """
        catalog = Catalog(entries, aliases or {}, [Owner("o", by_model=True, tagged=True)])
        catalog.claim("o", Right.LIVE, found)
        return Fleet(
            catalog,
            {"o": self.cards},
            is_loaded=self.loaded.__contains__,
            idle_unload=idle_unload or {},
            wall=lambda: NOW,
        )

    def learn(self, listed: dict[str, Any], document: object) -> None:
        """
        The Ollama has one model, and shows C{document} of it.
        """
        self.cards.list_models()
        self.played.answer(TAGS, {"models": [listed]})
        self.played.answer(SHOW, document)


class TagsTests(FleetCase):
    """
    L{Fleet.tags}
    """

    def names(self, fleet: Fleet) -> list[str]:
        """
        @return: what is listed.
        """
        return [model["name"] for model in fleet.tags()["models"]]

    def test_configured(self) -> None:
        """
        A model of any engine is listed with everything that is said of it.
        """
        self.assertEqual(
            {
                "models": [
                    {
                        "name": "qwen3-32b",
                        "model": "qwen3-32b",
                        "modified_at": "2026-01-01T00:00:00Z",
                        "size": 19_851_349_856,
                        "digest": DIGEST,
                        "details": {
                            "parent_model": "",
                            "format": "",
                            "family": "qwen3",
                            "families": ["qwen3"],
                            "parameter_size": "32.8B",
                            "quantization_level": "AWQ",
                            "context_length": 40960,
                        },
                        "capabilities": ["completion", "tools", "thinking"],
                    }
                ]
            },
            self.fleet(QWEN).tags(),
        )

    def test_unknown(self) -> None:
        """
        What nothing is said of is listed so that strict clients can read it,
        and picky ones show it.
        """
        (model,) = self.fleet(Entry("m", "a", "m.gguf", "m")).tags()["models"]
        self.assertRegex(model.pop("digest"), "^[0-9a-f]{64}$")
        self.assertEqual(
            {
                "name": "m",
                "model": "m",
                "modified_at": "2026-01-01T00:00:00Z",
                "size": 0,
                "details": {
                    "parent_model": "",
                    "format": "gguf",
                    "family": "",
                    "families": None,
                    "parameter_size": "",
                    "quantization_level": "",
                },
                "capabilities": ["completion", "tools"],
            },
            model,
        )

    def test_told(self) -> None:
        """
        A model of an Ollama is listed as that does it; what is configured goes
        first.
        """
        fleet = self.fleet(found=["qwen3:8b"])
        self.learn(tag(), shown("completion", "tools", "thinking"))
        (model,) = fleet.tags()["models"]
        self.assertEqual(
            tag(capabilities=["completion", "tools", "thinking"]),
            model,
        )
        entry = Entry(
            "q",
            "o",
            "Qwen3:8B",
            "q",
            context_length=8192,
            by_model=True,
            tagged=True,
            capabilities=("completion",),
            family="mine",
            parameter_size="8B",
            quantization="Q8_0",
            size=5,
        )
        (model,) = self.fleet(entry).tags()["models"]
        self.assertEqual(
            {
                **tag("q", size=5, capabilities=["completion"]),
                "details": {
                    **DETAILS,
                    "family": "mine",
                    "families": ["mine"],
                    "parameter_size": "8B",
                    "quantization_level": "Q8_0",
                    "context_length": 8192,
                },
            },
            model,
        )

    def test_odd(self) -> None:
        """
        A date, a digest or a size that no client could read is not passed on.
        """
        fleet = self.fleet(found=["m"])
        self.learn(tag("m", digest="sha256:12", size=-3, modified_at="yesterday"), {})
        (model,) = fleet.tags()["models"]
        self.assertEqual("2026-01-01T00:00:00Z", model["modified_at"])
        self.assertRegex(model["digest"], "^[0-9a-f]{64}$")
        self.assertEqual(0, model["size"])

    def test_aliases(self) -> None:
        """
        Every name that a client can pick is listed, to the letter, an alias
        with the digest of its model; a pattern is none.
        """
        fleet = self.fleet(QWEN, aliases={"GPT": "qwen3-32b", "claude-*": "qwen3-32b"})
        self.assertEqual(["qwen3-32b", "GPT"], self.names(fleet))
        self.assertEqual({DIGEST}, {model["digest"] for model in fleet.tags()["models"]})

    def test_cloud(self) -> None:
        """
        What may not be used is not listed.
        """
        fleet = self.fleet(found=["qwen3:8b", "gpt-oss:120b-cloud"], aliases={"big": "kimi:cloud"})
        self.assertEqual(["qwen3:8b"], self.names(fleet))

    def test_every_name_is_shown(self) -> None:
        """
        Some clients drop all models when one that is listed cannot be shown.
        """
        fleet = self.fleet(
            QWEN,
            Entry("Org/Name", "a", "x", "x"),
            Entry("\ud800", "a", "x", "x"),
            aliases={"small": "qwen3-32b", "tiny": "b"},
            found=["b", "gpt-oss:120b-cloud", "hf.co/a/B-GGUF:Q4_K_M"],
        )
        names = self.names(fleet)
        self.assertEqual(7, len(names))
        for name in names:
            document = fleet.show(name)
            self.assertEqual(name, document["model_info"]["general.basename"])
            self.assertIsInstance(document["capabilities"], list)


class RunningTests(FleetCase):
    """
    L{Fleet.running}
    """

    def test_nothing(self) -> None:
        """
        Nothing runs.
        """
        self.assertEqual({"models": []}, self.fleet(QWEN).running())

    def test_resident(self) -> None:
        """
        What is in memory runs, all of it on the GPU, until it has to go.
        """
        self.loaded.add(Residency("vllm"))
        (model,) = self.fleet(QWEN, Entry("m", "a", "m", "m")).running()["models"]
        self.assertEqual(
            {
                "name": "qwen3-32b",
                "model": "qwen3-32b",
                "size": 19_851_349_856,
                "digest": DIGEST,
                "details": {
                    "parent_model": "",
                    "format": "",
                    "family": "qwen3",
                    "families": ["qwen3"],
                    "parameter_size": "32.8B",
                    "quantization_level": "AWQ",
                    "context_length": 40960,
                },
                "expires_at": "2300-01-01T00:00:00Z",
                "size_vram": 19_851_349_856,
                "context_length": 40960,
            },
            model,
        )

    def test_single_models(self) -> None:
        """
        Of an engine that holds single models, the one that it holds runs.
        """
        self.loaded.add(Residency("o", "b"))
        self.assertEqual(
            ["b"], [model["name"] for model in self.fleet(found=["a", "b"]).running()["models"]]
        )

    def test_unknown(self) -> None:
        """
        Where the size is not known, the CLI says so, instead of claiming that
        all of it is in the memory of the CPU.
        """
        self.loaded.add(Residency("a"))
        (model,) = self.fleet(Entry("m", "a", "m", "m")).running()["models"]
        self.assertEqual((0, 1, 0), (model["size"], model["size_vram"], model["context_length"]))

    def test_idle(self) -> None:
        """
        What goes when it is idle goes in that time, if nobody asks for it; no
        date is later than one that clients can read.
        """
        self.loaded.update([Residency("vllm"), Residency("a")])
        fleet = self.fleet(QWEN, Entry("m", "a", "m", "m"), idle_unload={"vllm": 600.0, "a": 1e300})
        self.assertEqual(
            ["2026-01-01T00:10:00Z", "2300-01-01T00:00:00Z"],
            [model["expires_at"] for model in fleet.running()["models"]],
        )


class ShowTests(FleetCase):
    """
    L{Fleet.show}
    """

    def test_configured(self) -> None:
        """
        A model of any engine is shown from what is configured.
        """
        self.assertEqual(
            {
                "modelfile": "",
                "parameters": "num_ctx 40960",
                "template": "",
                "license": "",
                "modified_at": "2026-01-01T00:00:00Z",
                "details": {
                    "parent_model": "",
                    "format": "",
                    "family": "qwen3",
                    "families": ["qwen3"],
                    "parameter_size": "32.8B",
                    "quantization_level": "AWQ",
                },
                "model_info": {
                    "general.architecture": "qwen3",
                    "general.basename": "qwen3-32b",
                    "general.parameter_count": 32_800_000_000,
                    "qwen3.context_length": 40960,
                    "qwen3.embedding_length": 0,
                },
                "capabilities": ["completion", "tools", "thinking"],
            },
            self.fleet(QWEN).show("qwen3-32b"),
        )

    def test_unknown(self) -> None:
        """
        Of a model that nothing is said of there is an architecture still,
        since clients look for the rest under its name, and noughts where some
        need a number; but a context is told only if it is known.
        """
        document = self.fleet(Entry("m", "a", "m", "m", context_length=4096)).show("m")
        info = {
            "general.architecture": "unknown",
            "general.basename": "m",
            "general.parameter_count": 0,
            "unknown.embedding_length": 0,
        }
        self.assertEqual({**info, "unknown.context_length": 4096}, document["model_info"])
        document = self.fleet(Entry("m", "a", "m", "m")).show("m")
        self.assertEqual(info, document["model_info"])
        self.assertEqual("", document["parameters"])

    def test_names(self) -> None:
        """
        It may be spelled in every way that Ollama takes, and is called what
        the client calls it.
        """
        fleet = self.fleet(QWEN, aliases={"small": "qwen3-32b", "claude-*": "qwen3-32b"})
        for name in ("Qwen3-32B", "qwen3-32b:latest", "small", "SMALL:latest", "claude-4"):
            document = fleet.show(name)
            self.assertEqual("qwen3", document["details"]["family"])
            self.assertEqual(name, document["model_info"]["general.basename"])
        self.assertRaises(UnknownModel, fleet.show, "qwen3-32b:8b")

    def test_cloud(self) -> None:
        """
        What may not be used is not shown, and it is said why.
        """
        self.assertRaises(CloudModel, self.fleet(found=["kimi:cloud"]).show, "kimi:cloud")

    def test_insert(self) -> None:
        """
        Some clients look into the template for whether a model fills gaps.
        """
        document = self.fleet(Entry("m", "a", "m", "m", capabilities=("insert",))).show("m")
        self.assertIn(".Suffix", document["template"])

    def test_told(self) -> None:
        """
        A model of an Ollama is shown as that does it, less the tensors.
        """
        document = shown("completion", "thinking")
        self.learn(tag(), document)
        del document["tensors"]
        document["model_info"].update(
            {
                "general.basename": "qwen3:8b",
                "general.parameter_count": 8190735360,
                "qwen3.embedding_length": 4096,
            }
        )
        self.assertEqual(document, self.fleet(found=["qwen3:8b"]).show("qwen3:8b"))

    def test_told_and_configured(self) -> None:
        """
        What is configured goes first, but for the architecture, by which the
        rest is found, and a context that the model cannot have.
        """
        told = shown("completion")
        told["parameters"] = 'num_ctx    4096\nstop "x"\nnum_ctx_extra 1'
        self.learn(tag(), told)
        for context, found in ((8192, 8192), (131072, 40960)):
            entry = Entry(
                "q",
                "o",
                "qwen3:8b",
                "q",
                context_length=context,
                tagged=True,
                capabilities=("vision",),
                family="mine",
                parameter_size="8x7B",
            )
            document = self.fleet(entry).show("q")
            self.assertEqual(
                {
                    "general.architecture": "qwen3",
                    "general.basename": "q",
                    "general.parameter_count": 8190735360,
                    "qwen3.context_length": found,
                    "qwen3.embedding_length": 4096,
                },
                document["model_info"],
            )
            self.assertEqual(f'stop "x"\nnum_ctx_extra 1\nnum_ctx {found}', document["parameters"])
            self.assertEqual(["vision"], document["capabilities"])
            self.assertEqual("mine", document["details"]["family"])

    def test_odd(self) -> None:
        """
        Whatever an Ollama says of its models, clients can read what is made
        of it.
        """
        values: list[Any] = [None, True, 0, 1.5, "", "x", [], ["x"], {}, {"general": {}}]
        random = Random(11)
        entry = Entry("q", "o", "q", "q", context_length=8192, tagged=True)
        for _ in range(200):
            told = shown("completion")
            for part in (told, told["model_info"], told["details"]):
                for key in part:
                    if random.random() < 0.3:
                        part[key] = random.choice(values)
                        break
            self.learn(tag("q", digest=f"{random.random()}"), told)
            for fleet in (self.fleet(entry), self.fleet(found=["q"])):
                document = fleet.show("q")
                json.dumps([document, fleet.tags()])
                info = document["model_info"]
                self.assertIsInstance(info["general.architecture"], str)
                self.assertTrue(all(isinstance(word, str) for word in document["capabilities"]))
                for key in ("format", "family", "parameter_size", "quantization_level"):
                    self.assertIsInstance(document["details"][key], str)


class ParameterCountTests(SynchronousTestCase):
    """
    L{parameter_count}
    """

    def test_count(self) -> None:
        """
        What people write is a number, or it is none.
        """
        for text, count in {
            "32.8B": 32_800_000_000,
            "8b": 8_000_000_000,
            "1 T": 10**12,
            "137M": 137_000_000,
            " 22.7K ": 22_700,
            "8x7B": None,
            "": None,
            "many": None,
            "1e9": None,
            "9" * 400 + "B": None,
        }.items():
            self.assertEqual(count, parameter_count(text), text)
