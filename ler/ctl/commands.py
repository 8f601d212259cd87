# -*- test-case-name: ler.test.test_ctl -*-
"""
What each command of C{routerctl} does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ler.config import ConfigError, load
from ler.config.places import find, places
from ler.ctl import views
from ler.ctl.client import Router, segment
from ler.ctl.completion import SCRIPTS
from ler.ctl.following import Following
from ler.ctl.terminal import Terminal, plain
from ler.ctl.views import tame


class Failed(Exception):
    """
    It could not be done; the text says why.
    """


@dataclass(frozen=True)
class Context:
    """
    What a command works with.

    @ivar options: the command line.
    @ivar terminal: where to write what was asked for.
    @ivar warn: writes a line to standard error.
    @ivar reach: makes the L{Router}, when it is needed.
    @ivar sleep: waits that many seconds.
    @ivar environ: the environment.
    """

    options: argparse.Namespace
    terminal: Terminal
    warn: Callable[[str], object]
    reach: Callable[[], Router]
    sleep: Callable[[float], object]
    environ: Mapping[str, str]

    @cached_property
    def router(self) -> Router:
        """
        The router.
        """
        return self.reach()

    def tell(self, document: Any, show: Callable[[Terminal, Any], object]) -> None:
        """
        Write C{document} as JSON, or have it shown.
        """
        if self.options.json:
            self.terminal.say(json.dumps(document, indent=1))
        else:
            show(self.terminal, tame(document))


def status(context: Context) -> None:
    """
    Show C{/status}.
    """
    url = context.router.url
    context.tell(
        context.router.get("/status"),
        lambda terminal, document: views.show_status(terminal, document, url),
    )


def models(context: Context) -> None:
    """
    List the models.
    """
    listed = context.router.get("/v1/models")["data"]
    if context.options.ids:
        _list_ids(context, [model["id"] for model in listed])
        return
    aliases = context.router.get("/status")["aliases"]
    context.tell(
        {"models": listed, "aliases": aliases},
        lambda terminal, told: views.show_models(terminal, told["models"], told["aliases"]),
    )


def engines(context: Context) -> None:
    """
    List the engines.
    """
    listed = context.router.get("/status")["engines"]
    if context.options.ids:
        _list_ids(context, list(listed))
    else:
        context.tell(listed, views.show_engines)


def requests(context: Context) -> None:
    """
    List the requests that are under way.
    """
    told = context.router.get("/admin/requests")["requests"]
    listed = [request for request in told if request["state"] != "ended"]
    if context.options.ids:
        _list_ids(context, [request["id"] for request in listed])
    else:
        context.tell(listed, views.show_requests)


def _list_ids(context: Context, ids: list[str]) -> None:
    def show(terminal: Terminal, ids: list[str]) -> None:
        for id in ids:
            terminal.say(id)

    context.tell(ids, show)


def use(context: Context) -> None:
    """
    Bring a model, or an engine, up.
    """
    name = context.options.model
    known = context.router.get("/status")
    ids = {model["id"] for model in known["models"]} | known["aliases"].keys()
    # Patterns are known to the router alone; a model goes before an engine.
    kind = "engine" if name in known["engines"] and name not in ids else "model"
    _order(context, "/admin/swap", {kind: name}, f"{name} is in memory")


def unload(context: Context) -> None:
    """
    Empty the memory.
    """
    _order(context, "/admin/unload", {}, "nothing is in memory")


def pause(context: Context) -> None:
    """
    Empty the memory and keep it so.
    """
    reason = " ".join(context.options.reason)
    asked = {"reason": reason} if reason else {}
    _order(context, "/admin/pause", asked, "paused; 'routerctl resume' lets requests in again")


def _order(context: Context, path: str, asked: Mapping[str, object], done: str) -> None:
    """
    @param done: what is true when it has been carried out.
    """
    if context.options.no_wait:
        job = context.router.post(path, asked)
        context.tell(job, lambda terminal, job: terminal.say(f"job {job['job']}: {job['what']}"))
        return
    shown = None if context.options.json else context.terminal
    job = Following(context.router, shown, context.sleep).order(path, asked)

    def show(terminal: Terminal, job: Mapping[str, Any]) -> None:
        for swap in job["swaps"]:
            terminal.say(views.swap_line(terminal, swap))
        if job["state"] == "done":
            terminal.say(tame(done))

    context.tell(job, show)
    if job["state"] != "done":
        raise Failed(job["error"]["message"])


def logs(context: Context) -> None:
    """
    Show what an engine prints, or what the router logs.
    """
    options = context.options
    query: dict[str, str | int] = {"lines": options.lines}
    if options.engine is not None:
        query["engine"] = options.engine
    if options.follow:
        with suppress(KeyboardInterrupt):
            for line in context.router.lines("/logs/stream", **query):
                _tell_event(context, line)
        return

    def show(terminal: Terminal, told: Mapping[str, Any]) -> None:
        for line in told["lines"]:
            terminal.say(line)

    context.tell(context.router.get("/logs", format="json", **query), show)


def _tell_event(context: Context, line: str) -> None:
    """
    @param line: one of a stream of events.
    """
    if not line.startswith("data:"):
        return
    event = json.loads(line.removeprefix("data:"))
    if context.options.json:
        context.terminal.say(json.dumps(event))
    elif "line" in event:
        context.terminal.say(plain(event["line"]))
    else:
        context.warn(f"{event['lines']} lines came too fast and are left out")


def queue(context: Context) -> None:
    """
    Show who waits.
    """
    context.tell(context.router.get("/status")["slots"], views.show_queue)


def history(context: Context) -> None:
    """
    List the last swaps.
    """
    told = context.router.get("/admin/history", limit=context.options.limit)
    context.tell(told["swaps"], views.show_history)


def discover(context: Context) -> None:
    """
    Have the engines asked for their models.
    """
    context.tell(context.router.post("/admin/discover", {})["engines"], views.show_discovered)


def check(context: Context) -> None:
    """
    Judge a configuration.
    """
    path = context.options.path or context.options.config or find(context.environ)
    if path is None:
        raise Failed(f"there is no configuration in {', '.join(places(context.environ))}")
    try:
        loaded = load(path, context.environ)
    except ConfigError as e:
        told = [{"line": p.line, "path": p.path, "message": p.message} for p in e.problems]
        if context.options.json:
            context.terminal.say(
                json.dumps({"file": path, "ok": False, "problems": told}, indent=1)
            )
        raise Failed(str(e)) from None
    for warning in loaded.warnings:
        context.warn(warning)
    config = loaded.config
    context.tell(
        {"file": path, "ok": True, "engines": [*config.engines], "models": len(config.models)},
        lambda terminal, told: terminal.say(
            f"{told['file']} is right: {told['models']} models on {', '.join(told['engines'])}"
        ),
    )


def reload(context: Context) -> None:
    """
    Have the configuration read again.
    """
    context.tell(context.router.post("/admin/reload", {}), views.show_reload)


def explain(context: Context) -> None:
    """
    Say what a request would meet.
    """
    told = context.router.get("/admin/explain", model=context.options.model)
    context.tell(told, views.show_explanation)


def resume(context: Context) -> None:
    """
    End a pause.
    """
    told = context.router.post("/admin/resume", {})
    context.tell(told, lambda terminal, told: terminal.say("requests are let in again"))


def cancel(context: Context) -> None:
    """
    End a request.
    """
    request = context.options.request
    told = context.router.delete(f"/admin/requests/{segment(request)}")
    context.tell(told, lambda terminal, told: terminal.say(f"{request} is ended"))


def complete(context: Context) -> None:
    """
    Print what makes a shell complete the command.
    """
    context.terminal.say(SCRIPTS[context.options.shell].strip())


COMMANDS: Mapping[str, Callable[[Context], None]] = {
    "status": status,
    "models": models,
    "engines": engines,
    "requests": requests,
    "use": use,
    "unload": unload,
    "logs": logs,
    "queue": queue,
    "history": history,
    "discover": discover,
    "check": check,
    "reload": reload,
    "explain": explain,
    "pause": pause,
    "resume": resume,
    "cancel": cancel,
    "completion": complete,
}
