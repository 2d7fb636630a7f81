"""Hooks for other libraries."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """``hf`` loads transformers and ``mlxlm`` MLX, so they wait until they are asked for."""
    if name in ("hf", "mlxlm"):
        return importlib.import_module(f"maskwright.compat.xgrammar.contrib.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
