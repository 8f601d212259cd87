# -*- test-case-name: ler.test.test_slot_preload -*-
"""
Tests of L{ler.slot.conduct}: what is brought up before it is asked for.
"""

from __future__ import annotations

from ler.errors import EngineDied
from ler.slot.states import State
from ler.test.slot_case import A, B, C, SlotTestCase


class PreloadTests(SlotTestCase):
    """
    Something is to be there before it is asked for.
    """

    def test_brought_up(self) -> None:
        """
        It is brought up once nothing is known to run, and stays.
        """
        self.slot.preload(A)
        self.assertEqual(self.events, [])
        self.slot.adopt()
        self.engines["a"].started()
        self.assertEqual(self.slot.resident, A)
        self.assertEqual([swap.cause for swap in self.swaps], ["preload"])
        self.assert_quiet()

    def test_empty(self) -> None:
        """
        An empty slot begins at once.
        """
        self.slot.adopt()
        self.slot.preload(A)
        self.assertEqual(self.events, ["a bring_up"])

    def test_first_counts(self) -> None:
        """
        A slot has room for one: the first.
        """
        self.slot.preload(A)
        self.slot.preload(B)
        self.slot.adopt()
        self.engines["a"].started()
        self.slot.preload(B)
        self.assertEqual(self.events, ["a bring_up"])

    def test_something_is_there(self) -> None:
        """
        What was found is not evicted for it, now or later.
        """
        self.engines["c"].holding = (C,)
        self.slot.preload(A)
        self.slot.adopt()
        self.assertEqual(self.slot.resident, C)
        self.engines["c"].lose(EngineDied("killed"))
        self.assertEqual(self.events, ["c free"])
        self.assert_state(State.EMPTY)

    def test_somebody_waits(self) -> None:
        """
        Whoever waits goes first; it is not brought up after that.
        """
        self.slot.preload(A)
        client = self.ask(B)
        self.slot.adopt()
        self.engines["b"].started()
        self.assert_running(client)
        self.assertEqual(self.events, ["b bring_up"])

    def test_overruled_before_the_start(self) -> None:
        """
        A request for another that comes while the memory settles has it.
        """
        self.memory.report = None
        self.slot.adopt()
        self.slot.preload(A)
        self.ask(B)
        self.settle()
        self.settle()
        self.assertEqual(self.events, ["b bring_up"])

    def test_overruled_in_the_start(self) -> None:
        """
        A start that nobody has waited for is abandoned for a request for
        another, when it has had its time.
        """
        self.slot.adopt()
        self.slot.preload(A)
        self.clock.advance(self.options.orphan_grace)
        self.ask(B)
        self.clock.advance(0)
        self.assertEqual(self.events, ["a bring_up", "a abandoned", "a free"])

    def test_fails(self) -> None:
        """
        When it does not start, the slot stays empty.
        """
        self.slot.adopt()
        self.slot.preload(A)
        self.engines["a"].start_failed(EngineDied("exit status 1"))
        self.engines["a"].freed()
        self.assert_state(State.EMPTY)
        self.assert_quiet()

    def test_does_not_fit(self) -> None:
        """
        When it does not fit, the slot stays empty.
        """
        self.short_of(A)
        self.slot.adopt()
        self.slot.preload(A)
        self.assert_state(State.EMPTY)
        self.assertEqual(self.events, [])

    def test_ordered_otherwise(self) -> None:
        """
        An order takes its place.
        """
        self.slot.preload(A)
        order = self.slot.order(None)
        self.slot.adopt()
        self.successResultOf(order)
        self.assertEqual(self.events, [])

    def test_paused(self) -> None:
        """
        Nothing is brought up during a pause.
        """
        self.slot.adopt()
        self.slot.pause("gaming")
        self.slot.preload(A)
        self.assertEqual(self.events, [])
