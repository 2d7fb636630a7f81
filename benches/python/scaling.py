"""How cost grows: with the vocabulary, the schema, the batch and its threads, the length of the output, the number of schemas.

Each figure comes from a process in which nothing else has been learned, and every answer is checked: texts are accepted to their end,
sampled masks agree with acceptance, rows of a batch are those of single fills. *Cold* and *warm* are as `hard.py` says.

    scaling.py [--tokenizer llama3|qwen|PATH] [--schemas FILE.jsonl[.gz]] [--only PART] [--quick] [--json FILE] [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from chart import Line, Panel, svg
from hard import measure
from hard_cases import PROSE, Case, schema
from isolating import forked, warm_process
from measuring import best, copying, held, machine, mean, quantile, resident, spare_cores
from race import maskbench, own_schemas
from vocabularies import Vocabulary, load, resized

import maskwright as mw

DATA = Path(__file__).parents[1] / "data"
#: What is asked.
BUILD, PER_CORE, FORK, HISTORY, GROWTH, MEMORY = 150.0, 0.8, 1.0, 16.0, 1.25, 200.0

Rows = list[dict[str, Any]]


def done(answer: dict[str, Any]) -> Any:
    """The result of a forked measurement."""
    if "failed" in answer:
        raise AssertionError(answer["failed"])
    return answer.get("done", answer)


def verdict(what: str, value: float, asked: float, least: bool = False) -> dict[str, Any]:
    return {"what": what, "value": value, "asked": asked, "met": value >= asked if least else value <= asked}


def sample_cases() -> list[Case]:
    """A few schemas and grammars, none of them hard."""
    names = {"tool call: one of three", "people", "order with references", "wide open object", "chain of thought"}
    cases = [schema(case.name, case.source, [json.loads(text) for text in case.texts], []) for case in own_schemas() if case.name in names]
    for name in ("json", "program"):
        path = DATA / "grammars" / f"{name}.ebnf"
        cases.append(Case(name, "ebnf", path.read_text(), (path.with_suffix(".txt").read_text(),), ()))
    return cases


def measured(case: Case, vocabulary: Vocabulary, info: mw.TokenizerInfo, rounds: int) -> dict[str, Any]:
    return done(measure(case, [vocabulary.encode(text) for text in case.texts], info, rounds))


def by_vocabulary(vocabulary: Vocabulary, quick: bool) -> tuple[Rows, list[dict[str, Any]]]:
    """Tokens of the vocabulary."""
    rows, verdicts = [], []
    for size in (32_000, 64_000, 128_000, 262_000):
        part = resized(vocabulary, size)

        def build(tokens: list[bytes] = part.tokens) -> float:
            warm_process()
            found = float("inf")
            for _ in range(3):
                start = time.process_time_ns()
                info = mw.TokenizerInfo(tokens, mw.VocabType.RAW, stop_token_ids=len(tokens) - 1)
                found = min(found, (time.process_time_ns() - start) / 1e6)
                assert info.vocab_size == len(tokens)
            return found

        built = done(forked(build))
        info = part.info()
        found = [measured(case, part, info, 1 if quick else 3) for case in sample_cases()]
        rows.append(
            {
                "tokens": size,
                "build ms": built,
                "compile ms": mean([one["compile ms"] for one in found]),
                "cold mean µs": mean([one["cold mean"] for one in found]),
                "cold worst µs": max(one["cold worst"] for one in found),
                "warm mean µs": mean([one["warm mean"] for one in found]),
                "copies": mean([one["copies"] for one in found]),
            }
        )
        if size == 128_000:
            verdicts.append(verdict("building a vocabulary of 128k tokens, ms", built, BUILD))
    return rows, verdicts


def by_schema(vocabulary: Vocabulary, quick: bool) -> tuple[Rows, list[dict[str, Any]]]:
    """Properties of an object, and choices of an enumeration."""
    info, rows = vocabulary.info(), []
    for count in (1, 10, 100, 1000, 10_000):
        names = [f"{word}_{index}" for index, word in zip(range(count), itertools.cycle(("name", "rate", "user", "total")), strict=False)]
        kinds = ({"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "number"}})
        properties = {name: kinds[i % 3] for i, name in enumerate(names)}
        values = ("abc", 12, [1.5, 2])
        some = {names[i]: values[i % 3] for i in sorted({0, count // 2, count - 1})}
        opened = schema("open", {"type": "object", "properties": properties}, [some | {"remark": "none"}], [{names[0]: 3}])
        closed = schema("closed", {"type": "object", "properties": properties, "additionalProperties": False}, [some], [{"remark": "none"}])
        choices = schema("choices", {"enum": [f"{name} {PROSE[:20]}" for name in names]}, [f"{names[count // 2]} {PROSE[:20]}"], ["name"])
        row: dict[str, Any] = {"size": count}
        for case in (opened, closed, choices):
            found = measured(case, vocabulary, info, 1 if quick else 3)
            row |= {f"{case.name}: {figure}": found[of] for figure, of in (("compile ms", "compile ms"), ("cold µs", "cold mean"))}
            row |= {f"{case.name}: worst µs": found["cold worst"], f"{case.name}: warm µs": found["warm mean"]}
        rows.append(row)
    return rows, []


def by_batch(vocabulary: Vocabulary, quick: bool) -> tuple[Rows, list[dict[str, Any]]]:
    """Matchers of a batch, and threads that fill it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = sorted({1, *(count for count in (2, 4, 8, 16, 32, 64) if count < cores), cores})
    info = vocabulary.info()

    def batches() -> dict[str, Any]:
        compiler = mw.GrammarCompiler(info, max_threads=1)
        rng, matchers = random.Random(3), []
        cases = [case for case in own_schemas() if case.kind == "schema"]
        grammars = [compiler.compile_json_schema(json.dumps(case.source)) for case in cases]
        for turn in range(256):
            case, grammar = cases[turn % len(cases)], grammars[turn % len(cases)]
            matcher = mw.GrammarMatcher(grammar)
            tokens = vocabulary.encode(case.texts[0])
            for token in tokens[: rng.randrange(len(tokens))]:
                assert matcher.accept_token(token)
            matchers.append(matcher)
        words = (info.vocab_size + 31) // 32
        single, many = (np.zeros((256, words), np.int32) for _ in range(2))
        for row, matcher in enumerate(matchers):
            matcher.fill_next_token_bitmask(single, row)
        found = []
        turns = 40 if quick else 200
        pools = {count: mw.BatchGrammarMatcher(max_threads=count) for count in threads}
        for size in (1, 4, 16, 64, 256):
            lowest, used = dict.fromkeys(threads, float("inf")), dict.fromkeys(threads, 0)
            rested: dict[int, list[float]] = {count: [] for count in threads}
            for count, pool in pools.items():
                many[:size] = 0
                pool.batch_fill_next_token_bitmask(matchers[:size], many)
                assert (many[:size] == single[:size]).all(), f"a row of {size} on {count} threads is not that of a single fill"
            for _ in range(turns // 10):
                # In turn, so that all see the same neighbours, but ten at once: threads that follow others have nothing in their caches.
                for count, pool in pools.items():
                    for _ in range(10):
                        cpu, start = time.process_time_ns(), time.perf_counter_ns()
                        pool.batch_fill_next_token_bitmask(matchers[:size], many)
                        lowest[count] = min(lowest[count], (time.perf_counter_ns() - start) / 1e3)
                        used[count] += time.process_time_ns() - cpu
                    time.sleep(0.002)
                    start = time.perf_counter_ns()
                    pool.batch_fill_next_token_bitmask(matchers[:size], many)
                    rested[count].append((time.perf_counter_ns() - start) / 1e3)
            for count, took in lowest.items():
                # What all threads used together, which busy neighbours do not change.
                cpu_per_mask = used[count] / 1e3 / turns / size
                found.append(
                    {
                        "threads": count,
                        "batch": size,
                        "µs": took,
                        "µs per mask": took / size,
                        "CPU µs per mask": cpu_per_mask,
                        "µs after 2 ms": quantile(rested[count], 0.5),
                    }
                )
        found.sort(key=lambda row: (row["threads"], row["batch"]))
        return {"rows": found, "copy": copying(words), "spare": spare_cores(threads[-1])}

    answer = done(forked(batches))
    rows = answer["rows"]
    alone = {row["batch"]: row["µs"] for row in rows if row["threads"] == 1}
    for row in rows:
        row["times one thread"] = alone[row["batch"]] / row["µs"]
        row["copies per mask"] = row["µs per mask"] / answer["copy"]
    largest = next(row for row in rows if row["threads"] == threads[-1] and row["batch"] == 256)
    # A busy machine has fewer cores to give than it names.
    scaled = largest["times one thread"] / answer["spare"]
    alone_cpu = next(row["CPU µs per mask"] for row in rows if row["threads"] == 1 and row["batch"] == 256)
    what = f"256 matchers on {threads[-1]} threads, speed-up by each of {answer['spare']:.2f} cores to be had"
    return rows, [
        verdict(what, scaled, PER_CORE, least=True),
        verdict(f"256 matchers, CPU time on one thread / on {threads[-1]}", alone_cpu / largest["CPU µs per mask"], PER_CORE, least=True),
    ]


#: Endless texts: what begins them, and what goes on and on.
ENDLESS = {
    "one string": ({"type": "string"}, '"', " harbour lamps"),
    "array of numbers": ({"type": "array", "items": {"type": "number"}}, "[1", ", 12.5"),
    "objects": ({"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}, '[{"id": 1}', ', {"id": 17}'),
}


def by_length(vocabulary: Vocabulary, quick: bool) -> tuple[Rows, list[dict[str, Any]]]:
    """Tokens of the output so far."""
    info, rows, verdicts = vocabulary.info(), [], []
    lengths = (100, 1000, 10_000) if quick else (100, 1000, 10_000, 100_000)

    def growing(source: Any, head: str, more: str, kept: int) -> dict[str, Any]:
        grammar = mw.GrammarCompiler(info, max_threads=1).compile_json_schema(json.dumps(source))
        row = mw.allocate_token_bitmask(1, info.vocab_size)
        flat = np.asarray(row).reshape(-1)

        def follow(tokens: Iterator[int], count: int, matcher: mw.GrammarMatcher) -> None:
            for token in itertools.islice(tokens, count):
                assert matcher.accept_token(token)

        def endless() -> Iterator[int]:
            return itertools.chain(vocabulary.encode(head), itertools.cycle(vocabulary.encode(more)))

        # Everything a text needs is learned first, and memory is counted after.
        warm = mw.GrammarMatcher(grammar)
        for token in itertools.islice(endless(), 300):
            warm.fill_next_token_bitmask(row)
            assert flat[token >> 5] >> (token & 31) & 1
            assert warm.accept_token(token)
        matcher = mw.GrammarMatcher(grammar, max_rollback_tokens=kept)
        tokens, found, early = endless(), [], matcher
        first, period = len(vocabulary.encode(head)), len(vocabulary.encode(more))
        follow(tokens, 50, matcher)
        gc.collect()
        before, at = held(), 50
        for wanted in lengths:
            # The same place of what is repeated, whatever the length.
            length = wanted - (wanted - first) % period
            follow(tokens, length - at, matcher)
            at, step = length, next(tokens)
            bytes_used = held() - before
            if wanted == lengths[1]:
                early = matcher.fork()

            def back_and_forth(token: int = step) -> None:
                matcher.accept_token(token)
                matcher.rollback(1)

            figures = {"tokens": length, "fill µs": best(lambda: matcher.fill_next_token_bitmask(row)), "fork µs": best(matcher.fork)}
            assert flat[step >> 5] >> (step & 31) & 1, "the mask forbids what goes on"
            figures |= {"accept + rollback µs": best(back_and_forth), "bytes": bytes_used, "bytes per token": bytes_used / (length - 50)}
            found.append(figures)
            assert matcher.accept_token(step)
            at += 1
        # One right after the other, since processors change their pace; both at the same place of what is repeated.
        matcher.rollback(1)
        turns = [(best(lambda m=m: m.fill_next_token_bitmask(row), turns=1) for m in (early, matcher)) for _ in range(30)]
        short, long = (min(times) for times in zip(*turns, strict=True))
        return {"rows": found, "growth": long / short}

    for name, (source, head, more) in ENDLESS.items():
        for kept, label in ((-1, "all"), (16, "16")):
            answer = done(forked(lambda source=source, head=head, more=more, kept=kept: growing(source, head, more, kept)))
            series = answer["rows"]
            rows += [{"text": name, "history": label} | figures for figures in series]
            last, second = series[-1], series[1]
            which, per_token = f"{name}, history {label}", (last["bytes"] - second["bytes"]) / (last["tokens"] - second["tokens"])
            verdicts += [
                verdict(f"{which}: fill at {last['tokens']:,} / at {second['tokens']:,}", answer["growth"], GROWTH),
                verdict(f"{which}: fork, µs", max(one["fork µs"] for one in series), FORK),
                verdict(f"{which}: accept and rollback, µs", max(one["accept + rollback µs"] for one in series), 2 * FORK),
            ]
            if kept >= 0:
                verdicts.append(verdict(f"{which}: bytes per token", per_token, 0.5))
            elif name != "objects":
                # What nests has frames, which a history that is kept keeps.
                verdicts.append(verdict(f"{which}: bytes per token", per_token, HISTORY))
    return rows, verdicts


def drawn(turn: int) -> tuple[str, list[str]]:
    """The schema of some record, unlike all others, with an instance."""
    chance = random.Random(turn)
    words = PROSE.replace(",", "").replace(".", "").split()

    def value(depth: int) -> tuple[Any, Any]:
        kind = chance.choice(("string", "bounded", "choice", "integer", "number", "array", "object", "object")[: 8 if depth else 5])
        if kind == "object":
            names = [f"{chance.choice(words)}_{chance.randrange(10**6)}" for _ in range(chance.randint(3, 8))]
            parts = {name: value(depth - 1) for name in names}
            properties = {name: part[0] for name, part in parts.items()}
            made: dict[str, Any] = {"type": "object", "properties": properties, "required": names[:2]}
            if chance.random() < 0.5:
                made["additionalProperties"] = False
            return made, {name: part[1] for name, part in parts.items()}
        if kind == "array":
            items, instance = value(depth - 1)
            return {"type": "array", "items": items, "maxItems": chance.randint(2, 50)}, [instance] * 2
        if kind == "bounded":
            return {"type": "string", "maxLength": chance.randint(20, 300)}, chance.choice(words)
        if kind == "choice":
            choices = sorted({f"{chance.choice(words)} {chance.choice(words)}" for _ in range(12)})
            return {"enum": choices}, chance.choice(choices)
        if kind == "integer":
            return {"type": "integer", "minimum": 0, "maximum": chance.randint(100, 10**6)}, 42
        return {"type": kind}, "some words" if kind == "string" else 2.5

    source, instance = value(3)
    while source.get("type") != "object":
        source, instance = value(3)
    return json.dumps(source), [json.dumps(instance)]


def many_schemas(path: Path | None, count: int) -> Iterator[tuple[str, list[str]]]:
    """Different schemas with texts: of a file, or drawn."""
    if path is None:
        yield from map(drawn, range(count))
        return
    # Some of a file will not compile.
    for case in maskbench(path, 2 * count):
        yield json.dumps(case.source), case.texts


def by_schemas(vocabulary: Vocabulary, quick: bool, path: Path | None) -> tuple[Rows, list[dict[str, Any]]]:
    """Schemas compiled and used by one process, whose compiler is the only one to keep them."""
    counts = (10, 100) if quick else (10, 30, 100, 300, 1000)
    limit = 64 << 20
    schemas = [(source, [vocabulary.encode(text) for text in texts[:3]]) for source, texts in many_schemas(path, counts[-1])]

    def growing() -> Rows:
        info = vocabulary.info()
        compiler = mw.GrammarCompiler(info, max_threads=1, cache_limit_bytes=limit)
        row = mw.allocate_token_bitmask(1, info.vocab_size)
        base, found, used = resident(), [], 0
        start = time.process_time_ns()
        for source, texts in schemas:
            try:
                grammar = compiler.compile_json_schema(source)
            except mw.MaskwrightError:
                continue
            for tokens in texts:
                matcher = mw.GrammarMatcher(grammar)
                for token in tokens:
                    try:
                        matcher.fill_next_token_bitmask(row)
                        if not matcher.accept_token(token):
                            break
                    except mw.MaskwrightError:
                        break
            used += 1
            if used in counts:
                growth = (resident() - base) / (1 << 20)
                cached = compiler.get_cache_size_bytes() / (1 << 20)
                spent = (time.process_time_ns() - start) / 1e9
                found.append({"schemas": used, "RSS grew MiB": growth, "cache MiB": cached, "CPU s": spent})
            if used == counts[-1]:
                break
        return found

    rows = done(forked(growing))
    over = rows[-1]["RSS grew MiB"] - limit / (1 << 20)
    return rows, [verdict(f"{rows[-1]['schemas']:,} schemas, RSS beyond the limit of {limit >> 20} MiB, MiB", over, MEMORY)]


def pictures(parts: dict[str, Rows]) -> dict[str, str]:
    """A picture for each part that was run."""
    drawn = {}

    def lines(rows: Rows, x: str, ys: dict[str, str]) -> list[Line]:
        return [Line(name, [(row[x], row[y]) for row in rows]) for name, y in ys.items()]

    if rows := parts.get("vocabulary"):
        masks = {"cold": "cold mean µs", "warm": "warm mean µs"}
        panels = [
            Panel("Building the vocabulary", "tokens", "ms", lines(rows, "tokens", {"build": "build ms"}), y_axis="linear"),
            Panel("Compiling", "tokens", "ms", lines(rows, "tokens", {"compile": "compile ms"}), y_axis="linear"),
            Panel("A mask", "tokens", "µs", lines(rows, "tokens", masks)),
        ]
        drawn["vocabulary"] = svg(panels, "Cost by the size of the vocabulary")
    if rows := parts.get("schema"):
        kinds = ("open", "closed", "choices")
        shown = (("Compiling", "ms", "compile ms"), ("A cold mask", "µs", "cold µs"), ("A warm mask", "µs", "warm µs"))
        panels = [
            Panel(title, "properties, or choices", unit, lines(rows, "size", {kind: f"{kind}: {figure}" for kind in kinds}))
            for title, unit, figure in shown
        ]
        drawn["schema"] = svg(panels, "Cost by the size of the schema")
    if rows := parts.get("batch"):
        threads = sorted({row["threads"] for row in rows})
        of = lambda count: [row for row in rows if row["threads"] == count]  # noqa: E731
        name = lambda count: f"{count} thread{'s' if count > 1 else ''}"  # noqa: E731
        panels = [
            Panel("A mask of a batch", "matchers", "µs", [Line(name(n), [(r["batch"], r["µs per mask"]) for r in of(n)]) for n in threads]),
            Panel(
                "Speed-up", "matchers", "times one thread",
                [Line(name(n), [(r["batch"], r["times one thread"]) for r in of(n)]) for n in threads], y_axis="linear",
            ),
        ]  # fmt: skip
        drawn["batch"] = svg(panels, "Cost by the size of the batch and the number of threads")
    if rows := parts.get("length"):
        texts = list(dict.fromkeys(row["text"] for row in rows))
        of_text = lambda text: [row for row in rows if row["text"] == text and row["history"] == "all"]  # noqa: E731
        curves = lambda y: [Line(text, [(row["tokens"], row[y]) for row in of_text(text)]) for text in texts]  # noqa: E731
        panels = [
            Panel("A warm mask", "tokens before", "µs", curves("fill µs"), y_axis="linear"),
            Panel("A fork", "tokens before", "µs", curves("fork µs"), y_axis="linear"),
            Panel("History kept", "tokens before", "bytes per token", curves("bytes per token"), y_axis="linear"),
        ]
        drawn["length"] = svg(panels, "Cost by the length of the output")
    if rows := parts.get("memory"):
        panels = [
            Panel("Memory", "schemas", "MiB", lines(rows, "schemas", {"RSS grew": "RSS grew MiB", "cache": "cache MiB"}), y_axis="linear"),
            Panel("Time", "schemas", "CPU s", lines(rows, "schemas", {"time": "CPU s"}), y_axis="linear"),
        ]
        drawn["memory"] = svg(panels, "Memory and time by the number of schemas")
    return drawn


def table(title: str, rows: Rows) -> None:
    print(f"\n-- {title}")
    names = dict.fromkeys(name for row in rows for name in row)
    widths = {name: max(len(name), *(len(cell(row.get(name, ""))) for row in rows)) + 2 for name in names}
    print("".join(f"{name:>{width}}" for name, width in widths.items()))
    for row in rows:
        print("".join(f"{cell(row.get(name, '')):>{width}}" for name, width in widths.items()), flush=True)


def cell(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--schemas", type=Path, help="a file of MaskBench for the part `memory`")
    parser.add_argument("--only", default="")
    parser.add_argument("--quick", action="store_true", help="fewer turns, shorter outputs")
    parser.add_argument("--json", type=Path, help="write every figure")
    parser.add_argument("--pictures", type=Path, help="draw one picture for each part into this folder")
    options = parser.parse_args()
    vocabulary = load(options.tokenizer)
    print(f"{machine()}; {vocabulary.name}, {len(vocabulary.tokens):,} tokens")
    parts: dict[str, tuple[str, Callable[[], tuple[Rows, list[dict[str, Any]]]]]] = {
        "vocabulary": ("by the size of the vocabulary", lambda: by_vocabulary(vocabulary, options.quick)),
        "schema": ("by the size of the schema", lambda: by_schema(vocabulary, options.quick)),
        "batch": ("by batch and threads", lambda: by_batch(vocabulary, options.quick)),
        "length": ("by the length of the output", lambda: by_length(vocabulary, options.quick)),
        "memory": ("by the number of schemas", lambda: by_schemas(vocabulary, options.quick, options.schemas)),
    }
    tables: dict[str, Rows] = {}
    verdicts: list[dict[str, Any]] = []
    failures = []
    for name, (title, run) in parts.items():
        if options.only not in name:
            continue
        try:
            tables[name], found = run()
        except AssertionError as error:
            failures.append(f"{name}: {error}")
            print(f"\n-- {title}\nWRONG: {error}")
            continue
        verdicts += found
        table(title, tables[name])
        for item in found:
            print(f"  {'met    ' if item['met'] else 'NOT met'} {item['what']:<70}{item['value']:>10.2f}   asked {item['asked']:g}")
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        for name, drawing in pictures(tables).items():
            (options.pictures / f"{name}.svg").write_text(drawing)
    if options.json:
        report = {"machine": machine(), "tokenizer": vocabulary.name, "tables": tables, "verdicts": verdicts, "failures": failures}
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
