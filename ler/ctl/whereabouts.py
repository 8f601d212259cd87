# -*- test-case-name: ler.test.test_ctl_whereabouts -*-
"""
Which router is meant, and what opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ler.config.places import find, reach
from ler.ctl.client import connect

URL = "ROUTER_URL"
KEY = "ROUTER_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8077"


class Unlocated(Exception):
    """
    What should say where the router is does not; the text says why.
    """


@dataclass(frozen=True)
class Whereabouts:
    """
    A router to talk to.

    @ivar url: where it should listen.
    @ivar key: what opens it, or L{None}.
    @ivar origin: who says so, to be told when nobody answers.
    """

    url: str
    key: str | None
    origin: str


def locate(
    url: str | None, key: str | None, config: str | None, environ: Mapping[str, str]
) -> Whereabouts:
    """
    Go by what the command line says; or else the environment; or else a
    configuration, the key of which is shown to no other router than its own.

    @param url: what C{--url} says, if it is there.
    @param key: what C{--key} says.
    @param config: what C{--config} says.
    @raise Unlocated: when that cannot be used.
    """
    path = config or find(environ)
    found = None if path is None else reach(path, environ)
    if config is not None and found is None:
        raise Unlocated(f"{config} is no configuration that can be read")
    if url:
        origin = "--url"
    elif environ.get(URL) and config is None:
        url, origin = environ[URL], f"${URL}"
    elif found is not None and path is not None:
        url, origin = found.url, path
    else:
        url, origin = DEFAULT_URL, "the default"
    try:
        connect(url, 1.0)
    except ValueError:
        raise Unlocated(f"{url} ({origin}) is no URL such as {DEFAULT_URL}") from None
    key = key or environ.get(KEY) or None
    if key is None and found is not None and found.url == url.rstrip("/"):
        key = found.key
    return Whereabouts(url, key, origin)
