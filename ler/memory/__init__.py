# -*- test-case-name: ler.test -*-
"""
IS THERE ROOM: what memory is free, and has it really come back.

  1. L{ler.memory.settle}: the pure rule that tells finished from not begun
     and from paused; L{ler.memory.tuning} holds its numbers.
  2. L{ler.memory.probes}: the measures of free memory of this machine.
  3. L{ler.memory.hidden}: memory that is free and does not look it.
  4. L{ler.memory.ledger}: what each engine took, as we measured it.
  5. L{ler.memory.release}: the loop that feeds the rule.
  6. L{ler.memory.report}: its outcome, for the log and for people.
  7. L{ler.memory.memory}: all of it, as a slot sees it.
  8. L{ler.memory.unwatched}: the same contract where nobody has to wait.
"""
