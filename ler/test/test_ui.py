"""
Tests for L{ler.web.ui}.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.test.http import Client, HeaderPairs, Reply, open_site
from ler.web.endpoints import Folder
from ler.web.ui import page_files, page_resource

SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
)


class Tags(HTMLParser):
    """
    Collects the tags of a page, with their attributes.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """
        A tag begins.
        """
        self.found.append((tag, dict(attrs)))


class PageTests(SynchronousTestCase):
    """
    C{/ui/}
    """

    def setUp(self) -> None:
        """
        Open a site with the page.
        """
        self.clock = Clock()
        self.site = open_site(Folder({"ui": page_resource()}), self.clock)

    def tearDown(self) -> None:
        """
        No client has left anything waiting.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def ask(self, target: bytes, headers: HeaderPairs = (), method: bytes = b"GET") -> Reply:
        """
        @return: the answer to a request.
        """
        client = Client(self.site)
        client.request(method, target, headers)
        reply = client.reply()
        client.leave()
        return reply

    def test_page(self) -> None:
        """There is a page."""
        reply = self.ask(b"/ui/")
        self.assertEqual(200, reply.status)
        self.assertEqual(b"text/html; charset=utf-8", reply.one(b"content-type"))
        self.assertTrue(reply.body.startswith(b"<!doctype html>"))
        self.assertTrue(reply.complete)

    def test_slash(self) -> None:
        """Its links need the slash at the end of its path, whatever stands before that."""
        reply = self.ask(b"/ui")
        self.assertEqual((302, b"ui/"), (reply.status, reply.one(b"location")))

    def test_files(self) -> None:
        """Each of its files is there, with its type, and is all that there is."""
        for name, content in page_files().items():
            reply = self.ask(b"/ui/" + name.encode())
            self.assertEqual(content, reply.body)
            kind = {"js": b"text/javascript", "css": b"text/css", "svg": b"image/svg+xml"}
            expected = kind.get(name.rpartition(".")[2], b"text/html")
            self.assertEqual(expected, reply.one(b"content-type").partition(b";")[0])
        for target in (b"/ui/x.js", b"/ui/page.js/x", b"/ui/ui.py"):
            self.assertEqual(404, self.ask(target).status, target)

    def test_policy(self) -> None:
        """The browser lets the page do nothing but what is ours."""
        for target in (b"/ui/", b"/ui/page.js"):
            reply = self.ask(target)
            policy = reply.one(b"content-security-policy").decode()
            rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
            self.assertEqual("'none'", rules.pop("default-src"))
            self.assertEqual("'script'", rules.pop("require-trusted-types-for"))
            self.assertLessEqual(set(rules.values()), {"'self'", "'none'"})
            self.assertEqual(b"nosniff", reply.one(b"x-content-type-options"))

    def test_unchanged(self) -> None:
        """A browser that has it already is told so."""
        etag = self.ask(b"/ui/page.js").one(b"etag")
        reply = self.ask(b"/ui/page.js", {b"If-None-Match": etag})
        self.assertEqual((304, b""), (reply.status, reply.body))
        self.assertEqual(200, self.ask(b"/ui/", {b"If-None-Match": etag}).status)

    def test_methods(self) -> None:
        """One can only get it, or its head."""
        head = self.ask(b"/ui/", method=b"HEAD")
        length = str(len(page_files()["index.html"])).encode()
        self.assertEqual((200, length), (head.status, head.one(b"content-length")))
        reply = self.ask(b"/ui/", method=b"DELETE")
        self.assertEqual((405, b"GET, HEAD"), (reply.status, reply.one(b"allow")))

    def test_nothing_from_elsewhere(self) -> None:
        """Everything that the page loads is one of its files."""
        files = page_files()
        tags = Tags(files["index.html"].decode()).found
        loaded = {
            attributes.get("src") or attributes["href"]
            for tag, attributes in tags
            if tag in ("script", "link", "img")
        }
        self.assertLessEqual(loaded, files.keys())
        for name, content in files.items():
            urls = re.findall(r"https?://[^\s\"'`]+", content.decode())
            self.assertLessEqual(set(urls), {"http://www.w3.org/2000/svg"}, name)

    def test_no_inline_code(self) -> None:
        """No tag of the page holds code or style, which the browser would refuse."""
        for tag, attributes in Tags(page_files()["index.html"].decode()).found:
            wrong = [name for name in attributes if name.startswith("on") or name == "style"]
            self.assertEqual([], wrong, tag)
            self.assertNotEqual("style", tag)
            self.assertTrue(tag != "script" or attributes["src"])

    def test_text_only(self) -> None:
        """No text becomes markup or code."""
        for name, content in page_files().items():
            self.assertIsNone(SINKS.search(content.decode()), name)

    def test_labels(self) -> None:
        """Every control of the page has a name for those who do not see it."""
        found = Tags(page_files()["index.html"].decode()).found
        labelled = {attributes.get("for") for tag, attributes in found if tag == "label"}
        for tag, attributes in found:
            if tag in ("select", "textarea") or (
                tag == "input" and attributes.get("type") != "checkbox"
            ):
                self.assertIn(attributes["id"], labelled)

    def test_ids(self) -> None:
        """What the code looks for in the page is there, once."""
        files = page_files()
        found = Tags(files["index.html"].decode()).found
        ids = [attributes["id"] for _, attributes in found if "id" in attributes]
        self.assertEqual(len(ids), len(set(ids)))
        for name, content in files.items():
            wanted = set(re.findall(r'byId\("([\w-]+)"\)', content.decode()))
            self.assertLessEqual(wanted, set(ids), name)
