# -*- test-case-name: ler.test.test_live_page -*-
"""
Live tests of the page, in a real browser.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ler.test.browser import Browser, Page, find_chromium
from ler.test.live import Server, wait_for
from ler.test.live_router import ENDLESS, RouterCase, read_events, url_of

SPITEFUL = "<img src=x onerror=alert(1)>"

WATCHED = """
window.seen = [];
new MutationObserver(() => {
  const now = document.querySelector("#slots .now");
  const name = now && now.textContent.split(" ")[0];
  if (name && window.seen.at(-1) !== name) window.seen.push(name);
}).observe(document.getElementById("slots"), {
  attributes: true, characterData: true, childList: true, subtree: true,
});
"""
"""Notes the phases that the page shows, each once in a row."""

CURVE = "document.querySelector('#memory .curve')"

HOLDER = "document.querySelector('#slots h3')?.textContent"


def is_here(model: str) -> str:
    """
    @return: whether the page shows that C{model} is in memory.
    """
    row = f"[...document.querySelectorAll('#models tr')].find(r => r.innerText.includes('{model}'))"
    return f"{row}?.innerText.includes('in memory')"


class PageCase(RouterCase):
    """
    A router with two rivals, and a browser.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        Configure the engines.
        """
        find_chromium()
        super().setUp()
        self.engine("a", "--hold-mib=200", "--load-s=0.3", "--stop-s=0.3")
        self.engine("b", "--hold-mib=100", "--load-s=0.3", "--stop-s=0.3")

    def open(self, router: Server, **screen: int) -> Page:
        """
        @return: the page of C{router}, which is live.
        """
        browser = Browser(self.folder / "browser")
        self.addCleanup(browser.close)
        return browser.open(f"{url_of(router.port)}/ui", **screen)

    def wait_until_live(self, page: Page) -> None:
        """
        Return once the page shows what the router tells.
        """
        page.wait_for("document.getElementById('connection').textContent === 'live'")
        page.wait_for(HOLDER)

    def tab_to(self, page: Page, name: str) -> None:
        """
        Go from control to control until there is one called C{name}.
        """
        for _ in range(60):
            page.press("Tab")
            focus = page.evaluate(
                "document.activeElement.ariaLabel ?? document.activeElement.textContent"
            )
            if focus == name:
                return
        raise AssertionError(f"no way leads to {name}")

    def assert_quiet(self, page: Page) -> None:
        """
        Nothing went wrong in the page, and it has asked nobody but its router.
        """
        self.assertEqual([], page.complaints)
        origin = f"{url_of(self.port)}/"
        self.assertEqual([], [url for url in page.requested if not url.startswith(origin)])


class PageTests(PageCase):
    """
    The page.
    """

    def test_swap(self) -> None:
        """A swap that is begun by the keyboard is watched phase by phase, with the curve of the
        memory, until the model is there."""
        router = self.start()
        self.assert_serves(router, "a")
        page = self.open(router)
        self.wait_until_live(page)
        page.wait_for(is_here("a"))
        page.evaluate(WATCHED)
        self.tab_to(page, "Load b")
        page.press("Enter")
        page.wait_for(is_here("b"))
        page.wait_for(f"{HOLDER} === 'b'")
        # The others are over before anybody can see them.
        seen = [phase for phase in page.evaluate("seen") if phase in ("free", "start")]
        self.assertEqual(["free", "start"], seen)
        # The router looked at the memory more often than it told us.
        page.wait_for(f"{CURVE}.getAttribute('d').split('L').length > 30")
        self.assertIn("free (mem)", page.text("memory-text"))
        self.assertEqual(4, page.evaluate("document.querySelectorAll('#slots .done').length"))
        steps = page.evaluate("[...document.querySelectorAll('#slots li')].map(l => l.textContent)")
        for step, phase in zip(steps, ("drain", "free", "settle", "start"), strict=True):
            self.assertRegex(step, rf"^{phase} \d+\.\d s$")
        page.wait_for("document.querySelectorAll('#swaps tr').length === 2")
        page.wait_for("document.querySelectorAll('#turns .turn0, #turns .turn1').length === 2")
        self.assertEqual("b", self.slot(router)["resident"])
        # Whoever began it can go on from there.
        self.assertEqual("Load b", page.evaluate("document.activeElement.ariaLabel"))
        self.assert_quiet(page)

    def test_requests(self) -> None:
        """Requests are seen as they come, wait and run, and can be ended."""
        self.engine("a", *ENDLESS)
        router = self.start()
        page = self.open(router)
        self.wait_until_live(page)
        running = self.call("a", stream=True).answer()
        waiting = self.call("b")
        page.wait_for("document.getElementById('under-way').textContent === '(2 under way)'")
        page.wait_for("document.querySelectorAll('#queue tr').length === 1")
        rows = "[...document.querySelectorAll('#requests tr')].map(row => row.innerText)"
        page.wait_for(f"{rows}.some(text => text.includes('running'))")
        self.assertIn("waiting", page.evaluate(rows)[0])
        for model in ("b", "a"):
            page.evaluate(
                f"document.querySelector('[aria-label=\"Cancel the request for {model}\"]').click()"
            )
        page.wait_for(f"{rows}.filter(text => text.includes('cut_by_operator')).length === 2")
        self.assert_fails(waiting.answer(), 503, "cut_by_operator")
        *_, last, end = read_events(running)
        self.assertEqual(("cut_by_operator", "[DONE]"), (last["error"]["code"], end))
        page.wait_for("document.querySelectorAll('#queue tr').length === 0")
        self.assert_quiet(page)

    def test_unload_and_pause(self) -> None:
        """The memory can be given back, and kept."""
        router = self.start()
        self.assert_serves(router, "a")
        page = self.open(router)
        self.wait_until_live(page)
        page.evaluate("document.getElementById('unload').click()")
        page.wait_for(f"{HOLDER} === 'nothing'")
        page.evaluate("document.getElementById('pause').click()")
        page.wait_for("document.getElementById('pause').textContent === 'Resume'")
        page.evaluate("document.getElementById('try-send').click()")
        page.wait_for("document.getElementById('try-state').textContent.includes('paused')")
        page.evaluate("document.getElementById('pause').click()")
        page.wait_for("document.getElementById('pause').textContent === 'Pause'")
        self.assertIsNone(self.slot(router)["paused"])

    def test_load_fails(self) -> None:
        """What goes wrong with an order is told."""
        self.engine("a", command=[sys.executable, "-c", "print('no such file'); exit(3)"])
        router = self.start()
        page = self.open(router)
        self.wait_until_live(page)
        page.evaluate("document.querySelector('[aria-label=\"Load a\"]').click()")
        page.wait_for("!document.getElementById('notice').hidden")
        self.assertIn("no such file", page.text("notice"))
        page.evaluate("document.querySelector('[aria-label=\"Load b\"]').click()")
        page.wait_for(is_here("b"))
        self.assertTrue(page.evaluate("document.getElementById('notice').hidden"))

    def test_playground(self) -> None:
        """A model can be tried, and stopped."""
        self.engine("b", *ENDLESS)
        router = self.start()
        page = self.open(router)
        self.wait_until_live(page)
        self.tab_to(page, "Send")
        page.press("Enter")
        page.wait_for("document.getElementById('try-state').textContent.includes('done')")
        self.assertIn("0 1 2", page.text("try-answer"))
        page.evaluate("document.getElementById('try-model').value = 'b'")
        page.evaluate("document.getElementById('try-send').click()")
        page.wait_for("document.getElementById('try-answer').textContent.includes('20')")
        page.evaluate("document.getElementById('try-stop').click()")
        page.wait_for("document.getElementById('try-state').textContent === 'stopped'")
        wait_for(lambda: not self.slot(router)["in_flight"])
        self.assert_quiet(page)

    def test_logs(self) -> None:
        """What an engine prints is seen as it prints it, without secrets."""
        script = (
            "import time\n"
            "print('started with --api-key=hunter22', flush=True)\n"
            "time.sleep(1)\n"
            f"print({SPITEFUL!r}, flush=True)\n"
            "time.sleep(600)\n"
        )
        self.engine("a", command=[sys.executable, "-I", "-S", "-c", script])
        router = self.start()
        page = self.open(router)
        self.wait_until_live(page)
        page.wait_for("document.getElementById('log').textContent.includes('adopting -> empty')")
        page.evaluate(
            "const select = document.getElementById('log-of'); select.value = 'a';"
            "select.dispatchEvent(new Event('change'))"
        )
        self.call("a")
        page.wait_for(
            f"document.getElementById('log').textContent.includes({json.dumps(SPITEFUL)})"
        )
        self.assertIn("--api-key=[redacted]", page.text("log"))
        self.assertNotIn("hunter22", page.text("log"))
        self.assert_quiet(page)

    def test_names(self) -> None:
        """Names are shown as they are, whatever is in them."""
        self.models += [{"id": SPITEFUL, "engine": "a", "display_name": SPITEFUL}]
        router = self.start()
        self.call(SPITEFUL).answer().read()
        page = self.open(router)
        self.wait_until_live(page)
        page.wait_for("document.querySelectorAll('#requests tr').length === 1")
        for part in ("models", "requests", "try-model"):
            self.assertIn(SPITEFUL, page.evaluate(f"document.getElementById('{part}').textContent"))
        self.assertEqual(0, page.evaluate("document.images.length"))
        self.assert_quiet(page)

    def test_phone(self) -> None:
        """On a small screen nothing sticks out, and the dark is dark."""
        router = self.start()
        self.assert_serves(router, "a")
        page = self.open(router, width=360, height=740)
        self.wait_until_live(page)
        page.wait_for("document.querySelectorAll('#requests tr').length === 1")
        widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        shown, room = page.evaluate(widths)
        self.assertEqual(room, shown)
        sizes: Any = page.evaluate(
            "[...document.querySelectorAll('button')].filter(b => b.checkVisibility())"
            f".map(b => b.getBoundingClientRect()).map(r => [r.right <= {room}, r.height >= 24])"
        )
        self.assertEqual({(True, True)}, set(map(tuple, sizes)))
        grounds = []
        for scheme in ("light", "dark"):
            page.prefer(scheme)
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds.append(int(colour.removeprefix("rgb(").partition(",")[0]))
        self.assertGreater(grounds[0], 200)
        self.assertLess(grounds[1], 60)
        self.assert_quiet(page)


class KeyTests(PageCase):
    """
    The page of a router that wants keys.
    """

    def test_key(self) -> None:
        """The page asks for a key, keeps it in the tab, and shows it to nobody else."""
        router = self.run_router(api_keys=["a-secret-key"])
        router.wait_until_ready()
        page = self.open(router)
        page.wait_for("document.getElementById('key-dialog').open")
        self.assertIn("API key", page.text("key-reason"))
        for key, outcome in (
            ("wrong", "document.getElementById('key-reason').textContent.includes('wrong')"),
            ("a-secret-key", "document.getElementById('connection').textContent === 'live'"),
        ):
            page.wait_for("document.activeElement.id === 'key'")
            page.type(key)
            page.press("Enter")
            page.wait_for(outcome)
        self.wait_until_live(page)
        page.evaluate("document.querySelector('[aria-label=\"Load a\"]').click()")
        page.wait_for(is_here("a"))
        self.assertEqual(["a-secret-key"], page.evaluate("Object.values(sessionStorage)"))
        self.assertEqual([0, ""], page.evaluate("[localStorage.length, document.cookie]"))
        self.assertEqual([], [url for url in page.requested if "secret" in url])
        # The browser itself notes each refusal.
        others = [text for text in page.complaints if "status of 401" not in text]
        self.assertEqual([], others)


class RestartTests(PageCase):
    """
    The page of a router that is started again.
    """

    def test_restart(self) -> None:
        """The page says that it has lost the router, and finds it again."""
        router = self.start()
        self.assert_serves(router, "a")
        page = self.open(router)
        self.wait_until_live(page)
        page.wait_for(f"{HOLDER} === 'a'")
        router.stop()
        page.wait_for("document.getElementById('connection').textContent === 'no connection'")
        self.start()
        self.wait_until_live(page)
        page.wait_for(f"{HOLDER} === 'nothing'")
        self.assertEqual([], [text for text in page.complaints if "ERR_" not in text])
