# -*- test-case-name: ler.test.test_sleep -*-
"""
vLLM's sleep mode: the process stays, the memory of the GPU comes back.

The server must have been started with C{--enable-sleep-mode} and
C{VLLM_SERVER_DEV_MODE=1}.  What it answers to the order alone is not believed:
it is asked again whether it sleeps, and one that woke must prove that it can
still generate.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ler.engines.control import Control, Reply
from ler.errors import Unreachable

FALL_ASLEEP_S = 120.0
"""How long the weights may take to leave the GPU, in seconds."""

LOOK_S = 5.0
"""How long it may take to say whether it sleeps, in seconds."""

OK, NOT_FOUND = 200, 404

Query = tuple[tuple[str, str], ...]

WAKE_UPS: Mapping[int, Sequence[tuple[str, Query, object]]] = {
    1: [("/wake_up", (), None)],
    # What was dropped is loaded again before there is a cache for it to fill.
    2: [
        ("/wake_up", (("tags", "weights"),), None),
        ("/collective_rpc", (), {"method": "reload_weights"}),
        ("/wake_up", (("tags", "kv_cache"),), None),
        ("/reset_prefix_cache", (), None),
    ],
}
"""By level, what wakes a server: paths with their queries and bodies."""

WARM_UPS: Sequence[tuple[str, dict[str, Any]]] = (
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}),
    ("/v1/completions", {"prompt": "hi", "max_tokens": 1}),
    ("/v1/embeddings", {"input": "hi"}),
)
"""Short requests; which of the routes there are depends on the model's task."""


class Disobeyed(Exception):
    """
    The server did not do as it was told; the text is what it said.
    """


def why_not(level: int, unified: bool) -> str | None:
    """
    @param level: 1 keeps the weights in the memory of the host, 2 drops them.
    @param unified: whether the GPU shares the memory of the host.
    @return: why sleeping would give no memory back, or L{None}.
    """
    if level == 1 and unified:
        return (
            "sleep level 1 moves the weights to the memory of the host, which on this machine "
            "is that of the GPU; use sleep_level 2"
        )
    return None


class Sleeper:
    """
    Puts one vLLM server to sleep, and wakes it.
    """

    _log = Logger()

    def __init__(
        self, key: str, control: Control, level: int, timeout: float, model: str | None
    ) -> None:
        """
        @param key: the key of the engine.
        @param level: see L{why_not}.
        @param timeout: how long waking may take, in seconds.
        @param model: the name that the server has for its model, or L{None} to
            name none.
        """
        self._key = key
        self._control = control
        self._level = level
        self._timeout = timeout
        self._model = {} if model is None else {"model": model}

    def sleep(self) -> Deferred[bool]:
        """
        Have the server give its memory back.  Answers that are under way are
        aborted.

        @return: a L{Deferred} firing with whether it sleeps.
        """
        return Deferred.fromCoroutine(self._obeyed(self._sleep(), "fall asleep"))

    def wake(self) -> Deferred[bool]:
        """
        Have the server take its memory again.

        @return: a L{Deferred} firing with whether it can answer.
        """
        return Deferred.fromCoroutine(self._obeyed(self._wake(), "wake"))

    async def _obeyed(self, obeying: Coroutine[Any, Any, None], what: str) -> bool:
        try:
            await obeying
        except Disobeyed as e:
            self._log.warn(
                "engine {key} did not {what}: {reason}", key=self._key, what=what, reason=str(e)
            )
            return False
        return True

    async def _sleep(self) -> None:
        give_up = self._control.clock.seconds() + FALL_ASLEEP_S
        # As query parameters: a JSON body would be ignored, and the level be 1.
        order = (("level", str(self._level)), ("mode", "abort"))
        reply = await self._ask("POST", "/sleep", give_up, query=order)
        if reply.status == NOT_FOUND:
            raise Disobeyed("it was started without --enable-sleep-mode or VLLM_SERVER_DEV_MODE=1")
        _demand(reply, "/sleep")
        await self._must_be(asleep=True)

    async def _wake(self) -> None:
        give_up = self._control.clock.seconds() + self._timeout
        for path, query, body in WAKE_UPS[self._level]:
            _demand(await self._ask("POST", path, give_up, query=query, body=body), path)
        await self._must_be(asleep=False)
        for path, question in WARM_UPS:
            reply = await self._ask("POST", path, give_up, body={**self._model, **question})
            if reply.status != NOT_FOUND:
                break
        _demand(reply, path)

    async def _must_be(self, *, asleep: bool) -> None:
        give_up = self._control.clock.seconds() + LOOK_S
        reply = await self._ask("GET", "/is_sleeping", give_up)
        document = reply.json
        said = document.get("is_sleeping") if isinstance(document, dict) else None
        if said is not asleep:
            raise Disobeyed(f"/is_sleeping: {reply}")

    async def _ask(self, method: str, path: str, give_up: float, **what: Any) -> Reply:
        """
        @param give_up: when, on the clock.
        """
        timeout = max(give_up - self._control.clock.seconds(), 0.0)
        try:
            return await self._control.ask(method, path, timeout=timeout, **what)
        except Unreachable as e:
            raise Disobeyed(f"{path}: {e}") from e


def _demand(reply: Reply, path: str) -> None:
    """
    @raise Disobeyed: unless the server agreed.
    """
    if reply.status != OK:
        raise Disobeyed(f"{path}: {reply}")
