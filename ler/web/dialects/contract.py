# -*- test-case-name: ler.test.test_dialects -*-
"""
What a client dialect is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from zope.interface import Attribute, Interface

from ler.errors import RouterError, Unavailable

JSON = "application/json"


@dataclass(frozen=True)
class Rendered:
    """
    A complete error response.

    @ivar headers: without the length.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class IDialect(Interface):
    """
    What one kind of client understands.  Stateless.
    """

    content_type = Attribute("The media type of its streams, in lower case (L{bytes}).")

    heartbeat = Attribute("Bytes that mean nothing to a waiting client.")

    closing = Attribute("What follows the last event of a stream that is whole (L{bytes}).")

    own_errors = Attribute(
        "Whether its clients can read errors in its own shape only, so that an engine's other "
        "ones are written anew (L{bool})."
    )

    def render(error: RouterError, request_id: str):
        """
        @return: C{error} as a L{Rendered} response, while the status is still
            open.
        """

    def error_frame(error: RouterError, request_id: str):
        """
        @return: C{error} as L{bytes} in a stream that was begun, with
            whatever ends such a stream.
        """

    def is_error(said: object):
        """
        @param said: the body of an error, decoded.
        @return: whether it has the dialect's own shape.
        """

    def is_end(frames: bytes):
        """
        @return: whether C{frames}, whole ones, hold the mark after which
            nothing comes.
        """

    def must_end():
        """
        @return: whether a stream without that mark was cut short.
        """

    def frames(longest: int):
        """
        @param longest: bytes after which a frame comes out in pieces.
        @return: what cuts such a stream into whole frames, see
            L{ler.web.frames}.
        """

    def decode(frames: bytes):
        """
        @param frames: whole ones.
        @return: the events in them, a L{list} of what JSON holds.
        @raise ValueError: when one holds something else.
        """

    def encode(event: object):
        """
        @return: C{event}, a L{dict}, as the L{bytes} of one frame.
        @raise ValueError: when it holds a number that JSON has not.
        """


def retry_headers(error: RouterError) -> tuple[tuple[str, str], ...]:
    """
    @return: the headers of C{error} that tell clients when to come back.
    """
    headers = list(error.headers)
    if error.retry_after is not None:
        if error.retry_after <= 60:
            headers.append(("Retry-After", str(max(1, math.ceil(error.retry_after)))))
        elif isinstance(error, Unavailable):
            headers.append(("x-should-retry", "false"))
    if error.should_retry is False:
        headers.append(("x-should-retry", "false"))
    return tuple(headers)
