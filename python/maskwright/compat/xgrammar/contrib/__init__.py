"""Hooks for other libraries."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """``hf`` loads transformers, so it waits until it is asked for."""
    if name == "hf":
        return importlib.import_module("maskwright.compat.xgrammar.contrib.hf")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
