"""The names of XGrammar's kernels. Which of them is called makes no difference: each is the one way of the tensors' device."""

from __future__ import annotations

import torch

import maskwright.torch


def apply(
    logits: torch.Tensor, bitmask: torch.Tensor, vocab_size: int | None = None, indices: list[int] | torch.Tensor | None = None
) -> None:
    """Set the logits of refused tokens to minus infinity; columns past the mask are left as they are."""
    covered = min(logits.shape[-1], bitmask.shape[-1] * 32)
    width = covered if vocab_size is None else min(vocab_size, covered)
    maskwright.torch.apply_token_bitmask_inplace(logits, bitmask, vocab_size=width, indices=indices)
