"""Masks on the logits of a GPU: every bit beside the reference, streams, threads, graphs, compiled code, and whole decoding loops.

Skipped where there is no GPU. ``MASKWRIGHT_DEVICE=cpu`` rehearses there what needs no CUDA.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch
from test_apply import bits_of, random_bitmask, random_case, storage_of

import maskwright as mw
from maskwright.torch import apply_token_bitmask_inplace, cuda, reference
from maskwright.torch import operator as ops

DEVICE = torch.device(os.environ.get("MASKWRIGHT_DEVICE", "cuda:0"))
IS_CUDA = DEVICE.type == "cuda"

if IS_CUDA and not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)

only_cuda = pytest.mark.skipif(not IS_CUDA, reason="needs a GPU")
needs_transformers = pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs the transformers library")
COLUMNS = 128_256
STRANGE = [float("nan"), float("inf"), float("-inf"), -0.0, 0.0]


def moved(logits: torch.Tensor) -> torch.Tensor:
    """The whole storage on the device, and the same view of it."""
    return storage_of(logits).to(DEVICE).clone().as_strided(logits.shape, logits.stride(), logits.storage_offset())


def same(ours: torch.Tensor, right: torch.Tensor) -> bool:
    """Bit by bit, all that lies around the logits among them."""
    return torch.equal(bits_of(storage_of(ours).cpu()), bits_of(storage_of(right)))


@pytest.mark.parametrize("seed", range(8))
def test_every_bit_is_the_reference_s(seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    for _ in range(300):
        logits, bitmask, indices, vocab_size = random_case(rng)
        storage = storage_of(logits)
        for place in rng.sample(range(storage.numel()), min(20, storage.numel())):
            storage[place] = rng.choice(STRANGE)
        ours = moved(logits)
        chosen = None if indices is None else torch.tensor(indices, dtype=rng.choice([torch.int32, torch.int64]))
        reference.apply(logits, bitmask, chosen, vocab_size)
        given = rng.choice([indices, chosen, None if chosen is None else chosen.to(DEVICE)])
        words = rng.choice([bitmask, bitmask.numpy(), bitmask.to(DEVICE), bitmask.to(DEVICE)])
        apply_token_bitmask_inplace(ours, words, vocab_size=vocab_size, indices=given)
        assert same(ours, logits), (logits.shape, logits.dtype, logits.storage_offset(), indices, vocab_size)


@pytest.mark.parametrize("dtype", ops.MINUS_INFINITY, ids=str)
def test_large_batches(dtype):
    rng = random.Random(0)
    for rows, columns, offset in ((256, COLUMNS, 0), (33, COLUMNS + 1, 3), (1, 262_145, 0)):
        storage = torch.randn(offset + rows * columns + 5).to(dtype)
        logits = storage[offset : offset + rows * columns].view(rows, columns)
        bitmask = random_bitmask(rng, rows, -(-columns // 32))
        ours = moved(logits)
        reference.apply(logits, bitmask, None, None)
        apply_token_bitmask_inplace(ours, bitmask.to(DEVICE))
        assert same(ours, logits)


def test_more_rows_than_a_grid_has():
    logits = torch.randn(70_000, 40, dtype=torch.float16)
    bitmask = random_bitmask(random.Random(1), 70_000, 2)
    ours = moved(logits)
    reference.apply(logits, bitmask, None, None)
    apply_token_bitmask_inplace(ours, bitmask.to(DEVICE))
    assert same(ours, logits)


def test_layouts_that_the_kernel_does_not_know():
    bitmask = random_bitmask(random.Random(2), 70, 2)
    for logits in (torch.randn(64, 70).t(), torch.randn(70, 128)[:, ::2]):
        ours = moved(logits)
        reference.apply(logits, bitmask, None, None)
        apply_token_bitmask_inplace(ours, bitmask.to(DEVICE))
        assert same(ours, logits)
    scattered = bitmask.to(DEVICE).t().contiguous().t()
    logits = torch.randn(70, 64)
    ours = moved(logits)
    reference.apply(logits, bitmask, None, None)
    apply_token_bitmask_inplace(ours, scattered)
    assert same(ours, logits)


def test_what_is_wrong_is_refused_and_changes_nothing():
    logits, bitmask = torch.randn(3, 64, device=DEVICE), torch.zeros(3, 2, dtype=torch.int32, device=DEVICE)
    before = logits.clone()
    for given, words, options, message in (
        (logits, bitmask[:, :1], {}, "the bitmask has 1 words per row"),
        (logits, bitmask, {"vocab_size": 65}, "vocab_size is 65"),
        (logits, bitmask[:2], {}, "3 rows of logits, but 2 of the bitmask"),
        (logits, bitmask, {"indices": [0, 3]}, "row 3 is asked for"),
        (logits, bitmask, {"indices": torch.tensor([-1])}, "row -1 is asked for"),
        (logits, bitmask.long(), {}, "the bitmask must have dtype int32"),
        (logits.int(), bitmask, {}, "the logits must be floats"),
        (logits[None], bitmask, {}, "the logits must have 1 or 2 dimensions, got 3"),
        (logits[:1].expand(3, 64), bitmask, {}, "the rows of the logits share memory"),
    ):
        with pytest.raises(mw.BitmaskError, match=message):
            apply_token_bitmask_inplace(given, words, **options)
    assert torch.equal(logits, before)


@only_cuda
def test_rows_that_do_not_exist_are_skipped_where_indices_are_on_the_device():
    logits, bitmask = torch.randn(3, 64), torch.zeros(4, 2, dtype=torch.int32)
    ours = moved(logits)
    for dtype in (torch.int32, torch.int64):
        apply_token_bitmask_inplace(ours, bitmask.to(DEVICE), indices=torch.tensor([-1, 3, 4, 1 << 20, -(1 << 31)], dtype=dtype, device=DEVICE))
    assert same(ours, logits)


@only_cuda
def test_it_runs_on_the_current_stream():
    logits, bitmask = torch.randn(64, COLUMNS), random_bitmask(random.Random(3), 64, COLUMNS // 32)
    stream = torch.cuda.Stream()
    source, words = logits.to(DEVICE), bitmask.to(DEVICE)
    ours = torch.zeros_like(source)
    reference.apply(logits, bitmask, None, None)
    torch.cuda.synchronize()
    for mask in (words, bitmask):
        with torch.cuda.stream(stream):
            # What comes before is not done when the kernel is launched.
            torch.cuda._sleep(20_000_000)
            ours.copy_(source)
            apply_token_bitmask_inplace(ours, mask)
            result = ours.clone()
        # Nothing has been waited for where the mask is on the device.
        assert mask is bitmask or not stream.query()
        stream.synchronize()
        assert torch.equal(bits_of(result.cpu()), bits_of(logits))


@only_cuda
def test_threads_with_streams_of_their_own():
    failed: list[object] = []

    def run(seed: int) -> None:
        try:
            rng = random.Random(seed)
            with torch.cuda.stream(torch.cuda.Stream()):
                for _ in range(100):
                    logits, bitmask, indices, vocab_size = random_case(rng)
                    ours = moved(logits)
                    reference.apply(logits, bitmask, None if indices is None else torch.tensor(indices, dtype=torch.int64), vocab_size)
                    apply_token_bitmask_inplace(ours, bitmask.to(DEVICE), vocab_size=vocab_size, indices=indices)
                    if not same(ours, logits):
                        failed.append((seed, logits.shape))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@only_cuda
def test_in_a_cuda_graph():
    source = torch.randn(4, 1000)
    logits, bitmask = source.to(DEVICE), random_bitmask(random.Random(0), 4, 32).to(DEVICE)
    rows = torch.tensor([0, 2, 3], dtype=torch.int32, device=DEVICE)
    apply_token_bitmask_inplace(logits.clone(), bitmask)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        apply_token_bitmask_inplace(logits, bitmask, vocab_size=900, indices=rows)
    for seed in range(5):
        words = random_bitmask(random.Random(seed), 4, 32)
        chosen = random.Random(seed).sample(range(4), 3)
        right = source.clone()
        reference.apply(right, words, torch.tensor(chosen), 900)
        logits.copy_(source)
        bitmask.copy_(words)
        rows.copy_(torch.tensor(chosen, dtype=torch.int32))
        graph.replay()
        assert same(logits, right)


@only_cuda
def test_what_cannot_be_captured_says_so(monkeypatch):
    logits, bitmask = torch.randn(4, 1000, device=DEVICE), random_bitmask(random.Random(0), 4, 32).to(DEVICE)
    before = logits.clone()
    apply_token_bitmask_inplace(logits.clone(), bitmask)
    elsewhere, wide = bitmask.cpu(), torch.zeros(1, dtype=torch.int64, device=DEVICE)
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        for words, indices, message in (
            (elsewhere, None, "the bitmask must be an int32 tensor on cuda:0, got one on cpu"),
            (bitmask, [0], "indices must be an int32 tensor on cuda:0, got one on cpu"),
            (bitmask, wide, "indices must be an int32 tensor on cuda:0, got torch.int64"),
        ):
            with pytest.raises(mw.BitmaskError, match=message):
                apply_token_bitmask_inplace(logits, words, indices=indices)
        monkeypatch.setattr(cuda, "_kernels", {})
        with pytest.raises(mw.BitmaskError, match="apply a mask to torch.float32 once on this device before"):
            apply_token_bitmask_inplace(logits, bitmask)
        # An empty graph would be warned of.
        logits.add_(0)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("dtype", ops.MINUS_INFINITY, ids=str)
@pytest.mark.parametrize("case", ["plain", "indices", "both"])
def test_opcheck(case, dtype):
    indices = None if case == "plain" else torch.tensor([2, 0], dtype=torch.int32, device=DEVICE)
    logits = torch.randn(3, 70).to(dtype).to(DEVICE)
    torch.library.opcheck(ops.apply, (logits, random_bitmask(random.Random(4), 3, 3).to(DEVICE), indices, 40 if case == "both" else None))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{"backend": "aot_eager"}, {}, {"dynamic": True}, {"mode": "reduce-overhead"}], ids=str)
def test_compiled_code_gives_the_same(options):
    def step(logits, bitmask, indices):
        scaled = logits * 2
        apply_token_bitmask_inplace(scaled, bitmask, vocab_size=70, indices=indices)
        apply_token_bitmask_inplace(logits, bitmask)
        return scaled.softmax(-1)

    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, **options)
    for rows, indices in ((3, torch.tensor([0, 2], dtype=torch.int32)), (4, torch.tensor([1, 2])), (5, None)):
        chosen = None if indices is None else indices.to(DEVICE)
        # More than once, so that a graph is captured and run again.
        for seed in range(4):
            logits, bitmask = torch.randn(rows, 80), random_bitmask(random.Random(seed), rows, 3)
            # Something is left in every row.
            bitmask[:, 0] |= 1
            ours = logits.to(DEVICE, copy=True)
            probabilities = compiled(ours, bitmask.to(DEVICE), chosen).cpu()
            torch.testing.assert_close(probabilities, step(logits, bitmask, indices))
            assert torch.equal(bits_of(ours.cpu()), bits_of(logits))


@only_cuda
def test_without_nvrtc_torch_does_it_and_one_warning_says_why(monkeypatch):
    def fail(architecture: int, item_size: int) -> bytes:
        raise cuda.CudaUnavailable("NVRTC is missing")

    monkeypatch.setattr(cuda, "compile_for", fail)
    monkeypatch.setattr(cuda, "_kernels", {})
    monkeypatch.setattr(cuda, "_code", {})
    monkeypatch.setattr(ops, "_warned", set())
    bitmask = random_bitmask(random.Random(5), 3, 3)
    for turn in range(2):
        logits = torch.randn(3, 90)
        ours = moved(logits)
        reference.apply(logits, bitmask, None, None)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            apply_token_bitmask_inplace(ours, bitmask.to(DEVICE))
        assert [str(warning.message) for warning in caught if "NVRTC is missing" in str(warning.message)][1 - turn :] == []
        assert len(caught) == 1 - turn
        assert same(ours, logits)


def test_masks_that_are_filled_while_the_model_works(compiler):
    """Of a batch, into pinned memory, copied without waiting, while the stream is busy."""
    batch = mw.BatchGrammarMatcher()
    matchers = [mw.GrammarMatcher(compiler.compile_regex("[ab]+c" if i % 2 else '"[^"]*"')) for i in range(32)]
    bitmask = torch.empty((32, 10), dtype=torch.int32, pin_memory=IS_CUDA)
    on_device = torch.empty((32, 10), dtype=torch.int32, device=DEVICE)
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        fill = batch.start_fill(matchers, bitmask)
        logits = torch.randn(32, 300, generator=rng).to(DEVICE)
        if IS_CUDA:
            torch.cuda._sleep(1_000_000)
        fill.wait()
        on_device.copy_(bitmask, non_blocking=True)
        apply_token_bitmask_inplace(logits, on_device)
        tokens = logits.argmax(-1).tolist()
        accepted = batch.batch_accept_token(matchers, tokens)
        assert all(accepted)


def tiny_model(seed: int):
    from test_transformers import tiny_model

    return tiny_model(seed).to(DEVICE)


@needs_transformers
@pytest.mark.filterwarnings("ignore")
def test_generate_of_transformers_in_every_mode(compiler):
    import test_transformers as cases

    import maskwright.transformers

    model = tiny_model(0)
    processor = maskwright.transformers.LogitsProcessor(compiler.compile_json_schema(cases.SCHEMA, any_whitespace=False))
    for rows, modes in ((4, cases.MODES), (1, cases.ONE_ROW)):
        for mode in modes.values():
            for seed in range(3):
                torch.manual_seed(seed)
                processor.reset()
                cases.run(model, processor, cases.prompt_of(rows, 5, seed).to(DEVICE), **mode)


@needs_transformers
def test_streaming(compiler):
    import test_transformers as cases

    import maskwright.transformers

    model = tiny_model(1)
    compiled = compiler.compile_json_schema(cases.SCHEMA, any_whitespace=False)
    for jump_forward in (True, False):
        stream = maskwright.transformers.generate(
            model,
            compiled,
            [1, 2, 3],
            jump_forward=jump_forward,
            max_new_tokens=cases.NEW_TOKENS,
            do_sample=True,
            generator=torch.Generator(DEVICE).manual_seed(0),
        )
        cases.check(stream.run())
        assert stream.finished


SANITIZED = """
import random, sys, torch
sys.path.insert(0, sys.argv[1])
from test_apply import random_case, random_bitmask
from maskwright.torch import apply_token_bitmask_inplace, cuda, reference
rng = random.Random(0)
for _ in range(60):
    logits, bitmask, indices, vocab_size = random_case(rng)
    # Each in memory of its own, with nothing beside it.
    ours, words = logits.contiguous().cuda(), bitmask.contiguous().cuda()
    reference.apply(logits, bitmask, None if indices is None else torch.tensor(indices, dtype=torch.int64), vocab_size)
    apply_token_bitmask_inplace(ours, words, vocab_size=vocab_size, indices=indices)
    assert torch.equal(ours.cpu(), logits)
print("done", len(cuda._kernels))
"""
SANITIZER = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")


@only_cuda
@pytest.mark.skipif(SANITIZER is None, reason="needs compute-sanitizer, of the CUDA toolkit")
def test_the_sanitizer_finds_nothing():
    # What the bindings ask the driver for in vain is no error of ours. Without torch's cache each tensor is an allocation of the driver, so that a byte beside it is seen.
    done = subprocess.run(
        [SANITIZER, "--tool", "memcheck", "--report-api-errors", "no", "--error-exitcode", "9", sys.executable, "-c", SANITIZED, Path(__file__).parent],
        env={**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    if "Device not supported" in done.stdout:
        pytest.skip("compute-sanitizer does not know this device")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "done 3" in done.stdout
    assert "ERROR SUMMARY: 0 errors" in done.stdout
