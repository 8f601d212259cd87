# -*- test-case-name: ler.test.test_adoption -*-
"""
Tests of L{ler.slot.adoption}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineStuck
from ler.interfaces import Residency
from ler.slot.adoption import adopt
from ler.test.slot_case import A, B, C, SlowFakeEngine

MODELS = (Residency("b", "small"), Residency("b", "large"))


class AdoptTests(SynchronousTestCase):
    """
    L{adopt} keeps one engine.
    """

    def setUp(self) -> None:
        self.events: list[str] = []
        self.engines = {key: SlowFakeEngine(key, self.events) for key in "abc"}
        self.adopted = Deferred.fromCoroutine(adopt(self.engines))

    def answer(self, *held: Residency) -> None:
        """
        All engines answer; together they hold C{held}.
        """
        for key, engine in self.engines.items():
            engine.answer(*(residency for residency in held if residency.engine == key))

    def test_nothing(self) -> None:
        """
        When nothing runs, nothing is resident.
        """
        self.answer()
        self.assertEqual(self.successResultOf(self.adopted), ())
        self.assertEqual(self.events, [])

    def test_one(self) -> None:
        """
        The one that runs is kept.
        """
        self.answer(B)
        self.assertEqual(self.successResultOf(self.adopted), (B,))
        self.assertEqual(self.events, [])

    def test_asked_side_by_side(self) -> None:
        """
        A slow engine keeps nobody from being asked.
        """
        self.engines["c"].answer(C)
        self.engines["b"].answer()
        self.assertNoResult(self.adopted)
        self.engines["a"].answer()
        self.assertEqual(self.successResultOf(self.adopted), (C,))

    def test_beside(self) -> None:
        """
        The first in the configuration's order is kept; the others are stopped,
        side by side, before the slot may go on.
        """
        self.answer(C, A, B)
        self.assertEqual(self.events, ["b free", "c free"])
        self.engines["b"].freed()
        self.assertNoResult(self.adopted)
        self.engines["c"].freed()
        self.assertEqual(self.successResultOf(self.adopted), (A,))

    def test_several_models(self) -> None:
        """
        When the only engine that holds anything holds several models, they are
        all told of: the slot has to let them go.
        """
        self.answer(*MODELS)
        self.assertEqual(self.successResultOf(self.adopted), MODELS)
        self.assertEqual(self.events, [])

    def test_several_models_beside_one(self) -> None:
        """
        An engine that holds several models makes room for one that holds one,
        and is freed once.
        """
        self.answer(*MODELS, C)
        self.assertEqual(self.events, ["b free"])
        self.engines["b"].freed()
        self.assertEqual(self.successResultOf(self.adopted), (C,))

    def test_does_not_go(self) -> None:
        """
        An engine beside the resident that does not go is an error.
        """
        self.answer(A, B)
        self.engines["b"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        self.failureResultOf(self.adopted, EngineStuck)

    def test_stranger(self) -> None:
        """
        What can be neither owned nor ended is an error, told when all others
        have answered; nothing is stopped for it.
        """
        self.engines["a"].answer_failed(EngineStuck("port 8081 belongs to process 7 (nginx)"))
        self.engines["b"].answer(B)
        self.assertNoResult(self.adopted)
        self.engines["c"].answer(C)
        self.failureResultOf(self.adopted, EngineStuck)
        self.assertEqual(self.events, [])

    def test_cancel(self) -> None:
        """
        The probe can be given up.
        """
        self.engines["a"].answer(A)
        self.adopted.cancel()
        self.failureResultOf(self.adopted, CancelledError)
        self.assertEqual(self.events, [])
