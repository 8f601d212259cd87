# -*- test-case-name: ler.test.test_documents -*-
"""
The short bodies of requests that are about a model, rather than for it, and
of orders.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ler.errors import InvalidJSON, MissingModel, RequestTooLarge

LONGEST = 1 << 20
"""The largest such body, in bytes."""


def object_in(request: Any, *, empty: bool = False) -> dict[str, Any]:
    """
    @param empty: whether there may be none, which is as good as an empty one.
    @return: the JSON object in the body, of whatever content type: many
        clients declare none.
    @raise InvalidJSON: when there is no such object.
    @raise RequestTooLarge: when it is longer than L{LONGEST}.
    """
    if request.content.seek(0, os.SEEK_END) > LONGEST:
        raise RequestTooLarge(f"the body is larger than {LONGEST >> 20} MiB, and need not be")
    request.content.seek(0)
    body = request.content.read()
    if not body.strip() and empty:
        return {}
    if not body.strip():
        raise InvalidJSON("the body is empty; it must be a JSON object")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise InvalidJSON(f"the body is not valid JSON: {e}") from e
    if not isinstance(asked, dict):
        raise InvalidJSON("the body must be a JSON object")
    return asked


def model_of(asked: Mapping[str, Any]) -> str:
    """
    @return: the model that is meant.  C{name} is its older key, which counts
        when C{model} is empty.
    @raise MissingModel: when there is none.
    """
    model = asked.get("model") or asked.get("name")
    if not isinstance(model, str) or not model.strip():
        raise MissingModel("the body must name a 'model'")
    return model
