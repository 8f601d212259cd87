# -*- test-case-name: ler.test.test_interfaces -*-
"""
Tests of L{ler.interfaces}: the values, and how the contracts are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.interface import InterfaceClass, Method

from ler import interfaces
from ler.interfaces import Residency, SettleReport


def contracts() -> Iterator[InterfaceClass]:
    """
    @return: every interface.
    """
    for value in vars(interfaces).values():
        if isinstance(value, InterfaceClass) and value.__module__ == interfaces.__name__:
            yield value


class ResidencyTests(SynchronousTestCase):
    """
    L{Residency} names what may live in a slot.
    """

    def test_text(self) -> None:
        """
        Its text is the engine, and the model where there are several.
        """
        self.assertEqual(str(Residency("a")), "a")
        self.assertEqual(str(Residency("a", "large")), "a/large")

    def test_value(self) -> None:
        """
        Two that name the same are the same, also as keys.
        """
        self.assertEqual({Residency("a", "large")}, {Residency("a", "large")})
        self.assertNotEqual(Residency("a", "large"), Residency("a"))
        self.assertRaises(FrozenInstanceError, setattr, Residency("a"), "engine", "b")


class SettleReportTests(SynchronousTestCase):
    """
    L{SettleReport} tells how a wait for memory ended.
    """

    def test_defaults(self) -> None:
        """
        What was not measured is not there.
        """
        report = SettleReport("unreadable", 0.0)
        self.assertEqual(
            (report.available, report.need, report.missing, dict(report.fields)),
            (None, None, 0, {}),
        )


class ContractTests(SynchronousTestCase):
    """
    The interfaces are contracts that can be read.
    """

    def test_documented(self) -> None:
        """
        Every interface, and all that it asks for, says what it is.
        """
        for contract in contracts():
            self.assertTrue(contract.__doc__, contract)
            for name, asked in contract.namesAndDescriptions():
                self.assertTrue(asked.__doc__, f"{contract.__name__}.{name}")

    def test_small(self) -> None:
        """
        No interface asks for more than eight methods.
        """
        for contract in contracts():
            methods = [
                asked for _, asked in contract.namesAndDescriptions() if isinstance(asked, Method)
            ]
            self.assertLessEqual(len(methods), 8, contract)

    def test_no_self(self) -> None:
        """
        The methods are written as they are called.
        """
        for contract in contracts():
            for name, asked in contract.namesAndDescriptions():
                if isinstance(asked, Method):
                    self.assertNotIn("self", asked.positional, f"{contract.__name__}.{name}")
