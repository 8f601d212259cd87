# -*- test-case-name: ler.test.test_paths -*-
"""
Tests for L{ler.web.paths}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import InvalidPath
from ler.web.paths import decoded_tail, normal_path, split_target


class SplitTargetTests(SynchronousTestCase):
    """
    The request target is a path with a query.
    """

    def test_parts(self) -> None:
        """The query begins at the first question mark, which belongs to it."""
        for target, parts in {
            b"/v1/models": (b"/v1/models", b""),
            b"/v1/messages?beta=true": (b"/v1/messages", b"?beta=true"),
            b"/a?b?c": (b"/a", b"?b?c"),
            b"/a?": (b"/a", b"?"),
            b"/?%2e%2e/x=\\": (b"/", b"?%2e%2e/x=\\"),
        }.items():
            self.assertEqual(parts, split_target(target))

    def test_refused(self) -> None:
        """Whatever is no absolute path of visible ASCII is refused."""
        for target in (
            b"",
            b"*",
            b"v1/models",
            b"?a",
            b"http://localhost/v1/models",
            b"localhost:8077",
            b"/a#b",
            b"/a?b#c",
            b"/a b",
            b"/a?b c",
            b"/a\tb",
            b"/a?\x00",
            b"/a\x7f",
            b"/caf\xc3\xa9",
            b"/a?\xff",
            b"/a\n",
        ):
            self.assertRaises(InvalidPath, split_target, target)


class NormalPathTests(SynchronousTestCase):
    """
    A path has one spelling.
    """

    def test_normal(self) -> None:
        """A path in its one form is taken as it is."""
        for path in (
            b"/",
            b"/health",
            b"/v1/chat/completions",
            b"/v1/responses/resp_1:2~3",
            b"/...",
            b"/.well-known/x",
            b"/v1.1/a..b",
        ):
            self.assertEqual(path.decode(), normal_path(path))

    def test_slash_at_the_end(self) -> None:
        """One slash at the end changes nothing."""
        self.assertEqual("/v1/chat/completions", normal_path(b"/v1/chat/completions/"))

    def test_refused(self) -> None:
        """What two programs could resolve to two places is refused."""
        for path in (
            b"",
            b"v1",
            b"//",
            b"//v1/models",
            b"/v1//models",
            b"/v1/models//",
            b"/./v1",
            b"/v1/.",
            b"/v1/./models",
            b"/..",
            b"/../",
            b"/v1/x/../model/unload",
            b"/v1/x/%2e%2e/model/unload",
            b"/v1/x/%2E%2E%2Fmodel/unload",
            b"/v1/.%2e/models",
            b"/v1%2fmodels",
            b"/%76%31/models",
            b"/v1/%",
            b"/v1\\models",
            b"/v1/..\\model\\unload",
            b"/v1/model/unload\x00",
            b'/v1/"models"',
            b"/v1/<models>",
            b"/v1/models\n",
        ):
            self.assertRaises(InvalidPath, normal_path, path)


class DecodedTailTests(SynchronousTestCase):
    """
    The id at the end of a path may hold anything.
    """

    def test_decoded(self) -> None:
        """Slashes may be escaped or not, and text may be of any script."""
        for path, id in {
            b"/v1/models/gpt-oss:20b": "gpt-oss:20b",
            b"/v1/models/org/name": "org/name",
            b"/v1/models/org%2Fname": "org/name",
            b"/v1/models/org%2fname%20x": "org/name x",
            b"/v1/models/%E6%A8%A1": "模",
            b"/v1/models/50%": "50%",
            b"/v1/models/..": "..",
            b"/v1/models/": "",
        }.items():
            self.assertEqual(id, decoded_tail(path, b"/v1/models/"))

    def test_refused(self) -> None:
        """What is no text is refused."""
        self.assertRaises(InvalidPath, decoded_tail, b"/v1/models/%ff", b"/v1/models/")
