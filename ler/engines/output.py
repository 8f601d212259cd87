# -*- test-case-name: ler.test.test_output -*-
"""
What an engine prints: the last lines for whoever asks why it failed, and all
of it in a file if one is configured.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from twisted.logger import Logger
from twisted.python.logfile import LogFile

from ler.lines import LINES, TOTAL, Lines

WIDTH = 2 << 10
"""Bytes that are kept of one line."""

FILE_SIZE = 5_000_000
FILES = 3

OUT_OF_MEMORY = re.compile(
    # vLLM
    r"less than desired (GPU|CPU) memory utilization"
    r"|Error in memory profiling"
    r"|No available memory for the cache blocks"
    r"|larger than the available KV cache memory"
    # llama.cpp, KoboldCpp, and what builds upon them
    r"|(cuda|hip)Malloc failed: out of memory"
    r"|(unable|failed) to allocate \S+ buffer"
    r"|failed to create_context"
    # SGLang
    r"|Not enough memory\. Please try to increase --mem-fraction-static"
    r"|memory capacity is unbalanced"
    # PyTorch
    r"|(CUDA|HIP) out of memory"
    # MAX
    r"|Model size exceeds available memory"
    r"|leave room for KV cache"
    # MLX
    r"|kIOGPUCommandBufferCallbackErrorOutOfMemory"
    r"|\[metal::malloc\] Resource limit"
    r"|Insufficient memory to load model"
    # Ollama
    r"|requires more system memory"
    r"|reported out-of-memory during startup"
    # ds4-server
    r"|memory guard refused"
    r"|alloc failed \(.* MiB\): out of memory"
)
"""What engines print when the memory they want is not free."""


def lacks_memory(lines: Iterable[str]) -> bool:
    """
    @return: whether any of an engine's lines complains of too little memory.
    """
    return any(OUT_OF_MEMORY.search(line) for line in lines)


def tail(path: str) -> bytes:
    """
    @return: the end of a file, as much as an L{Output} keeps; nothing if it
        cannot be read.
    """
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - TOTAL, 0))
            return file.read()
    except OSError:
        return b""


class Output:
    """
    The output of one engine.
    """

    _log = Logger()

    def __init__(self, path: str | None = None, redact: Callable[[str], str] = str) -> None:
        """
        @param path: a file to append everything to, which is rotated.
        @param redact: takes secrets out of a line that may be shown.
        """
        self._path = path
        self._file: LogFile | None = None
        self._kept = Lines(redact)
        self._partial = b""

    def lines(self, count: int = LINES) -> tuple[str, ...]:
        """
        @return: the last lines, the newest last, the one that is not finished
            yet included.
        """
        kept = self._kept.last(count)
        if self._partial:
            kept.append(self._kept.redact(_text(self._partial)))
        return tuple(kept[-count:])

    def follow(self, told: Callable[[str], None], count: int) -> Callable[[], None]:
        """
        @see: L{Lines.follow}
        """
        return self._kept.follow(told, count)

    def feed(self, data: bytes) -> None:
        """
        The engine has printed C{data}.
        """
        if self._path is not None:
            self._append(data)
        self.remember(data)

    def remember(self, data: bytes) -> None:
        """
        Keep C{data}, which is in the file already if there is one.
        """
        *lines, partial = (self._partial + data).split(b"\n")
        for line in lines[-LINES:]:
            self._kept.add(_text(line))
        # Progress bars overwrite their line many times before they end it.
        unfinished = b"\r" if partial.endswith(b"\r") else b""
        self._partial = _visible(partial)[:WIDTH] + unfinished

    def forget(self) -> None:
        """
        What comes next is the output of another run.
        """
        self._kept.clear()
        self._partial = b""

    def close(self) -> None:
        """
        Close the file; more output opens it again.
        """
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, data: bytes) -> None:
        assert self._path is not None
        try:
            if self._file is None:
                directory, name = os.path.split(os.path.abspath(self._path))
                os.makedirs(directory, exist_ok=True)
                self._file = LogFile(name, directory, rotateLength=FILE_SIZE, maxRotatedFiles=FILES)
            self._file.write(data)
        except OSError as e:
            self._log.error(
                "{path} takes no more of an engine's output: {reason}", path=self._path, reason=e
            )
            self._path = None


def _visible(line: bytes) -> bytes:
    """
    @return: what a terminal would show of a line in the end.
    """
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _text(line: bytes) -> str:
    """
    @return: what is kept of a line.
    """
    return _visible(line)[:WIDTH].decode("utf-8", "replace")
