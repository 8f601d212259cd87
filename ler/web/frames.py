# -*- test-case-name: ler.test.test_frames -*-
"""
Streams cut at the end of frames and nowhere else: server-sent events, and
lines.
"""

from __future__ import annotations

import re

LONGEST_FRAME = 1 << 20
"""A frame longer than this goes out in pieces."""

_MARKS = (b"\n\n", b"\n\r\n", b"\r\r")
_LONGEST_MARK = max(map(len, _MARKS))
_END = re.compile(rb"\n\r?\n|\r\r")
_BLANK_LINE = re.compile(rb"(?<![^\n])[ \t\r]*\n")
_COMMENT = re.compile(rb"(?<![^\r\n]):[^\r\n]*(?:\r\n|\n|\r|\Z)")


class EventFrames:
    """
    Collects the bytes of an event stream into whole frames.

    What comes out is what went in, byte for byte, less the comments: those
    are the sender's heartbeats, and ours have their own rhythm.
    """

    def __init__(self, longest: int = LONGEST_FRAME) -> None:
        """
        @param longest: bytes after which a frame comes out in pieces.
        """
        self._longest = longest
        self._rest = bytearray()
        self._raw = False

    @property
    def at_boundary(self) -> bool:
        """
        @return: whether everything that was given out ends with a frame, so
            that something else may be said now.
        """
        return not self._raw

    def feed(self, data: bytes) -> bytes:
        """
        @param data: the next bytes of the stream.
        @return: the frames that are complete now, possibly none; or a piece
            of one that grew too long to wait for its end.
        """
        # What was looked through before holds no mark, only perhaps the
        # beginning of one.
        start = max(0, len(self._rest) - _LONGEST_MARK + 1)
        self._rest += data
        cut = _last_end(self._rest, start)
        if cut > 0:
            frames = self._take(cut)
            if not self._raw:
                return _without_comments(frames)
            self._raw = False
            first = _END.search(frames)
            assert first is not None
            return frames[: first.end()] + _without_comments(frames[first.end() :])
        if self._raw or len(self._rest) > self._longest:
            self._raw = True
            return self._take(max(0, len(self._rest) - _LONGEST_MARK + 1))
        return b""

    def flush(self) -> bytes:
        """
        @return: what is left: a frame, or its tail, that was not ended.
        """
        rest = self._take(len(self._rest))
        return rest if self._raw else _said(rest)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken


class LineFrames:
    """
    Collects the bytes of a stream of lines into whole ones, without the blank
    ones: no client can read those.
    """

    def __init__(self, longest: int = LONGEST_FRAME) -> None:
        """
        @param longest: bytes after which a line comes out in pieces.
        """
        self._longest = longest
        self._rest = bytearray()
        self._raw = False

    @property
    def at_boundary(self) -> bool:
        """
        @see: L{EventFrames.at_boundary}
        """
        return not self._raw

    def feed(self, data: bytes) -> bytes:
        """
        @see: L{EventFrames.feed}
        """
        start = len(self._rest)
        self._rest += data
        cut = self._rest.rfind(b"\n", start) + 1
        if cut > 0:
            lines = self._take(cut)
            if not self._raw:
                return _BLANK_LINE.sub(b"", lines)
            self._raw = False
            first = lines.index(b"\n") + 1
            return lines[:first] + _BLANK_LINE.sub(b"", lines[first:])
        if self._raw or len(self._rest) > self._longest:
            self._raw = True
            return self._take(len(self._rest))
        return b""

    def flush(self) -> bytes:
        """
        @see: L{EventFrames.flush}
        """
        rest = self._take(len(self._rest))
        return rest if self._raw or rest.strip() else b""

    def _take(self, size: int) -> bytes:
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken


def _last_end(data: bytearray, start: int) -> int:
    """
    @return: the offset behind the last frame end in C{data}, from C{start} on;
        0 for none.
    """
    found = ((data.rfind(mark, start), len(mark)) for mark in _MARKS)
    return max((at + length for at, length in found if at >= 0), default=0)


def _without_comments(frames: bytes) -> bytes:
    """
    @return: C{frames} without comment lines, and without the frames that
        consisted of nothing else.
    """
    if not frames.startswith(b":") and b"\n:" not in frames and b"\r:" not in frames:
        return frames
    kept = []
    start = 0
    for end in _END.finditer(frames):
        kept.append(_said(frames[start : end.end()]))
        start = end.end()
    return b"".join(kept)


def _said(frame: bytes) -> bytes:
    """
    @return: C{frame} without comment lines; nothing if that is all it was.
    """
    said = _COMMENT.sub(b"", frame)
    return said if said.strip(b"\r\n") else b""
