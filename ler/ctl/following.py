# -*- test-case-name: ler.test.test_ctl -*-
"""
Gives the router an order, and watches until it is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ler.ctl.client import Router, segment
from ler.ctl.terminal import Terminal
from ler.ctl.views import swap_line, tame

PAUSE_S = 0.25
"""How often it is asked how it goes."""


class Following:
    """
    Shows the swaps that an order causes, phase by phase.

    The router is asked again and again: a swap takes seconds, a question about
    a millisecond, and it can be asked by whoever may give orders.
    """

    def __init__(
        self, router: Router, terminal: Terminal | None, sleep: Callable[[float], object]
    ) -> None:
        """
        @param terminal: where to show it, or L{None}.
        @param sleep: waits that many seconds.
        """
        self._router = router
        self._terminal = terminal
        self._sleep = sleep

    def order(self, path: str, asked: Mapping[str, object]) -> dict[str, Any]:
        """
        @param path: of the order, which the router takes as a job.
        @param asked: what it says.
        @return: the job when it has ended; with C{swaps}, those that ended
            meanwhile, the oldest first.
        """
        before = {key for key, _ in self._finished()}
        job = self._router.post(path, asked)
        while job["state"] == "running":
            self._show()
            self._sleep(PAUSE_S)
            job = self._router.get(f"/admin/jobs/{segment(job['job'])}")
        if self._terminal is not None:
            self._terminal.clear()
        swaps = [swap for key, swap in self._finished() if key not in before]
        return {**job, "swaps": sorted(swaps, key=lambda swap: float(swap["at"]))}

    def _slots(self) -> Any:
        return self._router.get("/status")["slots"]

    def _finished(self) -> Iterator[tuple[tuple[object, ...], dict[str, Any]]]:
        """
        @return: the swaps that are over, each with what tells it apart.
        """
        for slot in self._slots():
            for swap in slot["last_swaps"]:
                yield (slot["slot"], swap["at"], swap["to"]), swap

    def _show(self) -> None:
        if self._terminal is None or not self._terminal.is_live:
            return
        swaps = [slot["swap"] for slot in self._slots() if slot["swap"] is not None]
        if swaps:
            lines = (swap_line(self._terminal, tame(swap)) for swap in swaps)
            self._terminal.progress("; ".join(lines))
