"""One compiled grammar, many threads: the same masks, no lock held across them, and compiles that are done once."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import oracle
import pytest
from conftest import TINY, TINY_STOP
from samples import SCHEMAS

import maskwright

THREADS = 8


def trail(compiled, vocab_size, seed):
    """A seeded walk: the masks met on it."""
    rng = random.Random(seed)
    matcher = maskwright.GrammarMatcher(compiled)
    masks = []
    for _ in range(40):
        allowed = oracle.allowed_ids(matcher, vocab_size)
        masks.append(allowed.tobytes())
        assert matcher.accept_token(int(rng.choice(allowed)))
        if matcher.is_terminated():
            break
    return masks


@pytest.mark.parametrize("name", ["person", "open-object", "tree", "intersection"])
def test_threads_share_a_compiled_grammar(name):
    def fresh():
        info = maskwright.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP)
        return maskwright.GrammarCompiler(info).compile_json_schema(SCHEMAS[name])

    alone = fresh()
    expected = [trail(alone, 300, seed) for seed in range(THREADS)]
    shared = fresh()
    gate = threading.Barrier(THREADS)

    def work(seed):
        gate.wait()
        return [trail(shared, 300, (seed + i) % THREADS) for i in range(THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        for seed, masks in enumerate(pool.map(work, range(THREADS))):
            assert masks == [expected[(seed + i) % THREADS] for i in range(THREADS)]


def test_threads_share_a_compiler(tiny):
    compiler = maskwright.GrammarCompiler(tiny)
    gate = threading.Barrier(THREADS)

    def work(_):
        gate.wait()
        return [compiler.compile_json_schema(schema) for schema in SCHEMAS.values()]

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(work, range(THREADS)))
    for compiled in zip(*results, strict=True):
        assert len({str(c.grammar) for c in compiled}) == 1
        assert trail(compiled[0], 300, 1) == trail(compiled[-1], 300, 1)


def test_forks_in_threads_are_independent(tiny, compiler):
    compiled = compiler.compile_json_schema(SCHEMAS["tree"])
    matcher = maskwright.GrammarMatcher(compiled)
    assert matcher.accept_string('{"value":1,"children":[')
    before = oracle.allowed_ids(matcher, 300).tobytes()

    def work(seed):
        rng, fork = random.Random(seed), matcher.fork()
        for _ in range(50):
            if fork.is_terminated():
                break
            fork.accept_token(int(rng.choice(oracle.allowed_ids(fork, 300))))
        fork.rollback(fork.num_steps - 1)
        return oracle.allowed_ids(fork, 300).tobytes()

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(work, range(32))) == {before}
    assert oracle.allowed_ids(matcher, 300).tobytes() == before
