"""The CUDA kernel: its source compiled by NVRTC when first used, kept, launched on a stream.

Needs no CUDA toolkit: ``cuda-bindings`` and NVRTC come with the CUDA builds of torch, or with the extra ``cuda``. Knows addresses and
numbers only, not tensors.
"""

from __future__ import annotations

import ctypes
import importlib.resources
import threading
from typing import Any

#: Threads of a block; bytes of a vector of logits; vectors that a thread looks at.
_THREADS = 128
_BYTES = 16
_IN_FLIGHT = 4
#: Bounds of a grid, far above what is needed.
_MAX_BLOCKS_Y = 65535
#: More columns might overflow the kernel's indices.
MAX_COLUMNS = 1 << 29


class CudaUnavailable(Exception):
    """The kernel cannot be compiled or loaded here; the message says why."""


class Arguments(ctypes.Structure):
    """``struct Arguments`` of the source."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("bitmask", ctypes.c_void_p),
        ("indices", ctypes.c_void_p),
        ("logits_stride", ctypes.c_longlong),
        ("bitmask_stride", ctypes.c_longlong),
        ("refused", ctypes.c_ulonglong),
        ("rows", ctypes.c_int),
        ("limit", ctypes.c_int),
        ("columns", ctypes.c_int),
    )


def source() -> str:
    """Return the kernel in CUDA C++."""
    return importlib.resources.files("maskwright.torch").joinpath("apply_token_bitmask.cu").read_text(encoding="utf-8")


def _succeed(result: tuple[Any, ...]) -> Any:
    """Return what a call of ``cuda.bindings`` returned.

    Raises:
        CudaUnavailable: an error.

    """
    error, *values = result
    if int(error) != 0:
        raise CudaUnavailable(getattr(error, "name", str(error)))
    return values[0] if len(values) == 1 else values


def compile_for(architecture: int, item_size: int) -> bytes:
    """Compile the kernel for a compute capability (90 is 9.0) and logits of so many bytes.

    Returns:
        Machine code; for an architecture that is newer than NVRTC, PTX of the newest one it knows, which the driver translates.

    Raises:
        CudaUnavailable: NVRTC is missing, too new or too old for the device, or failed.

    """
    try:
        from cuda.bindings import nvrtc

        known = _succeed(nvrtc.nvrtcGetSupportedArchs())
    except CudaUnavailable:
        raise
    except Exception as problem:  # Where the library is missing it is RuntimeError in one version, another class in the next.
        raise CudaUnavailable(f"NVRTC is missing (pip install 'maskwright[cuda]'): {problem}") from problem
    exact = architecture in known
    target = max((arch for arch in known if arch <= architecture), default=None)
    if target is None:
        raise CudaUnavailable(f"this NVRTC compiles for compute capability {min(known) / 10} and later, the device has {architecture / 10}")
    program = _succeed(nvrtc.nvrtcCreateProgram(source().encode(), b"apply_token_bitmask.cu", 0, None, None))
    try:
        options = [
            f"--gpu-architecture={'sm' if exact else 'compute'}_{target}".encode(),
            f"--define-macro=LOGIT_BITS={8 * item_size}".encode(),
            f"--define-macro=IN_FLIGHT={_IN_FLIGHT}".encode(),
            b"--std=c++17",
        ]
        (error,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        if int(error) != 0:
            log = b" " * _succeed(nvrtc.nvrtcGetProgramLogSize(program))
            _succeed(nvrtc.nvrtcGetProgramLog(program, log))
            raise CudaUnavailable(f"NVRTC failed: {log.decode(errors='replace').strip()}")
        size, get = (nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN) if exact else (nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
        code: bytes = b" " * _succeed(size(program))
        _succeed(get(program, code))
        return code
    finally:
        nvrtc.nvrtcDestroyProgram(program)


class Kernel:
    """The kernel for one size of logits, loaded on one device."""

    def __init__(self, ordinal: int, code: bytes, item_size: int) -> None:
        """Load machine code.

        Raises:
            CudaUnavailable: the driver refuses it.

        """
        from cuda.bindings import driver

        self._driver = driver
        # torch's own context of the device; retaining it once more keeps it for as long as the process lives.
        self._context = _succeed(driver.cuDevicePrimaryCtxRetain(_succeed(driver.cuDeviceGet(ordinal))))
        self._context_address = int(self._context)
        with _Current(driver, self._context):
            library = _succeed(driver.cuLibraryLoadData(code, [], [], 0, [], [], 0))
            kernel = _succeed(driver.cuLibraryGetKernel(library, f"apply_{8 * item_size}".encode()))
            # The function, so that all is on the device before a graph is captured. The library is never unloaded.
            self._function = _succeed(driver.cuKernelGetFunction(kernel))
        self._item_size = item_size

    def launch(self, stream: int, arguments: Arguments) -> None:
        """Start it on a stream.

        Raises:
            RuntimeError: the driver refuses.

        """
        per_vector = _BYTES // self._item_size
        # One vector more, for rows that start between two.
        vectors = arguments.columns // per_vector + 2
        blocks = (-(-vectors // (_THREADS * _IN_FLIGHT)), min(arguments.rows, _MAX_BLOCKS_Y))
        # Copied by the driver before the launch returns.
        place = ctypes.c_void_p(ctypes.addressof(arguments))
        if int(self._driver.cuCtxGetCurrent()[1]) == self._context_address:
            error = self._start(blocks, stream, place)
        else:
            with _Current(self._driver, self._context):
                error = self._start(blocks, stream, place)
        if error != 0:
            raise RuntimeError(f"maskwright's kernel could not be launched: {getattr(error, 'name', error)}")

    def _start(self, blocks: tuple[int, int], stream: int, place: ctypes.c_void_p) -> Any:
        (error,) = self._driver.cuLaunchKernel(self._function, *blocks, 1, _THREADS, 1, 1, 0, stream, ctypes.addressof(place), 0)
        return error


class _Current:
    """A context made current, where another one is, or none: a new thread has none before it first uses torch's runtime."""

    def __init__(self, driver: Any, context: Any) -> None:
        self._driver = driver
        self._context = context
        self._pushed = False

    def __enter__(self) -> None:
        if int(_succeed(self._driver.cuCtxGetCurrent())) != int(self._context):
            _succeed(self._driver.cuCtxPushCurrent(self._context))
            self._pushed = True

    def __exit__(self, *_: object) -> None:
        if self._pushed:
            self._driver.cuCtxPopCurrent()


_lock = threading.Lock()
#: By architecture and size of logits, and by device and size.
_code: dict[tuple[int, int], bytes] = {}
_kernels: dict[tuple[int, int], Kernel | CudaUnavailable] = {}


def loaded(ordinal: int, item_size: int) -> Kernel | None:
    """Return the kernel of a device if it has been loaded.

    Raises:
        CudaUnavailable: it could not be, when that was tried.

    """
    kernel = _kernels.get((ordinal, item_size))
    if isinstance(kernel, CudaUnavailable):
        raise kernel
    return kernel


def load(ordinal: int, architecture: int, item_size: int) -> Kernel:
    """Compile and load what has not been; a failure is kept as well.

    Raises:
        CudaUnavailable: it failed.

    """
    with _lock:
        if (kernel := loaded(ordinal, item_size)) is not None:
            return kernel
        try:
            code = _code.get((architecture, item_size))
            if code is None:
                code = _code[architecture, item_size] = compile_for(architecture, item_size)
            kernel = Kernel(ordinal, code, item_size)
        except CudaUnavailable as problem:
            _kernels[ordinal, item_size] = problem
            raise
        _kernels[ordinal, item_size] = kernel
        return kernel
