"""What hard cases cost (`hard_cases.py`): compiling, cold masks, warm masks; and whether that is what was asked.

Every round of a case runs in a process forked for it, in which nothing has been learned; a figure is the best of the rounds for each
mask, in CPU time. *Cold* is a mask that had something to learn, with the acceptance that led to it; *warm* the same text again, also as a
multiple of copying a mask right then. Every text must be accepted to its end and every wrong one refused, and the masks must say of sampled
tokens what accepting them says, or the bench fails.

    hard.py [--tokenizer llama3|qwen|PATH] [--only PART] [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from hard_cases import Case, cases
from isolating import forked, warm_process
from measuring import Stopwatch, best, copying, machine, mean
from vocabularies import load

import maskwright as mw

#: What is asked.
WARM_COPIES, COLD_MEAN, COLD_WORST, COMPILE = 10.0, 100.0, 1000.0, 2.0


def compiled(case: Case, compiler: mw.GrammarCompiler) -> mw.CompiledGrammar:
    if case.kind == "schema":
        return compiler.compile_json_schema(case.source, **case.options)
    return compiler.compile_regex(case.source) if case.kind == "regex" else compiler.compile_grammar(case.source)


def learned(statistics: dict[str, int]) -> int:
    """Grows with every mask that could not be looked up."""
    return statistics["misses"]


def check(case: Case, grammar: mw.CompiledGrammar, ids: list[list[int]], info: mw.TokenizerInfo) -> None:
    """Masks say what accepting says; wrong texts are refused."""
    chance = random.Random(1)
    row = mw.allocate_token_bitmask(1, info.vocab_size)
    for tokens in ids:
        matcher = mw.GrammarMatcher(grammar)
        for place, token in enumerate(tokens):
            if place < 3 or chance.random() < 12 / len(tokens):
                matcher.fill_next_token_bitmask(row)
                allowed = mw.bitmask_to_bool_mask(row, info.vocab_size)[0]
                some = allowed.nonzero()[0]
                sample = chance.sample(range(info.vocab_size), 40) + [int(some[chance.randrange(len(some))]) for _ in range(40)]
                for other in sample:
                    if matcher.fork().accept_token(other) != allowed[other]:
                        raise AssertionError(f"the mask after {place} tokens and acceptance disagree on token {other}")
            assert matcher.accept_token(token)
    for text in case.refused:
        matcher = mw.GrammarMatcher(grammar)
        assert not (matcher.accept_string(text) and matcher.is_completed()), f"accepts {text[:60]!r}"


def run(case: Case, ids: list[list[int]], info: mw.TokenizerInfo, last: bool) -> dict[str, Any]:
    """One round: times of compiling and of every mask; in the last, of warm masks as well."""
    warm_process()
    row = mw.allocate_token_bitmask(1, info.vocab_size)
    flat = np.asarray(row).reshape(-1)
    flat[:] = 0
    # The first compiler of a tokenizer learns what all schemas use: once for a process, not for a grammar.
    compiler = mw.GrammarCompiler(info, max_threads=1)
    # Compiling has a thread of its own, which can be interrupted.
    watch = Stopwatch(threads=True)
    watch.start()
    grammar = compiled(case, compiler)
    compile_time = watch.stop()
    watch = Stopwatch()
    cold: list[float] = []
    new: list[bool] = []
    for tokens in ids:
        watch.start()
        matcher = mw.GrammarMatcher(grammar)
        lead = watch.stop()
        for place, token in enumerate(tokens):
            before = learned(grammar.statistics())
            watch.start()
            matcher.fill_next_token_bitmask(row)
            cold.append(watch.stop() + lead)
            new.append(learned(grammar.statistics()) > before)
            assert flat[token >> 5] >> (token & 31) & 1, f"refuses its text after {place} of {len(tokens)} tokens"
            watch.start()
            accepted = matcher.accept_token(token)
            lead = watch.stop()
            assert accepted, f"allows token {place} and refuses it"
        assert matcher.is_completed(), "does not let its text end"
    found: dict[str, Any] = {"compile": compile_time / 1e3, "cold": cold, "new": new}
    if last:
        found["copy"] = copying(len(flat))
        found["warm"] = []
        for tokens in ids:
            matcher = mw.GrammarMatcher(grammar)
            for token in tokens:
                found["warm"].append(best(lambda matcher=matcher: matcher.fill_next_token_bitmask(row), inner=10, turns=3))
                matcher.accept_token(token)
        found["full walks"] = grammar.statistics()["full_walks"]
        found["bytes"] = grammar.memory_size_bytes
        check(case, grammar, ids, info)
    return found


def measure(case: Case, ids: list[list[int]], info: mw.TokenizerInfo, rounds: int) -> dict[str, Any]:
    """The best of some rounds."""
    turns = []
    for turn in range(rounds):
        answer = forked(lambda last=turn == rounds - 1: run(case, ids, info, last))
        if "failed" in answer:
            return answer
        turns.append(answer["done"])
    every = [min(times) for times in zip(*(turn["cold"] for turn in turns), strict=True)]
    cold = [time for time, new in zip(every, turns[-1]["new"], strict=True) if new]
    warm = turns[-1]["warm"]
    return {
        "compile ms": min(turn["compile"] for turn in turns),
        "tokens": len(every),
        "cold masks": len(cold),
        "cold mean": mean(cold),
        "cold worst": max(cold),
        "worst at": every.index(max(cold)),
        "first pass mean": mean(every),
        "copy": turns[-1]["copy"],
        "copies": mean(warm) / turns[-1]["copy"],
        "warm mean": mean(warm),
        "warm worst": max(warm),
        "full walks": turns[-1]["full walks"],
        "KiB": turns[-1]["bytes"] / 1024,
    }


def verdicts(row: dict[str, Any]) -> list[str]:
    """What is not as asked."""
    missed = []
    if row["compile ms"] > COMPILE:
        missed.append("compile")
    if row["cold mean"] > COLD_MEAN:
        missed.append("cold")
    if row["cold worst"] > COLD_WORST:
        missed.append("worst")
    if row["copies"] > WARM_COPIES:
        missed.append("warm")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--only", default="", help="cases whose group or name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every figure")
    options = parser.parse_args()
    vocabulary = load(options.tokenizer)
    info = vocabulary.info()
    print(f"{machine()}; {vocabulary.name}, {info.vocab_size:,} tokens; CPU time")
    print(f"asked: compile ≤ {COMPILE:g} ms, cold mean ≤ {COLD_MEAN:g} µs and worst ≤ {COLD_WORST:g} µs, warm ≤ {WARM_COPIES:g} copies\n")
    print(f"{'case':<54}{'compile':>9}{'tokens':>7}{'cold':>5}{'mean':>9}{'worst':>9}{'warm':>8}{'worst':>7}{'copies':>7}  as asked?")
    print(f"{'':<54}{'ms':>9}{'':>7}{'':>5}{'µs':>9}{'µs':>9}{'µs':>8}{'µs':>7}{'':>7}")
    rows, failed, group_before = [], 0, ""
    for group, case in cases():
        if options.only and options.only not in group and options.only not in case.name:
            continue
        if group != group_before:
            print(f"-- {group}")
            group_before = group
        ids = [vocabulary.encode(text) for text in case.texts]
        row = measure(case, ids, info, options.rounds)
        rows.append({"case": case.name, "group": group} | row)
        if "failed" in row:
            failed += 1
            print(f"{case.name:<54} FAILED: {row['failed']}", flush=True)
            continue
        missed = verdicts(row)
        rows[-1]["missed"] = missed
        verdict = "yes" if not missed else "no: " + ", ".join(missed)
        if "worst" in missed or "cold" in missed:
            verdict += f" (token {row['worst at']})"
        line = f"{case.name:<54}{row['compile ms']:>9.2f}{row['tokens']:>7}{row['cold masks']:>5}{row['cold mean']:>9.1f}"
        line += f"{row['cold worst']:>9.1f}{row['warm mean']:>8.2f}{row['warm worst']:>7.1f}{row['copies']:>7.1f}  {verdict}"
        print(line, flush=True)
    right = [row for row in rows if "missed" in row and not row["missed"]]
    copies = [row["copy"] for row in rows if "copy" in row] or [float("nan")]
    print(f"\n{len(right)} of {len(rows)} cases as asked; {failed} failed; copying a mask took {min(copies):.2f} to {max(copies):.2f} µs")
    if options.json:
        head = {"machine": machine(), "tokenizer": vocabulary.name}
        options.json.write_text(json.dumps(head | {"cases": rows}, indent=1, ensure_ascii=False) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
