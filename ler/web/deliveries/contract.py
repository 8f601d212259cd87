# -*- test-case-name: ler.test.test_deliveries -*-
"""
What a delivery is.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface

from ler.errors import UpstreamTruncated


class IDelivery(Interface):
    """
    One answer on its way to a client.  It commits the response when it knows
    enough.
    """

    at_boundary = Attribute("Whether something else may be said to the client now (L{bool}).")

    ended = Attribute(
        "Whether the client has had the end of a stream, after which nothing may come (L{bool})."
    )

    satisfied = Attribute("Whether the rest of the body is of no interest (L{bool}).")

    def arrived(data: bytes):
        """
        The next bytes of the body are here.

        @raise RouterError: when they cannot be understood.
        """

    def conclude(clean: bool):
        """
        The body is over, and so is the response.

        @param clean: whether the engine said that this is all.
        @raise RouterError: what is to be said to the client instead.
        """

    def complete():
        """
        Finish a response that has L{ended}, whatever becomes of the engine.
        """


def truncated(engine: str) -> UpstreamTruncated:
    """
    @return: the error that tells of half an answer of C{engine}.
    """
    return UpstreamTruncated(f"engine {engine} stopped in the middle of its answer")
