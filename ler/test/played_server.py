# -*- test-case-name: ler.test.test_sleep,ler.test.test_ollama -*-
"""
A server that a test plays, one question after the other.
"""

from __future__ import annotations

import json
from typing import Any

from ler.test.http import FakeAgent, Sent


class PlayedServer:
    """
    What the router asks a server, and what it is told.

    @ivar agent: the way to it.
    """

    def __init__(self, base_url: str) -> None:
        self.agent = FakeAgent()
        self._base_url = base_url
        self._answered = 0

    @property
    def question(self) -> Sent:
        """
        The one question that waits for an answer.
        """
        (sent,) = self.agent.sent[self._answered :]
        return sent

    def is_asked(self, what: str) -> Any:
        """
        Check that the question that waits is C{what}: a method, and a path with
        its query.

        @return: what the JSON of its body holds; L{None} without a body.
        """
        sent = self.question
        path = sent.absoluteURI.decode().removeprefix(self._base_url)
        asked = f"{sent.method.decode()} {path}"
        assert asked == what, f"{asked} was asked, not {what}"
        return json.loads(sent.body) if sent.body else None

    def answer(self, what: str, document: object = None, status: int = 200) -> Any:
        """
        Answer the question that waits, which must be C{what}.

        @param document: what the JSON of the answer holds.
        @return: as of L{is_asked}.
        """
        asked, sent = self.is_asked(what), self.question
        self._answered += 1
        response = sent.respond(status)
        response.write(json.dumps({} if document is None else document).encode())
        response.end()
        return asked

    def fail(self, what: str, reason: Exception) -> None:
        """
        The question that waits, which must be C{what}, gets no answer.
        """
        self.is_asked(what)
        sent = self.question
        self._answered += 1
        sent.fail(reason)

    def is_given_up(self, what: str) -> None:
        """
        Check that the router no longer waits for the answer to C{what}.
        """
        self.is_asked(what)
        assert self.question.cancelled, "the router waits for the answer"
        self._answered += 1

    def is_quiet(self) -> None:
        """
        Check that no question waits.
        """
        assert len(self.agent.sent) == self._answered, "a question waits for an answer"
