# -*- test-case-name: ler.test.test_config_places -*-
"""
Tests for L{ler.config.places}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from ler.config.places import Reach, find, own_place, places, reach


class PlacesTests(SynchronousTestCase):
    """
    Where a configuration is.
    """

    def setUp(self) -> None:
        """
        The user has a folder for configurations, which is empty.
        """
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(self.folder, "engine-router"))
        self.own = os.path.join(self.folder, "engine-router", "config.yaml")
        self.environ = {"XDG_CONFIG_HOME": self.folder}

    def test_order(self) -> None:
        """The folder at hand goes before that of the user, and this before the system's."""
        self.assertEqual(
            ["config.yaml", self.own, "/etc/engine-router/config.yaml"], places(self.environ)
        )

    def test_variable(self) -> None:
        """Who names one means that one."""
        environ = {**self.environ, "ROUTER_CONFIG": "/x.yaml"}
        self.assertEqual(["/x.yaml"], places(environ))
        self.assertEqual("/x.yaml", own_place(environ))

    def test_own(self) -> None:
        """A user's own goes where the user's configurations are."""
        self.assertEqual(self.own, own_place(self.environ))
        home = os.path.expanduser("~/.config/engine-router/config.yaml")
        self.assertEqual(home, own_place({}))

    def test_find(self) -> None:
        """The first that is there is found."""
        with open(self.own, "w"):
            self.assertEqual(self.own, find(self.environ))
        self.assertIsNone(find({"ROUTER_CONFIG": "/nowhere"}))


class ReachTests(SynchronousTestCase):
    """
    L{reach}
    """

    def reach(self, text: str, **environ: str) -> Reach | None:
        """
        @return: how to reach the router that C{text} configures.
        """
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(text)
        return reach(path, environ)

    def test_defaults(self) -> None:
        """What is not written is as the router takes it."""
        self.assertEqual(Reach("http://127.0.0.1:8077", None), self.reach("engines: {}"))

    def test_hosts(self) -> None:
        """A host is called as it is named, and one that stands for all of them as the nearest."""
        for host, url in (
            ("box", "http://box:1"),
            ("0.0.0.0", "http://127.0.0.1:1"),
            ("'::'", "http://[::1]:1"),
            ("'fe80::1'", "http://[fe80::1]:1"),
        ):
            found = self.reach(f"{{engines: {{}}, port: 1, host: {host}}}")
            self.assertEqual(Reach(url, None), found)

    def test_key(self) -> None:
        """A key is read, from the environment, too."""
        text = "{engines: {}, api_keys: ['${KEY}', other]}"
        self.assertEqual(Reach("http://127.0.0.1:8077", "secret"), self.reach(text, KEY="secret"))

    def test_broken_elsewhere(self) -> None:
        """What is wrong elsewhere does not matter."""
        text = "{port: 1, engines: {a: {type: wrong}}, models: 5, nonsense: 1}"
        self.assertEqual(Reach("http://127.0.0.1:1", None), self.reach(text))

    def test_others(self) -> None:
        """A file that is for something else says nothing."""
        for text in ("", "port: 1", "]", "- engines"):
            self.assertIsNone(self.reach(text))
        self.assertIsNone(reach("/nowhere", {}))
