"""
Ends of websockets without anything between them and their peers.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyClass

from ler.web.conversation import IWebsocketEnd


@implementer(IWebsocketEnd)
class FakeEnd:
    """
    Our end of a websocket whose peer is played by the test.

    @ivar events: what was done to it: C{text hi}, C{binary hi}, C{ping},
        C{close CODE REASON}, C{abort}.
    @ivar source: the end that is read only while this one's peer reads.
    @ivar websocket_protocol_in_use: the subprotocol, if any.
    """

    conversation: Any = None
    source: object = None

    def __init__(self, subprotocol: str | None = None) -> None:
        self.events: list[str] = []
        self.websocket_protocol_in_use = subprotocol

    def send(self, message: bytes, binary: bool) -> None:
        """
        @see: L{IWebsocketEnd.send}
        """
        self.events.append(f"{'binary' if binary else 'text'} {message.decode()}")

    def ping(self) -> None:
        """
        @see: L{IWebsocketEnd.ping}
        """
        self.events.append("ping")

    def close(self, code: int | None, reason: str) -> None:
        """
        @see: L{IWebsocketEnd.close}
        """
        self.events.append(f"close {code} {reason}".rstrip())

    def abort(self) -> None:
        """
        @see: L{IWebsocketEnd.abort}
        """
        self.events.append("abort")
        self.lose()

    def pace(self, source: object) -> None:
        """
        @see: L{IWebsocketEnd.pace}
        """
        self.source = source

    # What the peer does.

    def hear(self, text: str, binary: bool = False) -> None:
        """
        The peer says something.
        """
        self.conversation.said(self, text.encode(), binary)

    def hear_close(self, code: int | None = 1000, reason: str = "") -> None:
        """
        The peer wants no more.
        """
        self.conversation.closing(self, code, reason)

    def lose(self) -> None:
        """
        The connection is gone.
        """
        self.conversation.lost(self)


verifyClass(IWebsocketEnd, FakeEnd)
