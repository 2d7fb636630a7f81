"""The processor for ``generate`` of the transformers library."""

from __future__ import annotations

import maskwright.transformers
from maskwright.compat.xgrammar.compiler import CompiledGrammar


class LogitsProcessor(maskwright.transformers.LogitsProcessor):
    """See :class:`maskwright.transformers.LogitsProcessor`: every decoding mode, and any number of calls."""

    def __init__(self, compiled_grammar: CompiledGrammar | list[CompiledGrammar]) -> None:
        self.compiled_grammars = compiled_grammar if isinstance(compiled_grammar, list) else [compiled_grammar]
        self.full_vocab_size = self.compiled_grammars[0].tokenizer_info.vocab_size
        super().__init__([compiled._handle for compiled in self.compiled_grammars])
