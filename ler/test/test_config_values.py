"""
Tests for L{ler.config.values}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.config import values


class ChecksTests(SynchronousTestCase):
    """
    What each check lets pass, and what not.
    """

    def check(self, check: Callable[[Any], str | None], good: list[Any], bad: list[Any]) -> None:
        """
        Assert that C{check} tells C{good} values from C{bad} ones.
        """
        for value in good:
            self.assertIsNone(check(value), repr(value))
        for value in bad:
            self.assertIsInstance(check(value), str, repr(value))

    def test_host(self) -> None:
        """
        A host is an address or a name.
        """
        good = "127.0.0.1 0.0.0.0 :: ::1 fe80::1%eth0 localhost a-b.example my_box"
        bad = "* [::1] 1.2.3 256.1.1.1 12345 -a a- a..b .a http://x a:80 a/b"
        long = ["a" * 64, "a." * 130 + "b"]
        self.check(values.host, good.split(), [*bad.split(), *long, "", "a b", "x\n"])

    def test_http_url(self) -> None:
        """
        A base URL is plain HTTP with a host, perhaps a port and a path.
        """
        good = "http://127.0.0.1:8080 http://[::1]:80/ http://box http://box:80/v1"
        bad = (
            "127.0.0.1:80 https://x:1 ftp://x http:// http://:80 http://x:0 http://x:99999 "
            "http://x:y http://[::1 http://u:p@x http://@x http://x?a http://x#a http://x:{port}"
        )
        spaced = ["", "http://x/a b", "http://a b", "http://x\n"]
        self.check(values.http_url, good.split(), [*bad.split(), *spaced])

    def test_url_template(self) -> None:
        """
        A base URL may leave its port open.
        """
        good = ["http://127.0.0.1:8080", "http://box:{port}/v1"]
        self.check(values.url_template, good, ["http://x:{porto}", "https://x:{port}", "{port}"])

    def test_any_url(self) -> None:
        """
        A server elsewhere may speak TLS.
        """
        good = ["https://box.example/v1", "http://box:8080", "https://[::1]:8443"]
        bad = ["box", "ftp://x", "https://", "https://x:{port}", "https://u:p@x", "https://x?a"]
        self.check(values.any_url, good, bad)

    def test_url_path(self) -> None:
        """
        A path begins with a slash and needs no encoding.
        """
        self.check(
            values.url_path,
            ["/", "/health", "/v1/models?x=%20"],
            ["", "health", "/a b", "/\u00e9", "/a\n", "http://x/"],
        )

    def test_origin(self) -> None:
        """
        An origin has a scheme and a host, and no path.
        """
        self.check(
            values.origin,
            ["*", "null", "https://app.example", "http://localhost:3000", "app://obsidian.md"],
            ["", "app.example", "https://", "https://x/", "https://x/y", "https:// x"],
        )

    def test_host_header(self) -> None:
        """
        A Host header has a name, and perhaps a port.
        """
        self.check(
            values.host_header,
            ["*", "router.example", "router.example:8077", "[::1]:80", "10.0.0.1", "my_box"],
            ["", "http://x", "x/y", "x:", "x:y", "::1", "a b", "*.example"],
        )

    def test_header(self) -> None:
        """
        Names are tokens that do not belong to the connection, values hold no
        control characters.
        """
        good = [("X-Key", "a b\tc"), ("authorization", ""), ("X-Name", "caf\u00e9")]
        names = ["", "X Key", "X:", "X-\u00e9", "Host", "content-length", "Transfer-Encoding"]
        values_ = ["a\r\nY: b", "a\x00"]
        bad = [*((name, "x") for name in names), *(("X", value) for value in values_)]
        self.check(values.header, good, bad)

    def test_variable(self) -> None:
        """
        Names of variables are not empty and hold neither = nor spaces.
        """
        self.check(
            values.variable,
            [("PATH", ""), ("a.b-c", "x = y")],
            [("", "x"), ("A=B", "x"), ("A B", "x"), ("A\n", "x")],
        )

    def test_api_key(self) -> None:
        """
        A key can be sent in a header.
        """
        self.check(values.api_key, ["sk-1", "\u00e9"], ["a b", "a\n", "\ta"])

    def test_sha256(self) -> None:
        """
        A hash is 256 bits.
        """
        self.check(values.sha256, ["0" * 64, "aF" * 32], ["0" * 63, "g" * 64, "0" * 64 + "\n"])

    def test_label(self) -> None:
        """
        A label is one word in a line of the log.
        """
        self.check(values.label, ["laptop", "\u00e9-1"], ["a b", "a\n"])

    def test_version(self) -> None:
        """
        A version is three numbers: clients cannot compare anything else.
        """
        self.check(
            values.version,
            ["0.32.0", "10.2.33"],
            ["0.32", "0.32.0.1", "v0.32.0", "0.32.0-rc1", "0.32.x", "0.32.0\n", "1" * 10 + ".0.0"],
        )

    def test_ready_check(self) -> None:
        """
        A readiness condition has one of three forms.
        """
        self.check(
            values.ready_check,
            ["completion", "status==ok", "a b==c==d", "model:x", "model:org/x:8b"],
            ["status", "status=ok", "==ok", "status==", "model:", "model: ", "Completion", " "],
        )

    def test_expression(self) -> None:
        """
        A condition compares a key with text.
        """
        good = ["state==loaded", "a b==c==d", "x== "]
        self.check(values.expression, good, ["state", "state=loaded", "==x", "x==", " ", " a==b"])

    def test_list_path(self) -> None:
        """
        The path of a list is made of keys.
        """
        good = ["models", "data.models", "models[].loaded_instances[]", "a[].b.c", "a-b_c"]
        bad = [" ", ".", "a.", ".a", "a..b", "[]", "a[0]", "a[]b", "a[][]", "^a", "a b"]
        self.check(values.list_path, good, bad)

    def test_entry_key(self) -> None:
        """
        A key may be of the entry around.
        """
        self.check(values.entry_key, ["name", "^key"], ["^", "^^key", "a.b", "a[]", "a^", " "])

    def test_unit_name(self) -> None:
        """
        A unit has a name that no command line takes for an option.
        """
        good = ["ollama.service", "ollama", "vllm@a-1.service", "a\\x2db.service"]
        bad = ["--now", "a b", "a/b", "a;b", "a\n", "\u00e9", " ", "a" * 256]
        self.check(values.unit_name, good, bad)

    def test_signal_name(self) -> None:
        """
        A signal goes by its name or its number.
        """
        self.check(
            values.signal_name,
            ["SIGTERM", "SIGINT", "15"],
            ["", "TERM", "sigterm", "SIGNOTHING", "SIG_IGN", "0", "999", "-9", "1.5"],
        )
        self.assertEqual("SIGINT", values.canonical_signal("2"))
        self.assertEqual("SIGINT", values.canonical_signal("SIGINT"))

    def test_complaints_quote_nothing(self) -> None:
        """
        No complaint shows the value, which may have come from a variable.
        """
        for check in (
            values.host,
            values.http_url,
            values.url_path,
            values.origin,
            values.host_header,
            values.ready_check,
            values.any_url,
            values.expression,
            values.list_path,
            values.entry_key,
            values.unit_name,
            values.signal_name,
            values.api_key,
            values.label,
            values.sha256,
            values.version,
        ):
            for value in ("=secret \n", "http://secret\n", "http://x:secret"):
                self.assertNotIn("secret", check(value) or "")


class AddressTests(SynchronousTestCase):
    """
    Tests for L{values.address} and L{values.is_loopback}.
    """

    def test_address(self) -> None:
        """
        All names of this machine are one.
        """
        rows = {
            "http://127.0.0.1:8080": ("localhost", 8080),
            "http://LOCALHOST:8080/v1": ("localhost", 8080),
            "http://[::1]:8080": ("localhost", 8080),
            "http://0.0.0.0:8080": ("localhost", 8080),
            "http://127.0.1.1": ("localhost", 80),
            "https://Box.example/v1": ("box.example", 443),
            "http://Box": ("box", 80),
            "http://10.0.0.1:1": ("10.0.0.1", 1),
        }
        for url, address in rows.items():
            self.assertEqual(address, values.address(url), url)

    def test_is_loopback(self) -> None:
        """
        Only what is surely this machine alone is loopback.
        """
        for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost"):
            self.assertTrue(values.is_loopback(host), host)
        for host in ("0.0.0.0", "::", "10.0.0.1", "box", "localhost.example"):
            self.assertFalse(values.is_loopback(host), host)
