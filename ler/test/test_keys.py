# -*- test-case-name: ler.test.test_keys -*-
"""
Tests for L{ler.web.keys}.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from ler.config import ApiKey
from ler.errors import Forbidden, InvalidKey, RouterError
from ler.web.keys import Key, admit, known_keys, scopes_of

CHAT = "/v1/chat/completions"


def bearer(key: bytes) -> tuple[bytes, bytes]:
    """
    @return: the header that shows C{key}.
    """
    return b"Authorization", b"Bearer " + key


class KeyCase(SynchronousTestCase):
    """
    A test of keys.
    """

    def admit(
        self, keys: tuple[Key, ...], *pairs: tuple[bytes, bytes], path: str = CHAT
    ) -> str | None:
        """
        Assert that C{path} opens.

        @return: the label of the key that opens it.
        """
        headers = Headers()
        for name, value in pairs:
            headers.addRawHeader(name, value)
        return admit(keys, headers, path).label

    def refuse(
        self,
        error: type[RouterError],
        keys: tuple[Key, ...],
        *pairs: tuple[bytes, bytes],
        path: str = CHAT,
    ) -> str:
        """
        Assert that it does not.

        @return: what the client is told.
        """
        raised: RouterError = self.assertRaises(error, self.admit, keys, *pairs, path=path)
        return raised.message


class ShownTests(KeyCase):
    """
    Keys that clients show.
    """

    keys = known_keys([ApiKey(("admin",), "secret"), ApiKey(("admin",), "clé-ключ")])

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
            for pair in (bearer(key), (b"X-API-Key", key)):
                message = self.refuse(InvalidKey, self.keys, pair)
                self.assertEqual("the API key is wrong", message)

    def test_any_text(self) -> None:
        """A key may be any text; it goes over the wire as UTF-8."""
        self.admit(self.keys, (b"X-API-Key", "clé-ключ".encode()))
        self.admit(self.keys, bearer("clé-ключ".encode()))

    def test_one_right_is_enough(self) -> None:
        """A wrong key does not mask a right one, wherever each is shown."""
        for pairs in (
            (bearer(b"wrong"), (b"X-API-Key", b"secret")),
            ((b"X-API-Key", b"wrong"), bearer(b"secret")),
            (bearer(b"wrong"), bearer(b"secret")),
            ((b"X-API-Key", b"wrong"), (b"X-API-Key", b"secret")),
            ((b"Authorization", b"Basic x"), bearer(b"secret")),
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
        self.admit(self.keys, (b"X-API-Key", b"secret"), bearer(b"wrong"))
        shown = [sha256(b"secret").digest(), sha256(b"wrong").digest()]
        self.assertEqual([(s, k.digest) for s in shown for k in self.keys], compared)

    def test_hashed(self) -> None:
        """Of a key the configuration may have the hash only; the hash opens
        nothing."""
        digest = sha256(b"secret").hexdigest()
        for written in (digest, digest.upper()):
            keys = known_keys([ApiKey(("admin",), sha256=written)])
            self.admit(keys, bearer(b"secret"))
            self.refuse(InvalidKey, keys, bearer(digest.encode()))


class ScopeTests(KeyCase):
    """
    What a key opens.
    """

    keys = known_keys(
        [
            ApiKey(("inference",), "i", label="chat"),
            ApiKey(("read",), "r", label="graphs"),
            ApiKey(("admin",), "a", label="boss"),
            ApiKey(("inference", "read"), "b", label="both"),
        ]
    )

    paths = (
        ("/v1/chat/completions", "ia b"),
        ("/v1/messages/count_tokens", "ia b"),
        ("/v1/modelsx", "ia b"),
        ("/v1", "ia b"),
        ("/api/chat", "ia b"),
        ("/api", "ia b"),
        ("/x", "ia b"),
        ("/", "irab"),
        ("/v1/models", "irab"),
        ("/v1/models/m", "irab"),
        ("/api/tags", "irab"),
        ("/api/show", "irab"),
        ("/api/ps", "irab"),
        ("/api/version", "irab"),
        ("/status", "rab"),
        ("/metrics", "rab"),
        ("/admin", "a"),
        ("/admin/swap", "a"),
        ("/upstream", "a"),
        ("/upstream/m/v1/models", "a"),
        ("/api/pull", "a"),
        ("/api/delete", "a"),
        ("/api/blobs/sha256:0", "a"),
    )

    def test_paths(self) -> None:
        """A key opens the paths of its scopes and no others."""
        for path, opening in self.paths:
            for key in "irab":
                if key in opening:
                    self.admit(self.keys, bearer(key.encode()), path=path)
                else:
                    self.refuse(Forbidden, self.keys, bearer(key.encode()), path=path)

    def test_told(self) -> None:
        """Who shows a key that does not open a path is told what would."""
        for path, scopes in (
            ("/v1/chat/completions", "the scope inference;"),
            ("/status", "the scope read;"),
            ("/admin/swap", "the scope admin;"),
        ):
            keys = known_keys([ApiKey((), "x", label="old"), ApiKey((), "y")])
            for key, name in {b"x": "this key (old) does", b"y": "this key does"}.items():
                message = self.refuse(Forbidden, keys, bearer(key), path=path)
                self.assertIn(scopes, message)
                self.assertIn(f"{name} not open {path}", message)
        message = self.refuse(Forbidden, keys, bearer(b"x"), path="/v1/models")
        self.assertIn("the scope inference or read;", message)
        long = self.refuse(Forbidden, keys, bearer(b"x"), path="/" + "x" * 9000)
        self.assertLess(len(long), 300)

    def test_several(self) -> None:
        """Of several keys the one counts that opens the path."""
        pairs = (bearer(b"i"), (b"X-API-Key", b"a"))
        self.assertEqual("boss", self.admit(self.keys, *pairs, path="/admin"))
        self.assertEqual("chat", self.admit(self.keys, bearer(b"i")))

    def test_always_one(self) -> None:
        """There is no path that no scope opens, and none that admin does
        not."""
        for path, _ in self.paths:
            self.assertIn("admin", scopes_of(path))
