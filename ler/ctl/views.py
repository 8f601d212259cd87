# -*- test-case-name: ler.test.test_ctl -*-
"""
The router's documents, as people read them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ler.ctl.terminal import Terminal, duration, plain

GIB = 1 << 30

STATE_STYLES = {
    "ready": "good",
    "empty": "dim",
    "blocked": "bad",
    "closing": "bad",
}
"""All other states of a slot are on the way to one of these."""

NOTHING = "-"


def tame(document: Any) -> Any:
    """
    @return: what JSON holds, with all text in it fit for a terminal.
    """
    if isinstance(document, str):
        return plain(document)
    if isinstance(document, list):
        return [tame(item) for item in document]
    if isinstance(document, dict):
        return {plain(name): tame(value) for name, value in document.items()}
    return document


def show_status(terminal: Terminal, status: Mapping[str, Any], url: str) -> None:
    """
    @param status: as C{/status} tells it.
    @param url: where the router listens.
    """
    terminal.say(terminal.style(f"engine-router {status['version']} at {url}", "bold"))
    free = status["memory"].get("free", {})
    if free:
        channels = ", ".join(f"{size / GIB:.1f} GiB ({name})" for name, size in free.items())
        terminal.say(f"free memory: {channels}")
    terminal.say()
    terminal.table(
        ("SLOT", "STATE", "IN MEMORY", "FOR", "RUNNING", "WAITING"),
        [
            (
                slot["slot"],
                terminal.style(slot["state"], STATE_STYLES.get(slot["state"], "busy")),
                slot["resident"] or NOTHING,
                duration(slot["for_s"]),
                str(slot["in_flight"]),
                str(sum(line["waiting"] for line in slot["queue"])),
            )
            for slot in status["slots"]
        ],
    )
    notes = [note for slot in status["slots"] for note in _notes(terminal, slot)]
    if notes:
        terminal.say()
    for note in notes:
        terminal.say(note)


def _notes(terminal: Terminal, slot: Mapping[str, Any]) -> list[str]:
    """
    @return: what is out of the ordinary with a slot.
    """
    notes = []
    if slot["paused"]:
        notes.append(terminal.style(f"paused: {slot['paused']}", "busy"))
    if slot["stuck"]:
        notes.append(terminal.style(f"stuck: {slot['stuck']}", "bad"))
    if slot["swap"]:
        notes.append(f"now: {swap_line(terminal, slot['swap'])}")
    for swap in slot["last_swaps"][:1]:
        notes.append(f"last: {swap_line(terminal, swap)}")
    return notes


def swap_line(terminal: Terminal, swap: Mapping[str, Any]) -> str:
    """
    @param swap: a swap that is under way, or over.
    @return: it, with its phases, in a line.
    """
    ends = f"{swap['from'] or 'nothing'} → {swap['to'] or 'nothing'}"
    style = {None: "busy", True: "good", False: "bad"}[swap["ok"]]
    line = f"{terminal.style(ends, style)} {duration(swap['duration_s'])}"
    phases = phases_text(terminal, swap)
    if phases:
        line += f" ({phases})"
    if swap["error"]:
        line += f": {swap['error']}"
    return line


def phases_text(terminal: Terminal, swap: Mapping[str, Any]) -> str:
    """
    @return: the phases of a swap with their times, the one under way marked.
    """
    return ", ".join(
        terminal.style(f"{name} {duration(spent)}…", "bold")
        if name == swap["phase"]
        else f"{name} {duration(spent)}"
        for name, spent in swap["phases"].items()
    )


def show_models(
    terminal: Terminal, models: Sequence[Mapping[str, Any]], aliases: Mapping[str, str]
) -> None:
    """
    @param models: the C{data} of C{/v1/models}.
    @param aliases: ids by alias.
    """
    terminal.table(
        ("MODEL", "ENGINE", "CONTEXT", "IN MEMORY"),
        [
            (
                f"{model['id']} = {aliases[model['id']]}"
                if model["id"] in aliases
                else model["id"],
                model["owned_by"],
                str(model["context_length"] or NOTHING),
                terminal.style("yes", "good") if model["loaded"] else "no",
            )
            for model in models
        ],
    )


def show_engines(terminal: Terminal, engines: Mapping[str, Mapping[str, Any]]) -> None:
    """
    @param engines: the C{engines} of C{/status}.
    """
    terminal.table(
        ("ENGINE", "TYPE", "READY", "RUNNING", "UPTIME", "PID", "ADDRESS"),
        [
            (
                key,
                str(engine.get("type", NOTHING)),
                terminal.style("yes", "good") if engine["ready"] else "no",
                str(engine["in_flight"]),
                duration(engine.get("uptime_s")),
                str(engine.get("pid") or NOTHING),
                engine["base_url"],
            )
            for key, engine in engines.items()
        ],
    )


def show_queue(terminal: Terminal, slots: Sequence[Mapping[str, Any]]) -> None:
    """
    @param slots: the C{slots} of C{/status}.
    """
    rows = [
        (
            slot["slot"],
            line["target"],
            str(line["waiting"]),
            duration(line["oldest_s"]),
            duration(line.get("expected_s")),
        )
        for slot in slots
        for line in slot["queue"]
    ]
    if rows:
        terminal.table(("SLOT", "WAITS FOR", "REQUESTS", "OLDEST", "STILL"), rows)
    else:
        terminal.say("nobody waits")


def show_requests(terminal: Terminal, requests: Sequence[Mapping[str, Any]]) -> None:
    """
    @param requests: those of C{/admin/requests} that are under way.
    """
    if not requests:
        terminal.say("no request is under way")
        return
    terminal.table(
        ("REQUEST", "MODEL", "ENGINE", "STATE", "FOR", "WAITED", "SENT"),
        [
            (
                request["id"],
                request["model"],
                request["engine"],
                terminal.style(
                    request["state"], "good" if request["state"] == "running" else "busy"
                ),
                duration(request["seconds"]),
                duration(request["waited_s"]),
                f"{request['bytes'] / 1024:.0f} KiB",
            )
            for request in requests
        ],
    )


def show_history(terminal: Terminal, swaps: Sequence[Mapping[str, Any]]) -> None:
    """
    @param swaps: as C{/admin/history} tells them.
    """
    if not swaps:
        terminal.say("no swap yet")
        return
    terminal.table(
        ("BEGAN", "FROM", "TO", "WHY", "TOOK", "PHASES"),
        [
            (
                time.strftime("%d %b %H:%M:%S", time.localtime(swap["at"])),
                swap["from"] or NOTHING,
                swap["to"] or NOTHING,
                swap["cause"],
                terminal.style(duration(swap["duration_s"]), "good" if swap["ok"] else "bad"),
                swap["error"] or phases_text(terminal, swap),
            )
            for swap in swaps
        ],
    )


def show_discovered(terminal: Terminal, engines: Mapping[str, Sequence[str] | None]) -> None:
    """
    @param engines: the C{engines} of C{/admin/discover}.
    """
    if not engines:
        terminal.say("no engine has discover_models set")
    for key, ids in engines.items():
        if ids is None:
            terminal.say(f"{key}: {terminal.style('does not answer', 'dim')}")
        else:
            terminal.say(f"{key}: {', '.join(ids) or 'none'}")


def show_reload(terminal: Terminal, told: Mapping[str, Any]) -> None:
    """
    @param told: as C{/admin/reload} tells it: lists of what became what.
    """
    lists = {name: items for name, items in told.items() if isinstance(items, list) and items}
    for name, items in lists.items():
        terminal.say(f"{name.replace('_', ' ')}: {', '.join(map(str, items))}")
    if not lists:
        terminal.say("nothing has changed")


PROSPECTS = {
    "now": ("is answered at once", "good"),
    "wait": ("waits", "busy"),
    "swap": ("waits for a swap", "busy"),
    "refused": ("is refused", "bad"),
}
"""By what a request would meet: how that is said, and looks."""


def show_explanation(terminal: Terminal, explained: Mapping[str, Any]) -> None:
    """
    @param explained: as C{/admin/explain} tells it.
    """
    said, style = PROSPECTS[explained["answer"]]
    if style == "busy":
        wait = explained["expected_wait_s"]
        said += ", for a time unknown" if wait is None else f", for about {duration(wait)}"
    terminal.say(f"{terminal.style(explained['asked'], 'bold')} {terminal.style(said, style)}")
    for reason in explained["reasons"]:
        terminal.say(f"- {reason}")
