"""What compilers keep: within a limit, counted."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

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


# Precomputing


SMALL = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "kind": {"enum": ["one", "two"]}, "sizes": {"items": {"type": "integer"}}},
    "required": ["name", "kind"],
    "additionalProperties": False,
}
#: Each key may be in each: more places than anyone waits for.
ENDLESS = {"properties": {f"key{number}": {"$ref": "#"} for number in range(40)}}
DOCUMENT = json.dumps({"name": "a name of some", "kind": "two", "sizes": [1, 20, 300]}).encode()


@pytest.mark.parametrize("threads", [1, 3, None])
def test_nothing_is_missed_after_precomputing(info, threads):
    expected = masks(mw.GrammarCompiler(mw.TokenizerInfo(TOKENS)).compile_json_schema(SMALL), DOCUMENT)
    compiled = mw.GrammarCompiler(info).compile_json_schema(SMALL)
    seen = []
    assert compiled.precompute(max_threads=threads, timeout=60, progress=lambda done, left: seen.append((done, left)))
    assert seen[-1][0] > 50
    assert seen[-1][1] == 0
    assert seen == sorted(seen, key=lambda entry: entry[0])
    before = compiled.statistics()
    assert (masks(compiled, DOCUMENT) == expected).all()
    assert compiled.statistics()["misses"] == before["misses"] == 0
    assert compiled.precompute(max_threads=threads), "a second time there is nothing to learn"
    assert compiled.statistics()["masks"] == before["masks"]


def test_precomputing_ends_at_its_bounds(info):
    compiled = mw.GrammarCompiler(info).compile_json_schema(ENDLESS)
    start = time.monotonic()
    assert not compiled.precompute(timeout=0.2, max_places=10**9, max_threads=2)
    assert time.monotonic() - start < 5
    assert not mw.GrammarCompiler(info).compile_json_schema(ENDLESS).precompute(max_places=10)
    for wrong in ({"timeout": 0}, {"max_threads": 0}):
        with pytest.raises(ValueError, match="must be"):
            compiled.precompute(**wrong)


def test_precomputing_is_stopped_by_its_caller(info):
    compiled = mw.GrammarCompiler(info).compile_json_schema(ENDLESS)
    assert not compiled.precompute(max_places=10**9, progress=lambda *_: False)

    def fail(done, left):
        raise KeyError(done)

    with pytest.raises(KeyError):
        compiled.precompute(max_places=10**9, progress=fail)
    assert not [t for t in thread_names() if t.startswith("maskwright-prec")], "no thread is left"


def thread_names() -> list[str]:
    names = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:  # it has just ended
            continue
    return names


def test_other_threads_run_while_precomputing(info):
    compiled = mw.GrammarCompiler(info).compile_json_schema(ENDLESS)
    ended = threading.Event()

    def work():
        compiled.precompute(max_places=10**9, timeout=1)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    rounds = 0
    while not ended.is_set():
        masks(compiled, DOCUMENT)
        rounds += 1
    thread.join()
    assert rounds > 1


def test_a_compiler_precomputes_in_the_background_if_asked(info):
    compiler = mw.GrammarCompiler(info, precompute=True, precompute_timeout=60, max_threads=2)
    compiled = compiler.compile_json_schema(SMALL)
    deadline = time.monotonic() + 60

    def going(compiled) -> bool:
        # A thread has its name shortly after it was made.
        return not compiled.statistics()["masks"] or any(name.startswith("maskwright-prec") for name in thread_names())

    while going(compiled) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (masks(compiled, DOCUMENT) == masks(mw.GrammarCompiler(mw.TokenizerInfo(TOKENS)).compile_json_schema(SMALL), DOCUMENT)).all()
    assert compiled.statistics()["misses"] == 0
    # One that recurses is stopped by the end of its compiler.
    compiler.compile_json_schema(ENDLESS)
    del compiler, compiled
    while any(name.startswith("maskwright-prec") for name in thread_names()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(ValueError, match="timeout"):
        mw.GrammarCompiler(info, precompute=True, precompute_timeout=-1)


def test_without_precomputing_nothing_runs_when_idle(info):
    compiler = mw.GrammarCompiler(info)
    masks(compiler.compile_json_schema(SMALL), DOCUMENT)
    time.sleep(0.1)
    used = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - used < 0.05


# Saving and loading


GRAMMAR = 'root ::= sum  sum ::= part (" + " part)*  part ::= [a-z]+ | "(" sum ")"'
FORMULA = b"a + (bc + (d)) + ef"

WARM = """
import sys
import maskwright as mw
sys.path.insert(0, sys.argv[1])
from test_store import GRAMMAR, FORMULA, TOKENS, masks
compiler = mw.GrammarCompiler(mw.TokenizerInfo(TOKENS))
print(compiler.load_cache(sys.argv[2]))
compiled = compiler.compile_grammar(GRAMMAR)
print(masks(compiled, FORMULA).tobytes().hex())
statistics = compiled.statistics()
print(statistics["masks"], statistics["resolved"])
"""


def test_another_process_starts_warm(info, tmp_path):
    compiler = mw.GrammarCompiler(info)
    compiled = compiler.compile_grammar(GRAMMAR)
    expected = masks(compiled, FORMULA)
    path = tmp_path / "masks.bin"
    path.write_bytes(b"what was there before")
    count = compiler.save_cache(path)
    assert count > 10
    assert [entry.name for entry in tmp_path.iterdir()] == ["masks.bin"]
    script = tmp_path / "warm.py"
    script.write_text(WARM)
    arguments = [sys.executable, str(script), str(Path(__file__).parent), str(path)]
    out = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == str(count)
    assert bytes.fromhex(out[1]) == expected.tobytes()
    assert out[2:] == ["0", "0"], "nothing was computed"


def test_strings_and_numbers_of_schemas_start_warm(info, tmp_path):
    compiler = mw.GrammarCompiler(info)
    expected = masks(compiler.compile_json_schema(SMALL), DOCUMENT)
    compiler.save_cache(str(tmp_path / "masks"))
    other = mw.GrammarCompiler(mw.TokenizerInfo(TOKENS))
    other.load_cache(str(tmp_path / "masks"))
    compiled = other.compile_json_schema(SMALL)
    assert (masks(compiled, DOCUMENT) == expected).all()
    assert compiled.statistics()["shared"] > 0


def test_other_files_are_refused(info, tmp_path):
    compiler = mw.GrammarCompiler(info)
    masks(compiler.compile_grammar(GRAMMAR), FORMULA)
    path = tmp_path / "masks"
    compiler.save_cache(path)
    content = path.read_bytes()
    another = mw.GrammarCompiler(mw.TokenizerInfo([*TOKENS[:-1], b"more", b"</s>"]))
    with pytest.raises(mw.CacheFileError, match="another tokenizer"):
        another.load_cache(path)
    damaged = [b"", b"nothing of the kind", content[:-1], content[: len(content) // 2], content + b"x"]
    damaged += [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(0, len(content), len(content) // 50)]
    for wrong in damaged:
        path.write_bytes(wrong)
        with pytest.raises(mw.CacheFileError):
            compiler.load_cache(path)
    with pytest.raises(FileNotFoundError):
        compiler.load_cache(tmp_path / "none")
    with pytest.raises(OSError, match="directory"):
        compiler.save_cache(tmp_path / "none" / "masks")


def test_what_is_loaded_keeps_to_the_limit(info, tmp_path):
    compiler = mw.GrammarCompiler(info)
    for number in range(50):
        masks(compiler.compile_regex(f"[a-z]{{2,{number + 3}}}(xy)?"), b"abxy"[: 4 - number % 2])
    compiler.save_cache(tmp_path / "masks")
    small = mw.GrammarCompiler(mw.TokenizerInfo(TOKENS), cache_limit_bytes=40_000)
    small.load_cache(tmp_path / "masks")
    assert small.statistics()["shared_bytes"] <= 10_000


def test_the_first_compiler_of_a_tokenizer_learns_what_every_schema_uses(info):
    assert mw.GrammarCompiler(info, cache_enabled=False).statistics()["shared_entries"] == 0
    assert mw.GrammarCompiler(info).statistics()["shared_entries"] > 20
    compiled = mw.GrammarCompiler(info).compile_json_schema(schema(3))
    primed = masks(compiled, text(3))
    alone = mw.GrammarCompiler(mw.TokenizerInfo(TOKENS), cache_enabled=False).compile_json_schema(schema(3))
    assert (primed == masks(alone, text(3))).all()
    assert compiled.statistics()["masks"] < alone.statistics()["masks"]
    little = mw.GrammarCompiler(mw.TokenizerInfo(TOKENS), cache_limit_bytes=1 << 20)
    assert little.statistics()["shared_entries"] == 0
