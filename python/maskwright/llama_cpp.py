"""A logits processor for llama-cpp-python, which works on numpy arrays; needs neither torch nor, by itself, that library.

Its sampler calls processors from C, where an exception is printed and forgotten. So what goes wrong here ends the output instead of
leaving it unconstrained: only stop tokens are offered, and ``error`` says what it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maskwright._core import CompiledGrammar
from maskwright._rows import PromptedRow
from maskwright.bitmask import allocate_token_bitmask, apply_token_bitmask_inplace, bitmask_to_bool_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LogitsProcessor"]


class LogitsProcessor:
    """Makes what a ``llama_cpp.Llama`` generates a text of the grammar.

    Give it as ``logits_processor=LogitsProcessorList([processor])`` to ``create_completion``, ``create_chat_completion`` or
    ``generate``. It may be used for any number of calls: one whose tokens do not begin with the last prompt begins anew. A chat that is
    continued, so that its prompt begins with all of the last one, needs :meth:`reset` before the call.

    Args:
        compiled_grammar: compiled for the model: see :meth:`maskwright.TokenizerInfo.from_llama_cpp`.

    """

    #: What went wrong in a call, if anything did: the output was ended there.
    error: BaseException | None

    def __init__(self, compiled_grammar: CompiledGrammar) -> None:
        self._text = PromptedRow(compiled_grammar)
        self._vocab_size = compiled_grammar.tokenizer_info.vocab_size
        self._stop = np.array(compiled_grammar.tokenizer_info.stop_token_ids)
        self._bitmask = allocate_token_bitmask(1, self._vocab_size)
        self.error = None

    def reset(self) -> None:
        """Forget the text: the next call's tokens are a prompt."""
        self._text.reset()
        self.error = None

    def __call__(self, input_ids: NDArray[np.intc], scores: NDArray[np.single]) -> NDArray[np.single]:
        """Set the scores of refused tokens to minus infinity, in place, and return them.

        Args:
            input_ids: the prompt, and what was generated after it.
            scores: shape ``(vocab_size,)``, in the order of ids; may be a view of the sampler's records.

        """
        try:
            self._apply(np.asarray(input_ids), scores)
        except BaseException as error:
            scores[...] = -np.inf
            scores[self._stop[self._stop < len(scores)]] = 0
            self.error = error
            raise
        return scores

    def _apply(self, input_ids: NDArray[Any], scores: NDArray[np.single]) -> None:
        if scores.shape != (self._vocab_size,):
            raise ValueError(f"the scores have shape {scores.shape}, but the grammar is compiled for {self._vocab_size} tokens")
        before = self._text.prompt
        row = self._text.follow(input_ids)
        if self._text.prompt is not before:
            self.error = None
        if row.refused:
            allowed = np.zeros(self._vocab_size, dtype=np.bool_)
            allowed[self._stop] = True
        else:
            if not row.matcher.fill_next_token_bitmask(self._bitmask):
                return
            if scores.flags.c_contiguous:
                apply_token_bitmask_inplace(scores, self._bitmask[0])
                return
            allowed = bitmask_to_bool_mask(self._bitmask[0], self._vocab_size)
        np.copyto(scores, -np.inf, where=~allowed)
