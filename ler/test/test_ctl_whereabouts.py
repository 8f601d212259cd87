# -*- test-case-name: ler.test.test_ctl_whereabouts -*-
"""
Tests for L{ler.ctl.whereabouts}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.ctl.whereabouts import DEFAULT_URL, Unlocated, Whereabouts, locate

CONFIG = "{port: 9000, api_keys: [of-config], engines: {}}"


class LocateTests(SynchronousTestCase):
    """
    L{locate}
    """

    def setUp(self) -> None:
        """
        There is a configuration.
        """
        self.path = self.mktemp()
        with open(self.path, "w") as file:
            file.write(CONFIG)
        self.environ = {"ROUTER_CONFIG": self.path}

    def place(
        self, url: str | None = None, key: str | None = None, config: str | None = None
    ) -> Whereabouts:
        """
        @return: which router is meant.
        """
        return locate(url, key, config, self.environ)

    def test_configuration(self) -> None:
        """The configuration that is found names address and key."""
        self.assertEqual(Whereabouts("http://127.0.0.1:9000", "of-config", self.path), self.place())

    def test_default(self) -> None:
        """Where there is none it is the address that a router has by itself."""
        self.environ["ROUTER_CONFIG"] = "/nowhere"
        self.assertEqual(Whereabouts(DEFAULT_URL, None, "the default"), self.place())

    def test_environment(self) -> None:
        """The environment goes before the configuration, and gets no key of it."""
        self.environ["ROUTER_URL"] = "http://box:1"
        self.assertEqual(Whereabouts("http://box:1", None, "$ROUTER_URL"), self.place())

    def test_own_key(self) -> None:
        """Whoever names the address of the configuration may use its key."""
        for url in ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"):
            self.assertEqual("of-config", self.place(url).key)

    def test_command_line(self) -> None:
        """The command line goes before everything."""
        self.environ.update(ROUTER_URL="http://box:1", ROUTER_API_KEY="of-environ")
        self.assertEqual(
            Whereabouts("http://other:2", "given", "--url"), self.place("http://other:2", "given")
        )
        self.assertEqual("of-environ", self.place("http://other:2").key)

    def test_named_configuration(self) -> None:
        """A configuration that is named goes before the environment."""
        self.environ.update(ROUTER_URL="http://box:1", ROUTER_CONFIG="/nowhere")
        self.assertEqual("http://127.0.0.1:9000", self.place(config=self.path).url)

    def test_missing(self) -> None:
        """One that is named has to be there."""
        self.assertRaises(Unlocated, self.place, config="/nowhere")

    def test_nonsense(self) -> None:
        """An address must be one, whoever names it."""
        self.assertRaises(Unlocated, self.place, "box")
        self.environ["ROUTER_URL"] = "box"
        error = self.assertRaises(Unlocated, self.place)
        self.assertIn("$ROUTER_URL", str(error))
