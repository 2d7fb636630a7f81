"""For tensors on the CPU."""

from __future__ import annotations

import torch

from maskwright.compat.xgrammar.kernels import apply


def apply_token_bitmask_inplace_cpu(
    logits: torch.Tensor, bitmask: torch.Tensor, vocab_size: int | None = None, indices: list[int] | torch.Tensor | None = None
) -> None:
    """See :func:`maskwright.compat.xgrammar.apply_token_bitmask_inplace`."""
    for what, tensor in (("logits", logits), ("bitmask", bitmask)):
        if tensor.device.type != "cpu":
            raise ValueError(f"{what} must be on CPU")
    apply(logits, bitmask, vocab_size, indices)
