# -*- test-case-name: ler.test.test_output -*-
"""
Tests for L{ler.engines.output}.
"""

from __future__ import annotations

import os
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from ler.engines import output
from ler.engines.output import WIDTH, Output, lacks_memory, tail
from ler.lines import LINES, TOTAL


class OutputTests(SynchronousTestCase):
    """
    The lines that an L{Output} keeps.
    """

    def kept(self, *pieces: bytes) -> tuple[str, ...]:
        """
        @return: what is kept of a stream that came in pieces.
        """
        kept = Output()
        for piece in pieces:
            kept.feed(piece)
        return kept.lines()

    def test_lines(self) -> None:
        """
        Lines are kept however they arrive, the unfinished one too.
        """
        for pieces in [(b"one\ntwo\nthr",), (b"on", b"e\nt", b"wo\n", b"thr"), (b"one\n",) * 0]:
            expected = ("one", "two", "thr") if pieces else ()
            self.assertEqual(expected, self.kept(*pieces))

    def test_last(self) -> None:
        """
        The last of them can be had.
        """
        kept = Output()
        kept.feed(b"one\ntwo\nthree\n")
        self.assertEqual(("two", "three"), kept.lines(2))

    def test_secrets(self) -> None:
        """
        What is kept holds no secret, finished or not.
        """
        kept = Output(redact=lambda line: line.replace("secret", "***"))
        kept.feed(b"a sec")
        kept.feed(b"ret\na secret")
        self.assertEqual(("a ***", "a ***"), kept.lines())

    def test_follow(self) -> None:
        """
        Lines are told to those who follow when they are finished.
        """
        kept = Output()
        heard: list[str] = []
        kept.feed(b"one\ntwo\n")
        stop = kept.follow(heard.append, 1)
        kept.feed(b"10%\r")
        kept.feed(b"20%\r99%\nthr")
        self.assertEqual(["two", "99%"], heard)
        stop()
        kept.feed(b"ee\n")
        self.assertEqual(["two", "99%"], heard)

    def test_bad_encoding(self) -> None:
        """
        Bytes that are no UTF-8 do no harm.
        """
        self.assertEqual(("a\ufffdb \u20ac",), self.kept(b"a\xffb \xe2\x82", b"\xac\n"))

    def test_line_ends(self) -> None:
        """
        Carriage returns at the end of a line are not part of it.
        """
        self.assertEqual(("one", "two"), self.kept(b"one\r\ntwo\r", b"\n"))

    def test_progress_bar(self) -> None:
        """
        Of a line that overwrites itself, the last state is kept.
        """
        self.assertEqual(("90%",), self.kept(b"\r10%", b"\r50%\r", b"90%\r"))
        self.assertEqual(("done",), self.kept(b"\r10%", b"\r50%\r", b"90%\r", b"done\n"))

    def test_bounds(self) -> None:
        """
        Number, length and sum of the lines are bounded.
        """
        self.assertEqual(LINES, len(self.kept(b"x\n" * (LINES + 5))))
        self.assertEqual(
            [WIDTH] * 2, [len(line) for line in self.kept(b"x" * 9999 + b"\n", b"y" * 9999)]
        )
        lines = self.kept(b"x" * WIDTH + b"\n" + (b"y" * WIDTH + b"\n") * LINES)
        self.assertEqual(TOTAL, sum(map(len, lines)))

    def test_forget(self) -> None:
        """
        Nothing of one run is told of the next.
        """
        kept = Output()
        kept.feed(b"one\ntwo")
        kept.forget()
        self.assertEqual((), kept.lines())


class FileTests(SynchronousTestCase):
    """
    The file that an L{Output} writes.
    """

    def test_appends(self) -> None:
        """
        Everything is appended to the file, whose folder is made.
        """
        path = os.path.join(self.mktemp(), "deep", "engine.log")
        for text in (b"one\n", b"two\n"):
            kept = Output(path)
            kept.feed(text)
            kept.close()
        self.assertEqual(b"one\ntwo\n", tail(path))

    def test_reopens(self) -> None:
        """
        After a close, more output opens the file again.
        """
        path = self.mktemp()
        kept = Output(path)
        for text in (b"one\n", b"two\n"):
            kept.feed(text)
            kept.close()
        self.assertEqual(b"one\ntwo\n", tail(path))

    def test_remember(self) -> None:
        """
        What is in the file already is kept without being written again.
        """
        path = self.mktemp()
        kept = Output(path)
        kept.remember(b"one\n")
        self.assertEqual(("one",), kept.lines())
        self.assertFalse(os.path.exists(path))

    def test_bare_name(self) -> None:
        """
        A path without a folder is one in the current folder.
        """
        path = os.path.basename(self.mktemp())
        self.addCleanup(os.remove, path)
        kept = Output(path)
        kept.feed(b"one\n")
        kept.close()
        self.assertEqual(b"one\n", tail(path))

    def test_rotates(self) -> None:
        """
        The file is rotated, and only so many are kept.
        """
        path = os.path.join(self.mktemp(), "engine.log")
        with mock.patch.object(output, "FILE_SIZE", 10):
            kept = Output(path)
            for number in range(9):
                kept.feed(b"0123456789%d\n" % number)
            kept.close()
        names = sorted(os.listdir(os.path.dirname(path)))
        self.assertEqual(["engine.log", "engine.log.1", "engine.log.2", "engine.log.3"], names)

    def test_unwritable(self) -> None:
        """
        A file that cannot be written costs the file, not the lines.
        """
        blocker = self.mktemp()
        Output(blocker).feed(b"a file, not a folder\n")
        kept = Output(os.path.join(blocker, "engine.log"))
        kept.feed(b"one\n")
        kept.feed(b"two\n")
        self.assertEqual(("one", "two"), kept.lines())

    def test_tail(self) -> None:
        """
        The end of a large file is read, and nothing of one that is not there.
        """
        path = self.mktemp()
        kept = Output(path)
        kept.feed(b"x" * TOTAL + b"end")
        kept.close()
        self.assertEqual(TOTAL, len(tail(path)))
        self.assertTrue(tail(path).endswith(b"xend"))
        self.assertEqual(b"", tail(self.mktemp()))


class LacksMemoryTests(SynchronousTestCase):
    """
    L{lacks_memory}
    """

    def test_complaints(self) -> None:
        """
        The complaints of the engines that we know are understood.
        """
        for line in [
            "ValueError: Free memory on device cuda:0 (1/24 GiB) on startup is less than desired "
            "GPU memory utilization (0.92, 22 GiB).",
            "AssertionError: Error in memory profiling. Initial free memory 3 GiB",
            "ValueError: No available memory for the cache blocks.",
            "allocating 100.00 MiB on device 0: cudaMalloc failed: out of memory",
            "llama_model_load: error: unable to allocate CUDA0 buffer",
            "common_init: failed to create_context with model 'x'",
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.",
            "ValueError: Model size exceeds available memory (20 GiB > 10 GiB).",
            "[METAL] Command buffer execution failed: Insufficient Memory "
            "(00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
        ]:
            self.assertTrue(lacks_memory(["loading", line, "bye"]), line)

    def test_other_failures(self) -> None:
        """
        Other failures are not blamed on memory.
        """
        for line in ["failed to load model", "out of memory tokens", "error: unknown argument"]:
            self.assertFalse(lacks_memory([line]), line)
