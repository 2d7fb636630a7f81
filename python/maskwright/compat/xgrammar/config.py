"""Settings of the process. The recursion depth is kept and changes nothing: the bounds of this engine are ``maskwright.Limits``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import maskwright

_DEFAULT = 10_000
_MOST = 1_000_000
_depth: int | None = None


def get_max_recursion_depth() -> int:
    """Return what was set, or what ``XGRAMMAR_MAX_RECURSION_DEPTH`` says, or 10,000."""
    if _depth is not None:
        return _depth
    given = os.environ.get("XGRAMMAR_MAX_RECURSION_DEPTH", "")
    return int(given) if given.isascii() and given.isdigit() and 0 < int(given) <= _MOST else _DEFAULT


def set_max_recursion_depth(max_recursion_depth: int) -> None:
    """Keep a depth from 1 to 1,000,000."""
    global _depth  # noqa: PLW0603
    if not 0 < max_recursion_depth <= _MOST:
        raise RuntimeError(f"the recursion depth must be from 1 to {_MOST}, got {max_recursion_depth}")
    _depth = max_recursion_depth


@contextmanager
def max_recursion_depth(temp_depth: int) -> Iterator[None]:
    """Keep a depth for a while."""
    before = get_max_recursion_depth()
    set_max_recursion_depth(temp_depth)
    try:
        yield
    finally:
        set_max_recursion_depth(before)


def get_serialization_version() -> str:
    """Return the version of what ``serialize_json`` writes, which is not XGrammar's."""
    return maskwright.get_serialization_version()
