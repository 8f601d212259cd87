# -*- test-case-name: ler.test.test_live_reload -*-
"""
Live tests of a router that is told to read its configuration anew while
clients are at work.
"""

from __future__ import annotations

import json
import signal
from http.client import HTTPResponse
from threading import Thread
from typing import Any

import yaml

from ler.test.live import Server, wait_for
from ler.test.live_router import ENDLESS, Call, RouterCase, read_events

STREAMS = 50


class ReloadTests(RouterCase):
    """
    A router with two rivals, C{a} and C{b}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.engine("a", "--tokens=40", "--token-interval-ms=50")
        self.engine("b")

    def rewrite(self, **settings: object) -> None:
        """
        Change the file; nobody has told the router yet.
        """
        path = self.folder / f"{self.port}.yaml"
        document = yaml.safe_load(path.read_text())
        document.update({"engines": self._engines, "models": self.models, **settings})
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def reload(self, router: Server, status: int = 200) -> Any:
        """
        @return: what the router says to a reload.
        """
        with router.request("POST", "/admin/reload", {}) as answer:
            told = json.load(answer)
        self.assertEqual(status, answer.status, told)
        return told

    def is_stale(self, router: Server, key: str) -> bool:
        """
        @return: whether an engine is in use as it was.
        """
        stale: bool = router.get("/status")["engines"][key]["stale"]
        return stale

    def test_under_load(self) -> None:
        """Streams run on while aliases and an idle engine change, and what is
        new applies to those who come."""
        router = self.start()
        self.assert_serves(router, "a")
        [leader] = [process.pid for process in self.tree("a")][:1]
        calls = [Call(self.port, "a", stream=True) for _ in range(STREAMS)]
        answers = [call.answer() for call in calls]
        ends: list[Any] = []

        def read(answer: HTTPResponse) -> None:
            ends.append(list(read_events(answer))[-1])

        readers = [Thread(target=read, args=(answer,)) for answer in answers]
        for reader in readers:
            reader.start()
        self.engine("b", "--tokens=2")
        self.rewrite(aliases={"other": "b"})
        told = self.reload(router)
        self.assertIn("aliases", told["changed"])
        self.assertTrue(any(text.startswith("engine b (") for text in told["changed"]), told)
        self.assertEqual(([], []), (told["removed"], told["stale"]))
        self.rewrite(aliases={"another": "b"})
        self.reload(router)
        self.assertEqual({"another": "b"}, router.get("/status")["aliases"])
        for reader in readers:
            reader.join()
        self.assertEqual(["[DONE]"] * STREAMS, ends)
        self.assertEqual(leader, self.leader("a").pid)
        with router.chat("another", max_tokens=1) as answer:
            self.assertEqual("b", json.load(answer)["model"])
        for call in calls:
            call.hang_up()

    def test_resident_changed(self) -> None:
        """A resident that has changed answers on as it was, is told to be
        stale, and comes back as it is meant to be."""
        router = self.start()
        self.assert_serves(router, "a")
        before = self.leader("a").pid
        self._engines["a"]["start_cmd"].append("--tokens=3")
        self.rewrite()
        self.assertEqual(["a"], self.reload(router)["stale"])
        self.assertTrue(self.is_stale(router, "a"))
        self.assert_serves(router, "a")
        self.assertEqual(before, self.leader("a").pid)
        self.assert_serves(router, "b")
        self.assertFalse(self.is_stale(router, "a"))
        self.assert_serves(router, "a")
        self.assertIn("--tokens=3", self.leader("a").cmdline())

    def test_resident_removed(self) -> None:
        """One that is configured no more ends what it answers and goes; those
        who wait for it are told, and so is who asks for it later."""
        self.engine("a", "--tokens=40", "--token-interval-ms=50", max_concurrency=1)
        router = self.start()
        call = self.call("a", stream=True)
        running = call.answer()
        waiting = self.call("a")
        wait_for(lambda: self.waiting(router) == 1)
        self.forget_engine("a")
        self.rewrite()
        self.assertEqual(["engine a"], self.reload(router)["removed"])
        self.assert_fails(waiting.answer(), 404, "model_not_found")
        self.assertEqual("[DONE]", list(read_events(running))[-1])
        self.wait_for_resident(router, None)
        wait_for(lambda: not self.tree("a"))
        with router.chat("a") as answer:
            self.assert_fails(answer, 404, "model_not_found")
        self.assertEqual(["b"], list(router.get("/status")["engines"]))
        self.assert_serves(router, "b")

    def test_waiting(self) -> None:
        """Who waits for an engine that changes gets the new one."""
        self.engine("a", *ENDLESS)
        router = self.start()
        call = self.call("a", stream=True)
        call.answer()
        waiting = self.call("b")
        wait_for(lambda: self.waiting(router) == 1)
        port = self.engine("b", "--tokens=1")
        self.rewrite()
        self.reload(router)
        call.hang_up()
        answer = waiting.answer()
        self.assertEqual((200, "b"), (answer.status, json.load(answer)["model"]))
        self.assertIn(f"--port={port}", self.leader("b").cmdline())

    def test_wrong_file(self) -> None:
        """A wrong file changes nothing; the answer and the log say why."""
        router = self.start(aliases={"alias": "a"})
        self.assert_serves(router, "a")
        self.rewrite(aliases={}, prot=1)
        message = self.reload(router, 400)["error"]["message"]
        self.assertIn("prot", message)
        self.assertIn("prot", self.log.read_text())
        self.assert_serves(router, "a")
        self.assertEqual({"alias": "a"}, router.get("/status")["aliases"])

    def test_restart_needed(self) -> None:
        """What cannot change under way is told, and the rest does."""
        router = self.start()
        self.rewrite(port=self.port + 1, state_dir="elsewhere", aliases={"x": "a"})
        told = self.reload(router)
        self.assertEqual({"port", "state_dir"}, set(told["needs_restart"]))
        self.assertEqual({"x": "a"}, router.get("/status")["aliases"])
        self.assertFalse((self.folder / "elsewhere").exists())

    def test_hangup(self) -> None:
        """The signal does it, too."""
        router = self.start()
        self.rewrite(aliases={"x": "a"})
        router.process.send_signal(signal.SIGHUP)
        wait_for(lambda: router.get("/status")["aliases"] == {"x": "a"})

    def test_moved(self) -> None:
        """An engine that need not be alone any more moves: it is drained first,
        and who waits for it waits on."""
        port = self.engine("a", "--tokens=30", "--token-interval-ms=50", max_concurrency=1)
        command = self._engines["a"]["start_cmd"]
        router = self.start()
        running = self.call("a", stream=True).answer()
        waiting = self.call("a", max_tokens=1)
        wait_for(lambda: self.waiting(router) == 1)
        self.engine("a", command=command, exclusive=False)
        self._engines["a"].update(base_url=f"http://127.0.0.1:{port}", port=port)
        self.rewrite()
        self.reload(router)
        self.assertEqual("[DONE]", list(read_events(running))[-1])
        answer = waiting.answer()
        self.assertEqual((200, "a"), (answer.status, json.load(answer)["model"]))
        self.wait_for_resident(router, "a", "a")
        self.wait_for_resident(router, None)
