"""Objects as JSON, with the version in ``__VERSION__`` as XGrammar has it.

Invariant: what is read is checked before it is used; whatever the text is, it becomes an object or one of three exceptions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from maskwright.compat.xgrammar.config import get_serialization_version
from maskwright.compat.xgrammar.exception import DeserializeFormatError, DeserializeVersionError, InvalidJSONError

_VERSION = "__VERSION__"


def dump(fields: Mapping[str, Any]) -> str:
    """Write fields with the version."""
    return json.dumps({**fields, _VERSION: get_serialization_version()})


def load(text: str, what: str, types: Mapping[str, type]) -> dict[str, Any]:
    """Read the fields of an object, each of the type given."""
    try:
        fields = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidJSONError(f"invalid JSON: {error}") from error
    version = fields.get(_VERSION) if isinstance(fields, dict) else None
    if version != get_serialization_version():
        raise DeserializeVersionError(f"this was written by version {version}, expected {get_serialization_version()}")
    for name, wanted in types.items():
        # A bool is an int to Python, and not to JSON.
        if not isinstance(fields.get(name), wanted) or (wanted is int and isinstance(fields[name], bool)):
            raise DeserializeFormatError(f"{what}: {name} must be of type {wanted.__name__}, got {type(fields.get(name)).__name__}")
    return dict(fields)
