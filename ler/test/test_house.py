# -*- test-case-name: ler.test.test_house -*-
"""
Rules that hold for the whole package, and that no other test would miss.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ler

PACKAGE = Path(ler.__file__).parent

# From top to bottom: a module imports from its own room and from those below its line.
ROOMS = (
    ("tap", "demo", "__main__", "healthcheck"),
    ("composing",),
    ("crew",),
    ("ctl", "wizard"),
    ("web",),
    ("slot",),
    ("memory",),
    ("engines",),
    ("reloading",),
    ("config",),
    (
        *("upstream", "state", "metrics", "logs", "notify", "listening", "waiters", "journal"),
        *("lines", "redaction"),
    ),
    ("testing",),
    ("interfaces",),
    ("errors",),
)
FLOORS = {room: len(ROOMS) - line for line, rooms in enumerate(ROOMS) for room in rooms}

BLOCKING = {
    "os.popen",
    "os.system",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.run",
    "time.sleep",
}


def modules() -> Iterator[tuple[str, Path]]:
    """
    @return: the dotted name and the file of each module of the package.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("ler", *path.relative_to(PACKAGE).with_suffix("").parts)
        yield ".".join(parts).removesuffix(".__init__"), path


def product() -> Iterator[tuple[str, Path]]:
    """
    @return: like L{modules}, without the tests.
    """
    tests = PACKAGE / "test"
    return ((name, path) for name, path in modules() if tests not in path.parents)


def imports(name: str, path: Path) -> Iterator[str]:
    """
    @return: the dotted names that a module imports, wherever it does so.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            origin = ".".join(filter(None, (base if node.level else "", node.module)))
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def blocking_calls(source: bytes) -> Iterator[str]:
    """
    @return: the calls in C{source} that would hold up a reactor, each with
        its line.
    """
    tree = ast.parse(source)
    names = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            called = names.get(called, called)
            if called in BLOCKING:
                yield f"{node.lineno}: {called}"


def cases() -> Iterator[type[SynchronousTestCase]]:
    """
    @return: every class of tests in the package.
    """
    for name, path in modules():
        if path.name.startswith("test_"):
            for value in vars(import_module(name)).values():
                if inspect.isclass(value) and issubclass(value, SynchronousTestCase):
                    yield value


class ImportTests(SynchronousTestCase):
    """
    Imports point downward.
    """

    def test_downward(self) -> None:
        """A module imports nothing from a room that is above or beside its own."""
        wrong = []
        for name, path in product():
            room = name.split(".")[1] if "." in name else None
            for imported in imports(name, path):
                first, _, rest = imported.partition(".")
                other = rest.partition(".")[0]
                if first != "ler" or other not in FLOORS or other == room:
                    continue
                if room is None or FLOORS[other] >= FLOORS[room]:
                    wrong.append(f"{name} imports {imported}")
        self.assertEqual([], wrong)

    def test_every_room_has_a_floor(self) -> None:
        """Each module stands in a room that the order of imports knows."""
        rooms = {name.split(".")[1] for name, _ in product() if "." in name}
        self.assertEqual(set(), rooms - FLOORS.keys())

    def test_reactor(self) -> None:
        """The global reactor is touched by the composition and by live tests only."""
        users = {
            name
            for name, path in modules()
            if any(i.startswith("twisted.internet.reactor") for i in imports(name, path))
        }
        allowed = {name for name in users if name.startswith("ler.test.test_live_")}
        self.assertEqual(set(), users - allowed - {"ler.tap"})


class SourceTests(SynchronousTestCase):
    """
    What every file observes.
    """

    def test_names_its_tests(self) -> None:
        """The first line of a module names its tests, which exist."""
        known = {name for name, _ in modules()}
        pattern = re.compile(r"# -\*- test-case-name: (\S+) -\*-")
        wrong = []
        for name, path in product():
            match = pattern.match(path.read_text(encoding="utf-8"))
            if match is None or not known.issuperset(match[1].split(",")):
                wrong.append(name)
        self.assertEqual([], wrong)

    def test_nothing_blocks(self) -> None:
        """No module that runs beside the reactor sleeps or waits for a process."""
        wrong = [
            f"{name}:{call}"
            for name, path in product()
            if name != "ler.engines.guardian" and not name.startswith("ler.demo.")
            for call in blocking_calls(path.read_bytes())
        ]
        self.assertEqual([], wrong)

    def test_blocking_calls_are_seen(self) -> None:
        """A blocking call is found under each of its names."""
        source = b"import time\nfrom os import system as s\ntime.sleep(1)\ns('x')\ntime.time()\n"
        self.assertEqual(["3: time.sleep", "4: os.system"], list(blocking_calls(source)))

    def test_namespace(self) -> None:
        """The plugin's folders are no packages: they would hide Twisted's own."""
        folder = PACKAGE.parent / "twisted"
        if (folder / "internet").is_dir():
            raise SkipTest("installed into Twisted's folder")
        self.assertEqual([], list(folder.rglob("__init__.py")))


class TestCaseTests(SynchronousTestCase):
    """
    Tests that trial would pass without running, and tests that say nothing.
    """

    def test_no_coroutines(self) -> None:
        """No test is a coroutine: older versions of trial, and all synchronous
        cases, would pass it without running it."""
        wrong = [
            f"{case.__name__}.{name}"
            for case in cases()
            for name, value in inspect.getmembers(case, inspect.iscoroutinefunction)
            if name.startswith("test")
        ]
        self.assertEqual([], wrong)

    def test_docstrings(self) -> None:
        """Every test says in a sentence what it expects."""
        wrong = [
            f"{case.__name__}.{name}"
            for case in cases()
            for name, value in inspect.getmembers(case, inspect.isfunction)
            if name.startswith("test") and not value.__doc__
        ]
        self.assertEqual([], wrong)
