# -*- test-case-name: ler.test.test_translation_responses -*-
"""
Clients of OpenAI's Responses API, Codex above all, on engines that know chat
completions only.

In reading order: L{responses<ler.web.translation.responses.responses>}; the
L{request<ler.web.translation.responses.request>}, with the L{conversation
<ler.web.translation.responses.conversation>} so far and the L{tools
<ler.web.translation.responses.tools>}; the L{answer
<ler.web.translation.responses.answer>}, its L{items
<ler.web.translation.responses.items>}, and among these calls of L{freeform
<ler.web.translation.responses.freeform>} tools.
"""

from __future__ import annotations

from ler.web.translation.responses.responses import ResponsesToChat

__all__ = ["ResponsesToChat"]
