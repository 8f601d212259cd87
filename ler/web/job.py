# -*- test-case-name: ler.test.test_relay -*-
"""
What is to be asked of an engine for a client.
"""

from __future__ import annotations

from dataclasses import dataclass

from ler.interfaces import Residency
from ler.slot.wish import ORDINARY, Wish
from ler.upstream import FileSpan, HeaderList
from ler.web.beats import Beats
from ler.web.dialects import IDialect
from ler.web.translation.contract import ITranslation


@dataclass(frozen=True)
class Translated:
    """
    An engine that is asked in another dialect than the client's.

    @ivar translation: turns its answer into what the client understands.
    @ivar dialect: what it is asked in.
    """

    translation: ITranslation
    dialect: IDialect


@dataclass(frozen=True)
class Job:
    """
    One request to an engine.

    @ivar engine: its key.
    @ivar residency: what must be resident; L{None} when the engine is to be
        asked as it is.
    @ivar method: the HTTP method.
    @ivar target: path and query, as they go up.
    @ivar headers: as they go up.
    @ivar parts: the body, in parts.
    @ivar model: the name that the client used, for the log.
    @ivar beats: what the client may be sent before the answer comes, which
        will be a stream; L{None} when it must be sent nothing.
    @ivar translated: L{None} when the engine's answer passes as it is.
    @ivar counted: the id of the model that tokens are counted for; L{None}
        where nobody knows what is answered.
    @ivar wish: how the client would like to be treated while it waits.
    @ivar keep_alive: for how many seconds of idleness it wants the model kept;
        L{None} when it does not say.
    """

    engine: str
    residency: Residency | None
    method: bytes
    target: bytes
    headers: HeaderList
    parts: list[bytes | FileSpan]
    model: str
    beats: Beats | None = None
    translated: Translated | None = None
    counted: str | None = None
    wish: Wish = ORDINARY
    keep_alive: float | None = None
