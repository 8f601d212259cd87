# -*- test-case-name: ler.test.test_state -*-
"""
Tests for L{ler.state}.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import IStateStore
from ler.state import IN_MEMORY, StateDirectory, StateFile, StateLocked
from ler.testing import FakeStateStore


class StateDirectoryTests(SynchronousTestCase):
    """
    The folder that a router works in.
    """

    def setUp(self) -> None:
        """
        Name a folder that is not there yet.
        """
        self.path = Path(self.mktemp()) / "deep" / "down"
        self.state = StateDirectory(str(self.path))
        self.addCleanup(self.state.unlock)

    def test_created(self) -> None:
        """The folder is made when it is locked, for its owner only; naming it
        makes nothing."""
        self.assertFalse(self.path.exists())
        self.state.lock()
        self.assertEqual(0o700, self.path.stat().st_mode & 0o777)

    def test_there_already(self) -> None:
        """A folder that is there is taken as it is."""
        self.path.mkdir(parents=True, mode=0o755)
        (self.path / "kept").touch()
        self.state.lock()
        self.assertEqual(0o755, self.path.stat().st_mode & 0o777)
        self.assertTrue((self.path / "kept").exists())

    def test_no_folder(self) -> None:
        """What cannot be made a folder is told with its name."""
        self.path.parent.parent.mkdir(parents=True)
        self.path.parent.write_text("a file")
        error = self.assertRaises(OSError, self.state.lock)
        self.assertIn(str(self.path.parent), str(error))

    def test_second_router(self) -> None:
        """A second router is told who is in, and what to do."""
        self.state.lock()
        error = self.assertRaises(StateLocked, StateDirectory(str(self.path)).lock)
        self.assertEqual(
            f"another router (pid {os.getpid()}) uses {self.path}; stop it, or give this one "
            "its own 'state_dir'",
            str(error),
        )

    def test_unlocked(self) -> None:
        """After one has left another may come in, and leaving twice is no
        harm."""
        self.state.lock()
        self.state.unlock()
        self.state.unlock()
        other = StateDirectory(str(self.path))
        other.lock()
        self.addCleanup(other.unlock)
        self.assertRaises(StateLocked, self.state.lock)

    def test_left_behind(self) -> None:
        """A lock that a killed router has left behind keeps nobody out; the
        process id in it becomes ours."""
        self.path.mkdir(parents=True)
        (self.path / "lock").write_text("4194304 and more\n" * 9)
        self.state.lock()
        self.assertEqual(f"{os.getpid()}\n", (self.path / "lock").read_text())

    def test_not_inherited(self) -> None:
        """An engine that outlives the router does not hold its lock."""
        self.state.lock()
        held = Path(self.path / "lock").stat()
        for number in os.listdir("/dev/fd"):
            try:
                found = os.fstat(int(number))
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino):
                self.assertFalse(os.get_inheritable(int(number)))

    def test_small_body(self) -> None:
        """A small body stays in memory."""
        self.state.lock()
        with self.state.spool() as body:
            body.write(b"x" * IN_MEMORY)
            self.assertEqual([], self.spooled())

    def test_large_body(self) -> None:
        """A large body goes into the folder, where it has no name, and is gone
        when it is closed."""
        if not os.path.isdir("/proc/self/fd"):
            raise SkipTest("needs /proc")
        self.state.lock()
        body = self.state.spool()
        body.write(b"x" * IN_MEMORY)
        body.write(b"y")
        self.assertEqual(1, len(self.spooled()))
        self.assertEqual(["lock"], os.listdir(self.path))
        body.seek(IN_MEMORY - 1)
        self.assertEqual(b"xy", body.read())
        body.close()
        self.assertEqual([], self.spooled())

    def spooled(self) -> list[str]:
        """
        @return: the nameless files of this process in the folder.
        """
        folder = os.path.realpath(self.path)
        found = []
        for number in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{number}")
            except OSError:
                continue
            if target.startswith(folder) and target.endswith(" (deleted)"):
                found.append(target)
        return found


class StoreContract:
    """
    What every L{IStateStore} does; define C{make}.
    """

    def make(self) -> Any:
        """
        @return: an empty store.
        """
        raise NotImplementedError

    def test_interface(self: Any) -> None:
        """The store provides L{IStateStore}."""
        self.assertTrue(verifyObject(IStateStore, self.make()))

    def test_empty(self: Any) -> None:
        """What was never put is L{None}."""
        self.assertIsNone(self.make().get("a"))

    def test_put(self: Any) -> None:
        """What was put is what is got, and leaves other sections alone."""
        store = self.make()
        for section, value in {"a": {"x": [1, None, "ä"]}, "b": "text", "c": None}.items():
            store.put(section, value)
        store.put("b", False)
        self.assertEqual({"x": [1, None, "ä"]}, store.get("a"))
        self.assertIs(False, store.get("b"))
        self.assertIsNone(store.get("c"))


class FakeStateStoreTests(StoreContract, SynchronousTestCase):
    """
    The fake keeps the contract.
    """

    def make(self) -> FakeStateStore:
        """
        @see: L{StoreContract.make}
        """
        return FakeStateStore()


class StateFileTests(StoreContract, SynchronousTestCase):
    """
    The file keeps the contract, and what was put into it.
    """

    def setUp(self) -> None:
        """
        Name a file, and listen to what is logged.
        """
        self.path = Path(self.mktemp()) / "state.json"
        self.logged: list[LogEvent] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    @property
    def warnings(self) -> list[LogEvent]:
        """
        @return: what the state file has logged.
        """
        return [event for event in self.logged if event["log_namespace"] == "ler.state"]

    def make(self) -> StateFile:
        """
        @see: L{StoreContract.make}
        """
        return StateFile(str(self.path))

    def write(self, data: bytes) -> None:
        """
        Let C{data} be found.
        """
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_bytes(data)

    def test_first_start(self) -> None:
        """A file that is not there is nothing to warn of, and is not made for
        nothing."""
        self.make()
        self.assertEqual([], self.warnings)
        self.assertFalse(self.path.parent.exists())

    def test_kept(self) -> None:
        """What was put is there after a restart, all of it."""
        store = self.make()
        store.put("a", {"x": "ä"})
        store.put("b", [1])
        again = self.make()
        self.assertEqual({"x": "ä"}, again.get("a"))
        again.put("c", 2)
        self.assertEqual([1], self.make().get("b"))

    def test_at_once(self) -> None:
        """It is in the file when C{put} returns."""
        self.make().put("a", 1)
        self.assertEqual({"a": 1}, json.loads(self.path.read_bytes()))

    def test_replaced_as_a_whole(self) -> None:
        """A write that goes wrong half way leaves the old file."""
        store = self.make()
        store.put("a", 1)

        def dump(value: object, file: Any, **_: object) -> None:
            file.write('{"a": ')
            raise OSError(28, "No space left on device")

        self.patch(json, "dump", dump)
        store.put("a", 2)
        self.assertEqual({"a": 1}, json.loads(self.path.read_bytes()))
        self.assertEqual(["No space left on device"], [e["error"][-23:] for e in self.warnings])

    def test_unwritable(self) -> None:
        """Where nothing can be written the router goes on, and says so."""
        self.path.parent.write_text("no folder")
        store = self.make()
        store.put("a", 1)
        self.assertEqual(1, store.get("a"))
        self.assertIn("not written", self.warnings[-1]["log_format"])

    def test_damaged(self) -> None:
        """What cannot be read as state is set aside, with a warning, and state
        begins anew."""
        for damage in (
            b"",
            b"{",
            b'{"a": 1}}',
            b"\xff\xfe",
            b"[1, 2]",
            b'"a"',
            b"null",
            b"[" * 100_000,
        ):
            self.logged.clear()
            self.write(damage)
            store = self.make()
            self.assertIsNone(store.get("a"))
            self.assertEqual(1, len(self.warnings))
            self.assertEqual(damage, Path(self.warnings[0]["aside"]).read_bytes())
            store.put("a", 1)
            self.assertEqual(1, self.make().get("a"))

    def test_foreign(self) -> None:
        """Sections that we know nothing of are kept."""
        self.write(b'{"of a later version": {"x": 1}}')
        self.make().put("a", 1)
        self.assertEqual({"x": 1}, self.make().get("of a later version"))

    def test_no_file(self) -> None:
        """What is no file, and cannot be set aside, stops nobody."""
        self.path.mkdir(parents=True)
        (self.path.parent / "state.json.damaged").write_text("in the way")
        store = self.make()
        store.put("a", 1)
        self.assertEqual(1, store.get("a"))
        self.assertEqual(3, len(self.warnings))
