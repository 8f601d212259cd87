# -*- test-case-name: ler.test.test_settle -*-
"""
The rule that decides when memory has come back after an engine stopped.

A plateau alone proves nothing: flat can mean finished, not begun or paused.
Three things tell them apart: how much the engine took (C{expect}), whether
its processes exist (C{alive}), and how much the next engine needs (C{need}).
With everything back the wait ends after a blink; the more is missing, the
longer silence has to last before it counts as the end.

Progress is a ratchet: only a new high is progress.  So arbitrarily slow drips
are seen, saw-teeth of other programs below the old peak are not, and no
window of samples has to be kept.

Everything here is pure: a L{Detector} is fed readings and asked for its
answer.  It knows no clock but the times that it is fed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from statistics import median

from ler.memory.tuning import DEFAULT_TUNING, GIB, Tuning

ALREADY_FREE = "already_free"
TARGET_MET = "target_met"
SETTLED = "settled"
SETTLED_SHORT = "settled_short"
UNREADABLE = "unreadable"
TIMEOUT = "timeout"
INSUFFICIENT = "insufficient"

#: Best first; of several channels the worst verdict counts.
VERDICTS = (
    ALREADY_FREE,
    TARGET_MET,
    SETTLED,
    SETTLED_SHORT,
    UNREADABLE,
    TIMEOUT,
    INSUFFICIENT,
)

ABSOLUTE = "absolute"
GROWTH_SENSITIVE = "growth_sensitive"
FROM_FREE = "from_free"


class Ask(Enum):
    """
    What a L{Detector} wants before it can give a verdict.
    """

    SAMPLE = "another reading"
    HIDDEN = "a look at hidden free memory, now"
    ASSIST = "hidden free memory brought out, if that is allowed"


@dataclass(frozen=True)
class Goal:
    """
    What a release is held against, in one channel.

    @ivar base: bytes free when the engine was told to stop.
    @ivar expect: bytes that should come back, or L{None} when nobody knows.
    @ivar need: bytes that the incoming engine asks for, or L{None}.
    @ivar firm: whether C{need} was configured: only then can too little
        memory be a verdict.
    @ivar sizing: how the incoming engine sizes itself; one that fills what is
        free never starts early.
    @ivar sigma: noise of the channel, in bytes.
    @ivar hidden: hidden free bytes at the base line.
    @ivar interval: seconds between two readings.
    @ivar timeout: seconds to wait for memory that is not on its way.
    """

    base: int
    expect: int | None = None
    need: int | None = None
    firm: bool = True
    sizing: str = FROM_FREE
    sigma: float = 0.0
    hidden: int = 0
    interval: float = 0.005
    timeout: float = 25.0


def noise(readings: Sequence[int]) -> float:
    """
    @param readings: what a channel read while nothing much happened.
    @return: their standard deviation in bytes, by the median of successive
        differences, which neither a drift nor a few jumps can spoil; 0 when
        there are too few to tell.
    """
    if len(readings) < 6:
        return 0.0
    return median(abs(b - a) for a, b in pairwise(readings)) / 0.954


def worst(verdicts: Iterable[str]) -> str:
    """
    @return: the verdict that counts, of those of several channels.  A channel
        that cannot be read has no say beside one that can.
    """
    given = set(verdicts)
    return max(given - {UNREADABLE} or {UNREADABLE}, key=VERDICTS.index)


class Detector:
    """
    Watches one channel, from the moment at which an engine is told to stop.

    @ivar level: bytes free by the last readings, smoothed.
    @ivar peak: the highest level so far.
    @ivar quiet: seconds since the last progress that readings vouch for.
    @ivar elapsed: seconds since the first reading, without sleep of the
        machine.
    @ivar last_rise: C{elapsed} at the last progress.
    @ivar died: C{elapsed} when the tree was first seen gone, or L{None}.
    @ivar samples: readings that succeeded.
    @ivar errors: readings that failed.
    @ivar rate_max: the fastest rise, in bytes a second.
    @ivar stalls: how often the release paused.
    @ivar longest_stall: the longest such pause, in seconds.
    @ivar competing: whether memory fell so far that somebody else must be
        loading.
    @ivar hidden: hidden free bytes at the last look.
    @ivar all_back: what may be missing when all counts as back, in bytes.
    @ivar assisted: whether hidden memory was asked to be brought out.
    @ivar extended: whether progress went on beyond the timeout.
    """

    def __init__(self, goal: Goal, tuning: Tuning = DEFAULT_TUNING) -> None:
        self.goal = goal
        self._tuning = tuning
        expect = goal.expect or 0
        self.level = self.peak = goal.base
        self.quiet = self.elapsed = self.last_rise = 0.0
        self.died: float | None = None
        self.samples = self.errors = self.stalls = 0
        self.rate_max = self.longest_stall = 0.0
        self.competing = self.assisted = self.extended = False
        self.all_back = int(
            max(
                tuning.all_back,
                tuning.all_back_share * expect,
                tuning.all_back_sigmas * goal.sigma,
            )
        )
        self._fall = max(GIB, expect // 20)
        noisy = goal.sigma >= tuning.noisy
        # The base line opens the window, so that one spike cannot be a level.
        self._window = deque([goal.base], tuning.smoothing_noisy if noisy else tuning.smoothing)
        self._high = goal.base
        self._at_level = 0
        self._enough = 0
        self._alive = False
        self._failures = 0
        self._fed_at: float | None = None
        self._asked_at: float | None = None
        self.hidden = goal.hidden
        self._cache = 0
        self._hidden_growth = 0
        self._hidden_at: float | None = None

    def feed(self, now: float, value: int | None, alive: bool | None) -> None:
        """
        Take a reading.

        @param now: its time, in seconds of any clock.
        @param value: free bytes, or L{None} when the reading failed.
        @param alive: whether the outgoing tree exists, or L{None} when that
            cannot be known.
        """
        step = 0.0 if self._fed_at is None else max(0.0, now - self._fed_at)
        self._fed_at = now
        self.elapsed += min(step, self._tuning.max_step)
        self._alive = bool(alive)
        if alive is False and self.died is None:
            self.died = self.elapsed
        if value is None:
            self.errors += 1
            self._failures += 1
            return
        self._failures = 0
        self.samples += 1
        self._window.append(value)
        self.level = sorted(self._window)[(len(self._window) - 1) // 2]
        # A stalled event loop earns no silence: one late reading does not say
        # what memory did meanwhile.
        silence = min(step, 2 * self.goal.interval)
        if self.level > self._high + self._rise():
            self._progress()
            # The median lags by a reading: if this one shows no more, it is
            # the second at the new level.
            again = value <= self.level
            self.quiet = silence if again else 0.0
            self._at_level = 2 if again else 1
        else:
            self.quiet += silence
            self._at_level += 1
        self.peak = max(self.peak, self.level)
        self.competing = self.competing or self.level < self.peak - self._fall
        need = self.goal.need
        if need is not None:
            met = value >= need and self.level >= need
            self._enough = self._enough + 1 if met else 0

    def feed_hidden(self, hidden: int, cache: int = 0) -> None:
        """
        Take a look at memory that is free and does not look it.

        @param hidden: bytes that an allocation would get although this
            channel does not show them.
        @param cache: bytes of page cache that this channel does not show.
            They are not in use, yet an engine that looks at this channel does
            not see them.
        """
        self.hidden = hidden
        self._cache = cache
        self._hidden_growth = hidden + cache - self.goal.hidden
        self._hidden_at = self.elapsed

    @property
    def returned(self) -> int:
        """
        Bytes that have come back, as the channel shows it.
        """
        return self.peak - self.goal.base

    @property
    def recovered(self) -> int:
        """
        Bytes that have come back, those in hiding included, less those that
        only came out of hiding.
        """
        return max(0, self.returned + self._hidden_growth)

    @property
    def missing(self) -> int:
        """
        Bytes that should have come back, and did not: not even into hiding.
        """
        return max(0, (self.goal.expect or 0) - self.recovered)

    @property
    def full(self) -> bool:
        """
        Whether all that the engine took is known to be back.
        """
        return self.goal.expect is not None and self.missing <= self.all_back

    def lacks(self, value: int) -> bool:
        """
        @param value: bytes free, by the channel.
        @return: whether that is less than is needed, or than is expected.
        """
        goal = self.goal
        back = max(self.peak, value) - goal.base
        return (goal.need is not None and value < goal.need) or (
            goal.expect is not None and goal.expect - back > self.all_back
        )

    def decide(self) -> Ask | str:
        """
        Answer, on the readings so far.  The first call starts the timeout: the
        time until then went into the stop of the engine, which has its own.

        @return: a verdict, or what is wanted first.  After L{Ask.HIDDEN} feed
            it and ask again at once; L{Ask.ASSIST} is asked for once.
        """
        if self._failures >= self._tuning.max_failures:
            return UNREADABLE
        if self._asked_at is None:
            self._asked_at = self.elapsed
        waited = self.elapsed - self._asked_at
        self.extended = waited > self.goal.timeout
        if self._may_start():
            need = self.goal.need
            return ALREADY_FREE if need is not None and self.goal.base >= need else TARGET_MET
        if not self._alive and self._at_level >= self._tuning.samples_full:
            answer = self._ended()
            if answer is not Ask.SAMPLE:
                return answer
        limit = self.goal.timeout
        if self.last_rise > 0:
            progress = self.last_rise - self._asked_at + self._tuning.progress_grace
            limit = max(limit, min(self._tuning.hard_cap, progress))
        return TIMEOUT if waited > limit else Ask.SAMPLE

    def _rise(self) -> float:
        """
        @return: bytes above the old high that are progress.
        """
        t = self._tuning
        if self.goal.expect is not None:
            return max(t.rise, t.rise_sigmas * self.goal.sigma)
        return max(
            t.rise_blind, t.rise_sigmas * self.goal.sigma, t.rise_blind_share * self.returned
        )

    def _progress(self) -> None:
        pause = self.elapsed - self.last_rise
        if pause >= self._tuning.pause:
            self.stalls += 1
            self.longest_stall = max(self.longest_stall, pause)
        if pause > 0:
            self.rate_max = max(self.rate_max, (self.level - self._high) / pause)
        self._high = self.level
        self.last_rise = self.elapsed

    def _may_start(self) -> bool:
        """
        @return: whether the incoming engine can start, whatever else is still
            to come back.
        """
        goal, t = self.goal, self._tuning
        if goal.need is None or goal.sizing == FROM_FREE:
            return False
        if goal.sizing == GROWTH_SENSITIVE:
            expect = goal.expect
            near = expect is not None and self.missing <= t.growth_margin * expect
            still = self.quiet >= t.quiet_full and self._at_level >= t.samples_full
            return self._enough > 0 and still and (near or self.full)
        return self._enough >= (1 if goal.base >= goal.need else 2)

    def _ended(self) -> Ask | str:
        """
        @return: a verdict if the release is over, else what is wanted.
        """
        lacking = self.lacks(self.level)
        wanted = self._wanted() if lacking else Ask.SAMPLE
        if wanted is not Ask.SAMPLE:
            return wanted
        need = self.goal.need if self.goal.firm else None
        below = need is not None and self.level < need
        if self.quiet < self._patience(below):
            return Ask.SAMPLE
        if self._hidden_at != self.elapsed:
            return Ask.HIDDEN
        if need is not None and self.level + self.hidden < need:
            return INSUFFICIENT
        return SETTLED if self.full or self.goal.expect is None else SETTLED_SHORT

    def _wanted(self) -> Ask:
        """
        @return: what may explain, or mend, that something is lacking.
        """
        t = self._tuning
        if self.quiet < t.quiet_full:
            return Ask.SAMPLE
        if self._hidden_at is None or self.elapsed - self._hidden_at >= t.hidden_every:
            return Ask.HIDDEN
        need = self.goal.need or 0
        covered = self.level < need <= self.level + self.hidden + self._cache
        # All is back, but the incoming engine would not see it.
        unseen = self.full and not self._cache
        if not self.assisted and (covered or unseen or self.quiet >= t.quiet_assist):
            self.assisted = True
            return Ask.ASSIST
        return Ask.SAMPLE

    def _patience(self, below: bool) -> float:
        """
        @param below: whether less is free than the configured need.
        @return: seconds of silence that are the end.
        """
        goal, t = self.goal, self._tuning
        if below:
            return t.quiet_full_lacking if self.full else t.quiet_lacking
        if goal.expect is None:
            return t.quiet_blind
        if self.full:
            return t.quiet_full
        share = self.missing / goal.expect
        return min(t.quiet_long, t.quiet_short + t.quiet_short_slope * share)
