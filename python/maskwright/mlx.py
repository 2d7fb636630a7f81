"""Masks on MLX's logits, and a logits processor for mlx-lm.

Importing this loads MLX. Arrays of MLX are values, so the logits come back rather than change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from maskwright._core import CompiledGrammar
from maskwright._rows import PromptedRow
from maskwright.bitmask import BitmaskLike, allocate_token_bitmask
from maskwright.exceptions import BitmaskError

__all__ = ["LogitsProcessor", "apply_token_bitmask"]


class LogitsProcessor:
    """Makes what mlx-lm generates a text of the grammar: one of the ``logits_processors`` of its ``generate`` and ``stream_generate``.

    It may be used for any number of calls: one whose tokens do not begin with the last prompt begins anew. A chat that is continued, so
    that its prompt begins with all of the last one, needs :meth:`reset` before the call. A text that the grammar refuses is offered
    only stop tokens.

    Args:
        compiled_grammar: compiled for the width of the model's logits.

    """

    def __init__(self, compiled_grammar: CompiledGrammar) -> None:
        self._text = PromptedRow(compiled_grammar)
        self._stop_token_ids = compiled_grammar.tokenizer_info.stop_token_ids
        self._bitmask = allocate_token_bitmask(1, compiled_grammar.tokenizer_info.vocab_size)

    def reset(self) -> None:
        """Forget the text: the next call's tokens are a prompt."""
        self._text.reset()

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        """Logits with minus infinity for every token that is not allowed next.

        Args:
            tokens: the prompt, and what was generated after it.
            logits: floats of shape ``(1, vocab_size)`` or ``(vocab_size,)``.

        Raises:
            ValueError: the logits are wider than the grammar is compiled for.

        """
        row = self._text.follow(np.array(tokens))
        if row.refused:
            self._bitmask[:] = 0
            for token in self._stop_token_ids:
                self._bitmask.view(np.uint32)[0, token // 32] |= np.uint32(1 << token % 32)
        elif not row.matcher.fill_next_token_bitmask(self._bitmask):
            return logits
        return apply_token_bitmask(logits, self._bitmask[0] if logits.ndim == 1 else self._bitmask)


def apply_token_bitmask(
    logits: mx.array,
    bitmask: BitmaskLike | mx.array,
    *,
    vocab_size: int | None = None,
    indices: Sequence[int] | None = None,
) -> mx.array:
    """Return the logits with those of refused tokens minus infinity.

    Args:
        logits: floats of shape ``(batch, columns)`` or ``(columns,)``.
        bitmask: int32, shape ``(batch, words)`` or ``(words,)``: an array of MLX, or what a matcher fills.
        vocab_size: how many columns to look at, those past it are left as they are. All of them if None: then the bitmask must
            cover them all.
        indices: the rows to look at, of logits and bitmask alike, which then may have different numbers of rows; all rows if None.

    Raises:
        ValueError: wrong dtype, shape or row, or columns that the bitmask does not cover.

    """
    if not mx.issubdtype(logits.dtype, mx.floating):
        raise BitmaskError(f"the logits must be floats, got {logits.dtype}")
    words = bitmask if isinstance(bitmask, mx.array) else _words(bitmask)
    if words.dtype != mx.int32:
        raise BitmaskError(f"the bitmask must have dtype int32, got {words.dtype}")
    for what, array in (("the logits", logits), ("the bitmask", words)):
        if array.ndim not in (1, 2):
            raise BitmaskError(f"{what} must have 1 or 2 dimensions, got {array.ndim}")
    rows, words = logits.reshape(-1, logits.shape[-1]), words.reshape(-1, words.shape[-1])
    columns = rows.shape[1] if vocab_size is None else vocab_size
    if not 0 <= columns <= rows.shape[1]:
        raise BitmaskError(f"vocab_size is {vocab_size}, but the logits have {rows.shape[1]} columns")
    if words.shape[1] * 32 < columns:
        raise BitmaskError(
            f"the bitmask has {words.shape[1]} words per row, enough for {words.shape[1] * 32} tokens, but {columns} are asked for: "
            "allocate it for the width of the logits, or pass vocab_size to leave the columns past it alone"
        )
    if indices is None:
        if rows.shape[0] != words.shape[0]:
            raise BitmaskError(f"{rows.shape[0]} rows of logits, but {words.shape[0]} of the bitmask: pass indices to pick rows of both")
        return _refuse(rows, words, columns).reshape(logits.shape)
    chosen = sorted({int(row) for row in indices})
    count = min(rows.shape[0], words.shape[0])
    if chosen and not (chosen[0] >= 0 and chosen[-1] < count):
        wrong = chosen[0] if chosen[0] < 0 else chosen[-1]
        raise BitmaskError(f"row {wrong} is asked for, but logits and bitmask have {count} in common")
    if not chosen:
        return logits
    # As many words as there are logits, so that each keeps its row; those that are not asked for allow everything.
    picked = mx.zeros((rows.shape[0], 1), dtype=mx.bool_)
    picked[mx.array(chosen)] = True
    if words.shape[0] < rows.shape[0]:
        words = mx.pad(words, [(0, rows.shape[0] - words.shape[0]), (0, 0)])
    words = mx.where(picked, words[: rows.shape[0]], mx.array(-1, dtype=mx.int32))
    return _refuse(rows, words, columns).reshape(logits.shape)


def _words(bitmask: Any) -> mx.array:
    array = np.asarray(bitmask)
    if array.dtype != np.int32:
        raise BitmaskError(f"the bitmask must have dtype int32, got {array.dtype}")
    return mx.array(array)


def _refuse(rows: mx.array, words: mx.array, columns: int) -> mx.array:
    bits = (words[:, :, None] >> mx.arange(32, dtype=mx.int32)) & 1
    allowed = bits.reshape(words.shape[0], -1)[:, :columns] != 0
    if columns < rows.shape[1]:
        rest = mx.ones((rows.shape[0], rows.shape[1] - columns), dtype=mx.bool_)
        allowed = mx.concatenate([allowed, rest], axis=1)
    return mx.where(allowed, rows, mx.array(float("-inf"), dtype=rows.dtype))
