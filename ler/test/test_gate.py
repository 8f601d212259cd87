# -*- test-case-name: ler.test.test_gate -*-
"""
Tests for L{ler.web.gate}.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from ler.config import ApiKey
from ler.errors import (
    BadRequest,
    Forbidden,
    ForeignHost,
    InvalidKey,
    InvalidPath,
    RequestTooLarge,
    RouterError,
    UnsupportedEncoding,
)
from ler.web.gate import MIB, Gate, host_name, make_gate

HeaderPairs = Iterable[tuple[bytes, bytes]]

SETTINGS: Mapping[str, Any] = {
    "host": "127.0.0.1",
    "api_keys": (),
    "allowed_hosts": (),
    "allowed_origins": (),
    "max_body_mb": 1,
    "max_upload_mb": 2.5,
}


def gate(
    host: str = "127.0.0.1",
    *,
    keys: Sequence[str] = (),
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
) -> Gate:
    """
    @return: the gate of a router that listens on C{host}.
    """
    more = {
        "host": host,
        "api_keys": [ApiKey(("admin",), key) for key in keys],
        "allowed_hosts": hosts,
        "allowed_origins": origins,
    }
    return make_gate(**{**SETTINGS, **more})


def head(pairs: HeaderPairs) -> Headers:
    """
    @return: the headers, repeated ones too.
    """
    headers = Headers()
    for name, value in pairs:
        headers.addRawHeader(name, value)
    return headers


class GateCase(SynchronousTestCase):
    """
    A test of what may come in.
    """

    def admit(
        self,
        gate: Gate,
        *pairs: tuple[bytes, bytes],
        target: bytes = b"/x",
        length: int | None = 0,
        method: bytes = b"POST",
    ) -> str | None:
        """
        Assert that a request may come in.

        @return: the label of its key.
        """
        key = gate.check(method, target, head(pairs), length)
        return None if key is None else key.label

    def refuse(
        self,
        error: type[RouterError],
        gate: Gate,
        *pairs: tuple[bytes, bytes],
        target: bytes = b"/x",
        length: int | None = 0,
        method: bytes = b"POST",
    ) -> str:
        """
        Assert that a request may not come in.

        @return: what it is told.
        """
        raised: RouterError = self.assertRaises(
            error, gate.check, method, target, head(pairs), length
        )
        self.assertIs(error, type(raised))
        return raised.message


class KeyTests(GateCase):
    """
    With keys, nobody comes in without one.
    """

    keys = gate("0.0.0.0", keys=["secret"])

    def test_none_configured(self) -> None:
        """Without keys in the configuration nobody needs one."""
        self.assertIsNone(self.admit(gate()))
        self.assertIsNone(self.admit(gate(), (b"Authorization", b"Bearer whatever")))

    def test_label(self) -> None:
        """Who shows a key is called by its label."""
        keys = (ApiKey(("admin",), "a", label="laptop"), ApiKey(("admin",), "b"))
        ours = make_gate(**{**SETTINGS, "api_keys": keys})
        self.assertEqual("laptop", self.admit(ours, (b"X-API-Key", b"a")))
        self.assertIsNone(self.admit(ours, (b"X-API-Key", b"b")))

    def test_keys_are_not_kept(self) -> None:
        """The gate knows hashes only: no key can be read from it."""
        self.assertNotIn("secret", repr(self.keys))

    def test_scopes(self) -> None:
        """A key opens what it is for, in whatever way the path is written."""
        ours = make_gate(**{**SETTINGS, "api_keys": [ApiKey(("inference",), "a")]})
        for target in (b"/v1/models/../../admin", b"/v1/chat/completions/", b"/?x=/admin"):
            self.admit(ours, (b"X-API-Key", b"a"), target=target)
        reading = make_gate(**{**SETTINGS, "api_keys": [ApiKey(("read",), "a")]})
        for target in (b"/v1/models", b"/models", b"/models/", b"/v1/v1/models", b"/models/x"):
            self.admit(reading, (b"X-API-Key", b"a"), target=target)
        self.refuse(Forbidden, reading, (b"X-API-Key", b"a"), target=b"/v1/modelsx")
        for target in (
            b"/status/",
            b"/status?x=/v1/models",
            b"/metrics",
            b"/admin",
            b"/admin/swap",
            b"/upstream/m/v1/models",
            b"/upstream/org%2Fm/..%2f../v1/models",
        ):
            self.refuse(Forbidden, ours, (b"X-API-Key", b"a"), target=target)

    def test_open_path(self) -> None:
        """The health of the router is told without a key, and the live page, which holds nothing
        of it; nothing else is."""
        for target in (
            *(b"/health", b"/health/", b"/health?x"),
            *(b"/ui", b"/ui/", b"/ui/app.js"),
        ):
            self.admit(self.keys, target=target)
        for target in (
            b"/",
            b"/status",
            b"/metrics",
            b"/healthy",
            b"/health/x",
            b"/uix",
            b"/v1/ui/app.js",
            b"/admin/swap",
            b"/v1/models",
            b"/v1/models/x",
            b"/v1/models/health",
            b"/v1/models/../../health",
            b"/upstream/../health",
        ):
            self.refuse(InvalidKey, self.keys, target=target)

    def test_open_metrics(self) -> None:
        """So are the metrics, if that is wanted."""
        keys = [ApiKey(("read",), "a")]
        ours = make_gate(**{**SETTINGS, "api_keys": keys, "metrics_auth": False})
        self.admit(ours, target=b"/metrics")
        self.admit(ours, target=b"/health")
        self.refuse(InvalidKey, ours, target=b"/status")

    def test_options(self) -> None:
        """Whoever may come may ask what may be done, without a key."""
        self.admit(self.keys, target=b"/admin/swap", method=b"OPTIONS")
        self.refuse(InvalidKey, self.keys, target=b"/admin/swap", method=b"GET")
        origin = (b"Origin", b"http://evil.example")
        self.refuse(ForeignHost, gate(keys=["a"]), origin, method=b"OPTIONS")
        self.refuse(InvalidPath, self.keys, target=b"/v1//x", method=b"OPTIONS")


class PathTests(GateCase):
    """
    A path that can be read in two ways is refused at the gate.
    """

    def test_refused(self) -> None:
        """Neither with a key nor without one does such a path come in."""
        for target in (b"/v1/%2e%2e/x", b"/v1//x", b"/v1/./x", b"/v1\\x", b"*", b"http://a/v1"):
            self.refuse(InvalidPath, gate(), target=target)
            self.refuse(InvalidPath, gate(keys=["secret"]), target=target)

    def test_ids(self) -> None:
        """The id of a model may be escaped."""
        self.admit(gate(), target=b"/v1/models/org%2Fname")
        self.admit(gate(), target=b"/models/org%2Fname")
        self.admit(gate(), target=b"/upstream/org%2Fname/health")


class HostTests(GateCase):
    """
    On a loopback address a web page could come in by a name that it points
    there; so the name is looked at.
    """

    def test_own_names(self) -> None:
        """The names of this machine are let in, with any port or none."""
        for host in (
            b"localhost",
            b"localhost:8077",
            b"LocalHost:1",
            b"127.0.0.1",
            b"127.0.0.1:8077",
            b"[::1]",
            b"[::1]:8077",
            b"::1",
        ):
            for listening in ("127.0.0.1", "localhost", "::1"):
                self.admit(gate(listening), (b"Host", host))

    def test_own_address(self) -> None:
        """The address that the router listens on is a name of it."""
        self.admit(gate("127.0.0.9"), (b"Host", b"127.0.0.9:8077"))
        self.refuse(ForeignHost, gate(), (b"Host", b"127.0.0.9:8077"))

    def test_foreign(self) -> None:
        """Other names are refused, and repeated in the answer in part only."""
        for host in (
            b"evil.example",
            b"evil.example:8077",
            b"localhost.evil.example",
            b"127.0.0.1.evil.example",
            b"evil.example:80:8077",
            b"[::2]:8077",
            b"[evil.example]",
            b"0.0.0.0",
            b"192.168.0.1:8077",
            b"\xe9vil",
            b"localhost,evil.example",
            b"evil.example@localhost",
        ):
            for listening in ("127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "::1"):
                message = self.refuse(ForeignHost, gate(listening), (b"Host", host))
                self.assertIn(host.decode("latin-1"), message)
        self.assertLess(len(self.refuse(ForeignHost, gate(), (b"Host", b"e" * 9000))), 300)

    def test_none(self) -> None:
        """No browser leaves the name out; who does is let in."""
        self.admit(gate())

    def test_allowed(self) -> None:
        """Further names can be allowed, in any case, their port left aside."""
        ours = gate(hosts=["Router.Example", "box:8077", "[fd00::1]:8077"])
        for host in (
            b"router.example",
            b"router.example:80",
            b"ROUTER.example",
            b"box:8077",
            b"box",
            b"[fd00::1]",
            b"[fd00::1]:8077",
        ):
            self.admit(ours, (b"Host", host))
        self.refuse(ForeignHost, ours, (b"Host", b"other.example"))

    def test_all_allowed(self) -> None:
        """A star allows all names."""
        self.admit(gate(hosts=["*"]), (b"Host", b"evil.example"))

    def test_elsewhere(self) -> None:
        """On other addresses names are not looked at: who knows them all?"""
        for listening in ("0.0.0.0", "::", "192.168.0.1", "router.example"):
            self.admit(gate(listening), (b"Host", b"any.example"))

    def test_names(self) -> None:
        """A name is told from its port, also where the address is full of
        colons."""
        for host, name in {
            "A.example:80": "a.example",
            "a.example": "a.example",
            "[::1]:80": "::1",
            "[FD00::1]": "fd00::1",
            "::1": "::1",
            ":80": "",
        }.items():
            self.assertEqual(name, host_name(host))


class OriginTests(GateCase):
    """
    On a loopback address web pages of others are refused.
    """

    def test_none(self) -> None:
        """Programs that are no browsers have none."""
        self.admit(gate(), (b"Host", b"localhost:8077"))

    def test_local_pages(self) -> None:
        """Pages that this machine serves are let in, from any port."""
        for origin in (
            b"http://localhost",
            b"http://localhost:3000",
            b"https://127.0.0.1:8443",
            b"http://[::1]:5173",
            b"HTTP://LOCALHOST:3000",
        ):
            self.admit(gate(), (b"Host", b"localhost"), (b"Origin", origin))

    def test_programs(self) -> None:
        """Programs made of web pages are let in."""
        for origin in (b"app://obsidian.md", b"vscode-webview://abc", b"tauri://x", b"file://"):
            self.admit(gate(), (b"Host", b"localhost"), (b"Origin", origin))

    def test_own_pages(self) -> None:
        """What came from this router under an allowed name is let in."""
        ours = gate(hosts=["router.example"])
        host = (b"Host", b"router.example:8077")
        self.admit(ours, host, (b"Origin", b"http://router.example:8077"))
        self.refuse(ForeignHost, ours, host, (b"Origin", b"http://router.example:9000"))

    def test_foreign(self) -> None:
        """Other pages are refused, and those that hide where they are from."""
        for origin in (
            b"null",
            b"",
            b"http://evil.example",
            b"https://evil.example:8077",
            b"http://localhost.evil.example",
            b"http://localhost@evil.example",
            b"http://[::1",
            b"http://[evil]",
            b"chrome-extension://abc",
            b"localhost",
            b"//",
            b"://",
            b"\xff\xfe",
            b"http://\xe2\x84\x80.example",
        ):
            for pairs in ((), ((b"Host", b"localhost:8077"),)):
                self.refuse(ForeignHost, gate(), *pairs, (b"Origin", origin))
        message = self.refuse(ForeignHost, gate(), (b"Origin", b"http://" + b"e" * 9000))
        self.assertLess(len(message), 300)

    def test_every_one_counts(self) -> None:
        """Of several origins none may be foreign."""
        self.refuse(
            ForeignHost,
            gate(),
            (b"Origin", b"http://localhost"),
            (b"Origin", b"http://evil.example"),
        )

    def test_allowed(self) -> None:
        """Further origins can be allowed, to the letter."""
        ours = gate(origins=["https://chat.example", "null"])
        self.admit(ours, (b"Origin", b"https://chat.example"))
        self.admit(ours, (b"Origin", b"null"))
        self.refuse(ForeignHost, ours, (b"Origin", b"https://chat.example:444"))
        self.refuse(ForeignHost, ours, (b"Origin", b"http://chat.example"))

    def test_all_allowed(self) -> None:
        """A star allows all origins, and leaves names to be looked at."""
        ours = gate(origins=["*"])
        self.admit(ours, (b"Origin", b"https://evil.example"))
        self.refuse(ForeignHost, ours, (b"Host", b"evil.example"))

    def test_elsewhere(self) -> None:
        """On other addresses pages of others come in where keys are needed,
        which they would have to know."""
        foreign = (b"Origin", b"http://evil.example")
        for listening in ("0.0.0.0", "::", "192.168.0.1", "router.example"):
            self.refuse(ForeignHost, gate(listening), foreign)
            self.admit(gate(listening), (b"Host", b"box:1"), (b"Origin", b"http://box:1"))
            self.refuse(InvalidKey, gate(listening, keys=["a"]), foreign)
            self.admit(gate(listening, keys=["a"]), foreign, (b"X-API-Key", b"a"))

    def test_page(self) -> None:
        """A page that may come in may read the answer, whatever else is wrong
        with its request."""
        local = (b"Origin", b"http://localhost:3000")
        foreign = (b"Origin", b"http://evil.example")
        for ours, pairs, page in (
            (gate(), [local], b"http://localhost:3000"),
            (gate(keys=["a"]), [local, (b"Content-Encoding", b"br")], b"http://localhost:3000"),
            (gate(origins=["null"]), [(b"Origin", b"null")], b"null"),
            (gate("0.0.0.0", keys=["a"]), [foreign], b"http://evil.example"),
            (gate(origins=["*"]), [foreign], b"http://evil.example"),
            (gate(), [foreign], None),
            (gate("0.0.0.0"), [foreign], None),
            (gate(), [local, (b"Host", b"evil.example")], None),
            (gate(), [local, local], None),
            (gate(), [], None),
            (make_gate(**SETTINGS, cors=False), [local], None),
        ):
            self.assertEqual(page, ours.page(head(pairs)))


class SizeTests(GateCase):
    """
    A body that is declared too large is not read.
    """

    multipart = (b"Content-Type", b"Multipart/Form-Data; boundary=x")

    def test_limit(self) -> None:
        """A body may be as large as the limit, and no byte larger."""
        self.admit(gate(), length=MIB)
        message = self.refuse(RequestTooLarge, gate(), length=MIB + 1)
        self.assertIn("larger than 1 MiB", message)

    def test_multipart(self) -> None:
        """Uploads have a limit of their own."""
        self.admit(gate(), self.multipart, length=5 * MIB // 2)
        message = self.refuse(RequestTooLarge, gate(), self.multipart, length=5 * MIB // 2 + 1)
        self.assertIn("larger than 2.5 MiB", message)

    def test_undeclared(self) -> None:
        """A body in chunks shows its size later."""
        self.admit(gate(), length=None)


class ShapeTests(GateCase):
    """
    What two parsers could read in two ways is refused.
    """

    def test_length_and_chunks(self) -> None:
        """A body has a length or comes in chunks, not both."""
        self.refuse(
            BadRequest, gate(), (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")
        )

    def test_codings(self) -> None:
        """Chunks are the only way to transfer a body."""
        self.admit(gate(), (b"Transfer-Encoding", b"Chunked"))
        for coding in (b"identity", b"gzip", b"gzip, chunked", b"chunked, chunked", b"xchunked"):
            self.refuse(BadRequest, gate(), (b"Transfer-Encoding", coding))

    def test_repeated(self) -> None:
        """Headers that say how to read the request come once."""
        for name, value in {
            b"Content-Length": b"5",
            b"Transfer-Encoding": b"chunked",
            b"Host": b"localhost",
            b"Content-Type": b"application/json",
        }.items():
            self.admit(gate(), (name, value))
            message = self.refuse(BadRequest, gate(), (name, value), (name.lower(), value))
            self.assertIn(name.decode().lower(), message)

    def test_content_encoding(self) -> None:
        """A compressed body is refused, since the model in it has to be read."""
        self.admit(gate(), (b"Content-Encoding", b"identity"))
        self.admit(gate(), (b"Content-Encoding", b" Identity "))
        for coding in (b"gzip", b"zstd", b"br", b"", b"identity, gzip"):
            self.refuse(UnsupportedEncoding, gate(), (b"Content-Encoding", coding))
        self.refuse(
            UnsupportedEncoding,
            gate(),
            (b"Content-Encoding", b"identity"),
            (b"Content-Encoding", b"gzip"),
        )

    def test_key_first(self) -> None:
        """Who shows no key is not told of limits."""
        self.refuse(InvalidKey, gate(keys=["secret"]), length=MIB + 1)
