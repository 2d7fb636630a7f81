"""In XGrammar compiled by nvcc when it is imported."""

from __future__ import annotations

import torch

from maskwright.compat.xgrammar.kernels import apply


def apply_token_bitmask_inplace_cuda(logits: torch.Tensor, bitmask: torch.Tensor, indices: list[int] | torch.Tensor | None = None) -> None:
    """See :func:`maskwright.compat.xgrammar.apply_token_bitmask_inplace`."""
    apply(logits, bitmask, None, indices)
