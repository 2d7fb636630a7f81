"""maskwright makes a language model's output obey a grammar: at each decoding step it says which tokens may come next.

Tokens go in through :class:`TokenizerInfo`, a grammar through :class:`GrammarCompiler`, and a :class:`GrammarMatcher` follows one text
and writes masks. Importing the package loads numpy only when a bitmask is made, and no model library ever.
"""

from maskwright._core import (
    BatchGrammarMatcher,
    CompiledGrammar,
    Grammar,
    GrammarCompiler,
    GrammarMatcher,
    Limits,
    MaskFill,
    TokenizerInfo,
    __version__,
)
from maskwright.bitmask import (
    BitmaskLike,
    allocate_token_bitmask,
    apply_token_bitmask_inplace,
    bitmask_to_bool_mask,
    get_bitmask_shape,
    reset_token_bitmask,
)
from maskwright.exceptions import (
    BitmaskError,
    CacheFileError,
    CompileInterrupted,
    CompileTimeout,
    EBNFError,
    GrammarError,
    InternalError,
    JSONSchemaError,
    LimitExceeded,
    MaskwrightError,
    MatcherBusy,
    RegexError,
    RollbackError,
    TokenizerError,
    UnsatisfiableSchema,
    UnsupportedTokenizer,
)
from maskwright.report import Enforcement, KeywordReport
from maskwright.tokenizers import VocabType

__all__ = [
    "BatchGrammarMatcher",
    "BitmaskError",
    "BitmaskLike",
    "CacheFileError",
    "CompileInterrupted",
    "CompileTimeout",
    "CompiledGrammar",
    "EBNFError",
    "Enforcement",
    "Grammar",
    "GrammarCompiler",
    "GrammarError",
    "GrammarMatcher",
    "InternalError",
    "JSONSchemaError",
    "KeywordReport",
    "LimitExceeded",
    "Limits",
    "MaskFill",
    "MaskwrightError",
    "MatcherBusy",
    "RegexError",
    "RollbackError",
    "TokenizerError",
    "TokenizerInfo",
    "UnsatisfiableSchema",
    "UnsupportedTokenizer",
    "VocabType",
    "__version__",
    "allocate_token_bitmask",
    "apply_token_bitmask_inplace",
    "bitmask_to_bool_mask",
    "get_bitmask_shape",
    "reset_token_bitmask",
]
