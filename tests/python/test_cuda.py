"""The CUDA kernel without a GPU: compiled by NVRTC for every architecture; run as host C++ under the address sanitizer; launched through the real
``cuda-bindings`` on a driver of our own that runs it in the host's memory. On a GPU: ``test_cuda_device.py``."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_apply import bits_of, random_bitmask, storage_of

import maskwright as mw
from maskwright.torch import cuda, reference
from maskwright.torch import operator as ops

HERE = Path(__file__).parent / "cuda_host"
ARCHITECTURES = [75, 80, 86, 89, 90, 100, 120]
COMPILER = shutil.which("g++") or shutil.which("clang++")

needs_compiler = pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="needs a C++ compiler")


@pytest.fixture(scope="module")
def nvrtc():
    return pytest.importorskip("cuda.bindings.nvrtc", reason="needs cuda-bindings and nvidia-cuda-nvrtc")


@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_the_kernel(nvrtc, architecture, size):
    code = cuda.compile_for(architecture, size)
    assert code.startswith(b"\x7fELF")
    assert [f"apply_{bits}".encode() in code for bits in (16, 32, 64)] == [size == 2, size == 4, size == 8]


def test_an_architecture_of_tomorrow_gets_ptx_and_one_of_yesterday_an_error(nvrtc):
    ptx = cuda.compile_for(999, 2)
    assert b".target sm_" in ptx
    assert b".entry apply_16" in ptx
    with pytest.raises(cuda.CudaUnavailable, match=r"7\.5 and later, the device has 5\.2"):
        cuda.compile_for(52, 2)


def test_a_mistake_in_the_source_is_told(nvrtc, monkeypatch):
    monkeypatch.setattr(cuda, "source", lambda: "mistake")
    with pytest.raises(cuda.CudaUnavailable, match="NVRTC failed: apply_token_bitmask.cu"):
        cuda.compile_for(90, 2)


def build(folder: Path, name: str, output: str, *options: str, kernel: str | None = None) -> Path:
    """Compile a program around the kernel."""
    source = folder / f"{output}.cu"
    source.write_text(cuda.source() if kernel is None else kernel, encoding="utf-8")
    command = [COMPILER, "-std=c++17", "-O1", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unused-variable", "-Wno-unknown-pragmas", f'-DKERNEL="{source}"']
    subprocess.run([*command, *options, HERE / name, "-o", folder / output], check=True)
    return folder / output


SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def case(rng: random.Random) -> tuple[bytes, torch.Tensor]:
    """Logits in a larger storage, a mask with rows of its own stride, perhaps indices, on any grid: as bytes, and what it must come to."""
    dtype = rng.choice([torch.float32, torch.float16, torch.bfloat16, torch.float64])
    limit, columns = rng.randint(1, 5), rng.choice([1, 2, 7, 8, 9, 31, 32, 33, 64, rng.randint(1, 300), rng.randint(1, 1500)])
    stride = columns + rng.choice([0, 0, 1, 3, 8, 32])
    offset = rng.choice([0, 0, 1, 2, 3, 5, 7, 8])
    # No item is left after the last row, half of the time.
    size = offset + (limit - 1) * stride + columns + rng.choice([0, rng.randint(0, 9)])
    storage = torch.randn(size, dtype=torch.float64).to(dtype)
    logits = storage.as_strided((limit, columns), (stride, 1), offset)
    width = -(-columns // 32)
    mask_stride = width + rng.choice([0, 0, 1, 4])
    words = random_bitmask(rng, 1, (limit - 1) * mask_stride + width)[0]
    bitmask = words.as_strided((limit, width), (mask_stride, 1))
    indices = rng.choice([None, rng.sample(range(limit), rng.randint(1, limit)), [rng.randint(-2, limit + 2) for _ in range(4)]])
    rows = limit if indices is None else len(indices)
    grid = (rng.randint(1, 4), rng.randint(1, rows), rng.choice([1, 3, 32, 64, 128]))
    fields = (
        storage.element_size(), size, offset, stride, words.numel(), mask_stride, -1 if indices is None else rows, rows, limit, columns,
        ops.MINUS_INFINITY[dtype], *grid,
    )  # fmt: skip
    data = struct.pack("<10qQ3q", *fields)
    for tensor in (storage, words, *([] if indices is None else [torch.tensor(indices, dtype=torch.int32)])):
        data += bytes(tensor.untyped_storage())
    existing = None if indices is None else torch.tensor([row for row in indices if 0 <= row < limit], dtype=torch.int32)
    reference.apply(logits, bitmask, existing, None)
    return data, storage_of(logits)


def run(program: Path, seed: int, count: int) -> subprocess.CompletedProcess[bytes]:
    """Run cases; the output is compared where the program ends well."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    cases = [case(rng) for _ in range(count)]
    done = subprocess.run([program], input=b"".join(data for data, _ in cases), capture_output=True, check=False)
    right = b"".join(bytes(storage.untyped_storage()) for _, storage in cases)
    if done.returncode == 0 and done.stdout != right:
        done.returncode = 1
    return done


@needs_compiler
def test_the_kernel_run_on_the_host_equals_the_reference(tmp_path):
    program = build(tmp_path, "cases.cpp", "cases", *SANITIZED)
    done = run(program, 0, 1500)
    assert done.returncode == 0, done.stderr.decode()[-3000:]


MUTANTS = {
    "a word past the mask": ("word < last ? word + 1 : last", "word + 1"),
    "a word before the mask": ("word < 0 ? 0 : word", "word"),
    "columns past the row": ("if (rest < COUNT) bits |= rest > 0 ? ~0u << rest : ~0u;", ""),
    "logits before the row": ("if (word < 0) bits = ~0u;", ""),
    "bits of the next word": ("(next) << 32", "(next) << 31"),
    "logits of the next row": ("const bool inside = column >= 0 && column + COUNT <= columns", "const bool inside = true"),
    "logits of the row before": ("if (column >= 0 && column + COUNT <= columns) {", "if (column + COUNT <= columns) {"),
    "rows that do not exist": ("if (row < 0 || row >= arguments.limit) continue;", ""),
}


@needs_compiler
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_in_the_kernel_would_be_seen(tmp_path, mutant):
    right, wrong = MUTANTS[mutant]
    assert right in cuda.source()
    program = build(tmp_path, "cases.cpp", "mutant", *SANITIZED, kernel=cuda.source().replace(right, wrong))
    assert run(program, 1, 200).returncode != 0


LAUNCH = """
import sys, threading, torch
from maskwright.torch import cuda, operator as ops, reference
sys.path.insert(0, sys.argv[2])
from test_apply import bits_of, random_case
import random

cuda._code = {(90, size): open(f"{sys.argv[1]}/{size}.cubin", "rb").read() for size in (2, 4, 8)}
cuda._code[80, 4] = b"not code"
rng = random.Random(0)

def launch_all():
    kernels = {size: cuda.load(0, 90, size) for size in (2, 4, 8)}
    assert all(cuda.loaded(0, size) is kernel is cuda.load(0, 90, size) for size, kernel in kernels.items())
    for _ in range(100):
        logits, bitmask, indices, vocab_size = random_case(rng)
        indices = None if indices is None else torch.tensor(indices, dtype=torch.int64)
        right = logits.clone()
        reference.apply(right, bitmask, indices, vocab_size)
        columns = logits.shape[-1] if vocab_size is None else vocab_size
        ops.launch(kernels[logits.element_size()], 0xABC0, logits, bitmask, indices, columns)
        assert torch.equal(bits_of(logits), bits_of(right))
    ops.launch(kernels[2], 0xABC0, torch.zeros(70, 64, dtype=torch.float16), torch.zeros(70, 2, dtype=torch.int32), None, 64)

launch_all()
# A thread that has no context yet.
thread = threading.Thread(target=launch_all)
thread.start()
thread.join()
for _ in range(2):
    try:
        cuda.load(1, 80, 4)
    except cuda.CudaUnavailable as problem:
        assert "INVALID_IMAGE" in str(problem)
    else:
        raise AssertionError
print("done")
"""


@needs_compiler
def test_launches_through_the_bindings_of_the_driver(nvrtc, tmp_path):
    build(tmp_path, "driver.cpp", "libcuda.so.1", "-shared", "-fPIC")
    for size in (2, 4, 8):
        (tmp_path / f"{size}.cubin").write_bytes(cuda.compile_for(90, size))
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, tmp_path, HERE.parent],
        env={"LD_LIBRARY_PATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "done"
    # One device, each size loaded once by two threads; the other was tried once.
    assert [line for line in lines if not line.startswith("launch")] == [*["retain 0", "load"] * 3, "retain 1", "done"]
    launches = [line for line in lines if line.startswith("launch")]
    assert len(launches) > 100
    assert all(line.endswith("on abc0") for line in launches)
    assert "launch 1 70 128 on abc0" in launches


LOGITS, BITMASK = torch.zeros(2, 64), torch.zeros(2, 2, dtype=torch.int32)


def test_a_capture_needs_the_kernel_and_the_right_indices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(cuda, "_kernels", {})
    with pytest.raises(mw.BitmaskError, match="apply a mask to torch.float32 once on this device before"):
        ops.on_cuda(LOGITS, BITMASK, None, None)
    with pytest.raises(mw.BitmaskError, match="indices must be an int32 tensor"):
        ops.on_cuda(LOGITS, BITMASK, torch.tensor([0]), None)
    with pytest.raises(mw.BitmaskError, match="the bitmask must be an int32 tensor on cuda:0, got one on cpu"):
        ops.on_device(BITMASK, torch.device("cuda:0"), "the bitmask")


def test_without_the_kernel_torch_does_it_and_one_warning_says_why(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(cuda, "_kernels", {(None, 4): cuda.CudaUnavailable("NVRTC is missing")})
    monkeypatch.setattr(ops, "_warned", set())
    logits = torch.randn(2, 64)
    right = logits.clone()
    reference.apply(right, BITMASK, None, 60)
    with pytest.warns(RuntimeWarning, match="NVRTC is missing"):
        ops.on_cuda(logits, BITMASK, None, 60)
    ops.on_cuda(logits, BITMASK, None, 60)
    assert torch.equal(bits_of(logits), bits_of(right))


def test_a_failure_to_compile_is_kept(monkeypatch):
    tried = []

    def fail(architecture: int, item_size: int) -> bytes:
        tried.append((architecture, item_size))
        raise cuda.CudaUnavailable("no compiler")

    monkeypatch.setattr(cuda, "compile_for", fail)
    monkeypatch.setattr(cuda, "_kernels", {})
    monkeypatch.setattr(cuda, "_code", {})
    for attempt in (lambda: cuda.load(0, 90, 4), lambda: cuda.loaded(0, 4), lambda: cuda.load(0, 90, 4)):
        with pytest.raises(cuda.CudaUnavailable, match="no compiler"):
            attempt()
    assert tried == [(90, 4)]


def test_layouts_that_the_kernel_does_not_know():
    bitmask = random_bitmask(random.Random(0), 70, 2)
    for logits in (torch.randn(64, 70).t(), torch.randn(70, 128)[:, ::2]):
        right = logits.clone()
        reference.apply(right, bitmask, None, None)
        ops.on_cuda(logits, bitmask, None, None)
        assert torch.equal(logits, right)
    with pytest.raises(mw.BitmaskError, match="share memory"):
        ops.on_cuda(torch.zeros(1, 64).expand(70, 64), bitmask, None, None)
