# -*- test-case-name: ler.test.test_slot_options -*-
"""
What can be set about slots.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ler.config.model import Config
from ler.interfaces import Residency
from ler.slot.view import EVERYONE
from ler.slot.wish import NEVER, TERMS, Priority, Terms


@dataclass(frozen=True)
class SlotOptions:
    """
    The settings of a slot.

    @ivar drain_timeout: seconds that running answers may take once a swap is
        due; L{None} for as long as they like.
    @ivar orphan_grace: seconds that a start goes on unwanted while another
        model is wanted.
    @ivar max_queue: how many requests may wait.
    @ivar max_queue_of: by engine, how many may wait for it.
    @ivar max_concurrency: by engine, how many requests one resident of it
        answers at once; those that are not here answer all that come.
    @ivar terms: what the requests of each class are promised.
    @ivar max_wait: by engine, the bound of interactive requests in place of
        that in C{terms}.
    @ivar deadline: seconds within which a request must be let in that does not
        say so itself; L{None} for no such time.
    @ivar restore: whether a failed start brings the previous engine back.
    @ivar idle_unload: by engine, seconds without a request after which its
        memory is given back; engines that are not here keep it.
    @ivar pinned: the engines that no request evicts.
    """

    drain_timeout: float | None = 300.0
    orphan_grace: float = 30.0
    max_queue: int = 10000
    max_queue_of: Mapping[str, int] = field(default_factory=dict)
    max_concurrency: Mapping[str, int] = field(default_factory=dict)
    terms: Mapping[Priority, Terms] = field(default_factory=lambda: TERMS)
    max_wait: Mapping[str, float] = field(default_factory=dict)
    deadline: float | None = None
    restore: bool = False
    idle_unload: Mapping[str, float] = field(default_factory=dict)
    pinned: Collection[str] = ()

    def terms_of(self, target: Residency, priority: Priority) -> Terms:
        """
        @return: what a request of that class for C{target} is promised.
        """
        terms = self.terms[priority]
        if priority is Priority.INTERACTIVE and target.engine in self.max_wait:
            return replace(terms, max_wait=self.max_wait[target.engine])
        return terms

    def places(self, target: Residency) -> float:
        """
        @return: how many requests C{target} may answer at once.
        """
        return self.max_concurrency.get(target.engine, EVERYONE)


def slot_options(config: Config) -> SlotOptions:
    """
    @return: what the configuration says.
    """
    engines = {key: engine for key, engine in config.engines.items() if engine.enabled}
    scheduler = config.scheduler

    def given(name: str) -> dict[str, Any]:
        values = {key: getattr(engine, name) for key, engine in engines.items()}
        return {key: value for key, value in values.items() if value is not None}

    def terms(max_wait: float | None, weight: float) -> Terms:
        # In strict order of arrival nobody is ever due.
        if max_wait is None or scheduler.policy == "fifo":
            return Terms(NEVER, weight)
        return Terms(max_wait, weight)

    return SlotOptions(
        drain_timeout=config.drain_timeout_s,
        orphan_grace=config.orphan_start_grace_s,
        max_queue=scheduler.max_queue,
        max_queue_of=given("max_queue"),
        max_concurrency=given("max_concurrency"),
        terms={
            Priority.INTERACTIVE: terms(scheduler.max_wait_s, 1.0),
            Priority.BACKGROUND: terms(
                scheduler.background_max_wait_s, scheduler.background_weight
            ),
            Priority.BATCH: terms(scheduler.batch_max_wait_s, scheduler.batch_weight),
        },
        max_wait={} if scheduler.policy == "fifo" else given("max_wait_s"),
        deadline=scheduler.deadline_s,
        restore=config.on_start_failure == "restore",
        idle_unload=given("idle_unload_s"),
        pinned=[key for key, engine in engines.items() if engine.pin],
    )
