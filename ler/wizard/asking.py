# -*- test-case-name: ler.test.test_wizard_asking -*-
"""
Asks servers what they are, and which models they have.

Each is asked in a thread of its own and given little time, so that a server
that hangs holds up nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any, TypeVar

from ler.wizard.machine import Address
from ler.wizard.programs import KOBOLDCPP, LM_STUDIO, OLLAMA, Program

TIMEOUT_S = 2.0
"""Seconds that each wait for a server may take."""

LARGEST = 4 << 20
"""Bytes of an answer that are read."""

T = TypeVar("T")
R = TypeVar("R")

Fetch = Callable[[Address, str, Mapping[str, str]], Any]
"""From an address, a path and headers to what the JSON of the answer holds, or
its text; L{None} when there is no good answer."""


def fetch(address: Address, path: str, headers: Mapping[str, str]) -> Any:
    """
    @see: L{Fetch}
    """
    connection = HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
    with closing(connection):
        try:
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            text = answer.read(LARGEST).decode("utf-8", "replace")
        except (OSError, HTTPException):
            return None
    if answer.status != 200:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def in_parallel(ask: Callable[[T], R], subjects: Iterable[T]) -> list[R]:
    """
    @return: what C{ask} makes of each of C{subjects}, in their order.
    """
    with ThreadPoolExecutor(max_workers=32) as threads:
        return list(threads.map(ask, subjects))


class Asker:
    """
    Knows how each program is asked.
    """

    def __init__(self, fetch: Fetch = fetch) -> None:
        self._fetch = fetch

    def identify(self, address: Address) -> Program | None:
        """
        @return: which of those programs listens there that one need not see,
            as they are told over HTTP what to hold; L{None} for any other.
        """
        if self._fetch(address, "/", {}) == "Ollama is running":
            return OLLAMA
        greeting = self._fetch(address, "/lmstudio-greeting", {})
        if isinstance(greeting, dict) and greeting.get("lmstudio") is True:
            return LM_STUDIO
        return None

    def models(self, program: Program, address: Address, key: str | None) -> list[str] | None:
        """
        @param key: what the server wants to be shown, if anything.
        @return: the models that it has, as clients call them; L{None} when it
            does not answer, or not as C{program} does.
        """
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if program is OLLAMA:
            return _names(self._fetch(address, "/api/tags", headers), "models", "name")
        if program is LM_STUDIO:
            return _names(self._fetch(address, "/api/v1/models", headers), "models", "key")
        if program is KOBOLDCPP:
            answer = self._fetch(address, "/api/v1/model", headers)
            name = answer.get("result") if isinstance(answer, dict) else None
            match = re.fullmatch(r"koboldcpp/(.+)", name) if isinstance(name, str) else None
            return None if match is None else [match[1]]
        return _names(self._fetch(address, "/v1/models", headers), "data", "id")


def _names(answer: Any, listing: str, name: str) -> list[str] | None:
    """
    @return: the names in a list of an answer; those that no client could send
        are left out.
    """
    entries = answer.get(listing) if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return None
    names = [entry.get(name) for entry in entries if isinstance(entry, dict)]
    return [
        text
        for text in dict.fromkeys(names)
        if isinstance(text, str) and text.isprintable() and text
    ]
