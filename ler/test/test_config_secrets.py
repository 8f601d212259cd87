"""
Tests for L{ler.config.secrets}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.config import ApiKey, ApiSwap, Config, GenericProcess, Systemd
from ler.config.secrets import secrets_of

URL = "http://127.0.0.1:8080"


class SecretsTests(SynchronousTestCase):
    """
    L{secrets_of}
    """

    def secrets(self, **process: Any) -> set[str]:
        """
        @return: the secrets of a configuration with one engine.
        """
        engine = GenericProcess(key="a", base_url=URL, **{"start_cmd": ("serve",), **process})
        return secrets_of(Config(engines={"a": engine}))

    def test_clients(self) -> None:
        """The keys of clients are secrets."""
        keys = (
            ApiKey(("admin",), "one"),
            ApiKey(("read",), "two"),
            ApiKey(("read",), sha256="0" * 64),
        )
        self.assertEqual({"one", "two"}, secrets_of(Config(engines={}, api_keys=keys)))

    def test_headers(self) -> None:
        """So is what engines are shown in headers, of whatever request."""
        engine = ApiSwap(
            key="a",
            base_url=URL,
            upstream_headers={"Authorization": "Bearer up", "Accept": "text/plain"},
            control_headers={"X-API-Key": "control"},
            load_headers={"x-admin-key": "load"},
        )
        self.assertEqual({"up", "control", "load"}, secrets_of(Config(engines={"a": engine})))

    def test_environment(self) -> None:
        """So are variables that are called so."""
        env = {"HF_TOKEN": "hf", "OPENAI_API_KEY": "sk", "PATH": "/bin", "KEYBOARD": "us"}
        self.assertEqual({"hf", "sk"}, self.secrets(env=env))

    def test_options(self) -> None:
        """So are options that are called so, in either form."""
        command = ("serve", "--api-key", "one", "--hf-token=two", "--port", "80", "--max-tokens=9")
        self.assertEqual({"one", "two"}, self.secrets(start_cmd=command))
        script = Systemd(key="a", base_url=URL, control="process", serve_script=command)
        self.assertEqual({"one", "two"}, secrets_of(Config(engines={"a": script})))

    def test_nothing(self) -> None:
        """Empty values hide nothing."""
        self.assertEqual(
            set(), self.secrets(env={"HF_TOKEN": ""}, start_cmd=("serve", "--api-key"))
        )
        self.assertEqual(set(), self.secrets(start_cmd=()))
