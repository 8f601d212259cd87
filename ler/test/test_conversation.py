"""
Tests of L{ler.web.conversation}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.test.fake_websocket import FakeEnd
from ler.web.conversation import CLOSE_S, LAST_WORDS_S, PING_S, Conversation

IDLE = 15.0
"""Less than the time between pings, so that none is between the lines."""


class ConversationTests(SynchronousTestCase):
    """
    Tests of L{Conversation}.
    """

    idle: float | None = IDLE

    def setUp(self) -> None:
        """
        A client talks with an engine.
        """
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.client = FakeEnd()
        self.engine = FakeEnd()
        self.conversation = Conversation(self.client, self.engine, self.clock, self.idle)

    def assert_over(self, outcome: str) -> None:
        """
        Both connections are gone, and nothing is left to happen.
        """
        self.successResultOf(self.conversation.over)
        self.assertEqual(outcome, self.conversation.outcome)
        self.assertEqual([], self.clock.getDelayedCalls())

    def hang_up(self) -> None:
        """
        Both peers have agreed that it is over.
        """
        self.client.lose()
        self.engine.lose()


class TalkTests(ConversationTests):
    """
    As long as both are there.
    """

    def test_messages(self) -> None:
        """
        Each is told what the other says, text as text and bytes as bytes, in
        order.
        """
        self.client.hear("a")
        self.client.hear("b", binary=True)
        self.engine.hear("c", binary=True)
        self.engine.hear("d")
        self.assertEqual(["text a", "binary b"], self.engine.events)
        self.assertEqual(["binary c", "text d"], self.client.events)

    def test_pace(self) -> None:
        """
        Neither is read faster than the other reads.
        """
        self.assertIs(self.engine, self.client.source)
        self.assertIs(self.client, self.engine.source)

    def test_counts(self) -> None:
        """
        It is known how much the engine has said, and since when.
        """
        self.client.hear("hello")
        self.assertIsNone(self.conversation.first_said)
        self.clock.advance(1)
        self.engine.hear("four")
        self.clock.advance(1)
        self.engine.hear("five!")
        self.assertEqual(1001.0, self.conversation.first_said)
        self.assertEqual(9, self.conversation.sent)


class EndTests(ConversationTests):
    """
    One of the two has enough.
    """

    def test_client_closes(self) -> None:
        """
        An engine is told how its client closed, and nothing else after that.
        """
        self.client.hear_close(1000, "bye")
        self.client.hear("late")
        self.engine.hear("late")
        self.assertEqual(["close 1000 bye"], self.engine.events)
        self.hang_up()
        self.assert_over("ok")

    def test_engine_closes(self) -> None:
        """
        A client is told how its engine closed, even if it did not say why.
        """
        self.engine.hear_close(None)
        self.assertEqual(["close None"], self.client.events)
        self.hang_up()
        self.assert_over("ok")

    def test_own_code(self) -> None:
        """
        Codes that only the two can know pass.
        """
        self.engine.hear_close(4001, "session_expired")
        self.assertEqual(["close 4001 session_expired"], self.client.events)
        self.hang_up()
        self.assert_over("ok")

    def test_cannot_go_on(self) -> None:
        """
        It is told apart when one closed it because of what the other did.
        """
        self.engine.hear_close(1009, "too large")
        self.assertEqual(["close 1009 too large"], self.client.events)
        self.hang_up()
        self.assert_over("closed_1009")

    def test_does_not_hang_up(self) -> None:
        """
        A peer that does not agree in time is cut off.
        """
        self.client.hear_close()
        self.client.lose()
        self.clock.advance(CLOSE_S)
        self.assertEqual(["close 1000", "abort"], self.engine.events)
        self.assert_over("ok")

    def test_client_leaves(self) -> None:
        """
        An engine is told that its client broke off.
        """
        self.client.lose()
        self.assertEqual(["close 1001 the client left"], self.engine.events)
        self.engine.lose()
        self.assert_over("client_left")

    def test_engine_breaks_off(self) -> None:
        """
        A client is told that its engine broke off, after a moment in which
        somebody might know more.
        """
        self.engine.lose()
        self.assertEqual([], self.client.events)
        self.clock.advance(LAST_WORDS_S)
        self.assertEqual(["close 1011 the engine broke the connection"], self.client.events)
        self.client.lose()
        self.assert_over("engine_died")

    def test_last_words(self) -> None:
        """
        Somebody knows more.
        """
        self.engine.lose()
        self.client.hear("are you there?")
        self.conversation.end(1011, "engine a exited with status 1", "engine_died")
        self.assertEqual(["close 1011 engine a exited with status 1"], self.client.events)
        self.client.lose()
        self.assert_over("engine_died")

    def test_both_break_off(self) -> None:
        """
        The client does not stay for the engine's last words.
        """
        self.engine.lose()
        self.client.lose()
        self.assert_over("engine_died")

    def test_told(self) -> None:
        """
        Whoever carries it may end it; only the first end counts.
        """
        self.conversation.end(1012, "the router stops", "cut_by_drain")
        self.conversation.end(1011, "and again", "engine_died")
        self.assertEqual(["close 1012 the router stops"], self.client.events)
        self.assertEqual(["close 1012 the router stops"], self.engine.events)
        self.hang_up()
        self.assert_over("cut_by_drain")

    def test_cancelled(self) -> None:
        """
        Whoever does not wait for the end breaks both connections.
        """
        self.conversation.over.cancel()
        self.assertEqual("abort", self.client.events[-1])
        self.assertEqual("abort", self.engine.events[-1])
        self.assertEqual([], self.clock.getDelayedCalls())


class IdleTests(ConversationTests):
    """
    Nobody says anything.
    """

    def test_idle(self) -> None:
        """
        Silence ends it, whoever spoke last.
        """
        self.clock.advance(IDLE - 1)
        self.client.hear("a")
        self.clock.advance(IDLE - 1)
        self.engine.hear("b")
        self.clock.advance(IDLE - 1)
        self.assertNotIn("close", " ".join(self.client.events))
        self.clock.advance(1)
        said = "close 1001 nothing was said for 15 s (websocket_idle_s)"
        self.assertEqual(said, self.client.events[-1])
        self.assertEqual(said, self.engine.events[-1])
        self.hang_up()
        self.assert_over("idle")


class PatientTests(ConversationTests):
    """
    Silence does not matter.
    """

    idle = None

    def test_pings(self) -> None:
        """
        Both are pinged as long as it goes on.
        """
        self.clock.pump([PING_S] * 3)
        self.assertEqual(["ping"] * 3, self.client.events)
        self.assertEqual(["ping"] * 3, self.engine.events)
        self.client.hear_close()
        self.clock.advance(CLOSE_S / 2)
        self.hang_up()
        self.assert_over("ok")

    def test_messages(self) -> None:
        """
        Messages pass.
        """
        self.client.hear("a")
        self.assertEqual(["text a"], self.engine.events)
        self.hang_up()
        self.assert_over("client_left")
