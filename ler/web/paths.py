# -*- test-case-name: ler.test.test_paths -*-
"""
One spelling for every path, before anything is decided on it.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote_to_bytes

from ler.errors import InvalidPath

_PLAIN = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
_QUERY = re.compile(rb"[\x21-\x7e]*")


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """
    @param target: the request target as it came.
    @return: the path, and the query with its question mark or empty.
    @raise InvalidPath: when it is not an absolute path of visible ASCII.
    """
    path, mark, query = target.partition(b"?")
    if not path.startswith(b"/") or _QUERY.fullmatch(target) is None or b"#" in target:
        raise InvalidPath("the request target must be a path such as /v1/chat/completions")
    return path, mark + query


def normal_path(path: bytes) -> str:
    """
    @param path: a path without its query.
    @return: the same as text, without a slash at its end.
    @raise InvalidPath: when it could be read in two ways: empty or dot
        segments, escapes, backslashes.  Engines resolve those, each in its
        own way, so none of them is passed on.
    """
    if _PLAIN.fullmatch(path) is None:
        raise InvalidPath("the path must not hold escapes (%..) or unusual characters")
    segments = path.decode("ascii")[1:].split("/")
    if segments[-1] == "":
        segments.pop()
    if not {"", ".", ".."}.isdisjoint(segments):
        raise InvalidPath("the path must not hold empty segments, '.' or '..'")
    return "/" + "/".join(segments)


def query_of(target: bytes) -> dict[str, str]:
    """
    @param target: the request target as it came.
    @return: the parameters of its query, by name; the last of each counts.
    """
    query = target.partition(b"?")[2].decode("latin-1")
    return dict(parse_qsl(query, keep_blank_values=True))


def decoded_tail(path: bytes, prefix: bytes) -> str:
    """
    @return: what follows C{prefix} in C{path}, unescaped: an id, which may
        hold slashes.
    @raise InvalidPath: when it is not UTF-8.
    """
    try:
        return unquote_to_bytes(path[len(prefix) :]).decode("utf-8")
    except UnicodeDecodeError as e:
        raise InvalidPath("the id in the path is not UTF-8") from e
