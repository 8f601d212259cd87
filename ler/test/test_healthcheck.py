# -*- test-case-name: ler.test.test_healthcheck -*-
"""
Tests for L{ler.healthcheck}.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ler.healthcheck import TIMEOUT_S, main
from ler.test.ctl_case import Answer, Connection


class HealthcheckTests(SynchronousTestCase):
    """
    L{main}
    """

    def setUp(self) -> None:
        """
        A configuration says where the router is, which is well.
        """
        self.config = Path(self.mktemp())
        self.config.write_text("host: 0.0.0.0\nport: 9999\nengines: {o: {type: ollama}}\n")
        self.answer = Answer(200, b'{"status": "ok"}')
        self.asked: list[tuple[object, ...]] = []
        self.err = StringIO()

    def connect(self, url: str, timeout: float) -> Connection:
        """
        @see: L{ler.ctl.client.connect}
        """

        def answer(
            method: str, target: str, body: str | None, headers: Mapping[str, str]
        ) -> Answer:
            self.asked.append((url, timeout, method, target, dict(headers)))
            return self.answer

        return Connection(answer)

    def check(self, **environ: str) -> int:
        """
        @return: the exit status.
        """
        return main({"ROUTER_CONFIG": str(self.config), **environ}, self.err, self.connect)

    def test_well(self) -> None:
        """The configured port is asked, without a key."""
        self.assertEqual(0, self.check(ROUTER_API_KEY="secret"))
        self.assertEqual([("http://127.0.0.1:9999", TIMEOUT_S, "GET", "/health", {})], self.asked)
        self.assertEqual("", self.err.getvalue())

    def test_ill(self) -> None:
        """An answer that is an error is none."""
        self.answer = Answer(503, b'{"error": {"code": "unavailable", "message": "not now"}}')
        self.assertEqual(1, self.check())
        self.assertEqual("not now\n", self.err.getvalue())

    def test_gone(self) -> None:
        """Nobody answers, which is told in a line."""

        def refuse(url: str, timeout: float) -> Connection:
            raise ConnectionRefusedError(111, "Connection refused")

        self.assertEqual(1, main({"ROUTER_CONFIG": str(self.config)}, self.err, refuse))
        self.assertIn("no router answers at http://127.0.0.1:9999", self.err.getvalue())

    def test_nowhere(self) -> None:
        """What names no router is told as well."""
        self.assertEqual(1, self.check(ROUTER_URL="box"))
        self.assertIn("ROUTER_URL", self.err.getvalue())
