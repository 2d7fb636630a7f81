"""XGrammar's Python interface (0.2.8) over this engine: ``import maskwright.compat.xgrammar as xgr``, or :func:`install`.

Names, signatures, defaults and exception types are XGrammar's; what outputs may be is ours. Where XGrammar is wrong (keywords that it
drops, escapes that it refuses, special tokens that it takes for text), this is right: ``docs/xgrammar.md`` has the list. Structural tags
and Lark grammars come later; until then they raise ``NotImplementedError``. Needs torch; transformers only for ``contrib.hf``.
"""

from __future__ import annotations

import importlib
from typing import Any

from maskwright.compat.xgrammar import builtin_structural_tag, contrib, exception, structural_tag, testing
from maskwright.compat.xgrammar._alias import install, uninstall
from maskwright.compat.xgrammar.builtin_structural_tag import (
    get_builtin_structural_tag,
    get_model_structural_tag,
    normalize_tool_choice,
    register_model_structural_tag,
)
from maskwright.compat.xgrammar.compiler import CompiledGrammar, GrammarCompiler
from maskwright.compat.xgrammar.config import (
    get_max_recursion_depth,
    get_serialization_version,
    max_recursion_depth,
    set_max_recursion_depth,
)
from maskwright.compat.xgrammar.exception import (
    DeserializeFormatError,
    DeserializeVersionError,
    InvalidJSONError,
    InvalidStructuralTagError,
)
from maskwright.compat.xgrammar.grammar import Grammar
from maskwright.compat.xgrammar.matcher import (
    BatchGrammarMatcher,
    GrammarMatcher,
    allocate_token_bitmask,
    apply_token_bitmask_inplace,
    bitmask_dtype,
    get_bitmask_shape,
    reset_token_bitmask,
)
from maskwright.compat.xgrammar.structural_tag import StructuralTag, StructuralTagItem
from maskwright.compat.xgrammar.tokenizer_info import TokenizerInfo, VocabType

__all__ = [
    "BatchGrammarMatcher",
    "CompiledGrammar",
    "DeserializeFormatError",
    "DeserializeVersionError",
    "Grammar",
    "GrammarCompiler",
    "GrammarMatcher",
    "InvalidJSONError",
    "InvalidStructuralTagError",
    "StructuralTag",
    "StructuralTagItem",
    "TokenizerInfo",
    "VocabType",
    "allocate_token_bitmask",
    "apply_token_bitmask_inplace",
    "bitmask_dtype",
    "builtin_structural_tag",
    "contrib",
    "exception",
    "get_bitmask_shape",
    "get_builtin_structural_tag",
    "get_max_recursion_depth",
    "get_model_structural_tag",
    "get_serialization_version",
    "hf",
    "install",
    "max_recursion_depth",
    "normalize_tool_choice",
    "register_model_structural_tag",
    "reset_token_bitmask",
    "set_max_recursion_depth",
    "structural_tag",
    "testing",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    """``hf`` loads transformers, so it waits until it is asked for."""
    if name == "hf":
        return importlib.import_module("maskwright.compat.xgrammar.contrib.hf")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
