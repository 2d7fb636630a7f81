"""In XGrammar compiled by torch."""

from __future__ import annotations

import torch

from maskwright.compat.xgrammar.kernels import apply


def apply_token_bitmask_inplace_torch_compile(
    logits: torch.Tensor, bitmask: torch.Tensor, vocab_size: int | None = None, indices: list[int] | None = None
) -> None:
    """See :func:`maskwright.compat.xgrammar.apply_token_bitmask_inplace`."""
    apply(logits, bitmask, vocab_size, indices)
