# -*- test-case-name: ler.test.test_config_variables -*-
"""
C{${NAME}} in the text of a configuration: the value of an environment variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """
    Replace variables.  What is put in is not looked at again.  A doubled
    dollar sign before a brace writes the two characters as they are; a dollar
    sign before anything else is itself.

    @return: the text with every C{${NAME}} replaced.
    @raise ValueError: for a variable that is not set or no text, and for a
        brace without a name; it never shows a value.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match[1]
        if name is None:
            raise ValueError("a ${ must go on as ${NAME}; write $${ for the two characters")
        if name not in environ:
            raise ValueError(f"the environment variable {name} is not set")
        value = environ[name]
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError(f"the environment variable {name} is not UTF-8")
        return value

    return _REFERENCE.sub(replacement, text)
