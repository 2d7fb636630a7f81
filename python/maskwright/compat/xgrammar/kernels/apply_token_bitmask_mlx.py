"""For arrays of MLX, which are values: the logits come back."""

from __future__ import annotations

import mlx.core as mx

from maskwright.mlx import apply_token_bitmask


def apply_token_bitmask_mlx(bitmask: mx.array, logits: mx.array, vocab_size: int) -> mx.array:
    """The first ``vocab_size`` logits, minus infinity where a token is refused."""
    return apply_token_bitmask(logits[..., :vocab_size], bitmask)
