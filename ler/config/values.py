# -*- test-case-name: ler.test.test_config_values -*-
"""
What single values must look like.

Each check returns a complaint that finishes "this value ...", or L{None}; it
never quotes the value, which may be a secret.  Empty text is not checked: where
it is accepted at all, it means that there is nothing.
"""

from __future__ import annotations

import ipaddress
import re
import signal
from urllib.parse import urlsplit

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
    r"(?![0-9]+$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONNECTION_HEADERS = frozenset(
    ("connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade")
)
_KEY = r"[^\s.\[\]^]+"
_ANY_ADDRESS = frozenset(("0.0.0.0", "::"))

Address = tuple[str, int]


def host(value: str) -> str | None:
    """
    Check an address or a host name.
    """
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not _HOST_NAME.fullmatch(value):
            return "must be an IP address (without brackets) or a host name"
    return None


def http_url(value: str) -> str | None:
    """
    Check a base URL of plain HTTP.
    """
    return _url(value, ("http",), "must look like http://127.0.0.1:8080")


def url_template(value: str) -> str | None:
    """
    Check a base URL of plain HTTP, in which C{{port}} may stand for the port.
    """
    return http_url(value.replace("{port}", "1"))


def any_url(value: str) -> str | None:
    """
    Check a base URL of HTTP, with TLS or without.
    """
    return _url(value, ("http", "https"), "must look like https://box.example or http://box:8080")


def _url(value: str, schemes: tuple[str, ...], wanted: str) -> str | None:
    """
    Check a base URL.

    @param wanted: the complaint about what is no such URL at all.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return wanted
    # urlsplit drops line breaks in silence.
    clean = value.isprintable() and " " not in value
    if not clean or parts.scheme not in schemes or not parts.hostname or host(parts.hostname):
        return wanted
    if port == 0:
        return "needs a port other than 0"
    if parts.query or parts.fragment or "@" in parts.netloc:
        return "must hold scheme, host, port and path only"
    return url_path(parts.path) if parts.path else None


def url_path(value: str) -> str | None:
    """
    Check the path part of a URL.
    """
    if not value.startswith("/"):
        return "must begin with /"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "must be percent-encoded: no spaces, only ASCII"
    return None


def origin(value: str) -> str | None:
    """
    Check a value of the Origin header.
    """
    if value in ("*", "null") or re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", value):
        return None
    return "must look like https://app.example:8443, without a path"


def host_header(value: str) -> str | None:
    """
    Check a value of the Host header, with or without a port.
    """
    if value == "*" or re.fullmatch(
        r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?", value
    ):
        return None
    return "must look like router.example or router.example:8077"


def header(pair: tuple[str, str]) -> str | None:
    """
    Check the name and the value of an HTTP header.
    """
    name, value = pair
    if not _TOKEN.fullmatch(name):
        return "has a name that HTTP does not allow"
    if name.lower() in _CONNECTION_HEADERS:
        return f"may not set {name}, which belongs to the connection"
    if _CONTROL.search(value.replace("\t", " ")):
        return f"has a control character in the value of {name}"
    return None


def variable(pair: tuple[str, str]) -> str | None:
    """
    Check the name of an environment variable.
    """
    if not re.fullmatch(r"[^=\s]+", pair[0]):
        return "has a name that is empty, or holds '=' or a space"
    return None


def api_key(value: str) -> str | None:
    """
    Check a key that clients are to send in a header.
    """
    if not value.isprintable() or " " in value:
        return "must be printable and hold no spaces"
    return None


def version(value: str) -> str | None:
    """
    Check a version that programs compare.
    """
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){2}", value):
        return "must be three numbers joined by dots, such as 0.32.0"
    return None


def sha256(value: str) -> str | None:
    """
    Check a hash that is written in hexadecimal.
    """
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        return "must be 64 hexadecimal digits"
    return None


def label(value: str) -> str | None:
    """
    Check a name that stands in lines of the log.
    """
    return api_key(value)


def ready_check(value: str) -> str | None:
    """
    Check the condition of a readiness probe.
    """
    if value == "completion" or re.fullmatch(r"model:\S.*", value) or not expression(value):
        return None
    return "must be key==value, model:<id> or completion"


def expression(value: str) -> str | None:
    """
    Check a condition on a JSON object.
    """
    if not re.fullmatch(r"[^=\s][^=]*==.+", value):
        return "must be key==value"
    return None


def list_path(value: str) -> str | None:
    """
    Check where a list is in a JSON answer.
    """
    if not re.fullmatch(rf"{_KEY}(\[\])?(\.{_KEY}(\[\])?)*", value):
        return "must be keys joined by dots, [] behind one that holds a list: models[].instances[]"
    return None


def entry_key(value: str) -> str | None:
    """
    Check a key of an entry in such a list, or of the entry around it.
    """
    if not re.fullmatch(rf"\^?{_KEY}", value):
        return "must be a key, perhaps with one ^ before it"
    return None


def unit_name(value: str) -> str | None:
    """
    Check the name of a systemd unit.
    """
    if not re.fullmatch(r"(?=.{1,255}$)[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*", value):
        return "must be the name of a systemd unit, such as ollama.service"
    return None


def signal_name(value: str) -> str | None:
    """
    Check the name or the number of a signal.
    """
    try:
        canonical_signal(value)
    except (ValueError, KeyError):
        return "must be a signal such as SIGTERM or SIGINT"
    return None


def canonical_signal(value: str) -> str:
    """
    @return: the name of a signal given by its name or its number.
    """
    known = signal.Signals(int(value)) if value.isdecimal() else signal.Signals[value]
    return known.name


def is_loopback(value: str) -> bool:
    """
    @return: whether a host can be reached from this machine only.
    """
    try:
        return ipaddress.ip_address(value).is_loopback
    except ValueError:
        return value.lower() == "localhost"


def address(url: str) -> Address:
    """
    @return: host and port of a base URL, all names of this machine in one
        spelling, so that equal addresses are equal.
    """
    parts = urlsplit(url)
    return local(parts.hostname or ""), parts.port or (443 if parts.scheme == "https" else 80)


def local(name: str) -> str:
    """
    @return: C{name}, or C{localhost} for whatever means this machine.
    """
    return "localhost" if is_loopback(name) or name in _ANY_ADDRESS else name.lower()
