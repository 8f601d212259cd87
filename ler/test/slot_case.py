"""
What the tests of the slot have in common: one slot with three fake engines,
and requests that remember what became of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import InsufficientMemory, RouterError, UnknownModel
from ler.interfaces import IEngine, IPolicy, Residency, SettleReport
from ler.slot.leases import Lease
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.roster import Reload
from ler.slot.slot import Slot
from ler.slot.states import State
from ler.slot.swap import Swap
from ler.slot.token import LoadingToken
from ler.slot.wish import ORDINARY, TERMS, Priority, Wish
from ler.testing import FakeEngine, FakeMemory

_log = Logger()

A, B, C = Residency("a"), Residency("b"), Residency("c")

MAX_WAIT = TERMS[Priority.INTERACTIVE].max_wait
DRAIN = 300.0
ORPHAN = 30.0
IDLE = 600.0

SETTLED = SettleReport("settled", 0.5)
INSUFFICIENT = SettleReport(
    "insufficient", 2.0, available=1 << 30, need=3 << 30, fields={"detail": "2 GiB are elsewhere"}
)


class Client:
    """
    A request, and what became of it.

    @ivar lease: what it was granted, or L{None}.
    @ivar refusal: why it was turned away or has left, or L{None}.
    @ivar cut_by: why its answer had to end, or L{None}.
    """

    def __init__(
        self,
        slot: Slot,
        target: Residency,
        *,
        wish: Wish = ORDINARY,
        stubborn: bool = False,
        granted: Callable[[Client], object] = lambda client: None,
        refused: Callable[[Client], object] = lambda client: None,
    ) -> None:
        """
        @param wish: how it would like to be treated.
        @param stubborn: whether it keeps its lease when it is cut.
        @param granted: called from within the grant.
        @param refused: called from within the refusal.
        """
        self.lease: Lease | None = None
        self.refusal: BaseException | None = None
        self.cut_by: RouterError | None = None
        self._stubborn = stubborn
        self._granted, self._refused = granted, refused
        self._waiting = slot.acquire(target, wish)
        self._waiting.addCallbacks(self._admitted, self._turned_away)
        self._waiting.addErrback(lambda failure: _log.failure("a request broke", failure))

    def _admitted(self, lease: Lease) -> None:
        assert not self.over, "a ticket ended twice"
        self.lease = lease
        lease.on_cut(self._cut)
        self._granted(self)

    def _turned_away(self, failure: Failure) -> None:
        assert not self.over, "a ticket ended twice"
        self.refusal = failure.value
        self._refused(self)

    def _cut(self, reason: RouterError) -> None:
        assert self.cut_by is None, "a lease was cut twice"
        self.cut_by = reason
        if not self._stubborn:
            self.release()

    @property
    def over(self) -> bool:
        """
        @return: whether it waits no more.
        """
        return self.lease is not None or self.refusal is not None

    def release(self) -> None:
        """
        Its answer has ended.
        """
        assert self.lease is not None
        self.lease.release()

    def leave(self) -> None:
        """
        It hangs up while it waits.
        """
        self._waiting.cancel()


class SlowFakeEngine(FakeEngine):
    """
    An engine that says what it holds when the test asks it to.
    """

    def __init__(self, key: str, events: list[str]) -> None:
        super().__init__(key, events=events)
        self._asked: Deferred[tuple[Residency, ...]] | None = None

    def loaded(self) -> Deferred[tuple[Residency, ...]]:
        """
        @see: L{IEngine.loaded<ler.interfaces.IEngine.loaded>}
        """
        self._asked = Deferred()
        return self._asked

    def answer(self, *held: Residency) -> None:
        """
        It holds C{held}.
        """
        assert self._asked is not None
        self.running = bool(held)
        self._asked.callback(held)

    def answer_failed(self, reason: Exception) -> None:
        """
        It cannot say.
        """
        assert self._asked is not None
        self._asked.errback(Failure(reason))


class SlotTestCase(SynchronousTestCase):
    """
    A slot with the engines C{a}, C{b} and C{c}, whose memory settles at once.

    @ivar events: what was asked of the engines, in order.
    @ivar swaps: the swaps that have ended.
    """

    policy: IPolicy = Join()
    options = SlotOptions(drain_timeout=DRAIN, orphan_grace=ORPHAN, max_queue=20)

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[str] = []
        self.engines = self.make_engines()
        self.memory = FakeMemory(SETTLED)
        self.token = LoadingToken()
        self.swaps: list[Swap] = []
        self.slot = self.make_slot("exclusive", self.engines)

    def make_engines(self) -> Mapping[str, FakeEngine]:
        """
        @return: the engines, by key.
        """
        return {key: FakeEngine(key, events=self.events) for key in "abc"}

    def make_slot(self, name: str, engines: Mapping[str, FakeEngine], **changes: Any) -> Slot:
        """
        @return: a slot that nobody has told yet to adopt.
        """
        settings: dict[str, Any] = {
            "policy": self.policy,
            "memory": self.memory,
            "token": self.token,
            "clock": self.clock,
            "options": self.options,
            "swapped": self.swaps.append,
            "wall": lambda: 1e9,
        }
        return Slot(name, engines, **{**settings, **changes})

    def make_reload(
        self,
        engines: Mapping[str, IEngine] | None = None,
        *,
        options: SlotOptions | None = None,
        at_once: Collection[str] = (),
    ) -> Reload:
        """
        @param engines: those that there are now; those of before by default.
        @param options: the new settings, likewise.
        @return: what a new configuration says of the slot.
        """
        present = self.engines if engines is None else engines

        def objection(target: Residency) -> RouterError | None:
            return None if target.engine in present else UnknownModel(f"{target} is gone")

        return Reload(present, self.policy, options or self.options, at_once, objection)

    # What happens to the slot.

    def ask(self, target: Residency, **how: Any) -> Client:
        """
        @return: a new request for C{target}.
        """
        return Client(self.slot, target, **how)

    def started(self, target: Residency, **how: Any) -> Client:
        """
        @return: a running request for C{target}, started for it in a slot that
            was empty or not adopted yet.
        """
        if self.slot.state is State.ADOPTING:
            self.slot.adopt()
        client = self.ask(target, **how)
        self.engines[target.engine].started()
        self.assert_running(client)
        return client

    def idle(self, target: Residency) -> None:
        """
        Bring C{target} up, and let it be idle.
        """
        self.started(target).release()
        self.assert_state(State.READY)
        del self.events[:]
        del self.swaps[:]

    def draining(self) -> tuple[Client, Client]:
        """
        @return: a running request for A, and one for B that A drains for.
        """
        running, waiting = self.started(A), self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.assert_state(State.DRAINING)
        del self.events[:]
        del self.swaps[:]
        return running, waiting

    def settle(self, report: SettleReport = SETTLED) -> None:
        """
        The verdict of the release that is waited for.
        """
        self.memory.releases[-1][2].settle(report)

    def short_of(self, target: Residency) -> InsufficientMemory:
        """
        @return: what is answered from now on to those who want C{target}.
        """
        error = InsufficientMemory(str(target), 90 << 30, 60 << 30)
        self.memory.short[str(target)] = error
        return error

    # What it must be like then.

    def assert_state(self, state: State) -> None:
        """
        The slot stands in C{state}.
        """
        self.assertIs(self.slot.state, state)

    def assert_running(self, *clients: Client) -> None:
        """
        All C{clients} were let in, and none was cut.
        """
        for client in clients:
            self.assertIsNone(client.refusal)
            self.assertIsNotNone(client.lease, "it still waits")
            self.assertIsNone(client.cut_by)

    def assert_waiting(self, *clients: Client) -> None:
        """
        All C{clients} wait.
        """
        for client in clients:
            self.assertFalse(client.over, "it waits no more")

    def assert_refused(self, error: type[BaseException], *clients: Client) -> None:
        """
        All C{clients} were turned away with an C{error}.
        """
        for client in clients:
            self.assertIsInstance(client.refusal, error)

    def assert_quiet(self) -> None:
        """
        Nothing is left to happen by itself.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def assert_token_free(self) -> None:
        """
        Another slot could load now.
        """
        self.successResultOf(self.token.acquire())
        self.token.release()
