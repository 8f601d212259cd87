# -*- test-case-name: ler.test.test_redaction -*-
"""
Keeps secrets out of what is shown: those that are known, and what looks like
one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REDACTED = "[redacted]"

SHORTEST = 4
"""The fewest characters of a known secret: what is shorter stands in every
other line, and hides nothing."""

_OPEN = r"[\[(\"']*"

LOOKS_SECRET = re.compile(
    r"(?P<before>"
    # Authorization: Bearer abc
    rf"authorization[\"']?\s*[:=]\s*{_OPEN}(?:\w+\s+)?"
    # X-API-Key: abc, api_key=['abc'], HF_TOKEN=abc
    r"|(?:api[_-]?key|secret|passw(?:or)?d|(?:auth|access|hf|hub)[_-]?token)"
    rf"[\"']?\s*[:=]\s*{_OPEN}"
    # --api-key abc
    rf"|--(?:[a-z]+-){{0,3}}(?:key|token|secret|password)\s+{_OPEN}"
    r"|\bbearer\s+"
    r")"
    r"(?P<secret>[^\s\[\](){}\"',;&]{4,})"
    r"|(?P<cookies>cookie[\"']?\s*[:=]).*"
    # Tokens that say themselves what they are.
    r"|\b(?:sk|hf|ghp|glpat)[-_][A-Za-z0-9_-]{16,}",
    re.IGNORECASE,
)


class Redaction:
    """
    Knows what must not be shown.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """
        @param secrets: those that are known, such as the keys of the
            configuration.
        """
        self._secrets: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """
        @param secrets: further ones; what was one remains one.
        """
        self._secrets |= {secret for secret in secrets if len(secret) >= SHORTEST}
        # The longest first, since one may begin with another.
        known = sorted(self._secrets, key=lambda secret: (-len(secret), secret))
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """
        @return: C{text} without secrets.
        """
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return LOOKS_SECRET.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    return (match["before"] or match["cookies"] or "") + REDACTED
