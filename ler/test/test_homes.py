"""
Tests for L{ler.engines.homes}.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.config import ApiSwap, Config, Engine, GenericProcess, Model, Ollama
from ler.engines.catalog import Right, build_catalog
from ler.engines.homes import needs_of, preloaded, private_engines, whole_engines
from ler.engines.model_server import ModelServerEngine
from ler.errors import GIB
from ler.interfaces import IEngine, Residency
from ler.testing import FakeEngine, FakeModelServer

CHAT = Residency("o", "chat:7b")
EMBEDDER = Residency("o", "embed:latest")


def process(key: str, *, exclusive: bool = True, memory: float | None = None) -> GenericProcess:
    """
    @return: the settings of a process.
    """
    return GenericProcess(
        key=key,
        base_url=f"http://{key}",
        start_cmd=("true",),
        exclusive=exclusive,
        memory=memory,
    )


class HomesTests(SynchronousTestCase):
    """
    A big process, a small one beside it, and an Ollama with one model of each
    kind.
    """

    def setUp(self) -> None:
        """
        Configure them.
        """
        ollama = Ollama(key="o", memory=5.0)
        configured: list[Engine] = [
            process("big", memory=2.0),
            process("small", exclusive=False),
            ollama,
        ]
        self.config = Config(
            engines={engine.key: engine for engine in configured},
            models=(
                Model(id="m", engine="big"),
                Model(id="chat", engine="o", model_name="chat:7b", memory=7.5),
                Model(id="embed:latest", engine="o", exclusive=False),
            ),
        )
        self.server = ModelServerEngine(ollama, FakeModelServer([]), unit=None, clock=Clock())
        self.engines: dict[str, IEngine] = {
            "big": FakeEngine("big"),
            "small": FakeEngine("small"),
            "o": self.server,
        }
        self.catalog = build_catalog(self.config)

    def test_needs(self) -> None:
        """
        Engines need what is said of them, single models what is said of these.
        """
        self.assertEqual(
            {"big": 2 * GIB, "o": 5 * GIB, "o/chat:7b": int(7.5 * GIB)},
            needs_of(self.config, self.catalog),
        )

    def test_private(self) -> None:
        """
        The small process lives beside the others, and so does the small model,
        of which its server has a face.
        """
        private = private_engines(self.config, self.engines, self.catalog)
        self.assertEqual({Residency("small"), EMBEDDER}, set(private))
        self.assertIs(self.engines["small"], private[Residency("small")])
        self.assertIs(self.server.beside("embed:latest"), private[EMBEDDER])

    def test_private_server(self) -> None:
        """
        The models of a server that itself lives beside the others share its
        place, whatever is said of them.
        """
        ollama = replace(self.config.engines["o"], exclusive=False)
        config = replace(self.config, engines={**self.config.engines, "o": ollama})
        private = private_engines(config, self.engines, self.catalog)
        self.assertEqual({Residency("small"), Residency("o")}, set(private))

    def test_whole(self) -> None:
        """
        A process is there as a whole; a server with two models is not.
        """
        self.assertEqual(
            {"big": Residency("big"), "small": Residency("small"), "o": None},
            whole_engines(self.config, self.catalog),
        )

    def test_one_model(self) -> None:
        """
        A server with one model that is configured stands for that, whatever
        else it has; without any it stands for nothing.
        """
        for models, served, home in (
            ((Model(id="chat", engine="o", model_name="chat:7b"),), (), CHAT),
            ((), ("chat:7b",), CHAT),
            ((), (), None),
        ):
            ollama = Ollama(key="o", served_models=served)
            config = Config(engines={"o": ollama}, models=models)
            catalog = build_catalog(config)
            catalog.claim("o", Right.LIVE, ["another"])
            self.assertEqual({"o": home}, whole_engines(config, catalog))

    def test_disabled(self) -> None:
        """
        Engines that take no part need nothing and are not brought up, nor are
        their models.
        """
        off = ApiSwap(key="off", base_url="http://off", enabled=False, memory=1.0)
        config = Config(
            engines={"off": off},
            models=(Model(id="m", engine="off", memory=1.0),),
            aliases={"x": "m"},
            preload=("off", "m", "x"),
        )
        catalog = build_catalog(config)
        self.assertEqual({}, needs_of(config, catalog))
        self.assertEqual({}, whole_engines(config, catalog))
        self.assertEqual([], preloaded(config, catalog))

    def test_preloaded(self) -> None:
        """
        What is to be brought up can be named by model, by alias or by engine.
        """
        names = ("embed:latest", "talk", "big", "small")
        config = replace(self.config, aliases={"talk": "chat"}, preload=names)
        self.assertEqual(
            [EMBEDDER, CHAT, Residency("big"), Residency("small")],
            preloaded(config, build_catalog(config)),
        )
