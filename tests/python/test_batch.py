"""Batches: the same as one by one, whatever the threads; errors leave every matcher as it was; forks of the process go on."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from conftest import TINY_STOP
from samples import SCHEMAS

import maskwright


@pytest.fixture(params=[1, 2, 5])
def batch(request):
    return maskwright.BatchGrammarMatcher(max_threads=request.param)


def walked(compiler, count):
    """Matchers at different places of several grammars, nothing learned yet."""
    fresh = maskwright.GrammarCompiler(compiler.tokenizer_info, cache_enabled=False)
    grammars = [fresh.compile_json_schema(schema) for schema in SCHEMAS.values()]
    grammars.append(fresh.compile_grammar('root ::= ("ab" | "{" root "}")*'))
    matchers = []
    for i in range(count):
        matcher = maskwright.GrammarMatcher(grammars[i % len(grammars)])
        matcher.accept_string("{"[: i % 2])
        matchers.append(matcher)
    return matchers


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40, 200])
def test_fills_as_one_by_one(compiler, batch, count):
    matchers = walked(compiler, count)
    expected = maskwright.allocate_token_bitmask(count, 300)
    restricts = [matcher.fork().fill_next_token_bitmask(expected, i) for i, matcher in enumerate(walked(compiler, count))]
    for _ in ("cold", "warm"):
        bitmask = maskwright.allocate_token_bitmask(count, 300)
        assert batch.batch_fill_next_token_bitmask(matchers, bitmask) == restricts
        assert (bitmask == expected).all()
    order = np.random.default_rng(count).permutation(count)
    shuffled = maskwright.allocate_token_bitmask(count + 2, 300)
    untouched = shuffled[count:].copy()
    batch.batch_fill_next_token_bitmask(matchers, shuffled, [int(i) for i in order])
    assert (shuffled[order] == expected).all()
    assert (shuffled[count:] == untouched).all()


def test_batches_close_behind_one_another(compiler, batch):
    """Of two callers, each with matchers and rows of its own: threads that linger for the next batch take part in the right one."""
    wrong = []

    def call(seed):
        rng = np.random.default_rng(seed)
        matchers = walked(compiler, 64)
        expected = maskwright.allocate_token_bitmask(64, 300)
        restricts = [matcher.fill_next_token_bitmask(expected, i) for i, matcher in enumerate(matchers)]
        for _ in range(300):
            count = int(rng.integers(8, 65))
            bitmask = maskwright.allocate_token_bitmask(64, 300)
            bitmask[:] = 0
            found = batch.batch_fill_next_token_bitmask(matchers[:count], bitmask)
            if found != restricts[:count] or (bitmask[:count] != expected[:count]).any() or bitmask[count:].any():
                wrong.append((seed, count))

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def test_fills_a_torch_tensor(compiler, batch):
    torch = pytest.importorskip("torch")
    matchers = walked(compiler, 12)
    expected = maskwright.allocate_token_bitmask(12, 300)
    batch.batch_fill_next_token_bitmask(matchers, expected)
    tensor = torch.zeros(expected.shape, dtype=torch.int32)
    batch.batch_fill_next_token_bitmask(matchers, tensor)
    assert (tensor.numpy() == expected).all()
    with pytest.raises(maskwright.BitmaskError, match="int32"):
        batch.batch_fill_next_token_bitmask(matchers, tensor.long())
    with pytest.raises(maskwright.BitmaskError, match="contiguous"):
        batch.batch_fill_next_token_bitmask(matchers, torch.zeros((expected.shape[1], 12), dtype=torch.int32).T)


def test_a_fill_in_the_background(compiler, batch):
    matchers = walked(compiler, 60)
    expected = maskwright.allocate_token_bitmask(60, 300)
    restricts = batch.batch_fill_next_token_bitmask([matcher.fork() for matcher in matchers], expected)
    bitmask = maskwright.allocate_token_bitmask(60, 300)
    fill = batch.start_fill(matchers, bitmask)
    assert fill.wait() == restricts
    assert fill.done()
    assert fill.wait() == restricts
    assert (bitmask == expected).all()
    assert matchers[0].accept_string("") in (True, False)
    # Dropping the handle waits, so that the array may go.
    del fill
    batch.start_fill(matchers, maskwright.allocate_token_bitmask(60, 300))
    assert [matcher.num_steps for matcher in matchers]
    assert batch.start_fill([], bitmask).wait() == []


def test_matchers_of_a_fill_are_busy(compiler):
    batch = maskwright.BatchGrammarMatcher(max_threads=2)
    first = maskwright.GrammarMatcher(compiler.compile_json_schema({"type": "array", "uniqueItems": True}))
    assert first.accept_string('["a","ab","b",1,12,')
    matchers = [first.fork() for _ in range(20_000)]
    last = matchers[-1]
    fill = batch.start_fill(matchers, maskwright.allocate_token_bitmask(len(matchers), 300))
    for refused in (lambda: last.accept_string("x"), lambda: batch.batch_accept_token([last], [0]) == [True]):
        try:
            assert not refused()
        except maskwright.MatcherBusy:
            continue
        # It was not busy any more.
        assert fill.done()
    fill.wait()
    assert last.accept_string("2")


def test_accepts_and_rolls_back(compiler, batch):
    matchers = walked(compiler, 100)
    before = maskwright.allocate_token_bitmask(100, 300)
    batch.batch_fill_next_token_bitmask(matchers, before)
    tokens = [ord('"')] * 50 + [ord("{")] * 30 + [TINY_STOP] * 10 + [-1, 299, 300, 1 << 40] + [ord("}")] * 6
    forks = [matcher.fork() for matcher in matchers]
    accepted = batch.batch_accept_token(matchers, tokens)
    assert accepted == [fork.accept_token(token) if 0 <= token < 300 else False for fork, token in zip(forks, tokens, strict=True)]
    assert True in accepted
    assert False in accepted
    steps = [int(a) for a in accepted]
    batch.batch_rollback(matchers, steps)
    after = maskwright.allocate_token_bitmask(100, 300)
    batch.batch_fill_next_token_bitmask(matchers, after)
    assert (before == after).all()
    texts = ['{"', b"ab", "", "\u00e9"] * 25
    forks = [matcher.fork() for matcher in matchers]
    assert batch.batch_accept_string(matchers, texts) == [fork.accept_string(text) for fork, text in zip(forks, texts, strict=True)]


def test_a_rollback_that_cannot_be_done_does_nothing(compiler, batch):
    a, b = walked(compiler, 4)[1::2]
    assert (a.num_steps, b.num_steps) == (1, 1)
    with pytest.raises(maskwright.RollbackError, match="place 1"):
        batch.batch_rollback([a, b], [1, 2])
    assert (a.num_steps, b.num_steps) == (1, 1)
    batch.batch_rollback([a, b])
    assert (a.num_steps, b.num_steps) == (0, 0)
    with pytest.raises(ValueError, match="at least 0"):
        batch.batch_rollback([a], -1)


def test_what_is_refused_leaves_every_matcher_free(compiler, batch):
    matchers = walked(compiler, 3)
    bitmask = maskwright.allocate_token_bitmask(3, 300)
    with pytest.raises(ValueError, match="twice"):
        batch.batch_fill_next_token_bitmask([matchers[0], matchers[1], matchers[0]], bitmask)
    with pytest.raises(ValueError, match="row 1 is asked for twice"):
        batch.batch_fill_next_token_bitmask(matchers, bitmask, [0, 1, 1])
    with pytest.raises(ValueError, match="3 matchers, but 2"):
        batch.batch_fill_next_token_bitmask(matchers, bitmask, [0, 1])
    with pytest.raises(maskwright.BitmaskError, match="row 3"):
        batch.batch_fill_next_token_bitmask(matchers, bitmask, [0, 1, 3])
    with pytest.raises(maskwright.BitmaskError, match="row -1"):
        batch.batch_fill_next_token_bitmask(matchers, bitmask, [0, 1, -1])
    with pytest.raises(maskwright.BitmaskError, match="words"):
        batch.batch_fill_next_token_bitmask(matchers, maskwright.allocate_token_bitmask(3, 3000))
    with pytest.raises(ValueError, match="3 matchers, but 1 tokens"):
        batch.batch_accept_token(matchers, [1])
    with pytest.raises(TypeError):
        batch.batch_accept_string(matchers, ["a", "b", 3])
    with pytest.raises(TypeError):
        batch.batch_fill_next_token_bitmask([None], bitmask)
    for matcher in matchers:
        matcher.fill_next_token_bitmask(bitmask)
    assert batch.batch_fill_next_token_bitmask([], bitmask) == []


def test_an_error_names_the_place_and_spares_the_others(tiny, batch):
    compiler = maskwright.GrammarCompiler(tiny, limits=maskwright.Limits(max_states=15))
    good = maskwright.GrammarMatcher(compiler.compile_grammar('root ::= "a"*'))
    # Each letter leads to a state of its own.
    bad = maskwright.GrammarMatcher(compiler.compile_grammar("root ::= " + " | ".join(f'"{chr(i)}" "{i}"' for i in range(97, 123))))
    bitmask = maskwright.allocate_token_bitmask(2, 300)
    with pytest.raises(maskwright.LimitExceeded, match="place 1 of the batch") as caught:
        batch.batch_fill_next_token_bitmask([good, bad], bitmask)
    assert caught.value.limit == "max_states"
    assert maskwright.bitmask_to_bool_mask(bitmask, 300)[0].nonzero()[0].tolist() == [ord("a"), TINY_STOP]
    assert not bitmask[1].any()


@pytest.mark.parametrize("threads", [0, -1, 2000, 1.5, "many", None])
def test_numbers_of_threads_that_are_none(threads):
    if threads is None:
        assert maskwright.BatchGrammarMatcher().max_threads == maskwright.BatchGrammarMatcher("auto").max_threads >= 1
        return
    with pytest.raises(ValueError, match="max_threads"):
        maskwright.BatchGrammarMatcher(threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_of_the_process_goes_on(compiler):
    """While other threads compute masks and compile: the child computes the same masks, with a pool of its own."""
    batch = maskwright.BatchGrammarMatcher(max_threads=3)
    fresh = maskwright.GrammarCompiler(compiler.tokenizer_info)
    expected = maskwright.allocate_token_bitmask(40, 300)
    batch.batch_fill_next_token_bitmask(walked(compiler, 40), expected)
    ended = threading.Event()

    def busy():
        number = 0
        while not ended.is_set():
            number += 1
            matcher = maskwright.GrammarMatcher(fresh.compile_json_schema({"const": number}))
            matcher.fill_next_token_bitmask(maskwright.allocate_token_bitmask(1, 300))
            batch.batch_fill_next_token_bitmask(walked(compiler, 12), maskwright.allocate_token_bitmask(12, 300))

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10):
            fill = batch.start_fill(walked(compiler, 40), maskwright.allocate_token_bitmask(40, 300))
            child = os.fork()
            if child == 0:
                # No assertions here: a child that raised would run the other tests.
                masks = maskwright.allocate_token_bitmask(40, 300)
                batch.batch_fill_next_token_bitmask(walked(compiler, 40), masks)
                fill.wait()
                compiled = fresh.compile_json_schema({"const": number})
                good = maskwright.GrammarMatcher(compiled).accept_string(str(number))
                os._exit(0 if good and (masks == expected).all() else 1)
            fill.wait()
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
    finally:
        ended.set()
        for thread in threads:
            thread.join()
