# -*- test-case-name: ler.test.test_state -*-
"""
What survives a restart: one folder, with a lock and a JSON file in it.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from typing import IO, Any, cast

from twisted.logger import Logger
from zope.interface import implementer

from ler.interfaces import IStateStore

_log = Logger()

IN_MEMORY = 1 << 20
"""The largest request body that is kept in memory, in bytes."""


class StateLocked(Exception):
    """
    Another router uses the state folder.
    """


class StateDirectory:
    """
    The folder that one router, and no second one, works in.

    @ivar path: where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """
        Create the folder where it is missing, for its owner only, and keep
        other routers out, until this process ends, however it ends.

        @raise StateLocked: when one is in already.
        @raise OSError: when the folder cannot be used.
        """
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        path = os.path.join(self.path, "lock")
        lock = open(path, "a+", encoding="ascii")  # noqa: SIM115 (open is locked)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise StateLocked(
                f"another router (pid {holder}) uses {self.path}; stop it, or give this one "
                "its own 'state_dir'"
            ) from e
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def unlock(self) -> None:
        """
        Let others in.
        """
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def spool(self) -> IO[bytes]:
        """
        @return: a file for one request body: in memory while it is small, then
            in this folder, without a name; gone when it is closed.  Never in
            C{/tmp}, which may itself be the memory that we measure.
        """
        return cast(IO[bytes], tempfile.SpooledTemporaryFile(IN_MEMORY, dir=self.path))


@implementer(IStateStore)
class StateFile:
    """
    A JSON object in a file, one key a section, replaced as a whole.

    It is small and written seldom, so a write is done at once: that a router
    killed after L{put} leaves the value behind is what it is for.
    """

    def __init__(self, path: str) -> None:
        """
        Read what is there.  A file that cannot be read as state is set aside
        under another name, with a warning: state is advice.
        """
        self._path = path
        self._sections: dict[str, Any] = {}
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            if not isinstance(found, dict):
                raise ValueError("not a JSON object")
            self._sections = found
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as e:
            aside = f"{path}.damaged"
            _log.warn(
                "state file {path} cannot be used ({error}); it is kept as {aside}",
                path=path,
                error=str(e),
                aside=aside,
            )
            try:
                os.replace(path, aside)
            except OSError as e:
                _log.warn("{path} cannot be moved: {error}", path=path, error=str(e))

    def get(self, section: str) -> Any:
        """
        @see: L{IStateStore.get}
        """
        return self._sections.get(section)

    def put(self, section: str, value: Any) -> None:
        """
        @see: L{IStateStore.put}
        """
        self._sections[section] = value
        temporary = f"{self._path}.new"
        try:
            os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(self._sections, file, indent=1)
            os.replace(temporary, self._path)
        except OSError as e:
            _log.warn("state file {path} not written: {error}", path=self._path, error=str(e))
