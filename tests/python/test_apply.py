"""Masks on logits: the loops of the CPU and torch's own operators against what applying means, layouts, refusals, compiled code."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import threading

import numpy as np
import pytest
import torch

import maskwright as mw
from maskwright.torch import apply_token_bitmask_inplace, reference
from maskwright.torch import operator as ops

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
NUMPY = {torch.float32: np.float32, torch.float16: np.float16, torch.float64: np.float64}


def random_bitmask(rng: random.Random, rows: int, words: int) -> torch.Tensor:
    """Words of which runs allow everything or nothing, as those of masks do."""
    out: list[int] = []
    while len(out) < rows * words:
        kind = rng.randrange(4)
        word = {0: 0, 1: -1}.get(kind)
        out += [word if word is not None else rng.getrandbits(32) - (1 << 31) for _ in range(rng.randint(1, 20))]
    return torch.tensor(out[: rows * words], dtype=torch.int32).view(rows, words)


def expected(logits: torch.Tensor, bitmask: torch.Tensor, indices: list[int] | None, vocab_size: int | None) -> torch.Tensor:
    """One token after the other; shares nothing with what is tested."""
    out = logits.clone()
    rows, words = (out if out.dim() == 2 else out[None]), (bitmask if bitmask.dim() == 2 else bitmask[None]).tolist()
    for row in range(rows.shape[0]) if indices is None else indices:
        allowed = [words[row][token // 32] >> (token % 32) & 1 for token in range(rows.shape[1] if vocab_size is None else vocab_size)]
        rows[row, torch.tensor([token for token, bit in enumerate(allowed) if not bit], dtype=torch.long)] = float("-inf")
    return out


def bits_of(tensor: torch.Tensor) -> torch.Tensor:
    """So that NaN equals itself and zeros keep their signs."""
    return tensor.contiguous().view({2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()])


def random_case(rng: random.Random) -> tuple[torch.Tensor, torch.Tensor, list[int] | None, int | None]:
    """Logits that are part of a larger tensor, and what to do with them."""
    rows, columns = rng.randint(1, 5), rng.choice([1, 31, 32, 33, 255, 256, 257, rng.randint(1, 700), rng.randint(1, 3000)])
    dtype = rng.choice(DTYPES)
    offset, gap = rng.choice([0, 0, 1, 7]), rng.choice([0, 0, 1, 8, 33])
    storage = torch.randn(offset + rows * (columns + gap) + 16, dtype=torch.float64).to(dtype)
    logits = storage.as_strided((rows, columns), (columns + gap, 1), offset)
    vocab_size = rng.choice([None, None, columns, rng.randint(0, columns)])
    needed = -(-(columns if vocab_size is None else vocab_size) // 32)
    bitmask = random_bitmask(rng, rows + 1, needed + rng.choice([0, 0, 1, 5]))
    indices = rng.choice([None, rng.sample(range(rows), rng.randint(0, rows)), [0, 0]])
    bitmask = bitmask[:rows] if indices is None else bitmask
    if rows == 1 and rng.random() < 0.3:
        logits, bitmask = logits[0], bitmask[0]
    return logits, bitmask, indices, vocab_size


def storage_of(logits: torch.Tensor) -> torch.Tensor:
    return torch.tensor([], dtype=logits.dtype, device=logits.device).set_(logits.untyped_storage())


@pytest.mark.parametrize("seed", range(8))
def test_every_way_equals_what_applying_means(seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    for _ in range(60):
        logits, bitmask, indices, vocab_size = random_case(rng)
        right = bits_of(expected(logits, bitmask, indices, vocab_size))
        before = storage_of(logits).clone()
        places = torch.arange(before.numel()).as_strided(logits.shape, logits.stride(), logits.storage_offset())
        chosen = None if indices is None else torch.tensor(indices, dtype=rng.choice([torch.int32, torch.int64]))

        def again(before=before, logits=logits):
            return before.clone().as_strided(logits.shape, logits.stride(), logits.storage_offset())

        ours, theirs = again(), again()
        apply_token_bitmask_inplace(ours, bitmask, vocab_size=vocab_size, indices=rng.choice([indices, chosen]))
        reference.apply(theirs, bitmask, chosen, vocab_size)
        assert torch.equal(bits_of(ours), right)
        assert torch.equal(bits_of(theirs), right)
        # Nothing beside the logits has changed.
        rest = torch.ones(before.numel(), dtype=torch.bool)
        rest[places.flatten()] = False
        assert torch.equal(bits_of(storage_of(ours))[rest], bits_of(before)[rest])
        if logits.dtype in NUMPY:
            array = again()
            mw.apply_token_bitmask_inplace(array.numpy(), bitmask.numpy(), vocab_size=vocab_size, indices=indices)
            assert torch.equal(bits_of(array), right)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_much_work_is_shared_by_threads_and_leaves_the_interpreter(dtype):
    logits = torch.randn(70, 32 * 1300).to(dtype)
    bitmask = random_bitmask(random.Random(1), 70, 1300)
    right, ours = logits.clone(), logits.clone()
    reference.apply(right, bitmask, None, None)
    threads = [threading.Thread(target=apply_token_bitmask_inplace, args=(logits.clone(), bitmask)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for count in (1, 3):
        mw._core._apply_token_bitmask(ours, ops.MINUS_INFINITY[dtype], bitmask, threads=count)
        assert torch.equal(bits_of(ours), bits_of(right))
        ours = logits.clone()
    mw._core._apply_token_bitmask(ours, ops.MINUS_INFINITY[dtype], bitmask, indices=[*range(69), 3, 3])
    assert torch.equal(bits_of(ours[:69]), bits_of(right[:69]))
    assert torch.equal(bits_of(ours[69]), bits_of(logits[69]))
    for thread in threads:
        thread.join()


def test_layouts_that_no_loop_knows():
    bitmask = random_bitmask(random.Random(2), 3, 3)
    for logits in (torch.randn(70, 3).t(), torch.randn(3, 140)[:, ::2], torch.randn(3, 70).to(torch.float8_e5m2).to(torch.float32)):
        right = expected(logits, bitmask, None, None)
        apply_token_bitmask_inplace(logits, bitmask)
        assert torch.equal(logits, right)
    logits = torch.randn(3, 70)
    right = expected(logits, bitmask, None, None)
    apply_token_bitmask_inplace(logits, bitmask.t().contiguous().t())
    assert torch.equal(logits, right)


def test_numpy_rows_in_any_order_and_mixed_with_tensors():
    bitmask = random_bitmask(random.Random(3), 4, 3)
    logits = torch.randn(4, 90)
    right = expected(logits, bitmask, None, None)
    for turned, mask in itertools.product((False, True), (bitmask, bitmask.numpy())):
        array = logits.numpy().copy()
        view = array[::-1] if turned else array
        flipped = bitmask.flip(0) if turned else mask
        mw.apply_token_bitmask_inplace(view, flipped)
        assert np.array_equal(array, right.numpy())
    tensor = logits.clone()
    mw.apply_token_bitmask_inplace(tensor, bitmask.numpy(), indices=np.array([1, 2]))
    assert torch.equal(tensor, expected(logits, bitmask, [1, 2], None))


def test_a_bitmask_that_is_read_only():
    bitmask = random_bitmask(random.Random(5), 2, 2)
    frozen = bitmask.numpy().copy()
    frozen.flags.writeable = False
    logits = torch.randn(2, 64)
    right = expected(logits, bitmask, [1], None)
    apply_token_bitmask_inplace(logits, frozen, indices=np.array([1]))
    assert torch.equal(logits, right)


def test_a_matcher_s_mask_leaves_what_it_allows(compiler, tiny):
    matcher = mw.GrammarMatcher(compiler.compile_regex("[ab]+c"))
    bitmask = mw.allocate_token_bitmask(1, tiny.vocab_size)
    matcher.fill_next_token_bitmask(bitmask)
    logits = np.zeros((1, tiny.vocab_size), np.float32)
    mw.apply_token_bitmask_inplace(logits, bitmask)
    assert set(np.flatnonzero(logits[0] == 0)) == set(np.flatnonzero(mw.bitmask_to_bool_mask(bitmask, tiny.vocab_size)[0]))


LOGITS = torch.randn(3, 64)
BITMASK = torch.zeros(3, 3, dtype=torch.int32)
WRONG = {
    "the bitmask has 3 words per row, enough for 96 tokens, but 97 are asked for": (torch.zeros(3, 97), BITMASK, {}),
    "vocab_size is 65, but the logits have 64 columns": (LOGITS, BITMASK, {"vocab_size": 65}),
    "vocab_size is -1, but the logits have 64 columns": (LOGITS, BITMASK, {"vocab_size": -1}),
    "3 rows of logits, but 2 of the bitmask": (LOGITS, BITMASK[:2], {}),
    "row 3 is asked for, but logits and bitmask have 3 in common": (LOGITS, BITMASK, {"indices": [0, 3]}),
    "row -1 is asked for": (LOGITS, BITMASK, {"indices": [-1]}),
    "the bitmask must have dtype int32": (LOGITS, BITMASK.long(), {}),
    "the logits must have 1 or 2 dimensions, got 3": (LOGITS[None], BITMASK, {}),
    "the bitmask must have 1 or 2 dimensions, got 3": (LOGITS, BITMASK[None], {}),
    "the logits must be floats": (LOGITS.int(), BITMASK, {}),
    "the rows of the logits share memory": (LOGITS[:1].expand(3, 64), BITMASK, {}),
    "the logits and the bitmask share memory": (BITMASK.view(torch.float32), BITMASK, {}),
    "a numpy array or a torch tensor, got list": (LOGITS, [[0, 0]], {}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_refused_and_changes_nothing(message):
    logits, bitmask, options = WRONG[message]
    before = logits.clone()
    with pytest.raises(ValueError, match=message) as caught:
        apply_token_bitmask_inplace(logits, bitmask, **options)
    assert isinstance(caught.value, mw.BitmaskError)
    if message != "the rows of the logits share memory":
        with pytest.raises(mw.BitmaskError):
            mw.apply_token_bitmask_inplace(logits.numpy(), bitmask.numpy() if isinstance(bitmask, torch.Tensor) else bitmask, **options)
    assert torch.equal(logits, before)


def test_arrays_of_another_kind_are_refused():
    bitmask = np.zeros((1, 2), np.int32)
    frozen = np.zeros((1, 64), np.float32)
    frozen.flags.writeable = False
    for logits, message in (
        (frozen, "read-only"),
        (np.zeros((1, 64), ">f4"), "byte order"),
        (np.zeros((1, 64), np.longdouble), "floats of 16, 32 or 64 bits"),
        (np.zeros((64, 1), np.float32).T[:, ::2], "side by side"),
        ([0.0], "numpy array or a torch tensor"),
    ):
        with pytest.raises(mw.BitmaskError, match=message):
            mw.apply_token_bitmask_inplace(logits, bitmask)


def test_other_devices_are_told_apart():
    meta = torch.zeros(1, 64, device="meta")
    with pytest.raises(mw.BitmaskError, match="the logits are on meta, but the bitmask is on cpu"):
        ops.apply(meta, torch.zeros(1, 2, dtype=torch.int32), None, None)


CASES = {
    "plain": (None, None),
    "indices": (torch.tensor([2, 0], dtype=torch.int32), None),
    "both": (torch.tensor([1]), 40),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_opcheck(case, dtype):
    indices, vocab_size = CASES[case]
    arguments = (torch.randn(3, 70).to(dtype), random_bitmask(random.Random(4), 3, 3), indices, vocab_size)
    torch.library.opcheck(ops.apply, arguments)


BACKENDS = ["eager", "aot_eager", *(["inductor"] if shutil.which("g++") else [])]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled_code_gives_the_same(backend, dynamic):
    def step(logits, bitmask, indices):
        scaled = logits * 2
        apply_token_bitmask_inplace(scaled, bitmask, vocab_size=70, indices=indices)
        apply_token_bitmask_inplace(logits, bitmask)
        return scaled.softmax(-1)

    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend=backend, dynamic=dynamic)
    for rows, indices in ((3, [0, 2]), (4, torch.tensor([1, 2])), (5, None)):
        logits, bitmask = torch.randn(rows, 80), random_bitmask(random.Random(rows), rows, 3)
        # Something is left in every row.
        bitmask[:, 0] |= 1
        ours = logits.clone()
        torch.testing.assert_close(compiled(ours, bitmask, indices), step(logits, bitmask, indices))
        assert torch.equal(ours, logits)


def test_a_device_without_a_kernel_warns_once():
    logits, bitmask = torch.zeros(1, 64), torch.zeros(1, 2, dtype=torch.int32)
    ops._warned.discard("for this test")
    with pytest.warns(RuntimeWarning, match="for this test"):
        ops.fall_back("for this test", logits, bitmask, None, None)
    ops.fall_back("for this test", logits, bitmask, None, None)
    assert torch.isneginf(logits).all()


def test_a_tracer_sees_the_operator():
    from torch.fx.experimental.proxy_tensor import make_fx

    def step(logits, bitmask):
        apply_token_bitmask_inplace(logits, bitmask)
        return logits

    graph = make_fx(step)(torch.zeros(2, 64), torch.zeros(2, 2, dtype=torch.int32))
    assert "maskwright.apply_token_bitmask_inplace" in graph.code


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_has_threads_of_its_own():
    logits, bitmask = np.zeros((64, 32 * 1024), np.float32), np.zeros((64, 1024), np.int32)
    mw.apply_token_bitmask_inplace(logits, bitmask)
    child = os.fork()
    if child == 0:
        logits[:] = 0
        mw.apply_token_bitmask_inplace(logits, bitmask)
        os._exit(0 if np.isneginf(logits).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_whatever_the_default_device_is(compiler, tiny):
    logits, bitmask = torch.randn(3, tiny.vocab_size), random_bitmask(random.Random(6), 3, 10)
    right = expected(logits, bitmask, [2, 0], None)
    matcher = mw.GrammarMatcher(compiler.compile_regex("[ab]+c"))
    with torch.device("meta"):
        apply_token_bitmask_inplace(logits, bitmask, indices=[2, 0])
        scattered = torch.randn(70, 3, device="cpu").t()
        apply_token_bitmask_inplace(scattered, bitmask, indices=[1])
        matcher.fill_next_token_bitmask(mw.allocate_token_bitmask(1, tiny.vocab_size))
    assert torch.equal(logits, right)
