# -*- test-case-name: ler.test.test_ctl_client -*-
"""
A running router, as a program on the command line talks to it: one request
after the other, each waited for.

The standard library does that.  It starts at once, blocks as a command line
may, and unlike most clients it leaves the proxies of the environment alone,
which would get in the way of an address on this machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

DETAIL = 200
"""Characters that are shown of an answer that is not understood."""


class Unreachable(Exception):
    """
    No answer came.
    """


class Refused(Exception):
    """
    The router answered with an error.

    @ivar status: the HTTP status.
    @ivar code: what the router calls the error.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def connect(url: str, timeout: float) -> HTTPConnection:
    """
    @param url: where the router listens; only its scheme, host and port count.
    @param timeout: seconds that each wait may take.
    @raise ValueError: when that is no such URL.
    """
    parts = urlsplit(url)
    kinds = {"http": HTTPConnection, "https": HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise ValueError(f"{url} is no URL such as http://127.0.0.1:8077")
    connection: HTTPConnection = kinds[parts.scheme](parts.hostname, parts.port, timeout=timeout)
    return connection


class Router:
    """
    What can be asked of a router.

    @ivar url: where it listens.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        timeout: float = 15.0,
        connect: Callable[[str, float], Any] = connect,
    ) -> None:
        """
        @param key: what opens the router, if it is locked.
        @param timeout: seconds that an answer may take.
        @param connect: as L{connect}.
        """
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._connect = connect
        self._path = urlsplit(self.url).path
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **query: str | int) -> Any:
        """
        @param path: what is asked for, percent-encoded.
        @param query: the parameters of the query.
        @return: what the JSON of the answer holds.
        @raise Unreachable: when there is no answer.
        @raise Refused: when it is an error.
        """
        return _document(self._ask("GET", _target(path, query)))

    def post(self, path: str, asked: Mapping[str, object]) -> Any:
        """
        @param asked: what the JSON of the request holds.
        @return: as L{get}.
        """
        return _document(self._ask("POST", path, json.dumps(asked)))

    def delete(self, path: str) -> Any:
        """
        @return: as L{get}.
        """
        return _document(self._ask("DELETE", path))

    def lines(self, path: str, **query: str | int) -> Iterator[str]:
        """
        @return: the lines of an answer, one by one as they come, without their
            ends.
        @raise Unreachable: when there is no answer, or no more of it.
        @raise Refused: when it is an error.
        """
        answer = self._ask("GET", _target(path, query), endless=True)
        if answer.status != 200:
            raise _refusal(answer.status, _body(answer))
        try:
            for line in answer:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        except (OSError, HTTPException) as e:
            raise Unreachable(f"the router at {self.url} broke off: {_reason(e)}") from e
        finally:
            answer.close()

    def _ask(
        self, method: str, target: str, body: str | None = None, endless: bool = False
    ) -> HTTPResponse:
        try:
            connection = self._connect(self.url, self._timeout)
            headers = dict(self._headers)
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, self._path + target, body, headers)
            if endless and connection.sock is not None:
                # It may be silent for as long as nothing happens.
                connection.sock.settimeout(None)
            answer: HTTPResponse = connection.getresponse()
        except (OSError, HTTPException) as e:
            raise Unreachable(f"no router answers at {self.url}: {_reason(e)}") from e
        return answer


def segment(text: str) -> str:
    """
    @return: C{text} as one segment of a path.
    """
    return quote(text, safe="")


def _target(path: str, query: Mapping[str, str | int]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _document(answer: HTTPResponse) -> Any:
    body = _body(answer)
    if answer.status >= 300:
        raise _refusal(answer.status, body)
    try:
        return json.loads(body)
    except ValueError:
        raise _stranger(answer.status, body) from None


def _body(answer: HTTPResponse) -> bytes:
    try:
        return answer.read()
    except (OSError, HTTPException) as e:
        raise Unreachable(f"the router broke off its answer: {_reason(e)}") from e


def _refusal(status: int, body: bytes) -> Refused:
    try:
        error = json.loads(body)["error"]
        return Refused(status, str(error["code"]), str(error["message"]))
    except (ValueError, TypeError, KeyError):
        return _stranger(status, body)


def _stranger(status: int, body: bytes) -> Refused:
    text = body[:DETAIL].decode("utf-8", "replace").strip()
    return Refused(
        status, "not_a_router", f"what answers is no engine-router: status {status}, {text!r}"
    )


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
