# -*- test-case-name: ler.test.test_docs -*-
"""
Tests of the documentation: what it shows is right, and what it tells to run
is run.  L{ler.test.test_live_docs} does the latter.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ler.config import load
from ler.metrics import Metrics
from ler.test.pages import DOCS, ROOT, Block, blocks, pages
from ler.test.test_presets import install_programs, presets
from ler.web.status import watch_gauges

ELSEWHERE = {
    "clients.rst": ".ci/clients",
    "events.rst": "ler/test/test_live_page.py",
    "performance.rst": "benchmarks",
    "routerctl.rst": "ler/test/test_live_ctl.py",
    "scheduling.rst": "ler/test/test_simulate.py",
    "service.rst": ".ci/deb",
    "wizard.rst": "ler/test/test_live_wizard.py",
}
"""Pages whose commands are run by somebody else, and by whom."""

PYTHON_SKETCHES = {"engine-types.rst"}
"""Pages whose Python is to be read, not run."""

VARIABLES = {"ADMIN_KEY": "one-key", "CHAT_KEY": "another-key", "BOX_KEY": "a-third-key"}

SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}


def all_blocks() -> Iterator[tuple[Path, Block]]:
    """
    @return: every block, with its page.
    """
    for page in pages():
        for block in blocks(page):
            yield page, block


class BlockTests(SynchronousTestCase):
    """
    How blocks are found.
    """

    def blocks(self, text: str) -> list[Block]:
        """
        @return: the blocks of a page with this text.
        """
        page = Path(self.mktemp())
        page.write_text(text)
        return blocks(page)

    def test_kinds(self) -> None:
        """Blocks are found behind a double colon and below a directive, less
        their indent and the directive's options."""
        text = "Do::\n\n    a\n      b\n\n.. code-block:: yaml\n   :caption: x\n\n   c: 1\n\nEnd.\n"
        found = [(block.language, block.text) for block in self.blocks(text)]
        self.assertEqual([("", "a\n  b\n"), ("yaml", "c: 1\n")], found)

    def test_nested(self) -> None:
        """A block may stand in a list, and ends with what it belongs to."""
        [block] = self.blocks("term\n    Text::\n\n        a\n\n    More.\n")
        self.assertEqual("a\n", block.text)

    def test_other_directives(self) -> None:
        """What other directives hold is no block."""
        self.assertEqual([], self.blocks(".. note::\n\n   Text.\n\n.. toctree::\n\n   page\n"))

    def test_marks(self) -> None:
        """A mark is for the next block, and for that alone."""
        text = ".. not run: it is long\n\nDo::\n\n    make x\n\nAnd::\n\n    make y\n"
        first, second = self.blocks(text)
        self.assertEqual(("not run", "it is long"), (first.mark, first.detail))
        self.assertEqual("", second.mark)

    def test_commands(self) -> None:
        """Where there are prompts, what they do not stand before is output."""
        text = "Do::\n\n    $ echo a \\\n        b\n    a b\n    $ echo c\n"
        [block] = self.blocks(text)
        self.assertEqual("echo a \\\n    b\necho c\n", block.commands())
        self.assertFalse(block.has_commands)
        [block] = self.blocks("Do::\n\n    x = 1\n    .venv/bin/python -m x\n")
        self.assertTrue(block.has_commands)


class PageTests(SynchronousTestCase):
    """
    What stands in the pages.
    """

    def test_every_command(self) -> None:
        """Every command is run, or it is said who runs it, or why nobody does."""
        forgotten = []
        for page, block in all_blocks():
            sketch = block.language == "python" and page.name in PYTHON_SKETCHES
            if block.has_commands and not (block.mark or sketch or page.name in ELSEWHERE):
                forgotten.append(block.where)
        self.assertEqual([], forgotten)

    def test_elsewhere(self) -> None:
        """Whoever is said to run commands is there."""
        if not (ROOT / ".ci").is_dir():
            raise SkipTest("not a checkout")
        missing = [name for name in ELSEWHERE.values() if not (ROOT / name).exists()]
        self.assertEqual([], missing)

    def test_reasons(self) -> None:
        """What is not run has a reason."""
        bare = [b.where for _, b in all_blocks() if b.mark == "not run" and not b.detail]
        self.assertEqual([], bare)

    def test_configurations(self) -> None:
        """Every piece of a configuration is right, in the whole that it is a
        piece of, and nothing in it is suspicious."""
        folder = Path(self.mktemp()).absolute()
        install_programs(folder)
        environ = {"PATH": f"{folder}:/usr/bin:/bin", **VARIABLES}
        [whole] = (b for b in blocks(DOCS / "tutorial.rst") if b.mark == "write")
        for _, block in all_blocks():
            if block.language == "yaml":
                document = merged(yaml.safe_load(whole.text), yaml.safe_load(block.text))
                path = Path(self.mktemp())
                path.write_text(yaml.safe_dump(document))
                try:
                    loaded = load(str(path), environ)
                except Exception as e:
                    raise AssertionError(f"{block.where}: {e}") from e
                self.assertEqual((), loaded.warnings, block.where)

    def test_links(self) -> None:
        """Every page that one leads to is there, and one leads to every page."""
        there = {page for page in pages() if DOCS in page.parents}
        linked = {DOCS / "index.rst"}
        for page in there:
            text = page.read_text(encoding="utf-8")
            targets = re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", text)
            for tree in re.findall(r"\.\. toctree::\n((?:   .*\n|\n)+)", text):
                targets += [line.strip() for line in tree.splitlines()]
            for target in filter(re.compile(r"[\w/*-]+").fullmatch, targets):
                base = DOCS / target[1:] if target.startswith("/") else page.parent / target
                found = list(base.parent.glob(f"{base.name}.rst"))
                self.assertTrue(found, f"{page.name} leads to {target}")
                linked.update(found)
        self.assertEqual(set(), there - linked)

    def test_files(self) -> None:
        """Every file of ours that a page names is there."""
        pattern = re.compile(r"``((?:benchmarks|docs|ler|presets)/[\w./-]+)``")
        missing = [
            f"{page.name}: {name}"
            for page in pages()
            for name in pattern.findall(page.read_text(encoding="utf-8"))
            if not (ROOT / name).exists()
        ]
        self.assertEqual([], missing)

    def test_backends(self) -> None:
        """Every preset has a page, and it is said what of it was checked."""
        names = {path.stem for path in presets()}
        self.assertEqual(names, {page.stem for page in (DOCS / "backends").glob("*.rst")})
        checked = yaml.safe_load((DOCS / "backends" / "checked.yaml").read_text())
        self.assertEqual(names, checked.keys())


class MetricsTests(SynchronousTestCase):
    """
    Queries that the documentation suggests.
    """

    def setUp(self) -> None:
        """
        Know all metrics of a router.
        """
        metrics = Metrics(CollectorRegistry())
        nothing: Any = None
        watch_gauges(metrics, nothing, {}, nothing)
        self.labels = {
            one.name + suffix: {*one.labels, "le"} if suffix == "_bucket" else {*one.labels}
            for one in metrics.series
            for suffix in SUFFIXES[one.kind]
        }

    def check(self, query: str) -> None:
        """
        The metrics in C{query} are there, and the labels that it picks by are
        theirs.
        """
        names = re.findall(r"\b(engine_router_\w+)(?:\{([^}]*)\})?", query)
        self.assertTrue(names, query)
        for name, picked in names:
            if name.startswith("engine_router_process_"):
                continue
            self.assertIn(name, self.labels, query)
            self.assertLessEqual(set(re.findall(r"(\w+)\s*=?[=!~]", picked)), self.labels[name])

    def test_page(self) -> None:
        """Those of the page on metrics can be asked."""
        queries = [b.text for b in blocks(DOCS / "metrics.rst") if "engine_router_" in b.text]
        self.assertGreater(len(queries), 3)
        for query in queries:
            self.check(query)

    def test_dashboard(self) -> None:
        """Those of the dashboard can be asked; what they are grouped by is
        theirs, and no two panels have one id or one place."""
        if not DOCS.is_dir():
            raise SkipTest("not a checkout")
        dashboard = json.loads((DOCS / "grafana.json").read_text())
        panels = dashboard["panels"]
        self.assertEqual(len(panels), len({panel["id"] for panel in panels}))
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
        self.assertEqual(len(panels), len(places))
        known = {label for labels in self.labels.values() for label in labels}
        for panel in panels:
            for target in panel.get("targets", ()):
                query = target["expr"]
                self.check(query)
                for grouped in re.findall(r"by \(([^)]*)\)", query):
                    self.assertLessEqual(set(re.findall(r"\w+", grouped)), known, query)


class BuildTests(SynchronousTestCase):
    """
    The documentation as Sphinx makes it.
    """

    def test_build(self) -> None:
        """It is made without a warning, every key of the configuration, every
        metric and every error in it."""
        if importlib.util.find_spec("sphinx") is None:
            raise SkipTest("needs sphinx")
        if not DOCS.is_dir():
            raise SkipTest("not a checkout")
        out = Path(self.mktemp()).absolute()
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E"]
        command += ["-d", f"{out}-trees", str(DOCS), str(out)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        page = (out / "configuration.html").read_text()
        for key in ("port", "engine.memory", "ollama.load_timeout_s", "scheduler.policy"):
            self.assertIn(f'id="setting-{key}"', page)
        self.assertIn("engine_router_requests_total", (out / "metrics.html").read_text())
        self.assertIn("insufficient_memory", (out / "troubleshooting.html").read_text())
        self.assertIn("translated", (out / "endpoints.html").read_text())


def merged(whole: Any, piece: Any) -> Any:
    """
    @return: a configuration with a piece put in.
    """
    if isinstance(whole, dict) and isinstance(piece, dict):
        return {
            **whole,
            **{key: merged(whole.get(key), value) for key, value in piece.items()},
        }
    if isinstance(whole, list) and isinstance(piece, list):
        return [*piece, *(item for item in whole if item["id"] not in _ids(piece))]
    return piece


def _ids(items: list[Any]) -> set[str]:
    return {item["id"] for item in items}
