# -*- test-case-name: ler.test.test_slot_table -*-
"""
The slot's machine on one page: where a slot can stand, what can happen to it,
and which method of L{Conduct<ler.slot.conduct.Conduct>} answers.

C{docs/state-machine.rst} draws it and tells the story.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """
    Where a slot stands.
    """

    ADOPTING = "adopting"
    EMPTY = "empty"
    SETTLING = "settling"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FREEING = "freeing"
    BLOCKED = "blocked"
    CLOSING = "closing"


MEMORY_MOVES = frozenset({State.FREEING, State.SETTLING, State.STARTING})
"""The states in which free memory changes on the slot's account."""


class Input(Enum):
    """
    What can happen to a slot.
    """

    ACQUIRE = "a request wants in"
    WITHDRAW = "a waiting request has left"
    RELEASE = "a running request has ended"
    ORDER = "the operator asks for a swap or an unload"
    PRELOAD = "something is to be there before it is asked for"
    KEEP = "a client says how long it will want the resident"
    RELOADED = "the configuration has changed"
    PROBED = "the boot probe has ended"
    PROBE_FAILED = "the boot probe found what can be neither owned nor ended"
    TICK = "the policy wants to be asked again"
    IDLE = "the resident has been without requests for long"
    DRAIN_EXPIRED = "running answers outlast the drain"
    CUT_EXPIRED = "a request that was cut keeps its lease"
    FREED = "the outgoing engine is gone"
    FREE_FAILED = "the outgoing engine does not go"
    SETTLED = "the memory has come back"
    SETTLE_FAILED = "the memory does not suffice"
    STARTED = "the incoming engine is ready"
    START_FAILED = "the incoming engine is not coming"
    ORPHANED = "nobody has wanted the start for long"
    RETRY = "it is time to look at the stuck engine again"
    LOST = "an engine has ended by itself"
    CLOSE = "the router stops"
    CLOSED = "every engine is stopped"


_EVERYWHERE = {
    Input.ACQUIRE: "_arrive",
    Input.WITHDRAW: "_ignore",
    Input.ORDER: "_ordered",
    Input.PRELOAD: "_preload_in_vain",
    Input.KEEP: "_ignore",
    Input.RELOADED: "_reloaded",
    Input.LOST: "_ignore",
}
_ONCE_ADOPTED = {
    **_EVERYWHERE,
    Input.RELEASE: "_ended",
    Input.CLOSE: "_close",
}

TABLE: dict[State, dict[Input, str]] = {
    State.ADOPTING: {
        **_EVERYWHERE,
        Input.ACQUIRE: "_arrive_adopting",
        Input.PRELOAD: "_preload",
        Input.PROBED: "_probed",
        Input.PROBE_FAILED: "_block",
        Input.LOST: "_lost_at_boot",
        Input.CLOSE: "_close",
    },
    State.EMPTY: {
        **_ONCE_ADOPTED,
        Input.ACQUIRE: "_arrive_now",
        Input.ORDER: "_ordered_now",
        Input.PRELOAD: "_preload_now",
        Input.RELOADED: "_reloaded_now",
    },
    State.SETTLING: {
        **_ONCE_ADOPTED,
        Input.SETTLED: "_settled",
        Input.SETTLE_FAILED: "_settle_failed",
    },
    State.STARTING: {
        **_ONCE_ADOPTED,
        Input.ACQUIRE: "_arrive_starting",
        Input.WITHDRAW: "_mind_orphan",
        Input.ORDER: "_ordered_starting",
        Input.RELOADED: "_reloaded_starting",
        Input.STARTED: "_started",
        Input.START_FAILED: "_start_failed",
        Input.ORPHANED: "_orphaned",
    },
    State.READY: {
        **_ONCE_ADOPTED,
        Input.ACQUIRE: "_arrive_now",
        Input.WITHDRAW: "_consider",
        Input.RELEASE: "_ended_ready",
        Input.ORDER: "_ordered_now",
        Input.KEEP: "_keep",
        Input.RELOADED: "_reloaded_now",
        Input.TICK: "_consider",
        Input.IDLE: "_idle",
        Input.LOST: "_lost_ready",
    },
    State.DRAINING: {
        **_ONCE_ADOPTED,
        Input.WITHDRAW: "_left_draining",
        Input.RELEASE: "_ended_draining",
        Input.ORDER: "_ordered_draining",
        Input.RELOADED: "_reloaded_draining",
        Input.DRAIN_EXPIRED: "_drain_expired",
        Input.CUT_EXPIRED: "_cut_expired",
        Input.LOST: "_lost_draining",
    },
    State.FREEING: {
        **_ONCE_ADOPTED,
        Input.FREED: "_freed",
        Input.FREE_FAILED: "_block",
    },
    State.BLOCKED: {
        **_ONCE_ADOPTED,
        Input.ORDER: "_ordered_in_vain",
        Input.RETRY: "_retry",
        Input.FREED: "_unblocked",
        Input.FREE_FAILED: "_still_blocked",
    },
    State.CLOSING: {
        **_EVERYWHERE,
        Input.RELEASE: "_ended",
        Input.ORDER: "_ordered_in_vain",
        Input.RELOADED: "_ignore",
        Input.CLOSED: "_all_closed",
    },
}
"""
What each state does with each input that can happen in it; one that is not
here is a bug.
"""
