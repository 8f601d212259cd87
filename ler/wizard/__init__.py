# -*- test-case-name: ler.test.test_wizard -*-
"""
C{engine-router init}, which looks for what serves models on this machine and
writes a configuration of it.

  1. L{ler.wizard.programs} knows the programs, L{ler.wizard.machine} what runs
     and listens here, L{ler.wizard.asking} asks it, and L{ler.wizard.files}
     finds model files.
  2. L{ler.wizard.survey} puts that together.  Of what it finds
     L{ler.wizard.draft_process}, L{ler.wizard.draft_server} and
     L{ler.wizard.draft_file} make L{drafts<ler.wizard.draft>}: the
     L{preset<ler.wizard.preset>} of the program, changed to what was found.
  3. L{ler.wizard.document} writes them down, once the loader has read them.
  4. L{ler.wizard.program} talks with the user.
"""

from ler.wizard.program import main

__all__ = ["main"]
