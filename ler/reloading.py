# -*- test-case-name: ler.test.test_reloading -*-
"""
What a change of the configuration means, and who reads it: one reading at a
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ler.config import Config, ConfigError, Engine, Loaded
from ler.errors import InternalError, InvalidConfig, RouterError
from ler.waiters import Waiters

AT_ONCE = frozenset(
    {
        "engines",
        "models",
        "aliases",
        "without_swap",
        "api_keys",
        "metrics_auth",
        "allowed_hosts",
        "allowed_origins",
        "cors",
        "max_body_mb",
        "max_upload_mb",
        "max_json_depth",
        "max_websocket_message_mb",
        "websocket_wait_s",
        "websocket_idle_s",
        "client_stall_timeout_s",
        "swap_keepalive_enabled",
        "swap_keepalive_interval_s",
        "swap_keepalive_grace_s",
        "swap_keepalive_chunk_s",
        "ndjson_keepalive",
        "drain_timeout_s",
        "swap_memory_settle_timeout_s",
        "upstream_connect_timeout_s",
        "ollama_version",
        "allow_destructive_ollama_api",
        "on_exit",
        "on_start_failure",
        "orphan_start_grace_s",
        "preload",  # of which nothing is to be done before the next start
        "discover",
        "scheduler",
    }
)
"""The keys that apply to what comes after a reload."""

AT_RESTART = frozenset(
    {
        "host",
        "port",
        "log_file",
        "request_log",
        "log_level",
        "log_format",
        "state_dir",
        "state_file",
        "memory_assist",
    }
)
"""The keys whose change has no effect before the router is started again."""

OF_REQUESTS = frozenset(
    {
        "enabled",
        "upstream_headers",
        "speaks",
        "served_models",
        "discover_models",
        "memory",
        "sizing",
        "idle_unload_s",
        "pin",
        "max_concurrency",
        "max_queue",
        "max_wait_s",
        "max_connections",
        "control_paths",
        "allow_cloud_models",
    }
)
"""The keys of engines that apply at once, to one that runs, too: they are about
its requests."""


def settings(engine: Engine) -> tuple[type[Engine], dict[str, Any]]:
    """
    @return: what C{engine} is made of: two that are equal here need not be
        told apart.
    """
    names = [each.name for each in fields(engine) if each.name not in OF_REQUESTS]
    return type(engine), {name: getattr(engine, name) for name in names}


@dataclass(frozen=True)
class Changes:
    """
    What has changed, in words for people; never a value, which may be secret.

    @ivar added: the engines that are new.
    @ivar changed: those that are not as they were, and the other keys.
    @ivar removed: the engines that are there no more.
    @ivar stale: those that are in use as they were, until they are freed.
    @ivar needs_restart: the keys that are ignored until then.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    def describe(self) -> dict[str, list[str]]:
        """
        @return: them, as C{/admin/reload} tells them.
        """
        return {each.name: list(getattr(self, each.name)) for each in fields(self)}

    def __str__(self) -> str:
        told = {name: words for name, words in self.describe().items() if words}
        parts = (f"{name.replace('_', ' ')}: {', '.join(words)}" for name, words in told.items())
        return "; ".join(parts) or "nothing has changed"


def compare(old: Config, new: Config) -> Changes:
    """
    @param old: what the router runs by.
    @return: what C{new} changes.
    """
    before, after = _enabled(old), _enabled(new)
    different = _different(old, new)
    return Changes(
        added=tuple(f"engine {key}" for key in after if key not in before),
        changed=(
            *(
                f"engine {key} ({', '.join(_different(before[key], engine))})"
                for key, engine in after.items()
                if key in before and before[key] != engine
            ),
            *(name for name in different if name in AT_ONCE - {"engines"}),
        ),
        removed=tuple(f"engine {key}" for key in before if key not in after),
        needs_restart=tuple(name for name in different if name in AT_RESTART),
    )


def effective(old: Config, new: Config) -> Config:
    """
    @return: what the router can run by: C{new}, less what needs a restart.
    """
    return replace(new, **{name: getattr(old, name) for name in AT_RESTART})


def _enabled(config: Config) -> dict[str, Engine]:
    return {key: engine for key, engine in config.engines.items() if engine.enabled}


def _different(old: Any, new: Any) -> list[str]:
    """
    @return: the names of the fields in which two dataclasses differ.
    """
    if type(old) is not type(new):
        return ["type"]
    names: Iterable[str] = (each.name for each in fields(new))
    return [name for name in names if getattr(old, name) != getattr(new, name)]


class Reloader:
    """
    Reads the configuration anew when it is told to.

    What is asked for during a reading, however often, makes one more reading
    after it.
    """

    _log = Logger()

    def __init__(
        self,
        read: Callable[[], Deferred[Loaded]],
        apply: Callable[[Config], Changes],
        *,
        begun: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """
        @param read: reads the file; it fails with L{ConfigError}.
        @param apply: lets the router run by a configuration.
        @param begun: called before every reading.
        @param ended: called after it, whatever came of it.
        """
        self._read = read
        self._apply = apply
        self._begun = begun
        self._ended = ended
        self._next: Waiters[Changes | Failure] = Waiters()
        self._asked = False
        self._running = False

    def reload(self) -> Deferred[Mapping[str, list[str]]]:
        """
        Read the file, and run by what it says.  When it is wrong nothing
        changes.

        @return: a L{Deferred} firing with L{Changes.describe}, or failing with
            L{InvalidConfig}, which says what is wrong.  Cancelling it concerns
            its holder only.
        """
        told: Deferred[Any] = self._next.wait()
        told.addCallback(lambda changes: changes.describe())
        self.hear()
        return told

    def hear(self) -> None:
        """
        Like L{reload}, for one who only reads the log.
        """
        self._asked = True
        if not self._running:
            self._running = True
            Deferred.fromCoroutine(self._run())

    async def _run(self) -> None:
        while self._asked:
            self._asked = False
            waiting, self._next = self._next, Waiters()
            self._begun()
            outcome = await self._once()
            self._ended()
            waiting.fire(outcome)
        self._running = False

    async def _once(self) -> Changes | Failure:
        try:
            loaded = await self._read()
            for warning in loaded.warnings:
                self._log.warn("{problem}", problem=warning)
            changes = self._apply(loaded.config)
        except ConfigError as e:
            return self._unchanged(InvalidConfig(str(e)))
        except RouterError as e:
            return self._unchanged(e)
        except Exception:
            self._log.failure("a reload failed")
            return Failure(InternalError("the reload failed; the log has the traceback"))
        self._log.info("the configuration was read anew: {changes}", changes=str(changes))
        if changes.needs_restart:
            self._log.warn(
                "the router has to be started again for a change of {keys}",
                keys=", ".join(changes.needs_restart),
            )
        return changes

    def _unchanged(self, reason: RouterError) -> Failure:
        self._log.error("the configuration stays as it was: {reason}", reason=reason.message)
        return Failure(reason)
