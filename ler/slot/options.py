# -*- test-case-name: ler.test.test_slot -*-
"""
What can be set about slots.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SlotOptions:
    """
    The settings of a slot.

    @ivar drain_timeout: seconds that running answers may take once a swap is
        due; L{None} for as long as they like.
    @ivar orphan_grace: seconds that a start goes on unwanted while another
        model is wanted.
    @ivar max_queue: how many requests may wait.
    @ivar restore: whether a failed start brings the previous engine back.
    @ivar idle_unload: by engine, seconds without a request after which its
        memory is given back; engines that are not here keep it.
    @ivar pinned: the engines that no request evicts.
    """

    drain_timeout: float | None = 300.0
    orphan_grace: float = 30.0
    max_queue: int = 10000
    restore: bool = False
    idle_unload: Mapping[str, float] = field(default_factory=dict)
    pinned: Collection[str] = ()
