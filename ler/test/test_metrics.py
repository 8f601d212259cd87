# -*- test-case-name: ler.test.test_metrics -*-
"""
Tests for L{ler.metrics}.
"""

from __future__ import annotations

import re
import sys

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ler.interfaces import SettleReport
from ler.metrics import PREFIX, Metrics, Series


class MetricsTests(SynchronousTestCase):
    """
    What Prometheus is told.
    """

    def setUp(self) -> None:
        """
        Count anew.
        """
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        """
        @return: the value of a series, L{None} where there is none.
        """
        return self.registry.get_sample_value(PREFIX + name, labels)

    def requests(self, key: str = "none", **labels: str) -> float | None:
        """
        @return: how many requests to the engine were counted.
        """
        return self.value("requests_total", engine="a", key=key, **labels)

    def end_request(self, *, waited: float | None = 1.0, first_byte: float | None = 2.0) -> None:
        """
        A request has ended.
        """
        self.metrics.request_ended(
            engine="a", status=200, outcome="ok", seconds=3.0, waited=waited, first_byte=first_byte
        )

    def test_requests(self) -> None:
        """Requests are counted by engine, status and outcome, and timed by
        engine."""
        self.end_request()
        self.end_request()
        self.metrics.request_ended(
            engine="a", status=499, outcome="client_left", seconds=1.0, waited=None, first_byte=None
        )
        self.assertEqual(2, self.requests(status="200", outcome="ok"))
        self.assertEqual(1, self.requests(status="499", outcome="client_left"))
        self.assertEqual(3, self.value("request_seconds_count", engine="a"))
        self.assertEqual(7, self.value("request_seconds_sum", engine="a"))

    def test_keys(self) -> None:
        """Requests are counted by the label of the client's key, too."""
        self.metrics.request_ended(
            engine="a",
            status=200,
            outcome="ok",
            seconds=1.0,
            waited=None,
            first_byte=None,
            key="ann",
        )
        self.end_request()
        self.assertEqual(1, self.requests(key="ann", status="200", outcome="ok"))
        self.assertEqual(1, self.requests(status="200", outcome="ok"))

    def test_tokens(self) -> None:
        """Tokens are counted by model and key, those that were read apart from
        those that were written."""
        self.metrics.tokens_used(model="m", key=None, read=7, written=2)
        self.metrics.tokens_used(model="m", key=None, read=1, written=0)
        self.metrics.tokens_used(model="m", key="ann", read=0, written=5)
        for key, direction, count in (("none", "in", 8), ("none", "out", 2), ("ann", "out", 5)):
            self.assertEqual(
                count, self.value("tokens_total", model="m", key=key, direction=direction)
            )

    def test_what_never_came(self) -> None:
        """A request that got no lease, or no byte, has no time for it."""
        self.end_request(waited=None, first_byte=None)
        self.assertIsNone(self.value("request_wait_seconds_count", engine="a"))
        self.assertIsNone(self.value("request_first_byte_seconds_count", engine="a"))
        self.end_request()
        self.assertEqual(1, self.value("request_wait_seconds_sum", engine="a"))
        self.assertEqual(2, self.value("request_first_byte_seconds_sum", engine="a"))

    def test_swaps(self) -> None:
        """Swaps are counted by target, cause and result, and timed, with each
        of their phases."""
        phases = {"free": 1.0, "start": 4.0}
        self.metrics.swap_ended(to="a", cause="request", error=None, seconds=5.0, phases=phases)
        self.metrics.swap_ended(
            to="a", cause="request", error="engine_stuck", seconds=1.0, phases={}
        )
        self.assertEqual(1, self.value("swaps_total", to="a", cause="request", result="ok"))
        self.assertEqual(
            1, self.value("swaps_total", to="a", cause="request", result="engine_stuck")
        )
        self.assertEqual(5, self.value("swap_seconds_sum", to="a", result="ok"))
        self.assertEqual(1, self.value("swap_seconds_sum", to="a", result="error"))
        self.assertEqual(4, self.value("swap_phase_seconds_sum", phase="start"))

    def test_unloads(self) -> None:
        """A swap to nothing is counted, and not among those that load."""
        self.metrics.swap_ended(to="none", cause="order", error=None, seconds=1.0, phases={})
        self.assertEqual(1, self.value("swaps_total", to="none", cause="order", result="ok"))
        self.assertIsNone(self.value("swap_seconds_count", to="none", result="ok"))

    def settle(self, verdict: str = "settled", missing: int = 0, **fields: object) -> None:
        """
        A wait for memory has ended.
        """
        report = SettleReport(verdict, 0.5, missing=missing, fields=fields)
        self.metrics.settled("a", report)

    def test_settles(self) -> None:
        """Waits for memory are counted and timed by their verdict."""
        self.settle()
        self.settle("timeout")
        self.assertEqual(1, self.value("settle_total", verdict="settled"))
        self.assertEqual(0.5, self.value("settle_seconds_sum", verdict="timeout"))

    def test_settle_times(self) -> None:
        """Of a wait is kept what was measured in it."""
        self.settle(
            waited_after_death=0.1,
            after_last_rise=0.2,
            longest_stall=0.3,
            read_seconds=0.00002,
            returned_ratio=0.97,
        )
        self.assertEqual(0.1, self.value("settle_after_death_seconds_sum"))
        self.assertEqual(0.2, self.value("settle_after_last_rise_seconds_sum"))
        self.assertEqual(0.3, self.value("settle_longest_stall_seconds_sum"))
        self.assertEqual(0.00002, self.value("settle_sensor_read_seconds_sum"))
        self.assertEqual(0.97, self.value("settle_returned_ratio_sum", engine="a"))

    def test_settle_bytes(self) -> None:
        """The last wait's bytes are shown."""
        self.settle(missing=5, hidden=6, rate_max=7.0)
        self.settle(missing=0, hidden=1, rate_max=None)
        self.assertEqual(0, self.value("settle_missing_bytes"))
        self.assertEqual(1, self.value("settle_hidden_free_bytes"))
        self.assertEqual(7, self.value("settle_release_rate_bytes_per_second"))

    def test_what_was_not_measured(self) -> None:
        """What could not be measured is not counted as nothing."""
        self.settle(waited_after_death=None, returned_ratio=None)
        self.assertEqual(0, self.value("settle_after_death_seconds_count"))
        self.assertIsNone(self.value("settle_returned_ratio_count", engine="a"))

    def test_assists(self) -> None:
        """What was done to bring memory out of hiding is counted, and the
        readings that failed."""
        self.settle(assists={"stat_refresh": "done", "drop_slab": "refused"}, errors=3)
        self.settle(errors=1)
        self.assertEqual(1, self.value("settle_assist_total", verb="stat_refresh", result="done"))
        self.assertEqual(1, self.value("settle_assist_total", verb="drop_slab", result="refused"))
        self.assertEqual(4, self.value("settle_sensor_errors_total"))

    def test_lack_of_memory(self) -> None:
        """An engine that found too little memory is counted by what the wait
        before it had said."""
        self.metrics.start_lacked_memory("settled")
        self.assertEqual(1, self.value("start_failed_oom_total", after_verdict="settled"))

    def test_live_gauges(self) -> None:
        """A gauge shows what there is when it is scraped, and is not read
        before."""
        readings: list[dict[tuple[str, ...], float]] = [{("a",): 1.0, ("b",): 0.0}, {}]
        self.metrics.watch("up", "Whether", ("engine",), lambda: readings.pop(0))
        self.assertEqual(2, len(readings))
        text = self.metrics.render()
        self.assertIn(b'engine_router_up{engine="a"} 1.0\n', text)
        self.assertIn(b'engine_router_up{engine="b"} 0.0\n', text)
        self.assertNotIn(b"up{", self.metrics.render())

    def test_one_gauge_a_name(self) -> None:
        """Two gauges cannot have one name."""
        self.metrics.watch("up", "Whether", (), dict)
        self.assertRaises(ValueError, self.metrics.watch, "up", "Whether", (), dict)

    def test_format(self) -> None:
        """The text can be parsed, every name begins with the prefix, and odd
        values of labels are escaped."""
        self.metrics.watch("up", "Whether", ("engine",), lambda: {('"\n\\',): 1.0})
        self.end_request()
        families = list(text_string_to_metric_families(self.metrics.render().decode("utf-8")))
        self.assertEqual([], [f.name for f in families if not f.name.startswith(PREFIX)])
        (up,) = (family for family in families if family.name == PREFIX + "up")
        self.assertEqual({"engine": '"\n\\'}, up.samples[0].labels)

    def test_names(self) -> None:
        """The names are those of the documentation: dashboards rest on them."""
        families = text_string_to_metric_families(self.metrics.render().decode("utf-8"))
        self.assertEqual(
            {
                "build_info",
                "request_first_byte_seconds",
                "request_seconds",
                "request_wait_seconds",
                "requests",
                "settle",
                "settle_after_death_seconds",
                "settle_after_last_rise_seconds",
                "settle_assist",
                "settle_hidden_free_bytes",
                "settle_longest_stall_seconds",
                "settle_missing_bytes",
                "settle_release_rate_bytes_per_second",
                "settle_returned_ratio",
                "settle_seconds",
                "settle_sensor_errors",
                "settle_sensor_read_seconds",
                "start_failed_oom",
                "swap_phase_seconds",
                "swap_seconds",
                "swaps",
                "tokens",
            },
            {
                f.name.removeprefix(PREFIX)
                for f in families
                if not f.name.endswith("_created") and not f.name.startswith(f"{PREFIX}process_")
            },
        )

    def test_series(self) -> None:
        """What is told can be listed, with the labels that it has."""
        self.metrics.watch("up", "Whether", ("engine",), lambda: {("a",): 1.0})
        series = {one.name: one for one in self.metrics.series}
        self.assertEqual(
            Series(f"{PREFIX}up", "gauge", "Whether", ("engine",)), series[f"{PREFIX}up"]
        )
        self.end_request()
        text = self.metrics.render().decode()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        for name in [name for name in kinds if f"{PREFIX}process_" in name or "_created" in name]:
            del kinds[name]
        self.assertEqual(kinds, {name: one.kind for name, one in series.items()})
        [requests] = re.findall(r"^engine_router_requests_total\{(.*)\}", text, re.MULTILINE)
        self.assertEqual(
            {*series[f"{PREFIX}requests_total"].labels}, {*re.findall(r'(\w+)="', requests)}
        )

    def test_process(self) -> None:
        """On Linux the router's own memory and open files are told."""
        if sys.platform != "linux":
            raise SkipTest("needs /proc")
        for name in ("process_resident_memory_bytes", "process_open_fds"):
            self.assertGreater(self.value(name) or 0, 0)

    def test_two_routers(self) -> None:
        """Two routers in one process count apart."""
        other = Metrics(CollectorRegistry())
        self.end_request()
        self.assertNotIn(b'engine="a"', other.render())
