"""
Tests for L{ler.engines.making}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.config import ApiSwap, Ds4, Engine, GenericProcess, Ollama, Remote, Systemd
from ler.config.model import ENGINE_TYPES
from ler.engines.making import Surroundings, make_engine, make_logs
from ler.interfaces import IEngine, ILog, IModelLister
from ler.testing import FakeStateStore

URL = "http://127.0.0.1:8080"

CONFIGS: list[Engine] = [
    GenericProcess(key="process", base_url=URL, start_cmd=("true",)),
    ApiSwap(key="api", base_url=URL, load_path="/load", unload_path="/unload"),
    Ollama(key="ollama"),
    Systemd(key="unit", base_url=URL, unit="some.service"),
    Systemd(key="script", base_url=URL, control="process", serve_script=("true",)),
    Ds4(key="ds4"),
    Remote(key="remote", base_url="https://elsewhere.example/api"),
]


class MakeEngineTests(SynchronousTestCase):
    """
    L{make_engine}
    """

    def make(self, config: Engine) -> Any:
        """
        @return: the engine of C{config}.
        """
        return make_engine(config, ["some-model"], self.surroundings())

    def surroundings(self) -> Surroundings:
        """
        @return: those of a router that does not run.
        """
        return Surroundings(
            MemoryReactorClock(),
            FakeStateStore(),
            self.mktemp(),
            "instance",
            {"PATH": "/bin"},
            lambda function, *arguments: succeed(None),
            True,
        )

    def test_every_type(self) -> None:
        """
        There is an engine for every type that can be configured.
        """
        self.assertEqual(set(ENGINE_TYPES.values()), {type(config) for config in CONFIGS})
        for config in CONFIGS:
            made = self.make(config)
            self.assertTrue(verifyObject(IEngine, made))
            self.assertTrue(IModelLister.providedBy(made), config.key)
            self.assertEqual(config.key, made.key)
            self.assertEqual(config.base_url, made.base_url)

    def test_described(self) -> None:
        """
        What a new engine says of itself starts nothing, and names its type.
        """
        for config in CONFIGS:
            described = self.make(config).describe()
            self.assertIn("type", described)

    def test_unit(self) -> None:
        """
        A server that needs no unit gets none.
        """
        self.assertIsNone(self.make(Ollama(key="o", systemd_unit=None)).describe()["unit"])
        self.assertEqual("ollama.service", self.make(Ollama(key="o")).describe()["unit"])

    def test_logs(self) -> None:
        """
        There is a log of what the router or systemd runs, and of nothing else.
        """
        configs = {config.key: config for config in CONFIGS}
        engines = {key: self.make(config) for key, config in configs.items()}
        logs = make_logs(configs, engines, self.surroundings())
        self.assertEqual({"process", "ollama", "unit", "script", "ds4"}, logs.keys())
        for log in logs.values():
            self.assertTrue(verifyObject(ILog, log))
        self.assertIs(engines["process"], logs["process"])

    def test_unknown(self) -> None:
        """
        Settings of no type make no engine.
        """
        self.assertRaises(TypeError, self.make, Engine(key="x", base_url=URL))
