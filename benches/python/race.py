"""``make race``: maskwright and its peers over the same schemas and grammars, case by case in one run.

Every case is run by each engine in turn, so that all are timed within moments of each other; figures are microseconds.
*TTFM*: compile, and the first mask. *TBM*: the mask and the commit of one token; *cold* in an engine that has not seen
the case, *warm* when it has. Each text must be accepted to its end by maskwright, or the race fails; a peer that refuses
one is reported.

    race.py [--tokenizer llama3|qwen] [--engines …] [--data FILE.jsonl[.gz] [--n N]] [--json FILE] [--picture FILE.svg]

Without ``--data`` the cases of ``benches/data`` are run, grammars included; a file of MaskBench (lines with `name`,
`schema`, and `tests` of `valid` and `data`) may be given instead, of which N schemas are drawn.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines import ENGINES, Engine

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "python"))

clock = time.perf_counter_ns


@dataclass
class Case:
    """A schema or grammar with texts that match it."""

    name: str
    kind: str
    source: Any
    texts: list[str]


@dataclass
class Result:
    """What one engine did with all cases."""

    ttfm: dict[str, float] = field(default_factory=dict)
    cold: dict[str, list[float]] = field(default_factory=dict)
    warm: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def own_cases() -> Iterator[Case]:
    data = HERE.parent / "data"
    for line in (data / "schemas.jsonl").read_text().splitlines():
        item = json.loads(line)
        yield Case(item["name"], "schema", item["schema"], [json.dumps(x, ensure_ascii=False) for x in item["instances"]])
    for path in sorted((data / "grammars").glob("*.ebnf")):
        yield Case(path.stem, "ebnf", path.read_text(), [path.with_suffix(".txt").read_text()])


def maskbench_cases(path: Path, count: int) -> Iterator[Case]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        items = [json.loads(line) for line in lines]
    random.Random(7).shuffle(items)
    for item in items[:count]:
        texts = [json.dumps(test["data"], ensure_ascii=False) for test in item["tests"] if test["valid"]]
        yield Case(item["name"], "schema", item["schema"], texts)


def walk(engine: Engine, tokens: list[int], stop: int, times: list[float]) -> str | None:
    """Feed one text; what went wrong, if anything did."""
    engine.start()
    row = engine.row
    for place, token in enumerate(tokens):
        a = clock()
        engine.fill()
        b = clock()
        if not row[token >> 5] >> (token & 31) & 1:
            return f"refuses its text after {place} of {len(tokens)} tokens"
        c = clock()
        accepted = engine.commit(token)
        d = clock()
        if not accepted:
            return f"allows token {place} and then refuses it"
        times.append((b - a + d - c) / 1e3)
    engine.fill()
    return None if row[stop >> 5] >> (stop & 31) & 1 else "does not let its text end"


def run(engine: Engine, case: Case, texts: list[list[int]], stop: int, result: Result) -> None:
    """One case: cold, then warm."""
    try:
        start = clock()
        engine.compile(case.kind, case.source)
        engine.start()
        engine.fill()
        result.ttfm[case.name] = (clock() - start) / 1e3
    except Exception as error:
        result.problems.append(f"{case.name}: {type(error).__name__}: {str(error)[:100]}".replace("\n", " "))
        return
    result.cold[case.name], result.warm[case.name] = [], []
    for times in (result.cold, result.warm):
        for tokens in texts:
            problem = walk(engine, tokens, stop, times[case.name])
            if problem is not None:
                result.problems.append(f"{case.name}: {problem}")
                del result.ttfm[case.name]
                return


def quantile(values: list[float], q: float) -> float:
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


def table(results: dict[str, Result], cases: list[Case]) -> dict[str, dict[str, float]]:
    """Every figure over the cases that all engines passed, and its ratio to maskwright's."""
    common = [case.name for case in cases if all(case.name in result.ttfm for result in results.values())]
    rows: dict[str, dict[str, float]] = {}
    for name, result in results.items():
        ttfm = [result.ttfm[case] for case in common]
        cold = [time for case in common for time in result.cold[case]]
        warm = [time for case in common for time in result.warm[case]]
        rows[name] = {"TTFM p50": quantile(ttfm, 0.5), "TTFM mean": statistics.fmean(ttfm), "TTFM max": max(ttfm)}
        for label, times in (("cold", cold), ("warm", warm)):
            rows[name] |= {
                f"TBM {label} p50": quantile(times, 0.5),
                f"TBM {label} mean": statistics.fmean(times),
                f"TBM {label} p99": quantile(times, 0.99),
                f"TBM {label} max": max(times),
            }
    tokens = sum(len(next(iter(results.values())).cold[case]) for case in common)
    print(f"{len(common)} of {len(cases)} cases passed by all, {tokens} tokens; microseconds (and the ratio to the first engine)")
    first = next(iter(rows))
    print(f"{'':<16}" + "".join(f"{name:>24}" for name in rows))
    for metric in rows[first]:
        cells = [f"{row[metric]:>13,.1f} ({row[metric] / rows[first][metric]:>7.2f})" for row in rows.values()]
        print(f"{metric:<16}" + "".join(f"{cell:>24}" for cell in cells))
    return rows


def draw(results: dict[str, Result], cases: list[Case], path: Path) -> None:
    """The latency curve: what share of all tokens took longer, on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    common = [case.name for case in cases if all(case.name in result.ttfm for result in results.values())]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for axis, label in zip(axes, ("cold", "warm"), strict=True):
        for name, result in results.items():
            times = sorted((time for case in common for time in getattr(result, label)[case]), reverse=True)
            shares = [(rank + 1) / len(times) for rank in range(len(times))]
            axis.plot(times, shares, label=name, linewidth=2 if name == "maskwright" else 1.2)
        axis.set(xscale="log", yscale="log", xlabel="µs per token (mask and commit)", title=f"{label} cache")
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].set_ylabel("share of tokens that take longer")
    axes[0].legend()
    figure.savefig(path)
    print(f"drawn: {path}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="llama3", choices=["llama3", "qwen"])
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write every figure")
    parser.add_argument("--picture", type=Path, help="draw the latency curve as SVG")
    arguments = parser.parse_args()
    from tokenizer_files import SPECIAL, tiktoken_encoding

    encoding = tiktoken_encoding(arguments.tokenizer)
    stop = encoding.encode_single_token(SPECIAL[arguments.tokenizer][-1])
    cases = list(maskbench_cases(arguments.data, arguments.n) if arguments.data else own_cases())
    engines = {name: ENGINES[name](encoding, stop) for name in arguments.engines.split(",")}
    results = {name: Result() for name in engines}
    watched = sys.stderr.isatty()
    for number, case in enumerate(cases):
        if watched:
            print(f"\r{number + 1}/{len(cases)} {case.name:<40.40}", end="", file=sys.stderr, flush=True)
        texts = [encoding.encode_ordinary(text) for text in case.texts]
        for name, engine in engines.items():
            if case.kind == "ebnf":
                # A grammar is judged on its own: nothing another one taught may help. Schemas of one server follow each other.
                engine.fresh()
            run(engine, case, texts, stop, results[name])
    if watched:
        print(f"\r{'':<60}\r", end="", file=sys.stderr)
    rows = table(results, cases)
    for name, result in results.items():
        for problem in result.problems:
            print(f"{name}: {problem}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    if arguments.picture:
        draw(results, cases, arguments.picture)
    # MaskBench has instances whose keys are not in declared order, which are right to refuse; our own cases have not.
    return 1 if not arguments.data and "maskwright" in results and results["maskwright"].problems else 0


if __name__ == "__main__":
    sys.exit(main())
