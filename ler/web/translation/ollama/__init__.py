# -*- test-case-name: ler.test.test_translation_ollama -*-
"""
Ollama's clients of engines that speak OpenAI's API.

In reading order: L{generations<ler.web.translation.ollama.generations>}, chats
among them, of a L{conversation<ler.web.translation.ollama.conversation>} with
L{options<ler.web.translation.ollama.options>}, whose
L{answers<ler.web.translation.ollama.answers>} end with
L{figures<ler.web.translation.ollama.figures>}; L{embeddings
<ler.web.translation.ollama.embeddings>}; and the L{idioms
<ler.web.translation.ollama.idioms>} that ask for no answer.
"""

from __future__ import annotations

from ler.web.translation.ollama.embeddings import OllamaEmbed, OllamaEmbedding
from ler.web.translation.ollama.generations import OllamaChat, OllamaGenerate

__all__ = ["OllamaChat", "OllamaEmbed", "OllamaEmbedding", "OllamaGenerate"]
