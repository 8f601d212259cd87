# -*- test-case-name: ler.test.test_routes -*-
"""
Which headers of a client's request its engine gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ler.upstream import HeaderList, header_list, upward


@dataclass(frozen=True)
class Upward:
    """
    The rules of one router.

    @ivar added: by engine, what its configuration adds to requests.
    @ivar guarded: whether clients show keys to the router, which stay here.
    """

    added: Mapping[str, Mapping[str, str]]
    guarded: bool

    def headers(self, request: Any, engine: str) -> HeaderList:
        """
        @return: the headers of C{request} that go up to C{engine}.
        """
        return upward(
            header_list(request.requestHeaders),
            guarded=self.guarded,
            added=self.added.get(engine, {}),
        )
