"""Masks on PyTorch's logits: an operator for eager code, ``torch.compile`` and CUDA graphs.

Importing this loads torch. The operator is ``torch.ops.maskwright.apply_token_bitmask_inplace``, the way to it
:func:`apply_token_bitmask_inplace`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from maskwright.bitmask import BitmaskLike
from maskwright.torch import operator as _operator

__all__ = ["apply_token_bitmask_inplace"]

#: Not tensors that are stand-ins: those of a tracer, say.
_PLAIN = (torch.Tensor, np.ndarray)


def apply_token_bitmask_inplace(
    logits: torch.Tensor,
    bitmask: BitmaskLike,
    *,
    vocab_size: int | None = None,
    indices: Sequence[int] | torch.Tensor | None = None,
) -> None:
    """Set the logits of refused tokens to minus infinity, in place.

    On the CPU this is a loop of ours in wide registers, without a copy, on several threads if there is much to do. On CUDA it is one small
    kernel on the current stream, compiled when first used; elsewhere it is put together from torch's own operators.

    While a CUDA graph is captured nothing may be compiled or copied: call it once before, with a bitmask and indices that are int32
    tensors on the device.

    Args:
        logits: floats of shape ``(batch, columns)`` or ``(columns,)``, on any device; rows may lie apart.
        bitmask: int32, shape ``(batch, words)`` or ``(words,)``. On another device than the logits it is copied there.
        vocab_size: how many columns to look at, those past it are left as they are. All of them if None: then the bitmask must
            cover them all.
        indices: the rows to look at, of logits and bitmask alike, which then may have different numbers of rows; all rows if None. On
            CUDA, indices that are already a tensor of the device are not checked: rows that do not exist are skipped.

    Raises:
        ValueError: wrong dtype, shape or row, or columns that the bitmask does not cover.

    """
    if type(logits) is torch.Tensor and type(bitmask) in _PLAIN and logits.is_cpu and _operator.is_plain_call():
        # Two thirds of the cost of a call are torch's dispatch to Python, which leads here anyway.
        rows = indices.tolist() if isinstance(indices, torch.Tensor) else indices
        _operator.on_cpu(logits, bitmask, rows, vocab_size)
        return
    device = logits.device
    words = _operator.on_device(bitmask, device, "the bitmask")
    if indices is not None:
        if not isinstance(indices, torch.Tensor):
            if device.type != "cpu":
                _operator.check_rows(indices, logits, words)
            indices = torch.tensor(indices, dtype=torch.int32, device="cpu")
        elif indices.device != device and not torch.compiler.is_compiling():
            _operator.check_rows(indices.tolist(), logits, words)
        indices = _operator.on_device(indices, device, "indices")
    if type(logits) is torch.Tensor and type(words) is torch.Tensor and logits.is_cuda and _operator.is_plain_call():
        _operator.on_cuda(logits, words, indices, vocab_size)
        return
    _operator.apply(logits, words, indices, vocab_size)
