# -*- test-case-name: ler.test.test_status -*-
"""
What the router tells about itself: health, status, metrics, and a page for
people.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ler
from ler.engines.catalog import Catalog
from ler.interfaces import IEngine, IMemory, Residency
from ler.metrics import Metrics
from ler.slot.slots import Slots
from ler.slot.states import State
from ler.upstream import Upstream
from ler.web.endpoints import Document, Endpoint

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Status:
    """
    Everything that C{/status} shows, read from the parts that know it; nothing
    here asks an engine, so that looking never wakes or delays one.
    """

    def __init__(
        self,
        slots: Slots,
        engines: Mapping[str, IEngine],
        upstreams: Mapping[str, Upstream],
        catalog: Catalog,
        memory: IMemory,
    ) -> None:
        self._slots = slots
        self._engines = engines
        self._upstreams = upstreams
        self._catalog = catalog
        self._memory = memory

    def document(self) -> dict[str, Any]:
        """
        @return: the status, as JSON can hold it.
        """
        slots = self._slots.describe()
        exclusive = slots[0]
        resident = self._slots.exclusive.resident
        finished = exclusive["last_swaps"]
        return {
            "version": ler.__version__,
            "active_engine": None if resident is None else resident.engine,
            "last_swap": finished[0] if finished else None,
            "slots": slots,
            "engines": {key: self._engine(key) for key in self._engines},
            "models": [
                {
                    "id": entry.id,
                    "engine": entry.engine,
                    "name": entry.display_name,
                    "residency": str(entry.residency),
                }
                for entry in self._catalog.entries()
            ],
            "aliases": {alias: entry.id for alias, entry in self._catalog.aliases()},
            "memory": self._memory.describe(),
        }

    def _engine(self, key: str) -> dict[str, Any]:
        upstream = self._upstreams[key]
        return {
            "ready": self._slots.has_ready(key),
            "stale": self._slots.is_stale(key),
            "slot": self._slots.of(Residency(key)).name,
            "base_url": self._engines[key].base_url,
            "in_flight": self._slots.running(key),
            "waiting_for_connection": upstream.queued,
            **self._engines[key].describe(),
        }


def status_endpoints(status: Status, metrics: Metrics) -> dict[str, Endpoint]:
    """
    @return: the endpoints by the name of their path.
    """

    async def health(request: Any) -> Any:
        return {"status": "ok"}

    async def show(request: Any) -> Any:
        return status.document()

    async def scrape(request: Any) -> Any:
        return Document(metrics.render(), METRICS_TYPE)

    async def page(request: Any) -> Any:
        return Document(_page(status.document()), "text/html; charset=utf-8")

    return {
        "health": Endpoint({"GET": health}),
        "status": Endpoint({"GET": show}),
        "metrics": Endpoint({"GET": scrape}),
        "": Endpoint({"GET": page}),
    }


def _page(document: Mapping[str, Any]) -> bytes:
    slot = document["slots"][0]
    rows = "".join(
        f"<tr><td>{html.escape(model['id'])}</td><td>{html.escape(model['engine'])}</td></tr>"
        for model in document["models"]
    )
    residents = [slot["resident"] for slot in document["slots"] if slot["resident"] is not None]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>engine-router</title>"
        f"<h1>engine-router {html.escape(document['version'])}</h1>"
        f"<p>In memory: <b>{html.escape(', '.join(residents) or 'nothing')}</b> "
        f"({html.escape(slot['state'])}).</p>"
        f"<table><tr><th>model</th><th>engine</th></tr>{rows}</table>"
        "<p><a href='/ui/'>live page</a> &middot; <a href='/status'>status</a> &middot; "
        "<a href='/v1/models'>models</a> &middot; <a href='/metrics'>metrics</a></p></html>\n"
    ).encode()


def watch_gauges(
    metrics: Metrics, slots: Slots, upstreams: Mapping[str, Upstream], memory: IMemory
) -> None:
    """
    Let the metrics read what is counted anyway.
    """

    def up() -> dict[tuple[str, ...], float]:
        return {(key,): float(slots.has_ready(key)) for key in upstreams}

    def running() -> dict[tuple[str, ...], float]:
        return {(key,): float(slots.running(key)) for key in upstreams}

    def queued() -> dict[tuple[str, ...], float]:
        return {(key,): float(way.queued) for key, way in upstreams.items()}

    def waiting() -> dict[tuple[str, ...], float]:
        return {(slot.name,): float(slot.waiting) for slot in slots.all}

    def states() -> dict[tuple[str, ...], float]:
        return {
            (slot.name, state.value): float(slot.state is state)
            for slot in slots.all
            for state in State
        }

    def free() -> dict[tuple[str, ...], float]:
        free = memory.describe().get("free", {})
        return {(channel,): float(size) for channel, size in free.items()}

    metrics.watch("engine_up", "Whether the engine is ready", ("engine",), up)
    metrics.watch("in_flight", "Requests that an engine is answering", ("engine",), running)
    metrics.watch("connections_queued", "Requests that wait for a connection", ("engine",), queued)
    metrics.watch("queue_length", "Requests that wait for a slot", ("slot",), waiting)
    metrics.watch("slot_state", "1 for the state that a slot is in", ("slot", "state"), states)
    metrics.watch("memory_free_bytes", "Memory that an engine could have", ("channel",), free)
