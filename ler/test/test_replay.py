# -*- test-case-name: ler.test.test_replay -*-
"""
Tests of L{ler.slot.replay}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.interfaces import Residency
from ler.slot.record import Answered
from ler.slot.replay import NEXT_STEP_S, Recording
from ler.slot.simulator import Outcome
from ler.slot.traces import Agent, Arrival
from ler.slot.view import GUESS
from ler.slot.wish import Priority

A, B = Residency("a"), Residency("b", "large")


def line(
    at: float,
    target: Residency,
    waited: float,
    service: float,
    swap: float | None = None,
    slot: str = "exclusive",
    priority: Priority = Priority.INTERACTIVE,
) -> str:
    """
    @return: a line of a request log.
    """
    return Answered(1000.0 + at, slot, target, priority, waited, service, swap).as_line()


# A was there; two are answered at once; B comes, and then A again.
LOG = [
    line(0.0, A, 0.0, 5.0),
    line(3.0, A, 0.0, 3.0),
    line(1.0, B, 25.0, 4.0, 20.0, priority=Priority.BATCH),
    line(0.5, A, 50.0, 5.0, 18.0),
]


class RecordingTests(SynchronousTestCase):
    """
    L{Recording} makes a trace of a request log.
    """

    def test_outcome(self) -> None:
        """
        It tells what really became of the requests.
        """
        outcome = Recording(LOG, "exclusive").outcome()
        self.assertEqual(outcome, Outcome(2, 55.5, (0.0, 0.0, 25.0, 50.0)))

    def test_arrivals(self) -> None:
        """
        The requests come when they came, the first at 0, whenever they ended.
        """
        self.assertEqual(
            Recording(LOG, "exclusive").trace().arrivals,
            [
                Arrival(A, 0.0, 5.0),
                Arrival(A, 0.5, 5.0),
                Arrival(B, 1.0, 4.0, Priority.BATCH),
                Arrival(A, 3.0, 3.0),
            ],
        )

    def test_next_step(self) -> None:
        """
        A request that comes soon after an answer of the same model follows it,
        as long after it as it did.
        """
        log = [
            line(3.0, A, 10.0, 5.0),
            line(20.0, A, 10.0, 4.0),
            line(34.0 + NEXT_STEP_S, A, 0.0, 3.0),
            line(40.0 + 2 * NEXT_STEP_S, A, 0.0, 3.0),
            line(0.0, B, 0.0, 1.0),
        ]
        trace = Recording(log, "exclusive").trace()
        self.assertEqual(trace.agents, [Agent(A, [(3.0, 5.0), (2.0, 4.0), (NEXT_STEP_S, 3.0)])])
        self.assertEqual([arrival.target for arrival in trace.arrivals], [B, A])

    def test_rounded(self) -> None:
        """
        Times are rounded: what follows at once may seem to come before.
        """
        log = [line(0.0, A, 0.0, 5.001), line(5.0, A, 0.0, 1.0)]
        [agent] = Recording(log, "exclusive").trace().agents
        self.assertEqual([gap for gap, _ in agent.steps], [0.0, 0.0])

    def test_one_follower(self) -> None:
        """
        Every answer is followed by one request, which follows the last answer
        that was there; what runs is not followed, nor what was another class.
        """
        log = [
            line(0.0, A, 0.0, 2.0),
            line(0.0, A, 0.0, 3.0),
            line(1.0, A, 0.0, 9.0),
            line(4.0, A, 0.0, 50.0),
            line(5.0, A, 0.0, 60.0),
            line(6.0, A, 0.0, 1.0),
            line(8.0, A, 0.0, 1.0, priority=Priority.BATCH),
        ]
        trace = Recording(log, "exclusive").trace()
        steps = [agent.steps for agent in trace.agents]
        self.assertEqual(steps, [[(0.0, 2.0), (3.0, 60.0)], [(0.0, 3.0), (1.0, 50.0)]])
        self.assertEqual([arrival.at for arrival in trace.arrivals], [1.0, 6.0, 8.0])

    def test_resident(self) -> None:
        """
        What was let in to first is resident at the beginning.
        """
        self.assertEqual(Recording(LOG, "exclusive").trace().resident, A)
        late = line(0.0, A, 90.0, 1.0)
        self.assertEqual(Recording([late, *LOG[2:3]], "exclusive").trace().resident, B)

    def test_swap(self) -> None:
        """
        A swap takes what it took, or a guess where there was none.
        """
        self.assertEqual(Recording(LOG, "exclusive").trace().swap, {A: 18.0, B: 20.0})
        self.assertEqual(Recording(LOG[:2], "exclusive").trace().swap, {A: GUESS.start})

    def test_places(self) -> None:
        """
        A target answers as many at once as it did; one that ends when another
        begins is not beside it.
        """
        self.assertEqual(Recording(LOG, "exclusive").trace().places, {A: 2, B: 1})
        in_turn = [line(0.0, A, 0.0, 5.0), line(0.0, A, 5.0, 5.0), line(9.0, A, 9.0, 0.0)]
        self.assertEqual(Recording(in_turn, "exclusive").trace().places, {A: 1})

    def test_other_slots(self) -> None:
        """
        The requests of other slots do not count.
        """
        log = [*LOG, line(0.0, Residency("small"), 0.0, 1.0, slot="small")]
        self.assertEqual(len(Recording(log, "exclusive").requests), 4)
        self.assertEqual(len(Recording(log, "small").requests), 1)

    def test_damaged(self) -> None:
        """
        Lines that cannot be read are left out, and counted.
        """
        recording = Recording([*LOG, LOG[0][:20], ""], "exclusive")
        self.assertEqual((len(recording.requests), recording.unreadable), (4, 2))

    def test_nothing(self) -> None:
        """
        There must be something to replay.
        """
        error = self.assertRaises(ValueError, Recording, LOG, "small")
        self.assertEqual(str(error), "it tells of no request to the slot 'small'")
