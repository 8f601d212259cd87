# -*- test-case-name: ler.test.test_interfaces -*-
"""
The contracts between the rooms, and the values that cross them.

Every method that waits returns a L{Deferred<twisted.internet.defer.Deferred>};
cancelling it stops the work that it stands for, unless its text says otherwise.
Sizes are bytes, times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zope.interface import Attribute, Interface


@dataclass(frozen=True)
class Residency:
    """
    What may live in a slot: an engine, and which of its models.

    @ivar engine: the key of the engine.
    @ivar model: the model, or L{None} for engines that serve exactly one.
    """

    engine: str
    model: str | None = None

    def __str__(self) -> str:
        return self.engine if self.model is None else f"{self.engine}/{self.model}"


class IEngine(Interface):
    """
    One inference engine that can be brought up and down.
    """

    key = Attribute("The configured key, as L{str}.")
    base_url = Attribute("Where it listens, as L{str} without a trailing slash.")

    def bring_up(model: str | None):
        """
        Bring the engine to where it answers requests for C{model}.  Called
        only when it was freed, or was lost and freed, before.

        @return: a L{Deferred} firing with L{None} once it can answer, or
            failing with L{EngineStartFailed} or L{EngineStartTimeout}.  After
            a failure, or a cancellation, something may be left of it: the
            caller frees it next.
        """

    def free():
        """
        Give back the memory that the engine holds, in the way that it is
        configured to: by ending, by unloading its models, by sleeping.
        Idempotent; allowed while a start is pending, which is abandoned.

        @return: a L{Deferred} firing with L{None} when its whole process tree
            is gone and its port is closed, or failing with L{EngineStuck}.
            It may be called again after that.  Cancelling it does not undo
            signals already sent.
        """

    def close():
        """
        The router goes: give back the memory, and end what the router
        started.  Idempotent.

        @return: as L{free}.
        """

    def leave():
        """
        The router goes and the engine shall stay: let go of it, in a way that
        the next router can take it back.

        @return: a L{Deferred} firing with L{None} when it stands on its own.
        """

    def loaded():
        """
        Say what the engine holds at this moment.  The first call after the
        router started also takes back into ownership what an earlier router
        recorded, and waits for what that one was still stopping.

        @return: a L{Deferred} firing with a L{tuple} of L{Residency}, empty
            when it holds nothing; or failing with L{EngineStuck} when
            something is there that can be neither owned nor ended.
        """

    def watch(watcher):
        """
        Tell C{watcher} when this engine, having come up, is lost by itself.

        @param watcher: an L{IEngineWatcher}.
        """

    def alive():
        """
        @return: whether any process of the engine's tree exists, as L{bool};
            or L{None} where it cannot be known, as for a server that we talk
            to over HTTP only.
        """

    def describe():
        """
        @return: what C{/status} shows of it, as a L{dict} that JSON can hold;
            never a secret.
        """


class ILog(Interface):
    """
    Knows what is printed: another face of some engines.  No line that it tells
    holds a secret.
    """

    def last_lines(count: int):
        """
        @param count: how many at most, at least one.
        @return: a L{Deferred} firing with a L{list} of L{str}, the newest
            last; empty when they cannot be had.
        """

    def follow(told, count: int):
        """
        @param told: called with the last C{count} lines, and then with each
            further one, as L{str}.
        @return: a callable that ends that; only its first call counts.
        """


class IModelLister(Interface):
    """
    Knows models that the configuration does not name: another face of some
    engines.
    """

    def list_models():
        """
        Ask the engine, if it runs, which models it has.  Never starts it.

        @return: a L{Deferred} firing with a L{list} of L{str}, or with
            L{None} when it does not run or does not answer in time.
        """


@dataclass(frozen=True)
class LoadedModel:
    """
    One model that a server holds.

    @ivar name: as clients of the server call it.
    @ivar id: what it is unloaded by; often the name.
    """

    name: str
    id: str


class IModelServer(Interface):
    """
    A server that loads and unloads models when it is told to, in its own
    dialect.  L{ler.engines.model_server} makes an L{IEngine} of it.

    Every method fails with a L{RouterError} that says what the server said.  No
    answer is no empty answer.
    """

    def is_up():
        """
        @return: a L{Deferred} firing with whether the server answers at all.
        """

    def loaded():
        """
        @return: a L{Deferred} firing with a L{list} of L{LoadedModel}; or
            failing when that cannot be known, as while a model loads.
        """

    def load(model: str):
        """
        @return: a L{Deferred} firing with L{None} when C{model} can answer.
            Cancelling it gives up the wait; the server may load on.
        """

    def unload(loaded: LoadedModel):
        """
        Ask for C{loaded} to go.  It may be there for a while yet.

        @return: a L{Deferred} firing with L{None} when the server has agreed,
            or had nothing to unload.
        """

    def list_models():
        """
        @return: a L{Deferred} firing with a L{list} of L{str}: all models
            that it could load.
        """


class IServiceUnit(Interface):
    """
    A service that somebody else supervises.
    """

    name = Attribute("How people call it, as L{str}.")

    def start():
        """
        Start it, whatever failed before.

        @return: a L{Deferred} firing with L{None} when it was started, which
            does not mean that it answers; or failing with a L{RouterError}
            that says why, with its last log lines.
        """

    def stop():
        """
        Stop it so that its supervisor does not bring it back.

        @return: a L{Deferred} firing with L{None} when none of its processes
            is left, or failing with L{EngineStuck}.
        """

    def state():
        """
        @return: a L{Deferred} firing with C{active}, C{activating},
            C{deactivating}, C{inactive}, C{failed} or C{unknown}.
        """


class IEngineWatcher(Interface):
    """
    Hears of engines that end without having been asked to.
    """

    def engine_lost(key: str, reason):
        """
        @param key: the engine's key.
        @param reason: a L{RouterError} that says what happened, with exit code
            and last output where there is any.
        """


class IHealthCheck(Interface):
    """
    Says whether an engine can answer requests.
    """

    def check():
        """
        Ask once.

        @return: a L{Deferred} firing with L{None} when the engine is ready,
            or with a L{str} that says why it is not yet.  It never fails for
            what the engine does, and answers within the check's own time
            limit.
        """


class IStateStore(Interface):
    """
    What survives a restart, by section.
    """

    def get(section: str):
        """
        @return: what was last put there: a value that JSON can hold, or
            L{None}.
        """

    def put(section: str, value):
        """
        Keep C{value} so that a router killed right after this call still
        leaves it behind.

        @param value: anything that JSON can hold.
        """


class IMemoryChannel(Interface):
    """
    One measure of free memory that an engine may look at before it starts.
    """

    name = Attribute("Short name for logs and metrics, as L{str}: C{mem}, C{cgroup}.")
    interval = Attribute("How often it may be read, in seconds, as L{float}.")

    def read():
        """
        @return: the free bytes at this moment as L{int}, or L{None} when it
            could not be read.  Takes microseconds, never blocks.
        """


@dataclass(frozen=True)
class SettleReport:
    """
    How a wait for memory ended.

    @ivar verdict: C{already_free}, C{target_met}, C{settled},
        C{settled_short}, C{insufficient}, C{timeout} or C{unreadable}.
    @ivar waited: seconds from the stop of the old engine to the verdict.
    @ivar available: bytes free at the end, or L{None} when unreadable.
    @ivar need: bytes that the incoming engine asks for, or L{None}.
    @ivar missing: bytes that the old engine took and did not give back.
    @ivar fields: everything else that was measured, for the log line.
    """

    verdict: str
    waited: float
    available: int | None = None
    need: int | None = None
    missing: int = 0
    fields: Mapping[str, object] = field(default_factory=dict)


class IMemory(Interface):
    """
    The memory of this machine, as a slot sees it.
    """

    def shortfall(outgoing, incoming: str):
        """
        Look once, before anything is stopped.

        @param outgoing: what would go, as C{str(Residency)}, or L{None}.
        @param incoming: what would come, likewise.
        @return: an L{InsufficientMemory} when even everything that
            C{outgoing} holds would not make C{incoming}'s I{configured} need
            fit, else L{None}.
        """

    def begin(outgoing, incoming, alive):
        """
        Start to watch a release, while C{outgoing} still runs.

        @param outgoing: what goes, as C{str(Residency)}, or L{None} when
            nothing holds the slot.
        @param incoming: what comes, likewise, or L{None}.
        @param alive: a callable like L{IEngine.alive}, for the outgoing tree.
        @return: an L{IRelease}.
        """

    def starting(engine: str):
        """
        Note what is free now: C{engine} is about to be started.
        """

    def started(engine: str):
        """
        Note that C{engine} is up: what is missing since L{starting} is its.
        """

    def describe():
        """
        @return: readings, ledger and the last settle curves, as a L{dict}
            that JSON can hold.
        """


class IRelease(Interface):
    """
    One release of memory under watch.
    """

    def stopping():
        """
        Take the base line: the outgoing engine is told to stop at this
        moment.  Called at most once, before L{wait}.
        """

    def wait():
        """
        @return: a L{Deferred} firing with a L{SettleReport} once the memory
            has come back, or it is clear that it will not.
        """

    def cancel():
        """
        Stop watching.  Idempotent, and harmless after the verdict.
        """


class IPolicy(Interface):
    """
    Decides who gets the slot next.  Pure: the same view gives the same answer.
    """

    name = Attribute("The name that the configuration uses, as L{str}.")

    def decide(view):
        """
        @param view: a L{SlotView<ler.slot.view.SlotView>}.
        @return: a L{Decision<ler.slot.view.Decision>}.
        """
