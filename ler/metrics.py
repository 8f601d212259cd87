# -*- test-case-name: ler.test.test_metrics -*-
"""
What the router counts, for Prometheus.  Every name begins with
C{engine_router_}, and every label has few values: keys, engines and models are
those of the configuration and of the engines, never what a client has sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric

import ler
from ler.interfaces import SettleReport

PREFIX = "engine_router_"

NONE = "none"
"""The value of a label where there is nothing to name."""

SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
SETTLE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120)


@dataclass(frozen=True)
class Series:
    """
    One thing that is counted or measured.

    @ivar name: with the prefix.
    @ivar kind: C{counter}, C{gauge} or C{histogram}.
    @ivar text: what it is.
    @ivar labels: the names of its labels.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


class Metrics:
    """
    The counters and histograms of one router.

    @ivar series: all of them, but for those of the process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """
        @param registry: where they are kept; a fresh one for each router.
        """
        self._registry = registry
        self.series: list[Series] = []

        def histogram(
            name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...] = SECONDS
        ) -> Histogram:
            full = self._note(name, "histogram", text, labels)
            return Histogram(full, text, labels, registry=registry, buckets=buckets)

        def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(self._note(name, "gauge", text, labels), text, labels, registry=registry)

        def counter(name: str, text: str, labels: tuple[str, ...]) -> Counter:
            full = self._note(name, "counter", text, labels)
            return Counter(full, text, labels, registry=registry)

        ProcessCollector(namespace=PREFIX.rstrip("_"), registry=registry)
        build = gauge("build_info", "Always 1; the version is its label", ("version",))
        build.labels(ler.__version__).set(1)
        self._requests = counter(
            "requests_total",
            "Requests to engines that ended",
            ("engine", "key", "status", "outcome"),
        )
        self._tokens = counter(
            "tokens_total",
            "Tokens that engines said they had read and written",
            ("model", "key", "direction"),
        )
        self._request_seconds = histogram(
            "request_seconds", "From the request to the end of its answer", ("engine",)
        )
        self._wait_seconds = histogram(
            "request_wait_seconds", "From the request to its lease", ("engine",)
        )
        self._first_byte_seconds = histogram(
            "request_first_byte_seconds",
            "From the request to the first byte that the engine sent",
            ("engine",),
        )
        self._swaps = counter("swaps_total", "Swaps that ended", ("to", "cause", "result"))
        self._swap_seconds = histogram(
            "swap_seconds", "Whole swaps that brought an engine up", ("to", "result")
        )
        self._phase_seconds = histogram("swap_phase_seconds", "The phases of swaps", ("phase",))
        self._settles = counter("settle_total", "Waits for memory", ("verdict",))
        self._settle_seconds = histogram(
            "settle_seconds",
            "From the stop of an engine to the verdict on its memory",
            ("verdict",),
            SETTLE_SECONDS,
        )
        self._starts_out_of_memory = counter(
            "start_failed_oom_total",
            "Engines that found too little memory when they started",
            ("after_verdict",),
        )
        self._settle_fields = {
            "waited_after_death": histogram(
                "settle_after_death_seconds",
                "From the end of the last process to the verdict",
                (),
                SETTLE_SECONDS,
            ),
            "after_last_rise": histogram(
                "settle_after_last_rise_seconds",
                "From the last rise of free memory to the verdict",
                (),
                SETTLE_SECONDS,
            ),
            "longest_stall": histogram(
                "settle_longest_stall_seconds",
                "The longest time in which a release did not move",
                (),
                SETTLE_SECONDS,
            ),
            "read_seconds": histogram(
                "settle_sensor_read_seconds",
                "One reading of free memory",
                (),
                (0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.01),
            ),
        }
        self._settle_returned = histogram(
            "settle_returned_ratio",
            "How much of what an engine took came back",
            ("engine",),
            (0.5, 0.8, 0.9, 0.95, 0.99, 1.01),
        )
        self._settle_bytes = {
            "missing": gauge("settle_missing_bytes", "Taken, and not back, at the last verdict"),
            "hidden": gauge("settle_hidden_free_bytes", "Free in hiding at the last verdict"),
            "rate_max": gauge(
                "settle_release_rate_bytes_per_second", "The fastest rise of the last wait"
            ),
        }
        self._assists = counter(
            "settle_assist_total", "Attempts to bring memory out of hiding", ("verb", "result")
        )
        self._sensor_errors = counter(
            "settle_sensor_errors_total", "Readings of free memory that failed", ()
        )

    def request_ended(
        self,
        *,
        engine: str,
        status: int,
        outcome: str,
        seconds: float,
        waited: float | None,
        first_byte: float | None,
        key: str | None = None,
    ) -> None:
        """
        @param status: what was sent, 499 for a client that left.
        @param outcome: C{ok}, an error code, or how the client left.
        @param key: the label of the client's key, if it has one.
        """
        self._requests.labels(engine, key or NONE, str(status), outcome).inc()
        self._request_seconds.labels(engine).observe(seconds)
        if waited is not None:
            self._wait_seconds.labels(engine).observe(waited)
        if first_byte is not None:
            self._first_byte_seconds.labels(engine).observe(first_byte)

    def tokens_used(self, *, model: str, key: str | None, read: int, written: int) -> None:
        """
        An engine has said what an answer took.

        @param model: the id of the model, whatever the client called it.
        @param key: the label of the client's key, if it has one.
        """
        self._tokens.labels(model, key or NONE, "in").inc(read)
        self._tokens.labels(model, key or NONE, "out").inc(written)

    def swap_ended(
        self,
        *,
        to: str,
        cause: str,
        error: str | None,
        seconds: float,
        phases: Mapping[str, float],
    ) -> None:
        """
        @param to: the key of the engine that came, or C{none}.
        @param error: the code of the error that it ended with, if it did.
        """
        self._swaps.labels(to, cause, error or "ok").inc()
        if to != NONE:
            self._swap_seconds.labels(to, "error" if error else "ok").observe(seconds)
        for phase, spent in phases.items():
            self._phase_seconds.labels(phase).observe(spent)

    def settled(self, outgoing: str, report: SettleReport) -> None:
        """
        A wait for memory has ended.

        @param outgoing: the key of the engine that went, or C{none}.
        """
        found: Mapping[str, Any] = report.fields
        self._settles.labels(report.verdict).inc()
        self._settle_seconds.labels(report.verdict).observe(report.waited)
        for name, histogram in self._settle_fields.items():
            if found.get(name) is not None:
                histogram.observe(found[name])
        if found.get("returned_ratio") is not None:
            self._settle_returned.labels(outgoing).observe(found["returned_ratio"])
        for name, reading in {**found, "missing": report.missing}.items():
            if name in self._settle_bytes and reading is not None:
                self._settle_bytes[name].set(reading)
        for verb, result in found.get("assists", {}).items():
            self._assists.labels(verb, result).inc()
        self._sensor_errors.inc(found.get("errors", 0))

    def start_lacked_memory(self, after_verdict: str) -> None:
        """
        An engine did not come up, and said that memory was short: the outcome
        that must not be.

        @param after_verdict: how the wait for memory before it had ended.
        """
        self._starts_out_of_memory.labels(after_verdict).inc()

    def watch(self, name: str, text: str, labels: tuple[str, ...], read: Any) -> None:
        """
        Add a gauge that is read when it is scraped.

        @param read: a function that returns a value by tuple of label values.
        """
        self._registry.register(_LiveGauge(PREFIX + name, text, labels, read))
        self._note(name, "gauge", text, labels)

    def render(self) -> bytes:
        """
        @return: everything, in the text format of Prometheus.
        """
        return generate_latest(self._registry)

    def _note(self, name: str, kind: str, text: str, labels: tuple[str, ...]) -> str:
        """
        @return: the name with the prefix.
        """
        self.series.append(Series(PREFIX + name, kind, text, labels))
        return PREFIX + name


class _LiveGauge:
    def __init__(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """
        @return: the gauge without values, so that registering reads nothing.
        """
        return [GaugeMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """
        @return: the gauge as it is now.
        """
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for values, reading in self._read().items():
            family.add_metric(values, reading)
        return [family]
