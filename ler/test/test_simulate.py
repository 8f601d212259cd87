# -*- test-case-name: ler.test.test_simulate -*-
"""
Tests of L{ler.slot.simulate}.
"""

from __future__ import annotations

import argparse
import sys
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ler.slot.simulate import Contender, contender, main
from ler.slot.wish import NEVER
from ler.test.test_replay import A, B, line


class ContenderTests(SynchronousTestCase):
    """
    A policy is named on the command line, perhaps with what it promises.
    """

    def test_read(self) -> None:
        """
        The time may be told; where it is not, fair has its usual one, and the
        others have none.
        """
        rows = {
            "fair": Contender("fair", 60.0),
            "fair:120": Contender("fair", 120.0),
            "join": Contender("join", NEVER),
            "join:7.5": Contender("join", 7.5),
            "fifo": Contender("fifo", NEVER),
        }
        for text, expected in rows.items():
            self.assertEqual(contender(text), expected)

    def test_shown(self) -> None:
        """
        It is shown as it could have been written.
        """
        shown = [str(contender(text)) for text in ("fair", "join", "join:7.5")]
        self.assertEqual(shown, ["fair:60", "join", "join:7.5"])

    def test_unknown(self) -> None:
        """
        What is no policy, or no time, is told.
        """
        for text, said in (
            ("lifo", "lifo is none of fair, join, fifo"),
            ("fair:soon", "soon is no number of seconds"),
            ("fair:-1", "-1 is no number of seconds"),
        ):
            error = self.assertRaises(argparse.ArgumentTypeError, contender, text)
            self.assertEqual(str(error), said)


class CommandTests(SynchronousTestCase):
    """
    The command line.
    """

    def run_with(self, *arguments: str) -> list[str]:
        """
        @return: the lines that are printed.
        """
        out = StringIO()
        self.patch(sys, "stdout", out)
        main(arguments)
        return out.getvalue().splitlines()

    def write(self, *lines: str) -> str:
        """
        @return: the path of a request log.
        """
        path = Path(self.mktemp())
        path.write_text("".join(f"{each}\n" for each in lines))
        return str(path)

    def test_table(self) -> None:
        """
        Each trace has a table, with the bounds first.
        """
        lines = self.run_with("--trace", "T1", "--trace", "T2", "--seeds", "1")
        self.assertEqual(len(lines), 14)
        columns = ["swaps", "makespan", "p50", "p99", "max"]
        self.assertEqual(lines[0].split(), ["T1", "alternate", *columns])
        self.assertEqual(lines[1].split(), ["at", "least", "1.0", "156.5"])
        self.assertEqual(lines[2].split(), ["fifo", "39.0", "803.5", "317.0", "647.0", "647.0"])
        self.assertEqual(lines[4].split()[0], "fair:60")
        self.assertEqual(lines[7].split()[:2], ["T2", "burst"])

    def test_policies(self) -> None:
        """
        The policies may be chosen.
        """
        lines = self.run_with("--trace", "T1", "--seeds", "1", "--policy", "join:60")
        self.assertEqual([each.split()[0] for each in lines[2:-1]], ["join:60"])

    def test_replay(self) -> None:
        """
        A request log tells what happened, and each policy what it would have
        made of that.
        """
        log = [line(4.0 * i, (A, B)[i % 2], 20.0 * i, 1.0, 20.0) for i in range(10)]
        paths = self.write(*log[:5]), self.write(*log[5:])
        lines = self.run_with("--policy", "join", "--policy", "fifo", "--replay", *paths)
        self.assertEqual(
            lines,
            [
                "10 requests for 2 models in 217 s: 9 swaps, longest wait 180 s",
                "with join: 3 swaps instead of 9, longest wait 43 s",
                "with fifo: 9 swaps instead of 9, longest wait 156 s",
            ],
        )

    def test_damaged(self) -> None:
        """
        Lines that cannot be read are told of.
        """
        lines = self.run_with("--replay", self.write(line(0.0, A, 0.0, 1.0), "{"))
        self.assertEqual(lines[0], "1 lines cannot be read")

    def test_cannot_be_replayed(self) -> None:
        """
        A log that is not there, or tells nothing, is told of in a sentence.
        """
        empty = self.write()
        for path, said in (
            ("/nowhere/x", "No such file or directory: '/nowhere/x'"),
            (empty, "it tells of no request to the slot 'exclusive'"),
        ):
            error = self.assertRaises(SystemExit, self.run_with, "--replay", path)
            self.assertTrue(str(error).startswith(f"{path} cannot be replayed: "))
            self.assertTrue(str(error).endswith(said), str(error))
