"""
Tests for L{ler.config.ports}.
"""

from __future__ import annotations

import sys

from ler.config import GenericProcess
from ler.config.ports import FIRST
from ler.test.test_config import BASE, ConfigTestCase


def engine(key: str, *lines: str) -> str:
    """
    @return: the section of an engine with further C{lines}.
    """
    return "\n    ".join([f"  {key}:", "type: generic_process", *lines]) + "\n"


URL = 'base_url: "http://127.0.0.1:{port}"'
CMD = f'start_cmd: [{sys.executable}, --port, "{{port}}"]'


class AllotTests(ConfigTestCase):
    """
    Tests for L{ler.config.ports.allot}.
    """

    def ports(self, *engines: str, tail: str = "") -> list[object]:
        """
        @return: the ports of all engines.
        """
        text = "engines:\n" + "".join(engines) + tail
        loaded = self.load(text)
        found = loaded.config.engines.values()
        return [each.port for each in found if isinstance(each, GenericProcess)]

    def test_filled_in(self) -> None:
        """
        The port stands wherever its mark did.
        """
        text = BASE + engine(
            "b",
            'base_url: "http://127.0.0.1:{port}/v1/"',
            f"start_cmd: {sys.executable} --listen=:{{port}} '{{\"x\":1}}'",
            "stop_cmd: [stop, '{port}']",
            "env: {PORT: '{port}', URL: 'http://x:{port}'}",
            "port: 9100",
        )
        found = self.load(text).config.engines["b"]
        assert isinstance(found, GenericProcess)
        self.assertEqual("http://127.0.0.1:9100/v1", found.base_url)
        self.assertEqual((sys.executable, "--listen=:9100", '{"x":1}'), found.start_cmd)
        self.assertEqual(("stop", "9100"), found.stop_cmd)
        self.assertEqual({"PORT": "9100", "URL": "http://x:9100"}, found.env)

    def test_auto(self) -> None:
        """
        Ports go up from the first, in the order of the engines, and the same
        configuration gives the same ports.
        """
        engines = [engine(key, URL, CMD, "port: auto") for key in "cab"]
        for _ in range(2):
            self.assertEqual([FIRST, FIRST + 1, FIRST + 2], self.ports(*engines))

    def test_auto_skips_what_is_named(self) -> None:
        """
        A port that the configuration names anywhere is not allotted, be it
        named further below.
        """
        self.assertEqual(
            [FIRST + 3, FIRST + 1, None],
            self.ports(
                engine("a", URL, CMD, "port: auto"),
                engine("b", URL, CMD, f"port: {FIRST + 1}"),
                engine("c", f"base_url: http://127.0.0.1:{FIRST}", f"start_cmd: {sys.executable}"),
                tail=f"port: {FIRST + 2}\n",
            ),
        )

    def test_auto_skips_other_types(self) -> None:
        """
        Servers that the router does not launch have ports, too.
        """
        self.assertEqual(
            [FIRST + 1],
            self.ports(
                engine("a", URL, CMD, "port: auto"),
                f"  b: {{type: ollama, base_url: 'http://127.0.0.1:{FIRST}'}}\n",
                "  c: {type: remote, base_url: 'https://box'}\n",
            ),
        )

    def test_disabled_engines_keep_their_place(self) -> None:
        """
        Disabling an engine moves no other.
        """
        off = engine("a", URL, CMD, "port: auto", "enabled: false")
        on = engine("b", URL, CMD, "port: auto")
        self.assertEqual([FIRST, FIRST + 1], self.ports(off, on))

    def test_told_by_environment(self) -> None:
        """
        A server may learn its port from a variable.
        """
        told = engine("a", URL, f"start_cmd: {sys.executable}", "port: auto", "env: {P: '{port}'}")
        self.assertEqual([FIRST], self.ports(told))

    def test_same_number(self) -> None:
        """
        A base URL may repeat the port instead of the mark.
        """
        same = engine("a", "base_url: http://127.0.0.1:9100", CMD, "port: 9100")
        self.assertEqual([9100], self.ports(same))

    def test_problems(self) -> None:
        """
        What could not work is refused.
        """
        plain = f"start_cmd: {sys.executable}"
        rows = {
            engine(
                "b", URL, plain
            ): "8: engines.b.base_url: {port} needs 'port:', a number or auto",
            engine("b", "base_url: http://x", CMD): (
                "9: engines.b.start_cmd: {port} needs 'port:', a number or auto"
            ),
            engine("b", "base_url: http://x", plain, "env: {A: '{port}'}"): (
                "10: engines.b.env: {port} needs 'port:', a number or auto"
            ),
            engine("b", "base_url: http://x", plain, "stop_cmd: x {port}"): (
                "10: engines.b.stop_cmd: {port} needs 'port:', a number or auto"
            ),
            engine("b", "base_url: http://x:1", CMD, "port: 2"): (
                "8: engines.b.base_url: must hold {port}, or the number that 'port:' says"
            ),
            engine("b", "base_url: 'http://x:{port}{port}'", CMD, "port: 9100"): (
                "8: engines.b.base_url: must hold {port}, or the number that 'port:' says"
            ),
            engine("b", "base_url: http://x:1", CMD, "port: auto"): (
                "8: engines.b.base_url: must hold {port}, or the number that 'port:' says"
            ),
            engine("b", URL, plain, "port: auto"): (
                "9: engines.b.start_cmd: must hold {port}, here or in env: the server cannot "
                "guess what auto chose"
            ),
        }
        for text, message in rows.items():
            self.assertEqual([message], self.problems(BASE + text), text)
