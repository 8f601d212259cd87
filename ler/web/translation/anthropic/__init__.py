# -*- test-case-name: ler.test.test_translation_anthropic -*-
"""
Clients that speak Anthropic's Messages API, engines with chat completions.

In reading order: L{messages<ler.web.translation.anthropic.messages>}; the
L{request<ler.web.translation.anthropic.request>}, with the
L{conversation<ler.web.translation.anthropic.conversation>} so far; the
L{answers<ler.web.translation.anthropic.answers>}, and how the L{blocks
<ler.web.translation.anthropic.blocks>} of a stream come one after the other.
"""

from __future__ import annotations

from ler.web.translation.anthropic.messages import AnthropicMessages

__all__ = ["AnthropicMessages"]
