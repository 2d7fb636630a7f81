"""What compilers keep: within a limit, counted."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

import maskwright as mw

TOKENS = [bytes([b]) for b in range(256)] + [b'": ', b'", "', b"abc", b"}}", b"12", b'{"', b"</s>"]


@pytest.fixture
def info():
    """A vocabulary of its own for each test: what is learned is kept with it."""
    return mw.TokenizerInfo(TOKENS)


def schema(number: int) -> dict:
    properties = {f"name{number}": {"type": "string", "maxLength": number + 1}, "other": {"type": "array", "items": {"type": "number"}}}
    return {"type": "object", "properties": properties, "required": [f"name{number}"]}


def text(number: int) -> bytes:
    return json.dumps({f"name{number}": "x", "other": [1, 2.5], "more": {"a": None}}).encode()


def masks(compiled: mw.CompiledGrammar, content: bytes) -> np.ndarray:
    """The mask before every byte of a text, and the one after it."""
    matcher = mw.GrammarMatcher(compiled)
    rows = mw.allocate_token_bitmask(len(content) + 1, len(TOKENS))
    for place, byte in enumerate(content):
        matcher.fill_next_token_bitmask(rows, place)
        assert matcher.accept_token(byte)
    matcher.fill_next_token_bitmask(rows, len(content))
    return rows


def gone(compiler: mw.GrammarCompiler) -> dict[str, int]:
    """The statistics when no grammar is left: a thread that has compiled one lets go of it shortly after."""
    deadline = time.monotonic() + 10
    while compiler.statistics()["grammars"] and time.monotonic() < deadline:
        time.sleep(0.01)
    return compiler.statistics()


def test_a_thousand_schemas_stay_within_the_limit(info):
    limit = 4 << 20
    compiler = mw.GrammarCompiler(info, cache_limit_bytes=limit)
    for number in range(1000):
        masks(compiler.compile_json_schema(schema(number)), text(number))
        # The last one was in use.
        assert compiler.get_cache_size_bytes() <= limit * 1.1
    statistics = compiler.statistics()
    assert statistics["bytes"] + statistics["shared_bytes"] <= limit * 1.1
    assert statistics["shared_bytes"] <= limit / 4
    assert statistics["evicted_grammars"] > 0
    assert statistics["grammars"] < 1000 == statistics["compile_misses"]


def test_matchers_go_on_when_masks_are_given_up(info):
    expected = [masks(mw.GrammarCompiler(info).compile_json_schema(schema(n)), text(n)) for n in range(30)]
    compiler = mw.GrammarCompiler(info, cache_limit_bytes=1 << 20)
    held = [compiler.compile_json_schema(schema(n)) for n in range(30)]
    matchers = [mw.GrammarMatcher(compiled) for compiled in held]
    bitmask = mw.allocate_token_bitmask(1, len(TOKENS))
    longest = max(len(text(n)) for n in range(30))
    for place in range(longest + 1):
        for n, matcher in enumerate(matchers):
            content = text(n)
            if place <= len(content):
                matcher.fill_next_token_bitmask(bitmask)
                assert (bitmask[0] == expected[n][place]).all()
            if place < len(content):
                assert matcher.accept_token(content[place])
    assert all(matcher.is_completed() for matcher in matchers)
    assert compiler.statistics()["evictions"] > 0


def test_what_is_in_use_is_found_again_even_past_the_limit(info):
    compiler = mw.GrammarCompiler(info, cache_limit_bytes=1)
    compiled = compiler.compile_json_schema(schema(1))
    compiler.compile_json_schema(schema(1))
    assert compiler.statistics()["compile_hits"] == 1
    del compiled
    assert gone(compiler)["grammars"] == 0
    compiler.compile_json_schema(schema(1))
    assert compiler.statistics()["compile_misses"] == 2


def test_a_compiler_without_cache_bounds_what_is_learned(info):
    compiler = mw.GrammarCompiler(info, cache_enabled=False, cache_limit_bytes=1 << 20)
    held = [compiler.compile_json_schema(schema(n)) for n in range(40)]
    for n, compiled in enumerate(held):
        masks(compiled, text(n))
    assert compiler.statistics()["evictions"] > 0
    assert compiler.get_cache_size_bytes() == 0
    assert compiler.statistics()["grammars"] == 40


def test_statistics_count(info):
    compiler = mw.GrammarCompiler(info)
    compiled = compiler.compile_json_schema(schema(3))
    rows = len(masks(compiled, text(3)))
    cold = compiled.statistics()
    assert cold["hits"] + cold["misses"] == rows
    assert cold["learning_ns"] > 0
    assert cold["mask_bytes"] > 0
    masks(compiled, text(3))
    warm = compiled.statistics()
    assert warm["hits"] == cold["hits"] + rows
    assert warm["misses"] == cold["misses"]
    assert warm["saved_ns"] > cold["saved_ns"]
    whole = compiler.statistics()
    assert {name: whole[name] for name in warm} == warm
    assert whole["compile_misses"] == whole["grammars"] == 1
    # What a grammar had counted outlives it; what it held does not.
    del compiled
    compiler.clear_cache()
    last = gone(compiler)
    assert last["hits"] == warm["hits"]
    assert last["mask_bytes"] == last["states"] == last["bytes"] == 0
