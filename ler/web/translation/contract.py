# -*- test-case-name: ler.test.test_translation -*-
"""
What a translation is.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zope.interface import Attribute, Interface


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Circumstances:
    """
    What a translation needs to know beside the request.

    @ivar model: the name that the client used, which its answer carries.
    @ivar now: a monotonic clock, in seconds.
    @ivar wall: the time of day, in seconds since the epoch.
    @ivar new_id: makes up an identifier that no other answer has: letters and
        digits, without a prefix.
    """

    model: str
    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    new_id: Callable[[], str] = _new_id


class ITranslation(Interface):
    """
    One request, and its answer.  One object a request; made of the client's
    body, whose mistakes its maker reports as L{ler.errors.BadRequest}.

    The methods are called in this order: L{request}; L{sent}; then either
    L{document}, once, or L{event} any number of times and L{end}.
    """

    path = Attribute("Where the engine takes the request: L{str}, such as /v1/chat/completions.")

    streams = Attribute(
        "Whether the client wants a stream: L{bool}.  The engine is asked for one then, and only "
        "then."
    )

    def request(model: str):
        """
        @param model: the name that the engine expects.
        @return: the body for the engine, a L{dict} that JSON can hold.
        """

    def sent():
        """
        The request goes to the engine now; what was before was waiting.
        """

    def document(answer: object):
        """
        @param answer: the engine's whole answer, of status 200: any JSON value.
        @return: the client's, a value that JSON can hold.
        @raise UpstreamError: when it tells of an error, with the engine's
            words, or is not what such an engine answers.
        """

    def event(event: object):
        """
        @param event: the next one of the engine's stream, decoded: any JSON
            value.  The end mark C{[DONE]} is none.
        @return: a L{list} of events (L{dict}) for the client, possibly empty.
        @raise UpstreamError: when it tells of an error, with the engine's
            words, or is not what such an engine says.
        """

    def end():
        """
        The engine's stream is complete.  This raises nothing: what is still
        missing is left out.

        @return: a L{list} of the last events for the client, with what ends
            its stream (C{done: true}, C{message_stop}, ...).
        """


Maker = Callable[[Mapping[str, Any], Circumstances], ITranslation]
"""What makes a translation of a client's body: its class, as a rule."""
