# -*- test-case-name: ler.test.test_ollama_cards -*-
"""
Tests for L{ler.engines.ollama_cards}.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.config.model import Config, Ollama, Remote
from ler.engines.catalog import Entry
from ler.engines.control import Control
from ler.engines.ollama_cards import (
    BLANK,
    SHOWS_S,
    Card,
    OllamaCards,
    make_cards,
    refuse_cloud,
)
from ler.errors import CloudModel
from ler.interfaces import IModelLister
from ler.test.played_server import PlayedServer

URL = "http://127.0.0.1:11434"
TIMEOUT = 3.0

TAGS, SHOW = "GET /api/tags", "POST /api/show"

DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "qwen3",
    "families": ["qwen3"],
    "parameter_size": "8.2B",
    "quantization_level": "Q4_K_M",
}


def tag(name: str = "qwen3:8b", digest: str = "d" * 64, **more: Any) -> dict[str, Any]:
    """
    @return: an entry of the list, as Ollama writes it.
    """
    return {
        "name": name,
        "model": name,
        "modified_at": "2025-05-04T17:37:44.706015396-07:00",
        "size": 5225388164,
        "digest": digest,
        "details": dict(DETAILS),
        **more,
    }


def shown(*capabilities: str) -> dict[str, Any]:
    """
    @return: what is shown of a model, as Ollama does it.
    """
    return {
        "license": "Apache License",
        "modelfile": "FROM qwen3",
        "parameters": 'stop                           "<|im_end|>"',
        "template": "{{ .Prompt }}",
        "details": dict(DETAILS),
        "model_info": {
            "general.architecture": "qwen3",
            "general.basename": "Qwen3",
            "general.parameter_count": 8190735360,
            "qwen3.context_length": 40960,
            "qwen3.embedding_length": 4096,
        },
        "tensors": [{"name": "output.weight", "type": "Q6_K", "shape": [4096, 151936]}],
        "capabilities": list(capabilities),
        "modified_at": "2025-05-04T17:37:44.706015396-07:00",
    }


class CardsCase(SynchronousTestCase):
    """
    An Ollama that the test plays, and what is kept of it.
    """

    allow_cloud = False

    def setUp(self) -> None:
        """
        Play the server.
        """
        self.clock = Clock()
        self.played = PlayedServer(URL)
        control = Control(URL, self.played.agent, self.clock, {})
        self.cards = OllamaCards(control, timeout=TIMEOUT, allow_cloud=self.allow_cloud)

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.played.is_quiet()
        self.assertEqual([], self.clock.getDelayedCalls())

    def read(self, *tags: object) -> Deferred[list[str] | None]:
        """
        Have the list read, which holds C{tags}.
        """
        listing = self.cards.list_models()
        self.played.answer(TAGS, {"models": list(tags)})
        return listing

    def show(self, name: str, document: object = None, status: int = 200) -> None:
        """
        The server is asked what it shows of a model, and answers.
        """
        self.assertEqual({"model": name}, self.played.answer(SHOW, document, status))


class ListTests(CardsCase):
    """
    L{OllamaCards.list_models}
    """

    def test_interface(self) -> None:
        """
        It knows models.
        """
        verifyObject(IModelLister, self.cards)

    def test_list(self) -> None:
        """
        It names the models of the server, in its order, once it was asked for
        everything that is to be known of them.
        """
        listing = self.read(tag(), tag("nomic-embed-text:latest", "e" * 64))
        self.show("qwen3:8b", shown("completion", "tools", "thinking"))
        self.assertNoResult(listing)
        self.show("nomic-embed-text:latest", shown("embedding"))
        self.assertEqual(["qwen3:8b", "nomic-embed-text:latest"], self.successResultOf(listing))

    def test_card(self) -> None:
        """
        What was told is kept, but for what is long, and is found under every
        spelling of the name.
        """
        self.read(tag("Qwen3"))
        self.show("Qwen3", shown("completion", "tools"))
        card = self.cards.card("library/qwen3:latest")
        self.assertEqual({"size", "digest", "modified_at"}, card.listed.keys())
        self.assertEqual(5225388164, card.listed["size"])
        self.assertEqual("8.2B", card.details["parameter_size"])
        self.assertEqual(["completion", "tools"], card.shown["capabilities"])
        self.assertEqual(40960, card.shown["model_info"]["qwen3.context_length"])
        self.assertNotIn("tensors", card.shown)
        self.assertIs(BLANK, self.cards.card("other"))

    def test_once(self) -> None:
        """
        A model is asked about again when it has changed, and not before.
        """
        self.read(tag())
        self.show("qwen3:8b", shown("completion"))
        self.read(tag(size=1))
        self.assertEqual(1, self.cards.card("qwen3:8b").listed["size"])
        self.assertEqual(["completion"], self.cards.card("qwen3:8b").shown["capabilities"])
        listing = self.read(tag(digest="c" * 64))
        self.assertEqual({}, self.cards.card("qwen3:8b").shown)
        self.show("qwen3:8b", shown("vision"))
        self.assertEqual(["vision"], self.cards.card("qwen3:8b").shown["capabilities"])
        self.assertEqual(["qwen3:8b"], self.successResultOf(listing))

    def test_gone(self) -> None:
        """
        What is no longer listed is forgotten.
        """
        self.read(tag())
        self.show("qwen3:8b", shown())
        self.assertEqual([], self.successResultOf(self.read()))
        self.assertIs(BLANK, self.cards.card("qwen3:8b"))

    def test_silent(self) -> None:
        """
        A server that does not answer has no list, and what it said before
        still counts.
        """
        self.read(tag())
        self.show("qwen3:8b", shown("completion"))
        listing = self.cards.list_models()
        self.played.fail(TAGS, ConnectionRefusedError())
        self.assertIsNone(self.successResultOf(listing))
        listing = self.cards.list_models()
        self.clock.advance(TIMEOUT)
        self.played.is_given_up(TAGS)
        self.assertIsNone(self.successResultOf(listing))
        listing = self.cards.list_models()
        self.played.answer(TAGS, {"models": []}, 500)
        self.assertIsNone(self.successResultOf(listing))
        self.assertEqual(["completion"], self.cards.card("qwen3:8b").shown["capabilities"])

    def test_not_shown(self) -> None:
        """
        Of what is not shown the list tells a little, and it is asked about
        again the next time.
        """
        listing = self.read(tag(), tag("b", "b" * 64), tag("c", "c" * 64))
        self.show("qwen3:8b", {"error": "no"}, 404)
        self.show("b", shown("tools"))
        self.show("c", ["odd"])
        self.assertEqual(["qwen3:8b", "b", "c"], self.successResultOf(listing))
        self.assertEqual({}, self.cards.card("qwen3:8b").shown)
        self.assertEqual("qwen3", self.cards.card("qwen3:8b").details["family"])
        self.read(tag(), tag("b", "b" * 64))
        self.show("qwen3:8b", shown("tools"))
        self.assertEqual(["tools"], self.cards.card("qwen3:8b").shown["capabilities"])

    def test_hung(self) -> None:
        """
        Who has not answered once is not asked about the others, until the list
        is read again.
        """
        tags = [tag("a", "a" * 64), tag("b", "b" * 64)]
        listing = self.read(*tags)
        self.clock.advance(TIMEOUT)
        self.played.is_given_up(SHOW)
        self.assertEqual(["a", "b"], self.successResultOf(listing))
        self.read(*tags)
        self.show("a", shown())
        self.show("b", shown())

    def test_slow(self) -> None:
        """
        A server that takes its time does not hold the list up for longer than
        that.
        """
        tags = [tag("a", "a" * 64), tag("b", "b" * 64), tag("c", "c" * 64)]
        listing = self.read(*tags)
        for name in ("a", "b"):
            self.clock.advance(TIMEOUT - 1)
            self.show(name, shown())
        self.assertNoResult(listing)
        self.clock.advance(SHOWS_S - 2 * (TIMEOUT - 1))
        self.played.is_given_up(SHOW)
        self.assertEqual(["a", "b", "c"], self.successResultOf(listing))
        self.read(*tags)
        self.show("c", shown())

    def test_cancelled(self) -> None:
        """
        Who no longer wants the list has everything given up.
        """
        listing = self.cards.list_models()
        listing.cancel()
        self.played.is_given_up(TAGS)
        self.failureResultOf(listing)
        listing = self.read(tag())
        listing.cancel()
        self.played.is_given_up(SHOW)
        self.failureResultOf(listing)

    def test_odd(self) -> None:
        """
        Whatever a server says, what is kept of it is of the right shape.
        """
        values: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], [1], ["x"], {}, {"name": "x"}]
        random = Random(7)

        def spoilt(document: dict[str, Any]) -> dict[str, Any]:
            return {
                key: random.choice(values) if random.random() < 0.3 else value
                for key, value in document.items()
            }

        for document in [*values, *({"models": value} for value in values)]:
            listing = self.cards.list_models()
            self.played.answer(TAGS, document)
            self.assertIn(self.successResultOf(listing), (None, [], ["x"]))
            if self.cards.card("x") != BLANK:
                self.fail("it was not asked about x")
        for _ in range(200):
            entry = spoilt(tag(digest=f"{random.random()}"))
            entry["details"] = random.choice([spoilt(DETAILS), *values])
            self.read(entry)
            name = entry["name"]
            if not isinstance(name, str) or not name or self.cards.forbids(name):
                continue
            self.show(name, spoilt(shown("completion")))
            self.check(self.cards.card(name))

    def check(self, card: Card) -> None:
        """
        Assert that everything is of its type.
        """
        for told, kinds in (
            (card.listed, {"size": int, "digest": str, "modified_at": str}),
            (card.details, {"families": list}),
            (card.shown, {"model_info": dict, "capabilities": list}),
        ):
            for key, value in told.items():
                self.assertIs(kinds.get(key, str), type(value), key)
                if isinstance(value, list):
                    self.assertTrue(all(isinstance(item, str) for item in value))


class CloudTests(CardsCase):
    """
    Models at ollama.com are not used.
    """

    def test_forbidden(self) -> None:
        """
        They are known by their names, or by what the list says of them, and
        are not even asked about.
        """
        listing = self.read(
            tag("gpt-oss:120b-cloud"),
            tag("kimi:cloud"),
            tag("mine", remote_host="https://ollama.com:443", remote_model="gpt-oss:120b"),
            tag("local", remote_host=""),
        )
        self.show("local", shown())
        self.assertEqual(4, len(self.successResultOf(listing) or ()))
        for name in ("gpt-oss:120b-cloud", "kimi:cloud", "mine:latest", "unlisted:cloud"):
            self.assertTrue(self.cards.forbids(name), name)
        for name in ("local", "qwen3:8b", "cloud"):
            self.assertFalse(self.cards.forbids(name), name)

    def test_refused(self) -> None:
        """
        A request for one is refused, with what would allow it; another
        engine's names mean nothing.
        """
        cards = {"o": self.cards}
        error = self.assertRaises(
            CloudModel, refuse_cloud, Entry("big", "o", "gpt-oss:120b-cloud", "big"), cards
        )
        self.assertEqual(
            "model 'big' runs at ollama.com, where the prompt would go; set 'allow_cloud_models' "
            "on engine o if it may",
            error.message,
        )
        refuse_cloud(Entry("m", "o", "qwen3:8b", "m"), cards)
        refuse_cloud(Entry("m", "vllm", "gpt-oss:120b-cloud", "m"), cards)


class AllowedCloudTests(CardsCase):
    """
    Models at ollama.com are used where that is configured.
    """

    allow_cloud = True

    def test_allowed(self) -> None:
        """
        Then they are like others.
        """
        self.read(tag("kimi:cloud"))
        self.show("kimi:cloud", shown("completion"))
        self.assertFalse(self.cards.forbids("kimi:cloud"))
        refuse_cloud(Entry("k", "o", "kimi:cloud", "k"), {"o": self.cards})


class MakeTests(SynchronousTestCase):
    """
    L{make_cards}
    """

    def test_engines(self) -> None:
        """
        Every Ollama that takes part has its cards, and nobody else.
        """
        engines = (
            Remote(key="far", base_url="http://far"),
            Ollama(key="off", enabled=False),
            Ollama(key="b"),
            Ollama(key="a", base_url="http://a:1", allow_cloud_models=True),
        )
        cards = make_cards(Config({engine.key: engine for engine in engines}), Clock())
        self.assertEqual(["b", "a"], list(cards))
        self.assertTrue(cards["b"].forbids("x:cloud"))
        self.assertFalse(cards["a"].forbids("x:cloud"))
