# -*- test-case-name: ler.test.test_multipart -*-
"""
What the router needs to know of a multipart form, learned while the form
passes by: nothing is kept of its files, and all of it goes on as it came but
for the name of the model.

The engine will read the form, too.  Whatever two readers could divide into
parts in two ways is refused, or the engine might see another model than we do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from ler.errors import InvalidMultipart, MissingModel, RouterError, UnsupportedEncoding
from ler.upstream import FileSpan

MAX_VALUE = 1 << 16
"""How many bytes the value of a field may have that the router reads."""

MAX_HEAD = 1 << 14
"""How many bytes the headers of a part may have."""

MAX_PARTS = 1000
"""How many parts a form may have; no API knows a tenth of it."""

_FIELDS = frozenset({"model", "stream"})
_TRUE = frozenset({b"true", b"1", b"yes", b"on"})

_CR = ord("\r")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_BOUNDARY = re.compile(rb"[ -~]{0,69}[!-~]")
_LINE_END = re.compile(rb"(--)?[ \t]{0,99}\r\n")
_LINE_BEGUN = re.compile(rb"-?|(--)?[ \t]{0,99}\r?")
_LAST_LINE = re.compile(rb"--[ \t]{0,99}\r?")
_FOLD = re.compile(rb"\r\n[ \t]+")
_STRAY = re.compile(rb"[\x00\r\n]")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):(.*)", re.DOTALL)
_PARAMETER = re.compile(
    rb"[ \t]*(" + _TOKEN + rb')[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s";]*))[ \t]*(?:;|\Z)',
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SPLIT = re.compile(r"(name|boundary)\*")


@dataclass(frozen=True)
class _Field:
    """
    The value of a field, and where it stands in the form.
    """

    value: bytes
    start: int
    end: int


class MultipartBody:
    """
    A request body that is a multipart form.

    @ivar model: the name of the model that it asks for.
    @ivar stream: whether it asks for a stream.
    """

    def __init__(self, content: IO[bytes], length: int, fields: Mapping[str, _Field]) -> None:
        """
        @param content: the whole form.
        @raise MissingModel: when it names no model.
        """
        if "model" not in fields:
            raise MissingModel("the form must have a field 'model'")
        self._content = content
        self._length = length
        self._model = fields["model"]
        try:
            self.model = self._model.value.decode("utf-8")
        except UnicodeDecodeError as e:
            raise MissingModel("the field 'model' is not UTF-8") from e
        if not self.model.strip():
            raise MissingModel("the field 'model' must not be empty")
        self.stream = "stream" in fields and fields["stream"].value.strip().lower() in _TRUE

    def rewritten(self, model: str) -> list[bytes | FileSpan]:
        """
        @param model: the name that the engine expects.
        @return: the body for the engine, in parts.
        """
        if model == self.model:
            return [FileSpan(self._content, 0, self._length)]
        return [
            FileSpan(self._content, 0, self._model.start),
            model.encode("utf-8"),
            FileSpan(self._content, self._model.end, self._length),
        ]


class MultipartForm:
    """
    A form that is looked at while it comes.  What is wrong with it is told at
    the end: where it need not name a model, nobody has to ask.
    """

    def __init__(self, content_type: bytes) -> None:
        """
        @param content_type: the request's own C{Content-Type}.
        """
        self._error: RouterError | None = None
        self._fields: dict[str, _Field] = {}
        self._field: str | None = None
        self._parts = 0
        self._length = 0
        # The first boundary need not begin a line; this makes it do so.
        self._buffer = bytearray(b"\r\n")
        self._at = -len(self._buffer)
        self._searched = 0
        self._step: Callable[[], bool] = self._pass_content
        try:
            self._delimiter = b"\n--" + _boundary(content_type)
        except RouterError as e:
            self._error = e

    def feed(self, data: bytes) -> None:
        """
        The next bytes of the form have come, in pieces of any size.
        """
        self._length += len(data)
        if self._error is not None:
            return
        self._buffer += data
        try:
            while self._step():
                pass
        except RouterError as e:
            self._error = e
            self._buffer.clear()

    def body(self, content: IO[bytes]) -> MultipartBody:
        """
        The form is complete.

        @param content: all of it.
        @return: what it says.
        @raise InvalidMultipart: when it is malformed.
        @raise UnsupportedEncoding: when it is multipart, but no form.
        @raise MissingModel: when it names no model.
        """
        if self._error is not None:
            raise self._error
        self._check_end()
        return MultipartBody(content, self._length, self._fields)

    def _check_end(self) -> None:
        if self._step == self._pass_epilogue:
            return
        if self._step == self._pass_boundary and _LAST_LINE.fullmatch(self._buffer):
            return
        if self._parts == 0 and self._step == self._pass_content:
            raise InvalidMultipart(
                "the boundary that the Content-Type names does not occur in the body; "
                "let the HTTP client write that header itself"
            )
        raise InvalidMultipart("the form ends before its last boundary; it was cut short")

    # Each step passes one piece of the form, if it is complete, and says
    # whether it was.  At the beginning of the content of a part the buffer
    # begins with the line feed before it.

    def _pass_content(self) -> bool:
        """
        Pass what comes before a boundary: the content of a part, or what
        stands before the first one.
        """
        found = self._buffer.find(self._delimiter, self._searched)
        end = found if found >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        if self._field is not None and end - 2 > MAX_VALUE:
            raise InvalidMultipart(f"the field '{self._field}' is longer than 64 KiB")
        if found < 0:
            self._searched = end
            if self._field is None:
                # All but what may be a boundary, and the byte before that.
                self._drop(end - 1)
            return False
        if found == 0 or self._buffer[found - 1] != _CR:
            raise InvalidMultipart("a boundary of the form does not follow the end of a line, CRLF")
        if self._field is not None:
            value = bytes(self._buffer[1 : found - 1])
            self._fields[self._field] = _Field(value, self._at + 1, self._at + found - 1)
        self._go_on(self._pass_boundary, found + len(self._delimiter))
        return True

    def _pass_boundary(self) -> bool:
        """
        Pass what follows a boundary on its line.
        """
        match = _LINE_END.match(self._buffer)
        if match is None:
            if _LINE_BEGUN.fullmatch(self._buffer) is None:
                raise InvalidMultipart(
                    "a boundary of the form is followed by neither '--' nor the end of its line, "
                    "CRLF"
                )
            return False
        if match[1]:
            self._go_on(self._pass_epilogue, match.end())
            return True
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidMultipart(f"the form has more than {MAX_PARTS} parts")
        # The end of the line stays: two of them make the end of a head.
        self._go_on(self._pass_head, match.end() - 2)
        return True

    def _pass_head(self) -> bool:
        """
        Pass the headers of a part.
        """
        end = self._buffer.find(b"\r\n\r\n", self._searched, MAX_HEAD)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD:
                raise InvalidMultipart("a part of the form has 16 KiB of headers, or more")
            self._searched = max(0, len(self._buffer) - 3)
            return False
        self._field = self._field_in(bytes(self._buffer[2:end]))
        self._go_on(self._pass_content, end + 3)
        return True

    def _pass_epilogue(self) -> bool:
        """
        Pass what follows the last boundary.
        """
        self._buffer.clear()
        return False

    def _go_on(self, step: Callable[[], bool], end: int) -> None:
        """
        @param end: where in the buffer the piece ends that was passed.
        """
        self._step = step
        self._drop(end)
        self._searched = 0

    def _drop(self, count: int) -> None:
        if count > 0:
            del self._buffer[:count]
            self._at += count
            self._searched -= count

    def _field_in(self, head: bytes) -> str | None:
        """
        @param head: the headers of a part.
        @return: the field in it, or L{None} when it is none that we read.
        """
        dispositions = []
        for line in _FOLD.sub(b" ", head).split(b"\r\n") if head else ():
            match = _HEADER.fullmatch(line)
            if match is None or _STRAY.search(line):
                raise InvalidMultipart(
                    "a part of the form has a line in its head that is no header"
                )
            if match[1].lower() == b"content-disposition":
                dispositions.append(match[2])
        if len(dispositions) > 1:
            raise InvalidMultipart("a part of the form has two Content-Disposition headers")
        told = parameters(dispositions[0]) if dispositions else {}
        name = told.get("name", b"").decode("latin-1")
        if name not in _FIELDS:
            return None
        if any(key.startswith("filename") for key in told):
            raise InvalidMultipart(f"'{name}' must be a field of the form, not a file")
        if name in self._fields:
            raise InvalidMultipart(f"the form has the field '{name}' twice")
        return name


def parameters(value: bytes) -> dict[str, bytes]:
    """
    @param value: of a C{Content-Type} or C{Content-Disposition} header.
    @return: its parameters, the names in lower case, the values without
        quotes.
    @raise InvalidMultipart: when they cannot be read, or in two ways.
    """
    found: dict[str, bytes] = {}
    _, _, left = value.partition(b";")
    at = 0
    while left[at:].strip():
        match = _PARAMETER.match(left, at)
        if match is None:
            raise InvalidMultipart("a header of the form has a parameter that is not name=value")
        key = match[1].decode("ascii").lower()
        if key in found:
            raise InvalidMultipart(f"a header of the form has the parameter '{key[:50]}' twice")
        # Some readers take name*=utf-8''x, or name*0=x, for a name, others do not.
        if _SPLIT.match(key):
            raise InvalidMultipart(f"a header of the form has '{key[:50]}' for a plain parameter")
        found[key] = match[3] if match[2] is None else _ESCAPED.sub(rb"\1", match[2])
        at = match.end()
    return found


def _boundary(content_type: bytes) -> bytes:
    """
    @return: what stands between the parts, without its dashes.
    """
    if content_type.partition(b";")[0].strip().lower() != b"multipart/form-data":
        raise UnsupportedEncoding("of multipart bodies only multipart/form-data is read")
    boundary = parameters(content_type).get("boundary", b"")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise InvalidMultipart(
            "the Content-Type names no boundary of 1 to 70 ASCII characters; "
            "let the HTTP client write that header itself"
        )
    return boundary
