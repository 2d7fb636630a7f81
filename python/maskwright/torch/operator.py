"""The operator ``maskwright::apply_token_bitmask_inplace``: schema, shapes, and what runs it on each device.

``Library.define`` rather than ``custom_op``: a call of the first costs a microsecond, of the second seven.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from maskwright import _core
from maskwright.exceptions import BitmaskError
from maskwright.torch import cuda, reference

#: The bits of minus infinity.
MINUS_INFINITY: dict[torch.dtype, int] = {
    torch.float32: 0xFF80_0000,
    torch.float16: 0xFC00,
    torch.bfloat16: 0xFF80,
    torch.float64: 0xFFF0_0000_0000_0000,
}

_library = torch.library.Library("maskwright", "DEF")
_library.define(
    "apply_token_bitmask_inplace(Tensor(a!) logits, Tensor bitmask, Tensor? indices, SymInt? vocab_size) -> ()",
    tags=(torch.Tag.pt2_compliant_tag,),
)
apply = torch.ops.maskwright.apply_token_bitmask_inplace.default


def check(logits: torch.Tensor, bitmask: torch.Tensor, indices: torch.Tensor | None, vocab_size: int | None) -> None:
    """Refuse what no device can do; looks at no memory.

    Raises:
        BitmaskError: wrong dtype, shape or device.

    """
    if not logits.is_floating_point():
        raise BitmaskError(f"the logits must be floats, got {logits.dtype}")
    if bitmask.dtype != torch.int32:
        raise BitmaskError(f"the bitmask must have dtype int32, got {bitmask.dtype}")
    for what, tensor in (("the logits", logits), ("the bitmask", bitmask)):
        if tensor.dim() not in (1, 2):
            raise BitmaskError(f"{what} must have 1 or 2 dimensions, got {tensor.dim()}")
    if bitmask.device != logits.device:
        raise BitmaskError(f"the logits are on {logits.device}, but the bitmask is on {bitmask.device}")
    columns = logits.shape[-1]
    if vocab_size is not None:
        if not 0 <= vocab_size <= columns:
            raise BitmaskError(f"vocab_size is {vocab_size}, but the logits have {columns} columns")
        columns = vocab_size
    words = bitmask.shape[-1]
    if words * 32 < columns:
        raise BitmaskError(
            f"the bitmask has {words} words per row, enough for {words * 32} tokens, but {columns} are asked for: allocate it for the "
            "width of the logits, or pass vocab_size to leave the columns past it alone"
        )
    if indices is None:
        rows, masks = (tensor.shape[0] if tensor.dim() == 2 else 1 for tensor in (logits, bitmask))
        if rows != masks:
            raise BitmaskError(f"{rows} rows of logits, but {masks} of the bitmask: pass indices to pick rows of both")
        return
    if indices.dtype not in (torch.int32, torch.int64) or indices.dim() != 1:
        raise BitmaskError(f"indices must be int32 or int64 with one dimension, got {indices.dtype} with {indices.dim()}")
    if indices.device != logits.device:
        raise BitmaskError(f"the logits are on {logits.device}, but indices are on {indices.device}")


def on_device(given: Any, device: Any, what: str) -> torch.Tensor:
    """Make a tensor of it, on the device.

    Raises:
        BitmaskError: it is no array, or a copy is needed while a CUDA graph is captured.

    """
    if isinstance(given, np.ndarray):
        given = torch.from_numpy(given)
    elif not isinstance(given, torch.Tensor):
        raise BitmaskError(f"{what} must be a numpy array or a torch tensor, got {type(given).__name__}")
    if given.device == device:
        return given
    if device.type == "cuda" and not torch.compiler.is_compiling() and torch.cuda.is_current_stream_capturing():
        raise BitmaskError(f"while a CUDA graph is captured {what} must be an int32 tensor on {device}, got one on {given.device}")
    # Waits for the copy, since the caller may write the next mask into the same memory.
    return given.to(device)


def check_rows(indices: Iterable[int], logits: torch.Tensor, bitmask: torch.Tensor) -> None:
    """Refuse rows that do not exist.

    Raises:
        BitmaskError: one does not.

    """
    count = min(tensor.shape[0] if tensor.dim() == 2 else 1 for tensor in (logits, bitmask))
    for row in indices:
        if not 0 <= row < count:
            raise BitmaskError(f"row {row} is asked for, but logits and bitmask have {count} in common")


_warned: set[str] = set()


def fall_back(why: str, logits: torch.Tensor, bitmask: torch.Tensor, indices: torch.Tensor | None, vocab_size: int | None) -> None:
    """Do it in torch's own operators, with one warning for each reason."""
    if why not in _warned:
        _warned.add(why)
        warnings.warn(f"maskwright applies masks by torch's own operators, which is slower: {why}", RuntimeWarning, stacklevel=3)
    reference.apply(logits, bitmask, indices, vocab_size)


def on_cpu(logits: torch.Tensor, bitmask: Any, rows: Sequence[int] | None, vocab_size: int | None) -> None:
    """Run the core's loop, or torch's own operators on a layout that it does not know. The bitmask may be numpy's."""
    minus_infinity = MINUS_INFINITY.get(logits.dtype)
    if (
        minus_infinity is not None
        and not logits.is_neg()
        and _core._apply_token_bitmask(logits, minus_infinity, bitmask, vocab_size, rows, torch.get_num_threads())
    ):
        return
    bitmask = on_device(bitmask, logits.device, "the bitmask")
    indices = None if rows is None else torch.tensor(rows, dtype=torch.int64, device=logits.device)
    check(logits, bitmask, indices, vocab_size)
    if rows is not None:
        check_rows(rows, logits, bitmask)
    reference.apply(logits, bitmask, indices, vocab_size)


def _on_cpu(logits: torch.Tensor, bitmask: torch.Tensor, indices: torch.Tensor | None, vocab_size: int | None) -> None:
    on_cpu(logits, bitmask, None if indices is None else indices.tolist(), vocab_size)


_modes: Callable[[], int] | None = getattr(torch._C, "_len_torch_dispatch_stack", None)


def is_plain_call() -> bool:
    """Is nobody watching what operators are called: no compiler, no tracer?"""
    return not torch.compiler.is_compiling() and _modes is not None and _modes() == 0 and not torch.jit.is_tracing()


def on_cuda(logits: torch.Tensor, bitmask: torch.Tensor, indices: torch.Tensor | None, vocab_size: int | None) -> None:
    """Launch the kernel, or run torch's own operators on a layout that it does not know."""
    check(logits, bitmask, indices, vocab_size)
    if torch.version.hip is not None:
        fall_back("its kernel is CUDA's, and this is ROCm", logits, bitmask, indices, vocab_size)
        return
    minus_infinity = MINUS_INFINITY.get(logits.dtype)
    columns = logits.shape[-1] if vocab_size is None else vocab_size
    if minus_infinity is None or (logits.stride(-1), bitmask.stride(-1)) != (1, 1) or columns > cuda.MAX_COLUMNS or logits.is_neg():
        # A layout that the kernel does not know.
        reference.apply(logits, bitmask, indices, vocab_size)
        return
    if logits.dim() == 2 and logits.shape[0] > 1 and logits.stride(0) < logits.shape[1]:
        raise BitmaskError("the rows of the logits share memory")
    if indices is not None and indices.dtype != torch.int32 and torch.cuda.is_current_stream_capturing():
        raise BitmaskError(f"while a CUDA graph is captured indices must be an int32 tensor on {logits.device}, got {indices.dtype}")
    ordinal, item_size = logits.device.index, logits.element_size()
    try:
        kernel = cuda.loaded(ordinal, item_size)
        if kernel is None:
            if torch.cuda.is_current_stream_capturing():
                raise BitmaskError(
                    f"while a CUDA graph is captured nothing can be compiled: apply a mask to {logits.dtype} once on this device before"
                )
            major, minor = torch.cuda.get_device_capability(logits.device)
            kernel = cuda.load(ordinal, 10 * major + minor, item_size)
    except cuda.CudaUnavailable as problem:
        fall_back(str(problem), logits, bitmask, indices, vocab_size)
        return
    launch(kernel, _stream(ordinal), logits, bitmask, indices, columns)


def _slow_stream(ordinal: int) -> int:
    stream: int = torch.cuda.current_stream(ordinal).cuda_stream
    return stream


#: The current stream of a device, without an object around it where torch has that.
_stream: Callable[[int], int] = getattr(torch._C, "_cuda_getCurrentRawStream", _slow_stream)


def launch(
    kernel: cuda.Kernel, stream: int, logits: torch.Tensor, bitmask: torch.Tensor, indices: torch.Tensor | None, columns: int
) -> None:
    """Run the kernel on what was checked."""
    rows, stride = (logits.shape[0], logits.stride(0)) if logits.dim() == 2 else (1, 0)
    masks, mask_stride = (bitmask.shape[0], bitmask.stride(0)) if bitmask.dim() == 2 else (1, 0)
    if indices is not None:
        indices = indices.to(torch.int32).contiguous()
    count = rows if indices is None else indices.shape[0]
    if count == 0 or columns == 0:
        return
    # By position, which takes a third of the time that names take.
    arguments = cuda.Arguments(
        logits.data_ptr(),
        bitmask.data_ptr(),
        None if indices is None else indices.data_ptr(),
        stride,
        mask_stride,
        MINUS_INFINITY[logits.dtype],
        count,
        min(rows, masks),
        columns,
    )
    kernel.launch(stream, arguments)


def _elsewhere(logits: torch.Tensor, bitmask: torch.Tensor, indices: torch.Tensor | None, vocab_size: int | None) -> None:
    check(logits, bitmask, indices, vocab_size)
    fall_back(f"it has no kernel for {logits.device.type}", logits, bitmask, indices, vocab_size)


_library.impl("apply_token_bitmask_inplace", _on_cpu, "CPU")
_library.impl("apply_token_bitmask_inplace", on_cuda, "CUDA")
_library.impl("apply_token_bitmask_inplace", _elsewhere, "CompositeExplicitAutograd")
torch.library.register_fake("maskwright::apply_token_bitmask_inplace", check, lib=_library)
