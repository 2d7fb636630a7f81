"""Bitmasks: one bit per token id, 32 to an int32 word, set when the token is allowed.

Bit ``i % 32`` of word ``i // 32`` stands for token ``i``; bits past the vocabulary are zero in every row that a matcher wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from maskwright import _core
from maskwright.exceptions import BitmaskError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TensorLike(Protocol):
    """As much of ``torch.Tensor`` as is used of one."""

    @property
    def shape(self) -> Any:
        """Its sizes."""

    def data_ptr(self) -> int:
        """Where its first item lies."""


#: int32, on the CPU, C-contiguous: a numpy array or a torch tensor.
BitmaskLike: TypeAlias = "NDArray[np.int32] | TensorLike"


def get_bitmask_shape(batch_size: int, vocab_size: int) -> tuple[int, int]:
    """Return the shape of a bitmask with ``batch_size`` rows: ``(batch_size, ceil(vocab_size / 32))``."""
    if batch_size < 1 or vocab_size < 1:
        raise BitmaskError(f"batch_size and vocab_size must be at least 1, got {batch_size} and {vocab_size}")
    return batch_size, -(-vocab_size // 32)


def allocate_token_bitmask(batch_size: int, vocab_size: int) -> NDArray[np.int32]:
    """Make a bitmask in which every bit is set.

    Returns:
        int32 array of shape ``(batch_size, ceil(vocab_size / 32))``. ``torch.from_numpy`` of it shares its memory.

    """
    import numpy as np

    return np.full(get_bitmask_shape(batch_size, vocab_size), -1, dtype=np.int32)


def reset_token_bitmask(bitmask: BitmaskLike) -> None:
    """Set every bit of a bitmask, in place."""
    fill = getattr(bitmask, "fill_", None) or getattr(bitmask, "fill", None)
    if fill is None:
        raise BitmaskError(f"the bitmask must be a numpy array or a torch tensor, got {type(bitmask).__name__}")
    fill(-1)


#: The bits of minus infinity, by dtype; bfloat16 is not numpy's own, but there are packages that add it.
_MINUS_INFINITY = {"float32": 0xFF80_0000, "float16": 0xFC00, "bfloat16": 0xFF80, "float64": 0xFFF0_0000_0000_0000}


def apply_token_bitmask_inplace(
    logits: NDArray[Any],
    bitmask: BitmaskLike,
    *,
    vocab_size: int | None = None,
    indices: Sequence[int] | NDArray[np.integer[Any]] | None = None,
) -> None:
    """Set the logits of refused tokens to minus infinity, in place: for decoding loops without torch.

    For torch tensors there is ``maskwright.torch.apply_token_bitmask_inplace``, which also knows other devices than the CPU;
    tensors given here are passed on to it.

    Args:
        logits: numpy array of floats, shape ``(batch, columns)`` or ``(columns,)``; rows may lie apart.
        bitmask: int32, shape ``(batch, words)`` or ``(words,)``.
        vocab_size: how many columns to look at, those past it are left as they are. All of them if None: then the bitmask must
            cover them all.
        indices: the rows to look at, of logits and bitmask alike, which then may have different numbers of rows; all rows if None.

    Raises:
        ValueError: wrong dtype, shape, layout or row, or columns that the bitmask does not cover.

    """
    import numpy as np

    if not isinstance(logits, np.ndarray):
        if hasattr(logits, "data_ptr"):
            from maskwright.torch import apply_token_bitmask_inplace as apply_to_tensor

            apply_to_tensor(logits, bitmask, vocab_size=vocab_size, indices=indices)
            return
        raise BitmaskError(f"the logits must be a numpy array or a torch tensor, got {type(logits).__name__}")
    minus_infinity = _MINUS_INFINITY.get(logits.dtype.name)
    if minus_infinity is None or not logits.dtype.isnative:
        raise BitmaskError(f"the logits must be floats of 16, 32 or 64 bits in the byte order of this machine, got {logits.dtype}")
    bits = logits.view(f"u{logits.dtype.itemsize}")
    rows = None if indices is None else [int(row) for row in indices]
    if not _core._apply_token_bitmask(bits, minus_infinity, bitmask, vocab_size, rows):
        raise BitmaskError("the items of a row of the logits, and of the bitmask, must lie side by side")


def bitmask_to_bool_mask(bitmask: BitmaskLike, vocab_size: int) -> NDArray[np.bool_]:
    """Spread a bitmask into one bool per token: True where the token is allowed.

    Args:
        bitmask: int32, shape ``(batch, ceil(vocab_size / 32))`` or one row.
        vocab_size: how many bits of each row count.

    Returns:
        bool array of shape ``(batch, vocab_size)``, or ``(vocab_size,)`` for one row.

    Raises:
        ValueError: wrong dtype or shape.

    """
    import numpy as np

    words = np.ascontiguousarray(np.asarray(bitmask))
    width = get_bitmask_shape(1, vocab_size)[1]
    if words.dtype != np.int32:
        raise BitmaskError(f"the bitmask must have dtype int32, got {words.dtype}")
    if words.ndim not in (1, 2) or words.shape[-1] != width:
        raise BitmaskError(f"the bitmask must have shape (batch, {width}) or ({width},) for {vocab_size} tokens, got {words.shape}")
    octets = words.astype("<i4", copy=False).view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=vocab_size, bitorder="little").view(np.bool_)


__all__ = [
    "BitmaskLike",
    "allocate_token_bitmask",
    "apply_token_bitmask_inplace",
    "bitmask_to_bool_mask",
    "get_bitmask_shape",
    "reset_token_bitmask",
]
