"""The tags of well-known models, which come with structural tags."""
# ruff: noqa: ARG001

from __future__ import annotations

from typing import Any, NoReturn

from maskwright.compat.xgrammar.structural_tag import not_yet


def get_model_structural_tag(
    model: str,
    tools: list[Any] | None = None,
    tool_choice: Any = "auto",
    reasoning: bool | str = "enabled",
    force_reasoning: bool = False,
    any_order: bool = False,
    exclude_special_tokens: bool = True,
    max_whitespace_cnt: int | None = None,
    parallel_tool_calls: bool = True,
) -> NoReturn:
    """Not yet."""
    raise not_yet("structural tags")


get_builtin_structural_tag = get_model_structural_tag


def normalize_tool_choice(tools: list[Any] | None = None, tool_choice: Any = "auto") -> NoReturn:
    """Not yet."""
    raise not_yet("structural tags")


def register_model_structural_tag(name: str) -> NoReturn:
    """Not yet."""
    raise not_yet("structural tags")
