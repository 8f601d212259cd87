# -*- test-case-name: ler.test.test_policy -*-
"""
Who gets the slot next: pure decisions on a view of it.

The slot asks after every event; a policy answers with how far the resident's
own line is admitted, whether to switch, and when to be asked again though
nothing happened.  The plain policies are here; L{ler.slot.fair} has the one
that weighs what a swap costs.
"""

from __future__ import annotations

from zope.interface import implementer

from ler.interfaces import IPolicy
from ler.slot.fair import Fair
from ler.slot.view import Decision, SlotView


@implementer(IPolicy)
class Fifo:
    """
    Strict order of arrival: whoever came after a rival waits behind it.
    """

    name = "fifo"

    def decide(self, view: SlotView) -> Decision:
        """
        @see: L{IPolicy.decide}
        """
        rivals = view.rivals
        if not rivals:
            return Decision()
        rival = min(rivals, key=lambda line: line.first)
        if view.own is not None and view.own.first < rival.first:
            return Decision(admit_before=rival.first)
        return Decision(admit_before=0, switch=rival.target)


@implementer(IPolicy)
class Join:
    """
    The resident serves all that want it in one turn; the next turn goes to the
    rival that is due first, at the latest when it is due.
    """

    name = "join"

    def decide(self, view: SlotView) -> Decision:
        """
        @see: L{IPolicy.decide}
        """
        rivals = view.rivals
        if not rivals or view.fresh:
            return Decision()
        next_up = rivals[0]
        busy = view.leases or view.own is not None
        if view.resident is not None and busy and view.now < next_up.due:
            return Decision(look_again=next_up.due)
        return Decision(admit_before=0, switch=next_up.target)


POLICIES = {policy.name: policy for policy in (Fair, Join, Fifo)}


def make_policy(name: str) -> IPolicy:
    """
    @param name: C{fair}, C{join} or C{fifo}.
    """
    policy: IPolicy = POLICIES[name]()
    return policy
