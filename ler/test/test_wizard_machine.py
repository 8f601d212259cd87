# -*- test-case-name: ler.test.test_wizard_machine -*-
"""
Tests for L{ler.wizard.machine}; L{ler.test.test_live_wizard} has those that
look at what runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psutil
from twisted.trial.unittest import SynchronousTestCase

from ler.wizard.machine import Address, Listener, Machine, Unit, unit_in


class MachineTests(SynchronousTestCase):
    """
    L{Machine}
    """

    def test_closed_books(self) -> None:
        """Where the system does not tell of all processes, one's own are asked one by one."""

        def denied(kind: str) -> None:
            raise psutil.AccessDenied

        def own() -> Iterator[Any]:
            address = SimpleNamespace(ip="::1", port=7)
            connection = SimpleNamespace(laddr=address, status=psutil.CONN_LISTEN)
            yield SimpleNamespace(pid=1, net_connections=denied)
            yield SimpleNamespace(pid=2, net_connections=lambda kind: [connection])
            yield SimpleNamespace(pid=3, connections=lambda kind: [connection])

        self.patch(psutil, "net_connections", denied)
        self.patch(psutil, "process_iter", own)
        address = Address("::1", 7)
        self.assertEqual({Listener(address, 2), Listener(address, 3)}, {*Machine({}).listeners()})

    def test_memory(self) -> None:
        """There is memory."""
        self.assertGreater(Machine({}).memory, 1 << 20)

    def test_which(self) -> None:
        """Programs are looked for where the user has them."""
        self.assertIsNotNone(Machine({"PATH": "/usr/bin:/bin"}).which("sh"))
        self.assertIsNone(Machine({"PATH": "/nowhere"}).which("sh"))

    def test_unit(self) -> None:
        """Most units are not there."""
        self.assertFalse(Machine({}).has_unit("no-such-thing.service"))


class AddressTests(SynchronousTestCase):
    """
    L{Address}
    """

    def test_url(self) -> None:
        """An address makes a URL."""
        self.assertEqual("http://127.0.0.1:80", Address("127.0.0.1", 80).url)
        self.assertEqual("http://[::1]:80", Address("::1", 80).url)


class UnitTests(SynchronousTestCase):
    """
    L{unit_in}
    """

    def test_units(self) -> None:
        """A service is named at the end of the path, also in one of many hierarchies."""
        user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
        for lines, unit in (
            (["0::/system.slice/ollama.service\n"], Unit("ollama.service", False)),
            (
                ["9:memory:/x\n", "1:name=systemd:/system.slice/a@b.service\n"],
                Unit("a@b.service", False),
            ),
            ([f"{user}llama.service\n"], Unit("llama.service", True)),
            ([f"{user}app-terminal.scope\n"], None),
            (["0::/user.slice/user-1000.slice/session-3.scope\n"], None),
            (["0::/\n"], None),
            ([], None),
        ):
            self.assertEqual(unit, unit_in(lines))
