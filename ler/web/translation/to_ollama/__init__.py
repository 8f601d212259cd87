# -*- test-case-name: ler.test.test_translation_to_ollama -*-
"""
OpenAI's clients of engines that speak Ollama's API alone.

In reading order: L{generations<ler.web.translation.to_ollama.generations>},
chats among them, of a L{conversation<ler.web.translation.to_ollama.conversation>}
with L{tools<ler.web.translation.to_ollama.tools>} and
L{options<ler.web.translation.to_ollama.options>}, and their
L{answers<ler.web.translation.to_ollama.answers>}; then
L{embeddings<ler.web.translation.to_ollama.embeddings>}.
"""

from __future__ import annotations

from ler.web.translation.to_ollama.embeddings import EmbeddingsToOllama
from ler.web.translation.to_ollama.generations import ChatToOllama, CompletionToOllama

__all__ = ["ChatToOllama", "CompletionToOllama", "EmbeddingsToOllama"]
