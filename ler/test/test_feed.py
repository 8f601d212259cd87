"""
Tests for L{ler.web.feed}.
"""

from __future__ import annotations

from typing import Any

from ler.slot.states import State
from ler.test.feed_case import SMALL, WALL, A, B, FeedCase
from ler.test.test_engine_logs import events_in
from ler.web import feed
from ler.web.feed import KEPT, MEMORY_S, REQUESTS, RESUME_S, SOON_S, STILL_S

Told = tuple[str, Any]


class Listener:
    """
    Listens to a feed.

    @ivar after: the id of the last event that it has.
    @ivar calls: how often it was told that there is more.
    """

    def __init__(self, case: FeedCase, after: str | None = None) -> None:
        self.after = after
        self.calls = 0
        self._feed = case.feed
        self.leave = self._feed.join(self._news)

    def _news(self) -> None:
        self.calls += 1

    def hear(self) -> list[Told]:
        """
        @return: what is told since the last time.
        """
        frames, self.after = self._feed.tell(self.after)
        return events_in(frames)

    def hear_of(self, event: str) -> list[Any]:
        """
        @return: the data of all events of a name.
        """
        return [data for name, data in self.hear() if name == event]


class FeedTests(FeedCase):
    """
    L{Feed}
    """

    def listen(self, after: str | None = None) -> Listener:
        """
        @return: one who listens, and has the snapshot.
        """
        listener = Listener(self, after)
        listener.hear()
        return listener

    def end(self, *listeners: Listener) -> None:
        """
        All have left, and after a while nothing is done any more.
        """
        for listener in listeners:
            listener.leave()
        self.clock.advance(RESUME_S + STILL_S)
        self.assertEqual([], self.clock.getDelayedCalls())

    # What is told first.

    def test_snapshot(self) -> None:
        """At first everything is told, but for what takes much room."""
        self.slots.bring_up(A)
        self.engines["a"].started()
        self.request("r1")
        listener = Listener(self)
        [(event, told)] = listener.hear()
        self.assertEqual("snapshot", event)
        self.assertEqual(WALL + 1000, told["at"])
        self.assertEqual(
            [{"id": "model-a", "engine": "a", "name": "Model A", "residency": "a"}],
            told["models"],
        )
        self.assertEqual({"alias": "model-a"}, told["aliases"])
        self.assertEqual(["exclusive", "small"], [slot["slot"] for slot in told["slots"]])
        self.assertNotIn("last_swaps", told["slots"][0])
        self.assertEqual("a", told["slots"][0]["resident"])
        self.assertEqual([True, False, False], [e["log"] for e in told["engines"].values()])
        self.assertEqual({"free": {"mem": 100}, "ledger": {}}, told["memory"])
        self.assertEqual(["a"], [swap["to"] for swap in told["swaps"]])
        self.assertEqual((1, True), (told["under_way"], told["all"]))
        self.assertEqual(["r1"], [request["id"] for request in told["requests"]])
        self.assertEqual([], listener.hear())
        self.end(listener)

    def test_last_lines(self) -> None:
        """What engines print is told elsewhere."""
        self.patch(self.engines["a"], "describe", lambda: {"type": "fake", "last_lines": ["hello"]})
        listener = Listener(self)
        [(_, told)] = listener.hear()
        self.assertNotIn("last_lines", told["engines"]["a"])
        self.end(listener)

    # What is told then.

    def test_swap(self) -> None:
        """Each step of a swap is told, soon after it, and at its end what it was."""
        listener = self.listen()
        self.slots.bring_up(A)
        self.assertEqual(0, listener.calls)
        self.clock.advance(SOON_S)
        self.assertEqual(1, listener.calls)
        [told] = listener.hear_of("slot")
        self.assertEqual("starting", told["slot"]["state"])
        self.assertEqual("start", told["slot"]["swap"]["phase"])
        self.engines["a"].started()
        self.clock.advance(SOON_S)
        told = dict(listener.hear())
        self.assertEqual("ready", told["slot"]["slot"]["state"])
        swap = told["swap"]["swap"]
        self.assertEqual(("exclusive", "a", True), (swap["slot"], swap["to"], swap["ok"]))
        self.end(listener)

    def test_phase(self) -> None:
        """A phase that begins without a change of state is told, too."""
        self.slots.bring_up(SMALL)
        listener = self.listen()
        self.slots.bring_up(A)
        self.clock.advance(SOON_S)
        [told] = listener.hear_of("slot")
        self.assertEqual(("settling", None), self.stand(told))
        self.engines["small"].started()
        self.clock.advance(SOON_S)
        stands = {told["slot"]["slot"]: self.stand(told) for told in listener.hear_of("slot")}
        self.assertEqual({"small": ("ready", None), "exclusive": ("starting", "start")}, stands)
        self.engines["a"].started()
        self.end(listener)

    def stand(self, told: Any) -> tuple[str, str | None]:
        """
        @return: the state and the phase of a slot that was told of.
        """
        slot = told["slot"]
        return slot["state"], slot["swap"] and slot["swap"]["phase"]

    def test_queue(self) -> None:
        """Who waits is told, and that they have left; many changes at once are one."""
        self.slots.bring_up(A)
        listener = self.listen()
        tickets = [self.slots.acquire(B) for _ in range(50)]
        for ticket in tickets:
            ticket.addErrback(lambda _: None)
        self.clock.advance(SOON_S)
        [told] = listener.hear_of("slot")
        self.assertEqual(50, told["slot"]["queue"][0]["waiting"])
        for ticket in tickets:
            ticket.cancel()
        self.clock.advance(SOON_S)
        [told] = listener.hear_of("slot")
        self.assertEqual([], told["slot"]["queue"])
        self.engines["a"].started()
        self.end(listener)

    def test_pause(self) -> None:
        """A pause is told, and its end."""
        listener = self.listen()
        self.slots.pause("lunch")
        self.clock.advance(SOON_S)
        self.assertEqual(["lunch"] * 2, [t["slot"]["paused"] for t in listener.hear_of("slot")])
        self.slots.resume()
        self.clock.advance(SOON_S)
        self.assertEqual([None] * 2, [t["slot"]["paused"] for t in listener.hear_of("slot")])
        self.end(listener)

    def test_requests(self) -> None:
        """Requests are told as they are now, however often they have changed."""
        listener = self.listen()
        entry = self.request("r1")
        self.clock.advance(SOON_S)
        [told] = listener.hear_of("requests")
        self.assertEqual((1, False), (told["under_way"], told["all"]))
        self.assertEqual(["waiting"], [request["state"] for request in told["requests"]])
        entry.admitted()
        entry.ended(status=200, outcome="ok", sent=9)
        self.request("r2")
        self.clock.advance(SOON_S)
        [told] = listener.hear_of("requests")
        self.assertEqual(
            [("r1", "ended"), ("r2", "waiting")],
            [(request["id"], request["state"]) for request in told["requests"]],
        )
        self.end(listener)

    def test_many_requests(self) -> None:
        """When more have changed than are told of, all are told that are remembered."""
        listener = self.listen()
        for number in range(REQUESTS + 1):
            self.request(f"r{number}")
        self.clock.advance(SOON_S)
        [told] = listener.hear_of("requests")
        self.assertEqual((REQUESTS + 1, True), (told["under_way"], told["all"]))
        self.assertEqual(REQUESTS, len(told["requests"]))
        self.end(listener)

    def test_memory(self) -> None:
        """Free memory is told now and then, and often while it moves."""
        listener = self.listen()
        self.clock.pump([STILL_S, STILL_S])
        self.assertEqual([{"mem": 100}] * 2, [told["free"] for told in listener.hear_of("memory")])
        self.slots.bring_up(A)
        self.clock.advance(SOON_S)
        listener.hear()
        pace = MEMORY_S[State.STARTING]
        for free in (90, 80):
            self.memory.free = free
            self.clock.advance(pace)
        self.assertEqual([90, 80], [told["free"]["mem"] for told in listener.hear_of("memory")])
        self.engines["a"].started()
        self.slots.unload()
        self.clock.advance(SOON_S)
        listener.hear()
        self.assertEqual(State.FREEING, self.slots.exclusive.state)
        self.clock.pump([MEMORY_S[State.FREEING]] * 5)
        self.assertEqual(5, len(listener.hear_of("memory")))
        self.engines["a"].freed()
        self.end(listener)

    def test_curves(self) -> None:
        """With a swap is told how its memory came back, and of no other one."""
        listener = self.listen()
        curve = {"from": None, "to": "a", "verdict": "settled", "channel": "mem"}
        self.memory.curves = [
            {**curve, "points": [[0, 1]]},
            {**curve, "to": "b", "points": [[0, 2]]},
            {**curve, "points": [[0, 3]]},
            {**curve, "channel": "cgroup", "points": [[0, 4]]},
        ]
        self.slots.bring_up(A)
        self.engines["a"].started()
        self.clock.advance(SOON_S)
        [told] = listener.hear_of("swap")
        self.assertEqual({"mem": [[0, 3]], "cgroup": [[0, 4]]}, told["curves"])
        [(_, told)] = Listener(self).hear()
        self.assertEqual({"mem": [[0, 3]], "cgroup": [[0, 4]]}, told["curves"])

    def test_nothing_happens(self) -> None:
        """Something is told every few seconds, so that a listener knows that it listens."""
        listener = self.listen()
        for _ in range(10):
            self.clock.advance(STILL_S)
            self.assertEqual(["memory"], [event for event, _ in listener.hear()])
        self.end(listener)

    # Coming back, and falling behind.

    def test_resume(self) -> None:
        """Who comes back soon is told what it has missed."""
        listener = self.listen()
        listener.leave()
        self.slots.bring_up(A)
        self.clock.advance(SOON_S)
        self.engines["a"].started()
        self.clock.advance(SOON_S)
        again = Listener(self, listener.after)
        events = [event for event, _ in again.hear()]
        self.assertNotIn("snapshot", events)
        self.assertEqual(["slot", "slot", "swap"], [e for e in events if e != "memory"])
        self.end(again)

    def test_resume_late(self) -> None:
        """Who comes back later is told everything anew."""
        listener = self.listen()
        self.end(listener)
        again = Listener(self, listener.after)
        self.assertEqual(["snapshot"], [event for event, _ in again.hear()])
        self.end(again)

    def test_unknown_ids(self) -> None:
        """So is who has heard of something else."""
        listener = self.listen()
        self.clock.pump([STILL_S] * 3)
        run, _, number = str(listener.after).partition("-")
        for after in ("", "x", run, f"{run}-", f"{run}-x", f"{run}-0", f"{run}-{'9' * 9999}"):
            frames, last = self.feed.tell(after)
            self.assertEqual(["snapshot"], [event for event, _ in events_in(frames)], after)
            self.assertEqual(int(number) + 3, int(last.partition("-")[2]))
        frames, _ = self.feed.tell(f"{run}-99999")
        self.assertEqual(b"", frames)
        self.end(listener)

    def test_behind(self) -> None:
        """What is kept for those who fall behind is bounded; who falls further behind is told
        everything anew."""
        quick, slow = self.listen(), self.listen()
        told = 0
        while told <= KEPT:
            self.request(f"r{told}").ended(status=200, outcome="ok", sent=0)
            self.clock.advance(SOON_S)
            told += len(self.feed.tell(quick.after)[0])
            quick.hear()
        self.assertEqual(["snapshot"], [event for event, _ in slow.hear()])
        self.assertEqual([], quick.hear())
        self.end(quick, slow)

    def test_joins_in_between(self) -> None:
        """Who joins when something has just changed is told that once."""
        listener = self.listen()
        self.slots.bring_up(A)
        self.engines["a"].started()
        late = Listener(self)
        [(_, told)] = late.hear()
        self.assertEqual(["a"], [swap["to"] for swap in told["swaps"]])
        self.clock.advance(SOON_S)
        self.assertEqual([], late.hear_of("swap"))
        self.assertEqual(["a"], [told["swap"]["to"] for told in listener.hear_of("swap")])
        self.end(listener, late)

    def test_renew(self) -> None:
        """When other things have changed, everybody is told everything anew."""
        listener = self.listen()
        self.request("r1")
        self.feed.renew()
        self.clock.advance(STILL_S)
        self.assertEqual("snapshot", listener.hear()[0][0])
        self.clock.advance(STILL_S)
        self.assertEqual(["memory"], [event for event, _ in listener.hear()])
        self.end(listener)

    def test_nobody_listens(self) -> None:
        """While nobody listens nothing is done."""
        looks: list[float] = []

        def look() -> dict[str, Any]:
            looks.append(self.clock.seconds())
            return {}

        self.patch(self.memory, "describe", look)
        self.slots.bring_up(A)
        self.engines["a"].started()
        self.request("r1")
        self.clock.advance(3600)
        self.assertEqual([], looks)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_early_timer(self) -> None:
        """A timer that comes early by a hair changes nothing."""
        self.patch(feed, "STILL_S", STILL_S - 1e-6)
        listener = self.listen()
        self.clock.advance(STILL_S)
        self.assertEqual(["memory"], [event for event, _ in listener.hear()])
        self.end(listener)
