"""The processor for mlx-lm. XGrammar's own (0.2.8) cannot be imported: it asks for a name that its kernels no longer have."""

from __future__ import annotations

import maskwright.mlx
from maskwright.compat.xgrammar.compiler import CompiledGrammar


class XGrammarLogitsProcessor(maskwright.mlx.LogitsProcessor):
    """See :class:`maskwright.mlx.LogitsProcessor`."""

    def __init__(self, grammar: CompiledGrammar, max_rollback_tokens: int = 16) -> None:  # noqa: ARG002
        self.vocab_size = grammar.tokenizer_info.vocab_size
        super().__init__(grammar._handle)
