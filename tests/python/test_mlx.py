"""Masks on MLX's logits against numpy's; only where MLX is installed (``pip install 'mlx[cpu]'`` does on Linux)."""

from __future__ import annotations

import random

import numpy as np
import pytest

import maskwright as mw

mx = pytest.importorskip("mlx.core", reason="needs mlx")

from maskwright.mlx import apply_token_bitmask  # noqa: E402


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_it_equals_what_numpy_gives(dtype):
    rng = random.Random(0)
    noise = np.random.default_rng(0)
    for _ in range(100):
        rows, columns = rng.randint(1, 4), rng.randint(1, 300)
        logits = noise.integers(-100, 100, (rows, columns)).astype(np.float32)
        vocab_size = rng.choice([None, rng.randint(0, columns)])
        indices = rng.choice([None, rng.sample(range(rows), rng.randint(0, rows)), [0, 0]])
        more = 0 if indices is None else rng.choice([0, 1])
        bitmask = noise.integers(-(2**31), 2**31, (rows + more, -(-columns // 32) + rng.choice([0, 1]))).astype(np.int32)
        right = logits.copy()
        mw.apply_token_bitmask_inplace(right, bitmask, vocab_size=vocab_size, indices=indices)
        given = rng.choice([bitmask, mx.array(bitmask)])
        ours = apply_token_bitmask(mx.array(logits).astype(getattr(mx, dtype)), given, vocab_size=vocab_size, indices=indices)
        assert ours.dtype == getattr(mx, dtype)
        assert np.array_equal(np.array(ours.astype(mx.float32)), right)


def test_fewer_masks_than_logits_and_one_row():
    logits = mx.zeros((3, 40))
    ours = apply_token_bitmask(logits, np.zeros((1, 2), np.int32), indices=[0])
    assert np.isneginf(np.array(ours)).sum(axis=1).tolist() == [40, 0, 0]
    assert np.isneginf(np.array(apply_token_bitmask(logits[0], np.array([-2, -1], np.int32)))).tolist() == [True] + [False] * 39


@pytest.mark.parametrize(
    ("message", "bitmask", "options"),
    [
        ("enough for 32 tokens", np.zeros((2, 1), np.int32), {}),
        ("vocab_size is 41", np.zeros((2, 2), np.int32), {"vocab_size": 41}),
        ("2 rows of logits, but 1", np.zeros((1, 2), np.int32), {}),
        ("row 2 is asked for", np.zeros((2, 2), np.int32), {"indices": [2]}),
        ("row -1 is asked for", np.zeros((2, 2), np.int32), {"indices": [0, -1]}),
        ("dtype int32", np.zeros((2, 2), np.int64), {}),
        ("1 or 2 dimensions, got 3", np.zeros((1, 2, 2), np.int32), {}),
    ],
)
def test_what_is_wrong_is_refused(message, bitmask, options):
    with pytest.raises(mw.BitmaskError, match=message):
        apply_token_bitmask(mx.zeros((2, 40)), bitmask, **options)
