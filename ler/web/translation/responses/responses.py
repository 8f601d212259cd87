# -*- test-case-name: ler.test.test_translation_responses -*-
"""
Clients of OpenAI's Responses API, Codex above all, on engines that know chat
completions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from ler.errors import BadRequest
from ler.web.translation.chat_requests import CHAT, streaming
from ler.web.translation.contract import Circumstances, ITranslation
from ler.web.translation.fields import Fields
from ler.web.translation.responses.answer import Answer
from ler.web.translation.responses.conversation import offered
from ler.web.translation.responses.request import chat_request, repeated, wording
from ler.web.translation.responses.tools import Offer


@implementer(ITranslation)
class ResponsesToChat:
    """
    C{/v1/responses} to C{/v1/chat/completions}.

    What says how the answer is to be kept, cached, billed or watched is left
    out, as nobody here does any of it; so is how wordy it is to be.
    """

    path = CHAT

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the body is wrong, or asks for what only
            OpenAI's own service can do.
        """
        fields = Fields(body, BadRequest)
        self.streams = fields.flag("stream") is True
        offer = Offer(offered(fields))
        self._request = chat_request(fields, offer)
        self._answer = Answer(repeated(fields), offer, wording(fields), circumstances)

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        return {"model": model, **self._request, **(streaming() if self.streams else {})}

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """

    def document(self, answer: object) -> dict[str, Any]:
        """
        @see: L{ITranslation.document}
        """
        return self._answer.whole(answer)

    def event(self, event: object) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.event}
        """
        return self._answer.piece(event)

    def end(self) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.end}
        """
        return self._answer.end()
