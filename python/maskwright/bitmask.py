"""Bitmasks: one bit per token id, 32 to an int32 word, set when the token is allowed.

Bit ``i % 32`` of word ``i // 32`` stands for token ``i``; bits past the vocabulary are zero in every row that a matcher wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

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
    "bitmask_to_bool_mask",
    "get_bitmask_shape",
    "reset_token_bitmask",
]
