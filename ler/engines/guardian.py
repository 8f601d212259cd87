# -*- test-case-name: ler.test.test_guardian,ler.test.test_live_process -*-
"""
The guardian: a small process between the router and one engine it launched.

It outlives no tree and abandons none.  It is the engine's parent and, on
Linux, the reaper of every orphan the engine leaves; it exits only when it has
no child left, so "the guardian has exited with 0" means "the whole tree is
gone", for double forks, own sessions and zombies too.

It is run by a bare interpreter and may use nothing but the standard library,
and of that only what loads fast.  Its environment is the engine's.  It talks
over four file descriptors:

  0. from the router: one line of JSON (the fields are those of L{Spec}), then
     lines that say C{stop}, C{leave} or C{own}.  Its end means C{stop}, which is how
     the death of the router, however sudden, stops the engine.
  1. to the router: what the engine prints.
  2. to the router: tracebacks of the guardian itself.
  3. to the router: one line an event.  C{pid N}: the engine runs.
     C{exec-failed TEXT}: it could not be launched.  C{exited N}: the engine's
     first process ended with that code, or by signal -N.  C{left}: the
     guardian has let go.  C{kept TEXT}: it could not let go, for that reason.

After C{leave} the end of the control pipe means nothing.  The engine's output
and the events go to a file, and a FIFO takes the place of the pipe: a router
that opens it, and says C{own}, owns the guardian as the first one did.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

from ler.engines.backlog import Backlog
from ler.engines.tree import GroupTree, LinuxTree, Tree

CONTROL, OUTPUT, ERRORS, EVENTS = range(4)

LOG_LIMIT = 5_000_000
"""Bytes after which the file that takes the output after C{leave} is rotated."""

LEFTOVER_GRACE_S = 5.0
"""How long processes may outlive the engine's first one, at most."""

FLUSH_S = 0.5
"""How long the last output may take to be read."""


class Spec(NamedTuple):
    """
    What to launch, and how to stop it.

    @ivar argv: the engine's command line.
    @ivar cwd: its working directory, or L{None} for the guardian's own.
    @ivar stop_cmd: a command that stops it, run before any signal; or empty.
    @ivar stop_signal: the number of the first signal.
    @ivar stop_group: whether that signal goes to the engine's process group,
        and not to its first process alone.
    @ivar stop_timeout: seconds that C{stop_cmd} may take, and seconds between
        the first signal and SIGKILL.
    @ivar fifo: path of the control FIFO after C{leave}.
    @ivar log: path of the file that takes the output after C{leave}.
    """

    argv: list[str]
    cwd: str | None
    stop_cmd: list[str]
    stop_signal: int
    stop_group: bool
    stop_timeout: float
    fifo: str
    log: str


class Guardian:
    """
    Runs one engine from launch to the end of its last process.
    """

    def __init__(self, spec: Spec, tree: LinuxTree | GroupTree, orders: bytes = b"") -> None:
        """
        @param orders: what was read from the control pipe after the spec.
        """
        self._spec = spec
        self._tree = tree
        self._orders = orders
        self._listening = True
        self._stop = False
        self._left = False
        self._leaving_again = False
        self._leader = 0
        self._codes: dict[int, int | None] = {}
        self._childless = True
        self._backlog = Backlog(OUTPUT)
        self._source, self._engine_output = os.pipe()
        self._wakeup, wake = os.pipe()
        for fd in (self._source, self._wakeup, wake, OUTPUT, EVENTS):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._woken)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._told_to_stop)

    def run(self) -> None:
        """
        Launch the engine, and return when nothing is left of it.
        """
        try:
            self._leader = self._spawn(self._spec.argv)
        except OSError as e:
            self._report(f"exec-failed {e}")
            return
        self._report(f"pid {self._leader}")
        try:
            self._obey()
            self._serve(lambda: self._stop or self._ended(self._leader))
            self._stop_listening()
            self._run_stop_cmd()
            self._ask()
        finally:
            self._kill()
        self._flush()

    # Processes.

    def _spawn(self, argv: list[str]) -> int:
        """
        @return: the pid of a child that runs C{argv} in a session of its own.
        @raise OSError: it cannot be run, as the text says.
        """
        result, report = os.pipe()  # Closed by a successful exec.
        guardian = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(argv, guardian, report)
        os.close(report)
        with open(result, "rb") as file:
            failure = file.read()
        if failure:
            os.waitpid(pid, 0)
            raise OSError(failure.decode(errors="replace"))
        self._codes[pid] = None
        self._childless = False
        return pid

    def _become(self, argv: list[str], guardian: int, report: int) -> None:
        """
        In the child: run C{argv}, or say why not, and never return.
        """
        what = argv[0]
        try:
            os.setsid()
            self._tree.bind(guardian)
            # Python ignores these, and what is ignored stays so over an exec.
            for signum in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(signum, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(self._engine_output, 1)
            os.dup2(self._engine_output, 2)
            if self._spec.cwd is not None:
                what = self._spec.cwd
                os.chdir(what)
                what = argv[0]
            os.execvp(argv[0], argv)
        except OSError as e:
            os.write(report, f"{what}: {e.strerror}".encode())
        except BaseException as e:
            os.write(report, f"{what}: {e}".encode())
        finally:
            os._exit(127)

    def _reap(self) -> None:
        """
        Bury every dead child, and say so if it was the leader.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless = True
                return
            if pid == 0:
                return
            if self._codes.get(pid, 0) is None:
                code = self._codes[pid] = os.waitstatus_to_exitcode(status)
                if pid == self._leader:
                    self._pass_output_on()
                    self._report(f"exited {code}")

    def _ended(self, pid: int) -> bool:
        return self._codes[pid] is not None

    def _gone(self) -> bool:
        return not self._tree.left(self._leader, self._childless)

    # The stop sequence.

    def _run_stop_cmd(self) -> None:
        """
        Run the stop command, after an engine that ended by itself too: what it
        stops need not descend from us, as a container does not.
        """
        if not self._spec.stop_cmd:
            return
        try:
            command = self._spawn(self._spec.stop_cmd)
        except OSError as e:
            self._backlog.add(f"guardian: stop_cmd: {e}\n".encode())
            return
        if not self._serve(lambda: self._ended(command), self._spec.stop_timeout):
            os.killpg(command, signal.SIGKILL)

    def _ask(self) -> None:
        """
        Ask the leader to go, then whoever it leaves behind.
        """
        began = time.monotonic()
        leader, spec = self._leader, self._spec
        asked_group = False
        if not self._ended(leader):
            # Not reaped yet, so the pid and the group can be nobody else's.
            asked_group = spec.stop_group
            with contextlib.suppress(PermissionError):
                (os.killpg if asked_group else os.kill)(leader, spec.stop_signal)
            if not self._serve(lambda: self._ended(leader), spec.stop_timeout):
                return
        if not self._gone():
            self._tree.send(leader, spec.stop_signal, but_group=asked_group)
            rest = began + spec.stop_timeout - time.monotonic()
            self._serve(self._gone, min(rest, LEFTOVER_GRACE_S))

    def _kill(self) -> None:
        """
        Kill until nothing is left: what dies may have forked meanwhile.
        """
        pause = 0.005
        while not self._gone():
            self._tree.send(self._leader, signal.SIGKILL)
            self._serve(self._gone, pause)
            pause = min(pause * 2, 0.2)

    # What happens meanwhile.

    def _serve(self, until: Callable[[], bool], limit: float | None = None) -> bool:
        """
        Do all that has to be done until a condition holds.

        @param limit: seconds after which to give up, or L{None}.
        @return: whether the condition holds.
        """
        deadline = None if limit is None else time.monotonic() + limit
        while True:
            self._reap()
            if until():
                return True
            wait = self._tree.tick if self._childless else None
            if deadline is not None:
                rest = deadline - time.monotonic()
                if rest <= 0:
                    return False
                wait = rest if wait is None else min(wait, rest)
            self._turn(wait)

    def _turn(self, wait: float | None) -> None:
        """
        Wait for the next thing to happen, and deal with it.
        """
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        if self._listening:
            poll.register(CONTROL, select.POLLIN)
        if self._backlog:
            poll.register(OUTPUT, select.POLLOUT)
        ready = {fd for fd, _ in poll.poll(None if wait is None else math.ceil(wait * 1000))}
        if self._wakeup in ready:
            os.read(self._wakeup, 4096)
        if CONTROL in ready:
            self._listen()
        if self._source in ready or OUTPUT in ready:
            self._pass_output_on()

    def _woken(self, signum: int, frame: FrameType | None) -> None:
        """
        That a signal came is told by the wakeup pipe.
        """

    def _told_to_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stop = True

    def _pass_output_on(self) -> None:
        # Bounded, lest a flood keep us from everything else.
        for _ in range(16):
            try:
                self._backlog.add(os.read(self._source, 1 << 16))
            except BlockingIOError:
                break
        self._backlog.drain()
        if self._left:
            self._rotate()

    def _flush(self) -> None:
        self._pass_output_on()
        deadline = time.monotonic() + FLUSH_S
        while self._backlog and time.monotonic() < deadline:
            poll = select.poll()
            poll.register(OUTPUT, select.POLLOUT)
            poll.poll(50)
            self._pass_output_on()

    def _report(self, event: str) -> None:
        event = event.replace("\n", " ")
        with contextlib.suppress(OSError):
            if self._left:
                event = f"guardian: {event}"
            os.write(EVENTS, f"{event}\n".encode())

    # Orders.

    def _listen(self) -> None:
        """
        Read what the router says, or that it is gone.
        """
        try:
            data = os.read(CONTROL, 4096)
        except BlockingIOError:
            # The next router opened the FIFO before we saw the last one go.
            return
        if data:
            self._orders += data
            self._obey()
        elif self._leaving_again:
            self._leaving_again = False
            self._control_by(self._open_fifo())
        else:
            self._stop = True

    def _stop_listening(self) -> None:
        """
        From now on there is nothing to say, and nothing for a router to own.
        """
        self._listening = False
        if self._left:
            with contextlib.suppress(OSError):
                os.unlink(self._spec.fifo)
            self._control_by(os.open(os.devnull, os.O_RDONLY))

    def _obey(self) -> None:
        *orders, self._orders = self._orders.split(b"\n")
        for order in orders:
            if order == b"stop":
                self._stop = True
            elif order == b"leave" and not self._stop:
                self._let_go()
            elif order == b"own":
                self._leaving_again = False

    def _let_go(self) -> None:
        """
        Live on without the router that said so.
        """
        if self._left:
            # Opened again when this writer is gone: a FIFO opened while one is
            # there would report its going as an end.
            self._leaving_again = True
            return
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._spec.fifo)
            os.mkfifo(self._spec.fifo, 0o600)
            fifo = self._open_fifo()
            log = self._open_log()
        except OSError as e:
            self._report(f"kept {e}")
            return
        self._report("left")
        self._left = True
        self._control_by(fifo)
        self._write_to(log)

    def _open_fifo(self) -> int:
        # Until a writer has come and gone, polling this reports no end.
        return os.open(self._spec.fifo, os.O_RDONLY | os.O_NONBLOCK)

    def _control_by(self, fd: int) -> None:
        os.dup2(fd, CONTROL, inheritable=False)
        os.close(fd)

    def _open_log(self) -> int:
        os.makedirs(os.path.dirname(self._spec.log), exist_ok=True)
        return os.open(self._spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _write_to(self, log: int) -> None:
        for fd in (OUTPUT, ERRORS, EVENTS):
            os.dup2(log, fd, inheritable=False)
        os.close(log)

    def _rotate(self) -> None:
        if os.fstat(OUTPUT).st_size > LOG_LIMIT:
            with contextlib.suppress(OSError):
                os.replace(self._spec.log, f"{self._spec.log}.1")
                self._write_to(self._open_log())


def read_spec() -> tuple[Spec, bytes] | None:
    """
    @return: the spec and what came after it, or L{None} when the router was
        gone before it said what to do.
    """
    text = b""
    while b"\n" not in text:
        data = os.read(CONTROL, 1 << 16)
        if not data:
            return None
        text += data
    line, _, orders = text.partition(b"\n")
    return Spec(**json.loads(line)), orders


def main() -> None:
    """
    Guard one engine.
    """
    # What is sent to the router's session or group is not meant for us.
    with contextlib.suppress(PermissionError):
        os.setsid()
    os.set_inheritable(EVENTS, False)
    told = read_spec()
    if told is not None:
        spec, orders = told
        Guardian(spec, Tree(), orders).run()
