# -*- test-case-name: ler.test.test_live_page -*-
"""
A real browser without a window, told what to do over a pair of pipes: every
call here blocks.

It speaks the DevTools protocol of Chromium, of which each message is JSON that
ends with a zero byte.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

PATIENCE = 30.0

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

CHUNK = 1 << 16

KEYS = {
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
}


def find_chromium() -> str:
    """
    @return: the browser of this machine.
    @raise SkipTest: when there is none.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise SkipTest("needs Chromium")


class Browser:
    """
    A browser that runs.
    """

    def __init__(self, folder: Path) -> None:
        """
        @param folder: for its profile; it need not exist.
        """
        program = find_chromium()
        its_input, self._to = os.pipe()
        self._from, its_output = os.pipe()
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}
        command = [
            *(program, "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}"),
            *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--disable-sync", "--disable-extensions", "--lang=en-GB"),
            "about:blank",
        ]
        # It reads from descriptor 3, and writes to 4; what is moved there must not be there.
        ours = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (its_input, its_output)]
        script = 'exec "$@" 3<&{0} 4>&{1} {0}<&- {1}>&-'.format(*ours)
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=ours,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "HOME": str(folder), "TZ": "UTC"},
        )
        for fd in (its_input, its_output, *ours):
            os.close(fd)

    def open(self, url: str, width: int = 1280, height: int = 900) -> Page:
        """
        @return: a page that loads C{url}.
        """
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, attached["sessionId"])
        self._pages[attached["sessionId"]] = page
        page.begin(url, width, height)
        return page

    def close(self) -> None:
        """
        End it.
        """
        with suppress(OSError, TimeoutError, ConnectionError):
            self.call("Browser.close")
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        """
        @return: the result of a command.
        """
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._next(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer and answer.get("sessionId") in self._pages:
                self._pages[answer["sessionId"]].happened(answer["method"], answer["params"])

    def _next(self, deadline: float) -> Any:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._from, CHUNK)
            if not data:
                raise ConnectionError("the browser is gone")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


class Page:
    """
    A tab.

    @ivar complaints: what stands in its console, and what it threw.
    @ivar requested: the URLs that it has asked for.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._browser = browser
        self._session = session

    def begin(self, url: str, width: int, height: int) -> None:
        """
        Load C{url}.
        """
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.call("Page.navigate", url=url)
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """
        Give the page another screen.
        """
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def prefer(self, scheme: str) -> None:
        """
        @param scheme: C{dark} or C{light}.
        """
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def call(self, method: str, **params: Any) -> Any:
        """
        @return: the result of a command to this page.
        """
        return self._browser.call(method, self._session, **params)

    def happened(self, method: str, params: Any) -> None:
        """
        The page has something to tell.
        """
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(
                details.get("exception", {}).get("description") or details["text"]
            )
        elif method == "Log.entryAdded":
            entry = params["entry"]
            self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
        elif method == "Runtime.consoleAPICalled":
            said = " ".join(str(arg.get("value")) for arg in params["args"])
            self.complaints.append(f"console.{params['type']}: {said}")
        elif method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])

    def evaluate(self, expression: str) -> Any:
        """
        @return: the value of a JavaScript expression, awaited.
        """
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """
        @return: the value of an expression, once it is true.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                text = self.evaluate("document.body.innerText")
                raise AssertionError(f"never true: {expression}; the page says: {text}")
            time.sleep(0.02)

    def text(self, id: str) -> str:
        """
        @return: the text of an element.
        """
        text: str = self.evaluate(f"document.getElementById({json.dumps(id)}).innerText")
        return text

    def press(self, key: str) -> None:
        """
        Press a key, and let it go.
        """
        self.call("Input.dispatchKeyEvent", type="keyDown", **KEYS[key])
        self.call("Input.dispatchKeyEvent", type="keyUp", **KEYS[key])

    def type(self, text: str) -> None:
        """
        Type into what has the focus.
        """
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """
        Save what is seen of the page as a PNG.
        """
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
