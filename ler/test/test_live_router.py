# -*- test-case-name: ler.test.test_live_router -*-
"""
Live tests of the life and death of a router.
"""

from __future__ import annotations

import contextlib
import signal

from ler.test.live import PATIENCE, Server, free_port, wait_for
from ler.test.live_router import ENDLESS, PROMPT, RouterCase, Stopwatch, read_events

STUBBORN = ("--workers=2", "--ignore-term")

# twistd ends by the signal that it was sent; older ones exit.
ENDED = (0, -signal.SIGTERM)


class KillTests(RouterCase):
    """
    The router is killed, and started again, while its engine takes its time
    to go.
    """

    def setUp(self) -> None:
        """
        Configure the engine's rival.
        """
        super().setUp()
        self.engine("b")

    def kill(self, router: Server) -> None:
        """
        Kill the router, and nothing else.
        """
        router.process.kill()
        router.process.wait(PATIENCE)

    def assert_starts_anew(self) -> None:
        """
        A new router serves both engines, one at a time.
        """
        router = self.start()
        self.assert_serves(router, "b")
        self.assert_serves(router, "a")
        self.assertEqual([], self.tree("b"))

    def test_resident(self) -> None:
        """A resident does not outlive the router."""
        self.engine("a", *STUBBORN, stop_timeout_s=0.5)
        router = self.start()
        self.assert_serves(router, "a")
        self.kill(router)
        self.assert_starts_anew()

    def test_starting(self) -> None:
        """Nor does an engine that loads."""
        self.engine("a", *STUBBORN, "--load-s=0.5", stop_timeout_s=0.2)
        router = self.start()
        self.call("a")
        self.wait_for_event("a", "start")
        self.kill(router)
        self.assert_starts_anew()

    def test_streaming(self) -> None:
        """Nor does one that answers, and the client's connection breaks."""
        self.engine("a", *STUBBORN, *ENDLESS, stop_timeout_s=0.5)
        router = self.start()
        with router.chat("a", stream=True) as answer:
            events = read_events(answer)
            next(events)
            self.kill(router)
            with contextlib.suppress(ConnectionError):
                self.assertNotIn("[DONE]", events)
        self.assert_starts_anew()

    def test_state_lost(self) -> None:
        """Nor does an engine of which the router's state tells nothing any more."""
        self.engine("a", *STUBBORN, stop_timeout_s=60)
        router = self.start()
        self.assert_serves(router, "a")
        self.kill(router)
        (self.folder / "state" / "state.json").unlink()
        self.engine("a")
        self.assert_starts_anew()


class LeaveTests(RouterCase):
    """
    With C{on_exit: leave} the router leaves an engine behind.
    """

    def setUp(self) -> None:
        """
        Leave an engine.
        """
        super().setUp()
        self.engine("a", "--workers=2")
        router = self.start(on_exit="leave")
        self.assert_serves(router, "a")
        self.assertIn(router.stop(), ENDED)
        self.pid = self.leader("a").pid

    def test_taken_back(self) -> None:
        """The next router takes it back, and can swap it away."""
        self.engine("b")
        router = self.start()
        self.assert_serves(router, "a")
        self.assertEqual(self.pid, self.leader("a").pid)
        self.assert_serves(router, "b")
        self.assertEqual([], self.tree("a"))

    def test_killed_later(self) -> None:
        """It does not outlive the next router, should that be killed."""
        router = self.start()
        self.assert_serves(router, "a")
        self.assertEqual(self.pid, self.leader("a").pid)
        router.process.kill()
        self.wait_for_none()

    def test_not_configured(self) -> None:
        """A router that does not know it any more stops it before anything starts."""
        self.forget_engine("a")
        self.engine("b")
        self.assert_serves(self.start(), "b")
        self.assertEqual("exit", self.events("a")[-1])


class StateTests(RouterCase):
    """
    The state folder.
    """

    def test_damaged(self) -> None:
        """A state file that cannot be read is set aside, and nothing else happens."""
        self.engine("a")
        self.start().stop()
        state = self.folder / "state" / "state.json"
        state.write_text("{")
        self.assert_serves(self.start(), "a")
        self.assertEqual("{", state.with_name("state.json.damaged").read_text())

    def test_two_routers(self) -> None:
        """A second router in the folder says who is there, and ends."""
        self.engine("a")
        first = self.start()
        second = self.run_router(port=free_port())
        self.assertEqual(1, second.process.wait(PATIENCE))
        log = self.log.read_text()
        self.assertIn(f"another router (pid {first.process.pid}) uses {self.folder}", log)
        self.assertNotIn("Traceback", log)
        self.assert_serves(first, "a")


class StopTests(RouterCase):
    """
    The router is told to stop.
    """

    def test_busy(self) -> None:
        """Answers that are nearly done are completed, longer ones are cut with an error, and
        those who wait are told at once."""
        self.engine("a", *ENDLESS)
        self.engine("b")
        router = self.start()
        short = self.call("a", stream=True, max_tokens=50).answer()
        long = self.call("a", stream=True).answer()
        waiting = self.call("b")
        wait_for(lambda: self.waiting(router) == 1)
        router.process.terminate()
        with Stopwatch() as stopwatch:
            self.assert_fails(waiting.answer(), 503, "shutting_down")
        self.assertLess(stopwatch.seconds, PROMPT)
        *tokens, _, end = read_events(short)
        self.assertEqual((50, "[DONE]"), (len(tokens), end))
        *_, last, end = read_events(long)
        self.assertEqual(("shutting_down", "[DONE]"), (last["error"]["code"], end))
        self.assertIn(router.process.wait(PATIENCE), ENDED)
        self.assertEqual([], self.family())
