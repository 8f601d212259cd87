# -*- test-case-name: ler.test.test_tap -*-
"""
What the router tells about itself, and what may be ordered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.web.resource import Resource

from ler.config import Config
from ler.engines.catalog import Catalog
from ler.engines.homes import whole_engines
from ler.interfaces import IMemory
from ler.journal import Journal
from ler.metrics import Metrics
from ler.slot.slots import Slots
from ler.web.admin import Jobs, admin_tree
from ler.web.admin_discover import discover_endpoint
from ler.web.admin_explain import Explainer, explain_endpoint
from ler.web.admin_history import history_endpoint
from ler.web.admin_requests import requests_endpoint
from ler.web.engine_logs import Logs, log_endpoint
from ler.web.event_stream import Audience
from ler.web.events import events_resource
from ler.web.feed import Feed
from ler.web.status import Status, status_endpoints
from ler.web.ui import page_resource


def own_resources(
    config: Config,
    *,
    catalog: Catalog,
    slots: Slots,
    memory: IMemory,
    metrics: Metrics,
    journal: Journal,
    ask_engines: Callable[[], Awaitable[Mapping[str, Any]]],
    status: Status,
    feed: Feed,
    logs: Logs,
    audience: Audience,
    jobs: Jobs,
    reload: Callable[[], Awaitable[Mapping[str, Any]]],
    clock: Any,
) -> Mapping[str, Resource]:
    """
    @param ask_engines: asks all engines for their models.
    @param audience: those who listen to streams of events.
    @param jobs: the operator's.
    @param reload: reads the configuration anew, and says what has changed.
    @return: the resources by the first segment of their path; the page for
        people at the empty one.
    """
    pinned = [key for key, engine in config.engines.items() if engine.enabled and engine.pin]
    explainer = Explainer(
        catalog, slots, memory, pinned, expect=lambda target: slots.expect(target).seconds
    )
    admin = admin_tree(slots, catalog, whole_engines(config, catalog), clock, jobs, reload)
    admin.putChild(b"requests", requests_endpoint(journal))
    admin.putChild(b"explain", explain_endpoint(explainer))
    admin.putChild(b"history", history_endpoint(slots))
    admin.putChild(b"discover", discover_endpoint(ask_engines, catalog))
    return {
        "admin": admin,
        "events": events_resource(feed, logs, audience),
        "logs": log_endpoint(logs, audience),
        "ui": page_resource(),
        **status_endpoints(status, metrics),
    }
