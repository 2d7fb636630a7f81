"""What a model of transformers calls its cache: one name for an argument and a field of the result, which has changed."""

from __future__ import annotations

import inspect
from typing import Any


def cache_name(model: Any) -> str:
    """``cache``, as newer models have it, or ``past_key_values``."""
    parameters = inspect.signature(model.forward).parameters
    return "cache" if "cache" in parameters else "past_key_values"
