# -*- test-case-name: ler.test.test_ollama_listing -*-
"""
What Ollama clients are told of one model, whoever owns it: what is configured
goes before what an Ollama server says.

Clients are strict here, and some give up all models when one is told of
wrongly: what is not known is an empty text or a nought, and not missing.  Only
a context is not told unless it is known, since clients guess better.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ler.engines.catalog import Entry
from ler.engines.ollama_cards import Card

CREATED = "2026-01-01T00:00:00Z"
"""A fixed date for models that have none."""

CAPABILITIES = ("completion", "tools")
"""What a model can do that nothing is known of.  Some clients hide those
without tools."""

UNKNOWN = "unknown"
"""An architecture that is not known: clients need a name to look under."""

FILLS_GAPS = "{{ .Prompt }}{{ .Suffix }}"
"""A template of models that can do so: some clients look for it there."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9:]{5})")
_COUNT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?([KMBT])", re.IGNORECASE)
_POWERS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Description:
    """
    One model.

    @ivar entry: what the catalog has of it.
    @ivar card: what an Ollama server says of it.
    """

    entry: Entry
    card: Card

    @property
    def modified_at(self) -> str:
        """
        @return: since when it is as it is.
        """
        date: str = self.card.listed.get("modified_at", "")
        return date if _DATE.fullmatch(date) else CREATED

    @property
    def size(self) -> int:
        """
        @return: the bytes that it takes; 0 when that is not known.
        """
        told: int = self.card.listed.get("size", 0)
        return max(0, told) if self.entry.size is None else self.entry.size

    @property
    def digest(self) -> str:
        """
        @return: 64 digits, always: the CLI breaks down on fewer.
        """
        told: str = self.card.listed.get("digest", "")
        if _DIGEST.fullmatch(told):
            return told
        return hashlib.sha256(self.entry.id.encode("utf-8", "replace")).hexdigest()

    @property
    def capabilities(self) -> list[str]:
        """
        @return: what it can do.
        """
        told: list[str] = self.card.shown.get("capabilities", [])
        return list(self.entry.capabilities or told or CAPABILITIES)

    @property
    def context(self) -> int | None:
        """
        @return: its context in tokens as configured, and no more than it can
            have; L{None} when nothing is configured.
        """
        most = self._info.get(f"{self._told_architecture}.context_length")
        if self.entry.context_length is None or type(most) is not int or most < 1:
            return self.entry.context_length
        return min(self.entry.context_length, most)

    @property
    def details(self) -> dict[str, Any]:
        """
        @return: what it is, in the few words that every answer has.
        """
        entry, told = self.entry, self.card.details
        family = entry.family or told.get("family", "")
        families = None if entry.family else told.get("families")
        guessed = "gguf" if entry.upstream_name.endswith(".gguf") else ""
        return {
            "parent_model": "",
            "format": told.get("format") or guessed,
            "family": family,
            "families": families or ([family] if family else None),
            "parameter_size": entry.parameter_size or told.get("parameter_size", ""),
            "quantization_level": entry.quantization or told.get("quantization_level", ""),
        }

    def listed(self, name: str) -> dict[str, Any]:
        """
        @param name: what it is listed as.
        @return: what every list tells.
        """
        context = {} if self.context is None else {"context_length": self.context}
        return {
            "name": name,
            "model": name,
            "size": self.size,
            "digest": self.digest,
            "details": {**self.details, **context},
        }

    def shown(self, name: str) -> dict[str, Any]:
        """
        @param name: what the client calls it.
        @return: everything.
        """
        return {
            "modelfile": "",
            "template": FILLS_GAPS if "insert" in self.capabilities else "",
            "license": "",
            **self.card.shown,
            "parameters": self._parameters(),
            "modified_at": self.modified_at,
            "details": self.details,
            "model_info": self._model_info(name),
            "capabilities": self.capabilities,
        }

    def _parameters(self) -> str:
        """
        @return: what it is run with, a line for each: clients ask for the
            context that they find here.
        """
        lines: list[str] = self.card.shown.get("parameters", "").splitlines()
        if self.context is not None:
            lines = [line for line in lines if line.split(maxsplit=1)[:1] != ["num_ctx"]]
            lines.append(f"num_ctx {self.context}")
        return "\n".join(lines)

    def _model_info(self, name: str) -> dict[str, Any]:
        """
        @return: the model itself, by keys that name its architecture.
        """
        # Not the configured one, when the other keys go by what was told.
        family = self._told_architecture or self.entry.family or UNKNOWN
        # Older versions of the CLI break down without these numbers.
        info = {"general.parameter_count": 0, f"{family}.embedding_length": 0, **self._info}
        count = parameter_count(self.entry.parameter_size or "")
        if count is not None:
            info["general.parameter_count"] = count
        if self.context is not None:
            info[f"{family}.context_length"] = self.context
        # The name is what some clients show.
        return {**info, "general.architecture": family, "general.basename": name}

    @property
    def _info(self) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self.card.shown.get("model_info", {})
        return info

    @property
    def _told_architecture(self) -> str:
        name = self._info.get("general.architecture")
        return name if isinstance(name, str) else ""


def parameter_count(text: str) -> int | None:
    """
    @param text: such as C{32.8B}.
    @return: the number, or L{None} when C{text} is none.
    """
    match = _COUNT.fullmatch(text.strip())
    return None if match is None else round(float(match[1]) * _POWERS[match[2].upper()])
