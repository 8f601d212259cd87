# -*- test-case-name: ler.test.test_admin_explain -*-
"""
Tests for L{ler.web.admin_explain}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.engines.catalog import Catalog, Entry
from ler.errors import EngineStartFailed, EngineStuck, InsufficientMemory
from ler.interfaces import Residency, SettleReport
from ler.slot.options import SlotOptions
from ler.slot.policy import Fifo
from ler.slot.slots import Slots
from ler.test.http import Client, Reply, open_site
from ler.testing import FakeEngine, FakeMemory
from ler.web.admin_explain import Explainer, explain_endpoint
from ler.web.endpoints import Folder

A, B, SMALL = Residency("a"), Residency("b"), Residency("small")


class ExplainCase(SynchronousTestCase):
    """
    A router that can explain.

    @cvar pinned: the engines that no request evicts.
    """

    pinned: tuple[str, ...] = ()

    def setUp(self) -> None:
        """
        Two rivals and a small engine are there, and nothing is in memory.
        """
        self.clock = Clock()
        self.engines = {key: FakeEngine(key) for key in ("a", "b", "small")}
        self.memory = FakeMemory(SettleReport("settled", 0.5))
        self.slots = Slots(
            {key: self.engines[key] for key in ("a", "b")},
            {SMALL: self.engines["small"]},
            make_policy=Fifo,
            memory=self.memory,
            private_memory=FakeMemory(SettleReport("settled", 0.0)),
            clock=self.clock,
            options=SlotOptions(pinned=self.pinned),
        )
        self.slots.adopt()
        catalog = Catalog(
            [
                Entry("model-a", "a", "a.gguf", "A"),
                Entry("model-b", "b", "model-b", "B"),
                Entry("tiny", "small", "tiny", "Tiny"),
            ],
            {"alias": "model-b", "gpt-*": "model-a"},
        )
        self.wait: float | None = 42.04
        explainer = Explainer(
            catalog, self.slots, self.memory, self.pinned, lambda target: self.wait
        )
        self.site = open_site(
            Folder({"admin": Folder({"explain": explain_endpoint(explainer)})}), self.clock
        )

    def ask(self, query: bytes) -> Reply:
        """
        @return: the answer to a question.
        """
        client = Client(self.site)
        client.request(b"GET", b"/admin/explain" + query)
        reply = client.reply()
        client.leave()
        return reply

    def explain(self, model: str) -> dict[str, Any]:
        """
        @return: what a request for C{model} would meet.
        """
        reply = self.ask(b"?model=" + model.encode())
        self.assertEqual(200, reply.status)
        explained: dict[str, Any] = reply.json()
        return explained

    def assert_explained(self, model: str, answer: str, *reasons: str) -> None:
        """
        A request for C{model} would meet C{answer}, because of C{reasons},
        beside those that say who owns it.
        """
        explained = self.explain(model)
        self.assertEqual(answer, explained["answer"])
        owned = [reason for reason in explained["reasons"] if "is a model of" in reason]
        last = explained["reasons"].index(owned[0])
        self.assertEqual(list(reasons), explained["reasons"][last + 1 :])

    def bring_up(self, target: Residency) -> None:
        """
        Have C{target} in memory.
        """
        self.slots.bring_up(target)
        self.engines[target.engine].started()


class ExplainTests(ExplainCase):
    """
    What a request would meet.
    """

    # Who is meant.

    def test_whole(self) -> None:
        """The explanation says who owns the model, how it is called there, and where it lives."""
        self.assertEqual(
            {
                "asked": "gpt-4",
                "model": "model-a",
                "engine": "a",
                "upstream_name": "a.gguf",
                "target": "a",
                "slot": "exclusive",
                "answer": "swap",
                "expected_wait_s": 42.0,
                "reasons": [
                    "gpt-4 means model-a",
                    "model-a is a model of engine a, where it is called a.gguf",
                    "nothing is in memory",
                    "how long it takes to start is not known yet",
                ],
            },
            self.explain("gpt-4"),
        )

    def test_unknown(self) -> None:
        """A model that nobody has is told with what is near."""
        reply = self.ask(b"?model=modle-a")
        self.assertEqual((404, "model_not_found"), (reply.status, reply.json()["error"]["code"]))

    def test_unnamed(self) -> None:
        """A model must be named."""
        for query in (b"", b"?model=", b"?model=+", b"?other=x"):
            self.assertEqual(400, self.ask(query).status)

    # What it would meet.

    def test_now(self) -> None:
        """What is in memory answers at once."""
        self.bring_up(A)
        self.assert_explained("model-a", "now", "it is in memory, and nobody waits")
        self.assertEqual(0.0, self.explain("model-a")["expected_wait_s"])

    def test_private(self) -> None:
        """What lives beside others does not mind them."""
        self.bring_up(A)
        self.bring_up(SMALL)
        self.memory.short["small"] = InsufficientMemory("small", 2, 1)
        self.assert_explained("tiny", "now", "it is in memory, and nobody waits")

    def test_swap(self) -> None:
        """What is in memory has to go, once its answers have ended."""
        self.bring_up(A)
        lease = self.successResultOf(self.slots.acquire(A))
        self.clock.advance(5)
        self.assert_explained(
            "model-b",
            "swap",
            "a is in memory and has to go, once its running answers (1) have ended",
            "how long it takes to start is not known yet",
        )
        lease.release()

    def test_experience(self) -> None:
        """The last swap to it says how long it takes."""
        self.slots.bring_up(A)
        self.clock.advance(7)
        self.engines["a"].started()
        self.slots.unload()
        self.engines["a"].freed()
        self.assert_explained(
            "model-a",
            "swap",
            "nothing is in memory",
            "it last came up in 7.0 s (settle 0.0 s, start 7.0 s)",
        )

    def test_failed(self) -> None:
        """So does a start that failed."""
        ended = self.slots.bring_up(A)
        self.engines["a"].start_failed(EngineStartFailed("no such file"))
        self.engines["a"].freed()
        self.failureResultOf(ended, EngineStartFailed)
        self.assert_explained(
            "model-a",
            "swap",
            "nothing is in memory",
            "it failed to come up the last time: no such file",
            "how long it takes to start is not known yet",
        )

    def test_coming(self) -> None:
        """What is on its way is waited for, behind those who wait already."""
        self.slots.bring_up(A)
        ticket = self.slots.acquire(A)
        self.clock.advance(3)
        self.assert_explained(
            "model-a",
            "wait",
            "it is on its way into memory (start, 3 s so far)",
            "waiting for it, too: 1 (the oldest for 3 s)",
        )
        self.engines["a"].started()
        self.successResultOf(ticket).release()

    def test_under_way(self) -> None:
        """Behind a swap to another comes one's own."""
        self.slots.bring_up(A)
        self.assertEqual("a swap is under way", self.explain("model-b")["reasons"][1])
        self.engines["a"].started()

    def test_others_first(self) -> None:
        """What is in memory may be about to go."""
        self.bring_up(A)
        lease = self.successResultOf(self.slots.acquire(A))
        ticket = self.slots.acquire(B)
        self.assert_explained(
            "model-a",
            "wait",
            "it is in memory, but others come first",
            "waiting for b: 1 (the oldest for 0 s)",
        )
        ticket.cancel()
        self.failureResultOf(ticket)
        lease.release()

    def test_unknown_wait(self) -> None:
        """How long it takes may not be known."""
        for self.wait in (None, float("inf")):
            self.assertIsNone(self.explain("model-a")["expected_wait_s"])

    # Refusals.

    def test_paused(self) -> None:
        """In a pause everything is refused, and nothing waited for."""
        self.slots.pause("I need it")
        self.assert_explained("model-a", "refused", "the slot is paused: I need it")
        self.assertIsNone(self.explain("model-a")["expected_wait_s"])

    def test_stuck(self) -> None:
        """So it is behind an engine that would not go."""
        self.bring_up(A)
        failed = self.slots.unload()
        self.engines["a"].free_failed(EngineStuck("it does not go"))
        self.failureResultOf(failed, EngineStuck)
        self.assert_explained("model-b", "refused", "the slot is stuck: it does not go")
        closed = self.slots.close()
        self.engines["a"].freed()
        self.successResultOf(closed)

    def test_closing(self) -> None:
        """And when the router stops."""
        self.bring_up(A)
        closed = self.slots.close()
        self.assert_explained("model-a", "refused", "the router is stopping")
        self.engines["a"].freed()
        self.successResultOf(closed)

    def test_too_large(self) -> None:
        """What would not fit is refused."""
        self.memory.short["a"] = error = InsufficientMemory("a", 8 << 30, 4 << 30)
        self.assert_explained("model-a", "refused", error.message)


class PinnedTests(ExplainCase):
    """
    What a request would meet where an engine is pinned.
    """

    pinned = ("b",)

    def test_pinned(self) -> None:
        """What is pinned gives way to nobody."""
        self.bring_up(B)
        self.assert_explained("model-a", "refused", "b is in memory, and its engine is pinned")
        self.assert_explained("model-b", "now", "it is in memory, and nobody waits")
