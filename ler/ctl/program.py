# -*- test-case-name: ler.test.test_ctl -*-
"""
C{routerctl}: from a command line to an exit status.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import TextIOWrapper
from typing import Any, TextIO

from ler.ctl.client import Refused, Router, Unreachable, connect
from ler.ctl.commands import COMMANDS, Context, Failed
from ler.ctl.completion import FLAG, candidates
from ler.ctl.options import make_parser, parse
from ler.ctl.terminal import Terminal, plain
from ler.ctl.whereabouts import Unlocated, locate

FAILED = 1
USAGE = 2
UNREACHABLE = 3
REFUSED = 4
INTERRUPTED = 130
PIPE_BROKEN = 141
"""Exit statuses; the last two as of programs that the signals end."""

PROMPTLY_S = 1.0
"""Seconds that a router may take to help with a word that is being typed."""


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    out: TextIO | None = None,
    err: TextIO | None = None,
    sleep: Callable[[float], object] = time.sleep,
    connect: Callable[[str, float], Any] = connect,
) -> int:
    """
    @param argv: the arguments; by default those of the process.
    @param out: where the answer goes; by default standard output.
    @param err: where complaints go; by default standard error.
    @param sleep: waits that many seconds.
    @param connect: as L{connect}.
    @return: the exit status.
    """
    argv = sys.argv[1:] if argv is None else argv
    if out is None and isinstance(sys.stdout, TextIOWrapper):
        # An arrow is no reason to fail where there are none.
        sys.stdout.reconfigure(errors="replace")
    out, err = out or sys.stdout, err or sys.stderr
    program = Program(environ, out, err, sleep, connect)
    try:
        if argv and argv[0] == FLAG:
            return program.complete(argv[1:])
        return program.run(argv)
    except BrokenPipeError:
        # Whoever read has had enough.  The interpreter must not try to write
        # what is left when it ends.
        if out is sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_BROKEN
    except KeyboardInterrupt:
        err.write("\ninterrupted; what the router has begun goes on\n")
        return INTERRUPTED


class Program:
    """
    The command, and what it depends on.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        out: TextIO,
        err: TextIO,
        sleep: Callable[[float], object],
        connect: Callable[[str, float], Any],
    ) -> None:
        self._environ = environ
        self._out = out
        self._err = err
        self._sleep = sleep
        self._connect = connect

    def run(self, argv: Sequence[str]) -> int:
        """
        Do what the command line says.

        @return: the exit status.
        """
        options = parse(argv)
        terminal = Terminal(self._out, self._environ, options.color)
        origin = ""

        def reach() -> Router:
            nonlocal origin
            place = locate(options.url, options.key, options.config, self._environ)
            origin = place.origin
            return Router(place.url, place.key, options.timeout, self._connect)

        context = Context(options, terminal, self._complain, reach, self._sleep, self._environ)
        try:
            COMMANDS[options.command](context)
        except Unlocated as e:
            return self._end(str(e), USAGE)
        except Unreachable as e:
            return self._end(f"{e} (the address is from {origin})", UNREACHABLE)
        except Refused as e:
            return self._end(str(e), REFUSED if e.status in (401, 403) else FAILED)
        except Failed as e:
            return self._end(str(e), FAILED)
        except (KeyError, TypeError, ValueError) as e:
            return self._end(f"what answers is another version, or no engine-router: {e!r}", FAILED)
        finally:
            terminal.clear()
        return 0

    def complete(self, words: Sequence[str]) -> int:
        """
        Print what the last of C{words} may become.
        """

        def ask(what: str) -> Iterable[str]:
            try:
                place = locate(None, None, None, self._environ)
                router = Router(place.url, place.key, PROMPTLY_S, self._connect)
                if what == "engines":
                    return [*router.get("/status")["engines"]]
                if what == "requests":
                    return [one["id"] for one in router.get("/admin/requests")["requests"]]
                return [model["id"] for model in router.get("/v1/models")["data"]]
            except (Unreachable, Refused, Unlocated, KeyError, TypeError):
                return []

        for candidate in candidates(make_parser(), words, ask):
            self._out.write(f"{plain(str(candidate))}\n")
        return 0

    def _complain(self, line: str) -> None:
        self._err.write(f"{plain(line)}\n")

    def _end(self, reason: str, status: int) -> int:
        for line in reason.splitlines():
            self._complain(f"routerctl: {line}")
        return status
