# -*- test-case-name: ler.test.test_settle -*-
"""
The numbers of the settle rule.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Tuning:
    """
    The numbers of the rule; sizes in bytes, times in seconds.

    @ivar smoothing: readings in the median that a level is taken from.
    @ivar smoothing_noisy: the same when the noise reaches C{noisy}.
    @ivar noisy: the noise from which the longer median is used.
    @ivar all_back: what may be missing when all counts as back: this, or
        C{all_back_share} of what is expected, or C{all_back_sigmas} of noise.
    @ivar rise: a rise by more than this, or C{rise_sigmas} of noise, is
        progress.
    @ivar rise_blind: the same when nothing is known of what the engine took,
        or C{rise_blind_share} of what has come back.
    @ivar quiet_full: silence that ends a wait with everything back.
    @ivar samples_full: readings at one level that any end asks for.
    @ivar quiet_short: silence that ends a wait with next to nothing missing.
    @ivar quiet_short_slope: further silence when everything is missing.
    @ivar quiet_long: silence that always is the end.
    @ivar quiet_blind: silence that is the end when nothing is known of what
        the engine took.
    @ivar quiet_full_lacking: silence before memory that is all back counts as
        too little for the next engine.
    @ivar quiet_lacking: the same when part of it is missing.
    @ivar quiet_assist: silence before hidden memory is brought out unasked.
    @ivar growth_margin: the share still missing that an engine that fails on
        growing memory can stand.
    @ivar hidden_every: seconds between two looks at hidden memory.
    @ivar progress_grace: seconds that progress buys beyond the timeout.
    @ivar hard_cap: seconds after which even progress buys nothing.
    @ivar max_failures: failed readings in a row that end a channel.
    @ivar max_step: seconds between two readings beyond which the machine was
        asleep, not the memory.
    @ivar pause: seconds without a rise that are told as a stall.
    """

    smoothing: int = 3
    smoothing_noisy: int = 9
    noisy: int = 64 * MIB
    all_back: int = 256 * MIB
    all_back_share: float = 0.01
    all_back_sigmas: float = 3.0
    rise: int = 32 * MIB
    rise_sigmas: float = 4.0
    rise_blind: int = 128 * MIB
    rise_blind_share: float = 0.0025
    quiet_full: float = 0.025
    samples_full: int = 3
    quiet_short: float = 1.0
    quiet_short_slope: float = 20.0
    quiet_long: float = 5.0
    quiet_blind: float = 1.5
    quiet_full_lacking: float = 0.25
    quiet_lacking: float = 10.0
    quiet_assist: float = 2.0
    growth_margin: float = 0.05
    hidden_every: float = 0.25
    progress_grace: float = 3.0
    hard_cap: float = 120.0
    max_failures: int = 5
    max_step: float = 1.0
    pause: float = 0.1


DEFAULT_TUNING = Tuning()
