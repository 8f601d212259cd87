# -*- test-case-name: ler.test.test_multipart -*-
"""
Tests for L{ler.web.multipart}.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from email.parser import BytesParser
from email.policy import HTTP
from io import BytesIO

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import InvalidMultipart, MissingModel, RouterError, UnsupportedEncoding
from ler.upstream import FileSpan
from ler.web.multipart import (
    MAX_HEAD,
    MAX_PARTS,
    MAX_VALUE,
    MultipartBody,
    MultipartForm,
    parameters,
)

TYPE = b"multipart/form-data; boundary=x-y"

MODEL = b'Content-Disposition: form-data; name="model"'
STREAM = b'Content-Disposition: form-data; name="stream"'
FILE = (
    b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n'
    b"Content-Type: application/octet-stream"
)
TRICKY = (
    b"x--x-y\r\n\r\n--x-\r\n --x-y\r\n-x-y--\r\n\r\r\n\n\r\n-\x00\xff--x-y--"
    b'\r\nContent-Disposition: form-data; name="model"\r\n\r\nother'
)
"""A file that is full of what is nearly a boundary."""


def part(head: bytes, content: bytes) -> bytes:
    """
    @return: a part of a form, behind its boundary.
    """
    return b"--x-y\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """
    @return: a whole form.
    """
    return b"".join(parts) + b"--x-y--\r\n"


GOOD = form(part(MODEL, b"whisper"), part(STREAM, b"true"), part(FILE, TRICKY))


def read(body: bytes, pieces: Iterable[bytes] | None = None, type: bytes = TYPE) -> MultipartBody:
    """
    @param pieces: C{body}, in the pieces in which it comes.
    @return: what the form says.
    """
    scanned = MultipartForm(type)
    for piece in (body,) if pieces is None else pieces:
        scanned.feed(piece)
    return scanned.body(BytesIO(body))


def told(body: bytes, pieces: Iterable[bytes] | None = None, type: bytes = TYPE) -> object:
    """
    @return: what the form says, or what is wrong with it.
    """
    try:
        said = read(body, pieces, type)
    except RouterError as e:
        return e.code, e.message
    return said.model, said.stream, joined(said.rewritten("another"))


def joined(parts: Sequence[bytes | FileSpan]) -> bytes:
    """
    @return: the bytes of a body in parts.
    """
    pieces = []
    for piece in parts:
        if isinstance(piece, FileSpan):
            piece.file.seek(piece.start)
            pieces.append(piece.file.read(len(piece)))
        else:
            pieces.append(piece)
    return b"".join(pieces)


def parts_of(body: bytes) -> list[tuple[object, bytes]]:
    """
    @return: the names and contents of the parts, as somebody else reads them.
    """
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + TYPE + b"\r\n\r\n" + body)
    read: list[tuple[object, bytes]] = []
    for piece in message.iter_parts():
        content = piece.get_payload(decode=True)
        assert isinstance(content, bytes)
        read.append((piece.get_param("name", header="content-disposition"), content))
    return read


class FormCase(SynchronousTestCase):
    """
    A test of forms.
    """

    def refused(
        self,
        body: bytes,
        words: str,
        error: type[RouterError] = InvalidMultipart,
        type: bytes = TYPE,
    ) -> None:
        """
        Assert that a form is refused, and that the client is told why.
        """
        scanned = MultipartForm(type)
        scanned.feed(body)
        raised: RouterError = self.assertRaises(error, scanned.body, BytesIO(body))
        self.assertIs(error, raised.__class__)
        self.assertIn(words, raised.message)


class FormTests(FormCase):
    """
    Forms as clients send them.
    """

    def test_fields(self) -> None:
        """The model is found, and whether a stream is wanted."""
        body = read(GOOD)
        self.assertEqual(("whisper", True), (body.model, body.stream))

    def test_any_order(self) -> None:
        """The fields may stand before the file or behind it."""
        body = read(form(part(FILE, b"RIFF"), part(STREAM, b"false"), part(MODEL, b"whisper")))
        self.assertEqual(("whisper", False), (body.model, body.stream))

    def test_stream(self) -> None:
        """Truth has several spellings."""
        for value, stream in {
            b"true": True,
            b"True": True,
            b"1": True,
            b"on": True,
            b" yes\r\n": True,
            b"false": False,
            b"0": False,
            b"": False,
            b"\xff": False,
        }.items():
            body = read(form(part(MODEL, b"m"), part(STREAM, value)))
            self.assertIs(stream, body.stream)
        self.assertFalse(read(form(part(MODEL, b"m"))).stream)

    def test_model(self) -> None:
        """The name of a model may be any text that is not blank."""
        for name in ("org/name:tag", " m ", "mödel-模型", "a\r\nb", "x" * MAX_VALUE):
            self.assertEqual(name, read(form(part(MODEL, name.encode()))).model)

    def test_unchanged(self) -> None:
        """Where the engine uses the same name all goes on as it came."""
        [span] = read(GOOD).rewritten("whisper")
        self.assertIsInstance(span, FileSpan)
        self.assertEqual(GOOD, joined([span]))

    def test_rewritten(self) -> None:
        """Where it uses another name only that is changed."""
        for name in ("w", "a-longer-name", "模型"):
            self.assertEqual(
                GOOD.replace(b"whisper", name.encode()), joined(read(GOOD).rewritten(name))
            )

    def test_written_freely(self) -> None:
        """Names in any case, values with quotes or without, lines that are
        folded, and parameters of the file: all are read."""
        for head in (
            b"content-disposition: form-data; name=model",
            b"CONTENT-DISPOSITION:FORM-DATA;NAME=model;",
            b'Content-Disposition: form-data;\r\n\tname = "model" ;',
            b'Content-Disposition: form-data; name="mod\\el"',
            b'Content-Type: text/plain; charset="utf-8"\r\n' + MODEL + b"\r\nX:",
            MODEL + b'; x="a;b\\"; name=\\"file"',
        ):
            self.assertEqual("m", read(form(part(head, b"m"))).model)
        for head in (
            b"",
            b"X-Y: z",
            b"Content-Disposition: form-data",
            b'Content-Disposition: form-data; name="models"',
            b'Content-Disposition: form-data; name="Model"',
            b'Content-Disposition: form-data; name="\xff"',
            b'Content-Disposition: form-data; name=file; filename="name=model; x"',
            b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%e2%82%ac.wav",
            b'Content-Disposition: form-data; name="file"; filename="\xe2\x82\xac \\" .wav"',
        ):
            body = form(part(head, b"m") if head else b"--x-y\r\n\r\nm\r\n", part(MODEL, b"right"))
            self.assertEqual("right", read(body).model)

    def test_boundaries(self) -> None:
        """The boundary is read as freely."""
        for type, boundary in {
            b"Multipart/Form-Data; BOUNDARY=x": b"x",
            b'multipart/form-data; charset=utf-8; boundary="a b"': b"a b",
            b"multipart/form-data;boundary=----WebKit7MA4YWxk": b"----WebKit7MA4YWxk",
            b"multipart/form-data ; boundary = =_'()+_,./:=?- ;": b"=_'()+_,./:=?-",
            b'multipart/form-data; boundary="a\\"b"': b'a"b',
            b"multipart/form-data; boundary=" + b"x" * 70: b"x" * 70,
        }.items():
            body = form(part(FILE, b"RIFF"), part(MODEL, b"m")).replace(b"x-y", boundary)
            self.assertEqual("m", read(body, type=type).model)

    def test_clients(self) -> None:
        """What clients of several languages send is read."""
        for boundary, file, model in (
            # openai-python, curl, and Node.
            (
                b"768f31ad2c3d6f8366e32ed165248931",
                b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n'
                b"Content-Type: audio/x-wav",
                MODEL,
            ),
            (
                b"------------------------d5e418c5cd639e9d",
                b'Content-Disposition: form-data; name="file"; filename="a \\"b\\".wav"\r\n'
                b"Content-Type: application/octet-stream",
                MODEL,
            ),
            (
                b"----formdata-undici-061287340294",
                b'Content-Disposition: form-data; name="file"; filename="a %22b%22.wav"\r\n'
                b"Content-Type: application/octet-stream",
                MODEL,
            ),
            # .NET.
            (
                b'"5c1d1c4a-3f0e-4a55-8a0b-0d6f5f0c3f0a"',
                b"Content-Type: audio/wav\r\nContent-Disposition: form-data; name=file; "
                b"filename=a.wav; filename*=utf-8''a.wav",
                b"Content-Type: text/plain; charset=utf-8\r\n"
                b"Content-Disposition: form-data; name=model",
            ),
            # OkHttp.
            (
                b"f4b9a6c2-8f5b-4f0e-9d7a-2b1f0c9d8e7f",
                b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n'
                b"Content-Type: audio/wav\r\nContent-Length: 4",
                MODEL + b"\r\nContent-Length: 7",
            ),
        ):
            for parts in ([file, model], [model, file]):
                body = form(*(part(head, b"whisper") for head in parts))
                body = body.replace(b"x-y", boundary.strip(b'"'))
                said = read(body, type=b"multipart/form-data; boundary=" + boundary)
                self.assertEqual("whisper", said.model)

    def test_surroundings(self) -> None:
        """There may be text before the first boundary and behind the last, and
        blanks behind each."""
        for body in (
            b"\r\n" + GOOD,
            b"preamble, --x-y\r\nmore of it\r\n" + GOOD,
            GOOD + b"epilogue\r\n--x-y\r\n" + MODEL + b"\r\n\r\nother",
            GOOD.replace(b"--x-y\r\n", b"--x-y \t \r\n").replace(b"--x-y--", b"--x-y--  "),
            GOOD.removesuffix(b"\r\n"),
            GOOD.removesuffix(b"\r\n") + b" \t",
            GOOD.removesuffix(b"\n"),
        ):
            self.assertEqual("whisper", read(body).model)
            self.assertIn(b"\r\n\r\nname\r\n", joined(read(body).rewritten("name")))

    def test_nothing_is_kept(self) -> None:
        """Of a file no more is held than could be the beginning of a
        boundary."""
        scanned = MultipartForm(TYPE)
        scanned.feed(part(FILE, b"")[:-2])
        for _ in range(100):
            scanned.feed(b"\r\n--x-\n" * 10_000)
            self.assertLess(len(scanned._buffer), 10)


class RefusalTests(FormCase):
    """
    Forms that cannot be read, or not in one way only.
    """

    def test_model(self) -> None:
        """A form names its model, once, as text."""
        self.refused(form(part(FILE, b"x")), "a field 'model'", MissingModel)
        self.refused(form(), "a field 'model'", MissingModel)
        self.refused(form(part(MODEL, b"")), "not be empty", MissingModel)
        self.refused(form(part(MODEL, b" \r\n")), "not be empty", MissingModel)
        self.refused(form(part(MODEL, b"\xff")), "UTF-8", MissingModel)
        self.refused(form(part(MODEL, b"m"), part(MODEL, b"m")), "twice")
        self.refused(form(part(STREAM, b"1"), part(STREAM, b"1")), "'stream' twice")
        self.refused(form(part(MODEL + b'; filename="a"', b"m")), "not a file")
        self.refused(form(part(MODEL + b"; filename*=''a", b"m")), "not a file")

    def test_long(self) -> None:
        """What the router keeps is bounded."""
        self.refused(form(part(MODEL, b"x" * (MAX_VALUE + 1))), "longer than 64 KiB")
        self.refused(form(part(STREAM, b"x" * MAX_VALUE * 9)), "longer than 64 KiB")
        self.refused(form(part(b"X: " + b"y" * MAX_HEAD, b"")), "16 KiB")
        self.refused(form(*[part(b"X: y", b"")] * MAX_PARTS, part(MODEL, b"m")), "1000 parts")
        self.refused(GOOD.replace(b"--x-y\r\n", b"--x-y" + b" " * 100 + b"\r\n", 1), "followed by")

    def test_boundary(self) -> None:
        """The request names one boundary that can be one."""
        for type in (
            b"multipart/form-data",
            b"multipart/form-data;",
            b"multipart/form-data; boundary=",
            b'multipart/form-data; boundary=""',
            b'multipart/form-data; boundary="x "',
            b"multipart/form-data; boundary=\xc3\xa9",
            b"multipart/form-data; boundary=" + b"x" * 71,
        ):
            self.refused(GOOD, "write that header itself", type=type)
        for type in (
            b"multipart/form-data; boundary",
            b"multipart/form-data; boundary=x y",
            b'multipart/form-data; boundary="x',
            b'multipart/form-data; boundary=x"y"',
            b"multipart/form-data; boundary=x, multipart/form-data; boundary=y",
        ):
            self.refused(GOOD, "not name=value", type=type)
        for type in (
            b"multipart/form-data; boundary=x-y; boundary=x",
            b"multipart/form-data; boundary=x-y; Boundary=x-y",
        ):
            self.refused(GOOD, "'boundary' twice", type=type)
        for type in (
            b"multipart/form-data; boundary*=''x-y",
            b"multipart/form-data; boundary=x-y; boundary*0=x; boundary*1=-y",
        ):
            self.refused(GOOD, "for a plain parameter", type=type)

    def test_other_types(self) -> None:
        """Only forms have fields."""
        for type in (b"multipart/mixed; boundary=x-y", b"multipart/form-dat; boundary=x-y"):
            self.refused(GOOD, "only multipart/form-data", UnsupportedEncoding, type=type)

    def test_cut_short(self) -> None:
        """A form is whole when its last boundary has come."""
        whole = len(GOOD) - len(b"--\r\n")
        first = len(b"--x-y")
        for end in (*range(first), whole - 1):
            self.refused(GOOD[:end], "does not occur" if end < first else "cut short")
        for end in range(first, len(GOOD) - 2):
            self.refused(GOOD[:end], "cut short")

    def test_heads(self) -> None:
        """The headers of a part are headers, and say once what it is."""
        for head in (
            b"X",
            b": y",
            b"X : y",
            b" X: y",
            b"X: y\r\nz",
            b"X: y\nContent-Disposition: form-data; name=model",
            b"X: y\rContent-Disposition: form-data; name=model",
            b"X: \x00",
            b"--x-y",
        ):
            self.refused(form(part(head, b"m"), part(MODEL, b"m")), "is no header")
        self.refused(form(part(MODEL + b"\r\n" + FILE, b"m")), "two Content-Disposition")
        self.refused(form(part(MODEL + b"; name=model", b"m")), "'name' twice")
        self.refused(form(part(MODEL + b"; name*=''model", b"m")), "'name*' for a plain")
        self.refused(form(part(MODEL + b"; name*0=model", b"m")), "'name*0' for a plain")
        self.refused(form(part(FILE.replace(b".wav", b'".wav'), b"m")), "not name=value")

    def test_line_feeds(self) -> None:
        """Lines that do not end in CRLF are not guessed at."""
        self.refused(GOOD.replace(b"\r\n", b"\n"), "followed by")
        self.refused(GOOD.replace(b"\r\n", b"\r"), "followed by")
        self.refused(b"\n" + GOOD, "does not follow the end of a line")
        self.refused(form(part(FILE, b"a\n--x-y\r\nb")), "does not follow the end of a line")
        self.refused(form(part(FILE, b"a\n--x-y--\r\nb")), "does not follow the end of a line")

    def test_nearly_boundaries(self) -> None:
        """A line that begins like a boundary must be one."""
        for line in (b"--x-yz", b"--x-y-", b"--x-y--z", b"--x-y -- ", b"--x-y\n", b"--x-y\rz"):
            self.refused(
                form(part(MODEL, b"m"), part(FILE, b"a\r\n" + line + b"\r\nb")), "followed"
            )

    def test_no_content(self) -> None:
        """A part has a line before its boundary, even when it is empty."""
        self.refused(form(b"--x-y\r\n" + MODEL + b"\r\n\r\n", part(FILE, b"x")), "does not follow")
        self.refused(form(b"--x-y\r\n" + MODEL + b"\r\n", part(FILE, b"x")), "no header")

    def test_heard_later(self) -> None:
        """What is wrong is told when the form is asked, however it goes on."""
        scanned = MultipartForm(TYPE)
        scanned.feed(b"\n--x-y")
        scanned.feed(GOOD)
        self.assertRaises(InvalidMultipart, scanned.body, BytesIO())


class PieceTests(SynchronousTestCase):
    """
    A form comes in pieces of any size, and says the same.
    """

    def forms(self) -> Iterator[bytes]:
        """
        @return: forms, good and bad.
        """
        yield GOOD
        yield b"preamble\r\n" + form(part(FILE, TRICKY), part(MODEL, b"m\r")) + b"epilogue"
        yield form(part(MODEL, b"m"), b"--x-y  \r\n\r\n\r\n--x-\r\n")
        yield form(part(FILE, b"a\n--x-y"))
        yield form(part(FILE, b"a\r\n--x-yz"))
        yield form(part(MODEL, b"m"), part(MODEL, b"m"))
        yield form(b"--x-y\r\n" + MODEL + b"\r\n\r\n", part(FILE, b"x"))
        yield form(part(MODEL, b"m"))[:-3]
        yield b"--x-y--z" + GOOD

    def test_everywhere(self) -> None:
        """It may be cut at any byte."""
        for body in self.forms():
            expected = told(body)
            for at in range(len(body) + 1):
                self.assertEqual(expected, told(body, (body[:at], body[at:])), body[:at])

    def test_bytes(self) -> None:
        """It may come byte by byte, with nothing in between."""
        for body in self.forms():
            pieces = [b""]
            for byte in body:
                pieces += [bytes([byte]), b""]
            self.assertEqual(told(body), told(body, pieces))

    def test_long_in_pieces(self) -> None:
        """The limits do not depend on the pieces."""
        for body in (
            form(part(MODEL, b"x" * MAX_VALUE)),
            form(part(MODEL, b"x" * (MAX_VALUE + 1))),
            form(part(b"X: " + b"y" * (MAX_HEAD - 9), b""), part(MODEL, b"m")),
            form(part(b"X: " + b"y" * (MAX_HEAD - 8), b""), part(MODEL, b"m")),
        ):
            for size in (999, 4096, 1 << 16):
                pieces = [body[at : at + size] for at in range(0, len(body), size)]
                self.assertEqual(told(body), told(body, pieces))

    def test_any_form(self) -> None:
        """Random forms in random pieces are read as another reader reads them,
        and are the same behind the router but for the model."""
        chance = random.Random(20)
        bits = [b"--x-y"[:n] for n in range(5)] + [b"\r\n", b"\r", b"\n", b"-", b"\x00\xff", b"abc"]
        for _ in range(300):
            content = [b"".join(chance.choices(bits, k=chance.randrange(20))) for _ in range(3)]
            parts = [part(FILE, each) for each in content]
            parts.insert(chance.randrange(4), part(MODEL, b"whisper"))
            body = form(*parts)
            cuts = sorted(chance.choices(range(len(body) + 1), k=chance.randrange(9)))
            pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
            rewritten = joined(read(body, pieces).rewritten("other"))
            self.assertEqual(
                [(name, b"other" if name == "model" else text) for name, text in parts_of(body)],
                parts_of(rewritten),
            )
            self.assertEqual(4, len(parts_of(body)))

    def test_any_bytes(self) -> None:
        """Whatever comes, nothing but a refusal is raised, and it does not
        depend on the pieces."""
        chance = random.Random(21)
        for _ in range(400):
            body = bytearray(GOOD)
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(body))
                bit = chance.choice(
                    [b"", b"\r", b"\n", b"\r\n", b"-", b"--x-y", b'"', b";", b"\x00"]
                )
                body[at : at + chance.randrange(4)] = bit
            whole = bytes(body)
            cut = chance.randrange(len(whole) + 1)
            self.assertEqual(told(whole), told(whole, (whole[:cut], whole[cut:])))


class ParametersTests(SynchronousTestCase):
    """
    L{parameters} of a header.
    """

    def test_read(self) -> None:
        """Names are in lower case, values without their quotes."""
        for value, found in {
            b"form-data": {},
            b"form-data;": {},
            b"form-data; ; ": None,
            b'a; X=y;z="1;2\\"\\\\"': {"x": b"y", "z": b'1;2"\\'},
            b"a; x=": {"x": b""},
            b"a; x=y z": None,
            b'a; x="y': None,
            b"a; =y": None,
            b"a; x=1; X=2": None,
            b"a; filename*=utf-8''x; filename=x": {"filename*": b"utf-8''x", "filename": b"x"},
            b'a; x="' + b"\\" * 20_001 + b'"': None,
            b"a; " * 9000: None,
        }.items():
            if found is None:
                self.assertRaises(InvalidMultipart, parameters, value)
            else:
                self.assertEqual(found, parameters(value))
