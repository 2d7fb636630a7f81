"""What applying a mask means, in torch's own operators: for devices and layouts that no kernel of ours knows, and to test our kernels."""

from __future__ import annotations

import torch


def apply(logits: torch.Tensor, bitmask: torch.Tensor, indices: torch.Tensor | None, vocab_size: int | None) -> None:
    """Set refused logits to minus infinity."""
    rows = logits if logits.dim() == 2 else logits.unsqueeze(0)
    words = bitmask if bitmask.dim() == 2 else bitmask.unsqueeze(0)
    if vocab_size is not None:
        rows = rows[:, :vocab_size]
    if indices is not None:
        words = words.index_select(0, indices)
    bits = words.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32, device=words.device)
    refused = (bits & 1).flatten(1)[:, : rows.shape[1]] == 0
    if indices is None:
        rows.masked_fill_(refused, float("-inf"))
    else:
        rows.index_copy_(0, indices.long(), rows.index_select(0, indices).masked_fill_(refused, float("-inf")))
