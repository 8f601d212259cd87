# -*- test-case-name: ler.test.test_tap -*-
"""
C{twistd engine-router}: its options, its life as a service, and the one place
where the real reactor is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger, globalLogPublisher
from twisted.python import usage

from ler.composing import Parts
from ler.config import Config, ConfigError, Loaded, json_schema, load
from ler.errors import ShuttingDown
from ler.listening import Listening
from ler.logs import LogFileService, RequestLogService
from ler.notify import Notifier
from ler.reloading import Changes, Reloader
from ler.slot.record import Answered
from ler.slot.slots import Slots
from ler.state import StateDirectory, StateFile, StateLocked


class Options(usage.Options):
    """
    The command line of C{twistd engine-router}.
    """

    synopsis = "[options]"
    longdesc = (
        "One URL in front of many local inference engines, one of which at a time holds the memory."
    )
    optParameters: ClassVar = [
        ["config", "c", None, "The YAML configuration (required)."],
    ]
    optFlags: ClassVar = [
        ["check-config", None, "Say whether the configuration is right, and exit."],
        ["print-schema", None, "Print the JSON Schema of the configuration, and exit."],
    ]

    def postOptions(self) -> None:
        """
        Read the configuration: what is wrong with it is told here, before
        anything is started.
        """
        if self["print-schema"]:
            print(json.dumps(json_schema(), indent=2))
            raise SystemExit(0)
        if self["config"] is None:
            # After a UsageError Twisted 22.4 would exit with 0.
            raise SystemExit("engine-router: --config FILE is needed; see --help")
        try:
            loaded = load(self["config"], os.environ)
        except ConfigError as e:
            raise SystemExit(str(e)) from None
        for warning in loaded.warnings:
            print(warning, file=sys.stderr)
        if self["check-config"]:
            engines = ", ".join(loaded.config.engines)
            print(f"{self['config']} is right: {len(loaded.config.models)} models on {engines}")
            raise SystemExit(0)
        self.loaded = loaded.config


def makeService(options: Options) -> Service:
    """
    @return: the router that C{options} describe.
    """
    from twisted.internet import reactor

    # The service may have changed its working directory by the time of a reload.
    path = os.path.abspath(options["config"])
    threads: Any = reactor
    read = partial(deferToThreadPool, threads, threads.getThreadPool(), load, path, os.environ)
    return Router(options.loaded, os.environ, reactor, read)


class Router(MultiService):
    """
    A whole router, which starts and stops in order.
    """

    _log = Logger()

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        reactor: Any,
        read: Callable[[], Deferred[Loaded]],
    ) -> None:
        """
        @param environ: the environment that engines inherit from.
        @param reactor: the real reactor, or one as capable.
        @param read: reads the configuration anew.
        """
        super().__init__()
        self.setName("engine-router")
        self._config = config
        self._environ = environ
        self._reactor = reactor
        self._state = StateDirectory(config.state_dir)
        self._parts: Parts | None = None
        self._listening: Listening | None = None
        self._stopping = False
        self._notifier = Notifier(environ, reactor)
        self._notifier.setServiceParent(self)
        self._reloader = Reloader(
            read,
            self._reload,
            begun=self._notifier.reloading,
            ended=self._notifier.reloaded,
        )
        if not is_attended():
            HangupService(reactor, self._reloader.hear).setServiceParent(self)
        if config.log_file is not None:
            log = LogFileService(
                config.log_file, config.log_level, globalLogPublisher, config.log_format
            )
            log.setServiceParent(self)
        self._request_log: RequestLogService | None = None
        if config.request_log is not None:
            self._request_log = RequestLogService(config.request_log)
            self._request_log.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """
        Take the state folder, build the parts, and listen.

        @raise SystemExit: when that cannot be done; it says why.
        """
        raise_file_limit()
        try:
            self._open()
        except (OSError, StateLocked, CannotListenError) as e:
            raise SystemExit(f"engine-router cannot start: {e}") from e

    def _open(self) -> None:
        self._state.lock()
        path = self._config.state_file or os.path.join(self._state.path, "state.json")
        parts = self._parts = Parts(
            self._config,
            self._environ,
            self._reactor,
            StateFile(path),
            self._state,
            answered=self._note,
            reload=self._reloader.reload,
        )
        self._listening = Listening(self._config.host, self._config.port, parts.site, self._reactor)
        self._listening.setServiceParent(self)
        parts.router_log.setServiceParent(self)
        parts.slots.watch(lambda slot: self._notifier.look(partial(occupation, parts.slots)))
        super().privilegedStartService()

    def _note(self, answered: Answered) -> None:
        if self._request_log is not None:
            self._request_log.write(answered.as_line())

    def startService(self) -> None:
        """
        Look at what runs already, now that clients can come and wait.
        """
        super().startService()
        assert self._parts is not None
        self._parts.slots.adopt()
        self._parts.slots.preload(self._parts.preload)
        self._parts.listing.start()

    def _reload(self, config: Config) -> Changes:
        if self._parts is None or self._stopping:
            raise ShuttingDown("the router is stopping")
        return self._parts.reload(config)

    def stopService(self) -> Deferred[None]:
        """
        Accept nothing new, let answers end, stop or leave the engines.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._stopping = True
        self._notifier.stopping()
        if self._listening is not None:
            await self._listening.disownServiceParent()
        if self._parts is not None:
            self._parts.listing.stop()
            await self._parts.slots.close(leave=self._parts.config.on_exit == "leave")
        self._state.unlock()
        stopped = super().stopService()
        if isinstance(stopped, Deferred):
            await stopped


class HangupService(Service):
    """
    Listens to C{SIGHUP}, where the platform has it.
    """

    def __init__(self, reactor: Any, heard: Callable[[], None]) -> None:
        """
        @param heard: called, by the reactor, when the signal has come.
        """
        self._reactor = reactor
        self._heard = heard
        self._before: Any = None

    def startService(self) -> None:
        """
        Listen.
        """
        super().startService()
        if hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._handle)

    def stopService(self) -> None:
        """
        Listen no more.
        """
        super().stopService()
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._before)

    def _handle(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._heard)


def is_attended() -> bool:
    """
    @return: whether somebody watches from a terminal, whose end is to be ours:
        it is told by C{SIGHUP}, too.
    """
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def occupation(slots: Slots) -> str:
    """
    @return: in a line, what is in memory and what is about to be.
    """
    words = []
    for slot in slots.describe():
        if slot["swap"] is not None:
            words.append(f"swapping to {slot['swap']['to'] or 'nothing'}")
        elif slot["stuck"] is not None:
            words.append(f"stuck: {slot['stuck']}")
        elif slot["resident"] is not None:
            words.append(f"serving {slot['resident']}")
    return "; ".join(words) or "nothing in memory"


def raise_file_limit() -> None:
    """
    Every waiting client is an open file; take as many as we may.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
