"""
Tables of what the router does and says: C{.. operations::},
C{.. error-codes::}, C{.. metrics::}.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence

from backends import PRESETS, read_preset
from generated import Generated, table
from prometheus_client import CollectorRegistry
from sphinx.application import Sphinx

from ler import errors
from ler.config.engines import Speech
from ler.errors import NotSpoken, RouterError
from ler.metrics import Metrics, Series
from ler.web.operations import OPERATIONS, Operation
from ler.web.status import watch_gauges

ALONE: Sequence[tuple[Speech, ...]] = (("openai",), ("ollama",), ("anthropic",))


class Operations(Generated):
    """
    What becomes of each endpoint at engines that speak this and that.
    """

    def text(self) -> str:
        """
        @see: L{Generated.text}
        """
        presets = {path.stem: tuple(read_preset(path)["speaks"]) for path in PRESETS}
        columns = dict.fromkeys([*ALONE, *presets.values()])
        head = ["Endpoint", *(_heading(speaks, presets) for speaks in columns)]
        rows = [
            [f"``{path}``", *(_fate(operation, speaks) for speaks in columns)]
            for path, operation in OPERATIONS.items()
        ]
        return table(head, rows)


def _heading(speaks: Sequence[Speech], presets: Mapping[str, Sequence[Speech]]) -> str:
    names = [name for name, spoken in presets.items() if spoken == speaks]
    title = "only " * (len(speaks) == 1) + f"``{', '.join(speaks)}``"
    return title + (f"\n\n({', '.join(names)})" if names else "")


def _fate(operation: Operation, speaks: Sequence[Speech]) -> str:
    try:
        return "native" if operation.way("", speaks) is None else "translated"
    except NotSpoken:
        return "refused"


class ErrorCodes(Generated):
    """
    Every error that clients may get.
    """

    def text(self) -> str:
        """
        @see: L{Generated.text}
        """
        rows = [
            (f"``{error.code}``", inspect.getdoc(error) or "", *_statuses(error))
            for error in _with_codes(RouterError)
        ]
        return table(["Code", "Meaning", "OpenAI", "Anthropic", "Ollama"], rows, "26 44 10 10 10")


def _statuses(error: type[RouterError]) -> Sequence[str]:
    if error is errors.UpstreamRefused:
        return ("the engine's",) * 3
    return [str(status) for status in (error.openai[0], error.anthropic[0], error.ollama)]


def _with_codes(error: type[RouterError]) -> Iterator[type[RouterError]]:
    if "code" in vars(error):
        yield error
    for kind in error.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from _with_codes(kind)


class MetricNames(Generated):
    """
    Everything that is counted.
    """

    def text(self) -> str:
        """
        @see: L{Generated.text}
        """
        return table(["Name", "What"], map(_row, all_metrics().series), "50 50")


def _row(one: Series) -> tuple[str, str]:
    labels = ", ".join(map("``{}``".format, one.labels))
    return f"``{one.name}``\n\n{one.kind}{' by ' * bool(labels)}{labels}", one.text


def all_metrics() -> Metrics:
    """
    @return: the metrics of a router, with nothing counted.
    """
    metrics = Metrics(CollectorRegistry())
    # What they watch is looked at when they are scraped, which these never are.
    watch_gauges(metrics, None, {}, None)
    return metrics


def setup(app: Sphinx) -> dict[str, bool]:
    """
    Make the directives known.
    """
    app.add_directive("operations", Operations)
    app.add_directive("error-codes", ErrorCodes)
    app.add_directive("metrics", MetricNames)
    return {"parallel_read_safe": True}
