# -*- test-case-name: ler.test.test_frames -*-
"""
Tests of L{ler.web.frames}.
"""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from ler.web.frames import LONGEST_FRAME, EventFrames

LINE_ENDS = (b"\n", b"\r\n", b"\r")

EVENTS = [
    b'id: 7\nevent: delta\ndata: {"text": "gr\xc3\xbc\xc3\x9fe \xf0\x9f\xa6\x86: x"}\n\n',
    b"data: two\ndata: lines\n\n",
    b"retry: 3000\n\n",
    b"data: [DONE]\n\n",
]

COMMENTED = [
    b": hello\n\n",
    b': before\nid: 7\nevent: delta\ndata: {"text": "gr\xc3\xbc\xc3\x9fe \xf0\x9f\xa6\x86: x"}\n\n',
    b":\n\n",
    b"data: two\n: between\ndata: lines\n\n",
    b": one\n: two\n\n",
    b"retry: 3000\n:after\n\n",
    b"data: [DONE]\n\n",
    b": bye\n\n",
]
"""L{EVENTS}, with comments wherever there can be any."""


def ending(lines: bytes, end: bytes) -> bytes:
    """
    @return: C{lines}, all of which end with C{end}.
    """
    return lines.replace(b"\n", end)


def fed(*pieces: bytes) -> list[bytes]:
    """
    @return: what comes out for each of C{pieces}, and at the end.
    """
    frames = EventFrames()
    return [frames.feed(piece) for piece in pieces] + [frames.flush()]


class EventFramesTests(SynchronousTestCase):
    """
    L{EventFrames} gives out whole frames, without comments.
    """

    def test_whole(self) -> None:
        """
        Frames that come whole go on as they are, together.
        """
        stream = b"".join(EVENTS)
        self.assertEqual(fed(stream), [stream, b""])

    def test_held(self) -> None:
        """
        A frame is held until its end has come, while those before it go on.
        """
        self.assertEqual(
            fed(b"data: a\n\nda", b"ta: ", b"b\n", b"\ndata: c"),
            [b"data: a\n\n", b"", b"", b"data: b\n\n", b"data: c"],
        )

    def test_one_byte_at_a_time(self) -> None:
        """
        With every kind of line end, each frame comes out whole, byte for byte,
        with its last byte.
        """
        for end in LINE_ENDS:
            events = [ending(event, end) for event in EVENTS]
            stream = b"".join(events)
            came = fed(*(stream[at : at + 1] for at in range(len(stream))))
            self.assertEqual([frame for frame in came if frame], events)

    def test_comments(self) -> None:
        """
        Comments are dropped, and nothing else, with every kind of line end and
        wherever the stream is split in two.
        """
        for end in LINE_ENDS:
            expected = ending(b"".join(EVENTS), end)
            stream = ending(b"".join(COMMENTED), end)
            for at in range(len(stream) + 1):
                self.assertEqual(b"".join(fed(stream[:at], stream[at:])), expected)

    def test_comments_one_byte_at_a_time(self) -> None:
        """
        Comments are dropped when every byte comes alone.
        """
        for end in LINE_ENDS:
            stream = ending(b"".join(COMMENTED), end)
            came = fed(*(stream[at : at + 1] for at in range(len(stream))))
            self.assertEqual(b"".join(came), ending(b"".join(EVENTS), end))

    def test_random_pieces(self) -> None:
        """
        Comments are dropped, and nothing else, however a long stream with
        mixed line ends is cut.
        """
        chance = random.Random(1)
        for _ in range(100):
            picked = [chance.choice(LINE_ENDS[:2]) for _ in range(3)]
            stream = b"".join(ending(b"".join(COMMENTED), end) for end in picked)
            expected = b"".join(ending(b"".join(EVENTS), end) for end in picked)
            frames, came, at = EventFrames(), b"", 0
            while at < len(stream):
                size = chance.randrange(1, 40)
                came += frames.feed(stream[at : at + size])
                at += size
            self.assertEqual(came + frames.flush(), expected)

    def test_comment_without_blank_line(self) -> None:
        """
        A comment that is one line, as another router sends it, is dropped
        together with nothing of the frame after it.
        """
        self.assertEqual(
            fed(b": keep-alive\n", b": keep-alive\n", b"data: x\n\n"),
            [b"", b"", b"data: x\n\n", b""],
        )

    def test_colons(self) -> None:
        """
        A colon begins a comment at the start of a line only.
        """
        for frame in (b"data: :\n\n", b"data::x\n\n", b"data: a\ndata: :b\n\n", b"data\n\n"):
            self.assertEqual(fed(frame), [frame, b""])

    def test_unended(self) -> None:
        """
        What was left without its end comes out at the end, less comments.
        """
        self.assertEqual(fed(b"data: [DONE]\n"), [b"", b"data: [DONE]\n"])
        self.assertEqual(fed(b"data: x\n\n: bye\n"), [b"data: x\n\n", b""])
        self.assertEqual(fed(b"data: x\n\n: by"), [b"data: x\n\n", b""])
        self.assertEqual(fed(b": bye\ndata: x"), [b"", b"data: x"])

    def test_nothing(self) -> None:
        """
        An empty stream comes out empty.
        """
        self.assertEqual(fed(), [b""])
        self.assertEqual(fed(b""), [b"", b""])


class LongFrameTests(SynchronousTestCase):
    """
    A frame that grows too long to be held goes out in pieces.
    """

    def setUp(self) -> None:
        self.frames = EventFrames(100)
        self.start = b"data: " + b"x" * 100

    def test_boundary(self) -> None:
        """
        Nothing else may be said between the pieces; after the end it may.
        """
        self.assertTrue(self.frames.at_boundary)
        piece = self.frames.feed(self.start)
        self.assertTrue(piece)
        self.assertFalse(self.frames.at_boundary)
        more = self.frames.feed(b"yy")
        self.assertFalse(self.frames.at_boundary)
        tail = self.frames.feed(b"\n\n")
        self.assertTrue(self.frames.at_boundary)
        self.assertEqual(piece + more + tail, self.start + b"yy\n\n")

    def test_held_frame_is_a_boundary(self) -> None:
        """
        While a frame is held back something else may be said.
        """
        self.frames.feed(b"data: x")
        self.assertTrue(self.frames.at_boundary)

    def test_every_split(self) -> None:
        """
        Wherever the stream is cut near the end of a long frame, nothing is
        lost, the end is seen, and comments are dropped from there on.
        """
        for end in LINE_ENDS:
            tail = ending(b"\n\n: no\n\ndata: b\n: no\n\n", end)
            for at in range(len(tail) + 1):
                frames = EventFrames(100)
                came = frames.feed(self.start + tail[:at])
                came += frames.feed(tail[at:])
                self.assertTrue(frames.at_boundary)
                self.assertEqual(came, self.start + ending(b"\n\ndata: b\n\n", end))
                self.assertEqual(frames.flush(), b"")

    def test_colon_in_the_middle(self) -> None:
        """
        What looks like a comment where a long frame was cut is none.
        """
        came = self.frames.feed(self.start + b"..")
        came += self.frames.feed(b": no comment :)")
        came += self.frames.flush()
        self.assertEqual(came, self.start + b"..: no comment :)")

    def test_small_pieces(self) -> None:
        """
        A frame of a mebibyte is held, however small the pieces are in which it
        comes; beyond that it goes out.
        """
        frames = EventFrames()
        pieces = [b"x" * 16] * (LONGEST_FRAME // 16)
        self.assertEqual({frames.feed(piece) for piece in pieces}, {b""})
        came = b"".join(map(frames.feed, (b"y", b"\n", b"\n")))
        self.assertEqual(came, b"".join(pieces) + b"y\n\n")
