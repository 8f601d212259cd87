# -*- test-case-name: ler.test.test_gate -*-
"""
Tests for L{ler.web.gate}.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Sequence

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from ler.errors import (
    BadRequest,
    ForeignHost,
    InvalidKey,
    InvalidPath,
    RequestTooLarge,
    RouterError,
    UnsupportedEncoding,
)
from ler.web.gate import MIB, Gate, digest, host_name, make_gate

HeaderPairs = Iterable[tuple[bytes, bytes]]


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
    return make_gate(
        host=host,
        api_keys=keys,
        allowed_hosts=hosts,
        allowed_origins=origins,
        max_body_mb=1,
        max_upload_mb=2.5,
    )


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
        self, gate: Gate, *pairs: tuple[bytes, bytes], target: bytes = b"/x", length: int | None = 0
    ) -> None:
        """
        Assert that a request may come in.
        """
        gate.check(target, head(pairs), length)

    def refuse(
        self,
        error: type[RouterError],
        gate: Gate,
        *pairs: tuple[bytes, bytes],
        target: bytes = b"/x",
        length: int | None = 0,
    ) -> str:
        """
        Assert that a request may not come in.

        @return: what it is told.
        """
        raised: RouterError = self.assertRaises(error, gate.check, target, head(pairs), length)
        self.assertIs(error, type(raised))
        return raised.message


class KeyTests(GateCase):
    """
    With keys, nobody comes in without one.
    """

    keys = gate("0.0.0.0", keys=["secret", "clé-ключ"])

    def test_none_configured(self) -> None:
        """Without keys in the configuration nobody needs one."""
        self.admit(gate())
        self.admit(gate(), (b"Authorization", b"Bearer whatever"))

    def test_bearer(self) -> None:
        """A key may be shown as a Bearer token, the word in any case."""
        for value in (b"Bearer secret", b"bearer secret", b"BEARER secret", b"Bearer   secret "):
            self.admit(self.keys, (b"Authorization", value))

    def test_x_api_key(self) -> None:
        """A key may be shown as X-API-Key."""
        self.admit(self.keys, (b"X-API-Key", b"secret"))
        self.admit(self.keys, (b"x-api-key", b" secret "))

    def test_missing(self) -> None:
        """Without a key the client is told how to send one."""
        for pairs in (
            (),
            ((b"Authorization", b"Basic c2VjcmV0"),),
            ((b"Authorization", b"secret"),),
            ((b"Cookie", b"key=secret"),),
        ):
            self.assertIn("X-API-Key", self.refuse(InvalidKey, self.keys, *pairs))

    def test_wrong(self) -> None:
        """A wrong key is told apart from none, and never repeated."""
        for key in (b"", b"Secret", b"secret\x00", b"secretsecret", b"secre", b"\xff\xfe", b"\xe9"):
            for pair in ((b"Authorization", b"Bearer " + key), (b"X-API-Key", key)):
                message = self.refuse(InvalidKey, self.keys, pair)
                self.assertEqual("the API key is wrong", message)

    def test_any_text(self) -> None:
        """A key may be any text; it goes over the wire as UTF-8."""
        self.admit(self.keys, (b"X-API-Key", "clé-ключ".encode()))
        self.admit(self.keys, (b"Authorization", b"Bearer " + "clé-ключ".encode()))

    def test_one_right_is_enough(self) -> None:
        """A wrong key does not mask a right one, wherever each is shown."""
        for pairs in (
            ((b"Authorization", b"Bearer wrong"), (b"X-API-Key", b"secret")),
            ((b"X-API-Key", b"wrong"), (b"Authorization", b"Bearer secret")),
            ((b"Authorization", b"Bearer wrong"), (b"Authorization", b"Bearer secret")),
            ((b"X-API-Key", b"wrong"), (b"X-API-Key", b"secret")),
            ((b"Authorization", b"Basic x"), (b"Authorization", b"Bearer secret")),
        ):
            self.admit(self.keys, *pairs)

    def test_constant_time(self) -> None:
        """Every key that is shown is held against every known one in constant
        time, whichever of them match."""
        compared: list[tuple[bytes, bytes]] = []

        def compare(one: bytes, other: bytes) -> bool:
            compared.append((one, other))
            return one == other

        self.patch(hmac, "compare_digest", compare)
        self.admit(self.keys, (b"X-API-Key", b"secret"), (b"Authorization", b"Bearer wrong"))
        shown = [digest(b"secret"), digest(b"wrong")]
        self.assertEqual([(s, k) for s in shown for k in self.keys.keys], compared)
        self.assertEqual({32}, {len(side) for pair in compared for side in pair})

    def test_keys_are_not_kept(self) -> None:
        """The gate knows digests only: no key can be read from it."""
        self.assertNotIn("secret", repr(self.keys))

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
        ):
            self.refuse(InvalidKey, self.keys, target=target)


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
        """On other addresses names are not looked at: keys are for that."""
        for listening in ("0.0.0.0", "::", "192.168.0.1", "router.example"):
            self.admit(
                gate(listening), (b"Host", b"any.example"), (b"Origin", b"http://any.example")
            )

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
