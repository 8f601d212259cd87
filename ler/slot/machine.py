# -*- test-case-name: ler.test.test_machine -*-
"""
What every state machine here needs and no particular one: a table, one input
at a time, one reminder and one piece of work that belong to the state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ler.errors import InternalError, RouterError

StateT = TypeVar("StateT", bound=Enum)
InputT = TypeVar("InputT", bound=Enum)


class UnforeseenInput(Exception):
    """
    A state was given an input that cannot happen in it: a bug.
    """


class Machine(Generic[StateT, InputT]):
    """
    Feeds inputs to the handlers of the current state.

    An input that arrives while another is handled waits until that one is
    done.  An input that the state does not foresee raises L{UnforeseenInput}
    before anything has happened.

    @ivar state: the current state.
    @ivar since: when it was entered.
    @ivar moved: called when inputs were handled.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        initial: StateT,
        table: Mapping[StateT, Mapping[InputT, str]],
        owner: object,
        clock: IReactorTime,
    ) -> None:
        """
        @param name: how the log calls it.
        @param table: by state and input, the name of the method of C{owner}
            that takes the input's details.
        """
        self.state = initial
        self.since = clock.seconds()
        self.moved: Callable[[], None] = lambda: None
        self._name = name
        self._table = table
        self._owner = owner
        self._clock = clock
        self._inputs: deque[tuple[InputT, tuple[Any, ...], Deferred[Any] | None]] = deque()
        self._handling = False
        self._work: Deferred[Any] | None = None
        self._reminder: IDelayedCall | None = None

    def feed(self, event: InputT, *details: Any) -> None:
        """
        Handle C{event}, now or as soon as the one in hand is done.
        """
        self._feed(event, details, None)

    def _feed(self, event: InputT, details: tuple[Any, ...], work: Deferred[Any] | None) -> None:
        self._inputs.append((event, details, work))
        if self._handling:
            return
        self._handling = True
        try:
            while self._inputs:
                self._handle(*self._inputs.popleft())
        finally:
            self._handling = False
        self.moved()

    def _handle(self, event: InputT, details: tuple[Any, ...], work: Deferred[Any] | None) -> None:
        if work is not None:
            if work is not self._work:
                return  # abandoned after it had ended
            self._work = None
        name = self._table[self.state].get(event)
        if name is None:
            raise UnforeseenInput(f"{self._name}: {event.name} in {self.state.name}")
        getattr(self._owner, name)(*details)

    def enter(self, state: StateT, cause: str) -> None:
        """
        Change the state; the reminder of the old one goes with it.
        """
        now = self._clock.seconds()
        self._log.info(
            "{machine}: {old} -> {new} ({cause}) after {elapsed:.3f} s",
            machine=self._name,
            old=self.state.value,
            new=state.value,
            cause=cause,
            elapsed=now - self.since,
        )
        self.state = state
        self.since = now
        self.forget()

    def remind(self, delay: float, event: InputT) -> None:
        """
        Feed C{event} in C{delay} seconds, unless the state changes, or another
        reminder takes the place of this one, before.
        """
        self.forget()
        self._reminder = self._clock.callLater(max(0.0, delay), self.feed, event)

    def forget(self) -> None:
        """
        Drop the reminder.
        """
        reminder, self._reminder = self._reminder, None
        if reminder is not None and reminder.active():
            reminder.cancel()

    def perform(
        self, work: Coroutine[Deferred[Any], Any, Any], done: InputT, failed: InputT
    ) -> None:
        """
        Run C{work}; how it ends is an input, with its result or with a
        L{RouterError} as the detail, unless it is abandoned before.
        """
        deferred = self._work = Deferred.fromCoroutine(work)

        def succeeded(result: Any) -> None:
            self._feed(done, (result,), deferred)

        def broke(failure: Failure) -> None:
            if self._work is deferred:
                self._feed(failed, (self._as_error(failure),), deferred)
            elif failure.check(CancelledError, RouterError) is None:
                self._log.failure("{machine}: abandoned work", failure, machine=self._name)

        deferred.addCallbacks(succeeded, broke)
        deferred.addErrback(
            lambda failure: self._log.failure("{machine}", failure, machine=self._name)
        )

    def abandon(self) -> None:
        """
        Give up the work in hand; how it ends is no input any more.
        """
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def _as_error(self, failure: Failure) -> RouterError:
        if isinstance(failure.value, RouterError):
            return failure.value
        self._log.failure("{machine}: a bug", failure, machine=self._name)
        return InternalError(f"the router failed ({type(failure.value).__name__}); see its log")
