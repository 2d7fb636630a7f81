"""``make race``: maskwright and its peers over the same schemas and grammars, case by case in one run.

Every case is run by each engine in turn, so that all are timed within moments of each other; times are microseconds of one thread.
*TTFM*: compile, and the first mask. *TBM*: the mask and the commit of one token; *cold* in an engine that has not seen the case, *warm*
when it has. Each text must be accepted to its end by maskwright and its masks must agree with acceptance, or the race fails; what peers
refuse is reported, and figures are over the cases that all passed.

    race.py [--tokenizer llama3|qwen|PATH] [--engines …] [--schemas FILE.jsonl[.gz] [--n N]] [--grammars FOLDER] [--part schemas|grammars]
            [--json FILE] [--picture FILE.svg]

Without ``--schemas`` the schemas of ``benches/data`` are run; a file of MaskBench (lines with `name`, `schema`, and `tests` of `valid` and
`data`) may be given instead, of which N schemas are drawn. Grammars are `NAME.ebnf` with a text each, `NAME.txt`.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chart import Line, Panel, svg, tail
from engines import ENGINES, version
from measuring import machine, mean, quantile
from racing import Case, Outcome, Runner
from vocabularies import Vocabulary, load

DATA = Path(__file__).parents[1] / "data"
#: Of schemas: metric, peer, largest ratio asked for.
SCHEMAS_ASKED = [
    ("TTFM p50", "llguidance", 0.25),
    ("TTFM mean", "llguidance", 0.25),
    ("TTFM p99", "llguidance", 0.5),
    ("TBM cold p50", "xgrammar", 0.5),
    ("TBM cold mean", "llguidance", 0.2),
    ("TBM cold p99", "llguidance", 0.25),
    ("TBM cold p99.9", "llguidance", 0.25),
]
#: Of each grammar, against the better peer.
GRAMMARS_ASKED = [("TBM warm mean", 0.1), ("TBM cold mean", 0.25), ("TBM cold p99", 0.25)]
#: Of maskwright alone: microseconds, walks per 10,000 tokens, seconds.
SLOWEST, LEARNING_MEAN, LEARNING_P99, FULL_WALKS, IDLE = 1000.0, 15.0, 100.0, 1.0, 0.05

Outcomes = dict[str, dict[str, Outcome]]


def own_schemas() -> Iterator[Case]:
    for line in (DATA / "schemas.jsonl").read_text().splitlines():
        item = json.loads(line)
        yield Case(item["name"], "schema", item["schema"], [json.dumps(x, ensure_ascii=False) for x in item["instances"]])


def maskbench(path: Path, count: int) -> Iterator[Case]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        items = [json.loads(line) for line in lines]
    random.Random(7).shuffle(items)
    for item in items[:count]:
        texts = [json.dumps(test["data"], ensure_ascii=False) for test in item["tests"] if test["valid"]]
        yield Case(item["name"], "schema", item["schema"], texts)


def grammars(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.ebnf")):
        yield Case(path.stem, "ebnf", path.read_text(), [path.with_suffix(".txt").read_text()])


def figures(outcomes: list[Outcome]) -> dict[str, float]:
    """The metrics of one engine over some cases."""
    ttfm = [outcome.ttfm for outcome in outcomes if outcome.ttfm is not None]
    found = {"TTFM p50": quantile(ttfm, 0.5), "TTFM mean": mean(ttfm), "TTFM p99": quantile(ttfm, 0.99), "TTFM max": quantile(ttfm, 1)}
    for label in ("cold", "warm"):
        times = [time for outcome in outcomes for time in getattr(outcome, label)]
        found |= {f"TBM {label} mean": mean(times)}
        found |= {f"TBM {label} p{100 * q:g}": quantile(times, q) for q in (0.5, 0.9, 0.99, 0.999)}
        found |= {f"TBM {label} max": quantile(times, 1)}
    return found


def own_figures(outcomes: list[Outcome]) -> dict[str, float]:
    """What maskwright says of itself."""
    cold = [time for outcome in outcomes for time in outcome.learning]
    tokens = sum(len(outcome.cold) for outcome in outcomes)
    walks = sum(outcome.full_walks for outcome in outcomes)
    return {
        "tokens": tokens,
        "cold masks": len(cold),
        "cold mask mean": mean(cold),
        "cold mask p99": quantile(cold, 0.99),
        "cold mask worst": quantile(cold, 1),
        "full walks per 10,000 tokens": walks / tokens * 1e4 if tokens else 0.0,
        "idle CPU s": sum(outcome.idle for outcome in outcomes),
        "slowest token": max((time for outcome in outcomes for time in outcome.cold + outcome.warm), default=float("nan")),
    }


def verdict(what: str, value: float, asked: float) -> dict[str, Any]:
    return {"what": what, "value": value, "asked": asked, "met": value <= asked}


def say(verdicts: list[dict[str, Any]]) -> None:
    for item in verdicts:
        print(f"  {'met    ' if item['met'] else 'NOT met'} {item['what']:<46}{item['value']:>10.2f}   asked ≤ {item['asked']:g}")


def schemas_part(outcomes: Outcomes) -> dict[str, Any]:
    """Print and return the figures of all schemas."""
    names = list(outcomes)
    common = [case for case in outcomes[names[0]] if all(outcomes[name][case].passed for name in names)]
    rows = {name: figures([outcomes[name][case] for case in common]) for name in names}
    tokens = sum(len(outcomes[names[0]][case].cold) for case in common)
    print(f"{len(common)} of {len(outcomes[names[0]])} schemas passed by all, {tokens} tokens; microseconds, and multiples of {names[0]}")
    print(f"{'':<18}" + "".join(f"{name:>24}" for name in names))
    for metric in rows[names[0]]:
        cells = [f"{rows[name][metric]:>12,.1f} ({rows[name][metric] / rows[names[0]][metric]:>7.2f})" for name in names]
        print(f"{metric:<18}" + "".join(f"{cell:>24}" for cell in cells))
    part: dict[str, Any] = {"cases": len(outcomes[names[0]]), "common": len(common), "tokens": tokens, "engines": rows, "verdicts": []}
    if "maskwright" in rows:
        own = own_figures([outcome for outcome in outcomes["maskwright"].values() if outcome.passed])
        part["own"] = own
        print(
            f"maskwright, all it passed: of {own['tokens']:,} tokens {own['cold masks']:,} had something to learn: mean"
            f" {own['cold mask mean']:.1f}, p99 {own['cold mask p99']:.1f}, worst {own['cold mask worst']:.1f};"
            f" full walks per 10,000 tokens {own['full walks per 10,000 tokens']:.2f}; slowest token {own['slowest token']:.1f}"
        )
        verdicts = [
            verdict(f"{metric} / {peer}", rows["maskwright"][metric] / rows[peer][metric], asked)
            for metric, peer, asked in SCHEMAS_ASKED
            if peer in rows
        ]
        verdicts += [
            verdict("slowest token, µs", own["slowest token"], SLOWEST),
            verdict("cold mask mean, µs", own["cold mask mean"], LEARNING_MEAN),
            verdict("cold mask p99, µs", own["cold mask p99"], LEARNING_P99),
            verdict("cold mask worst, µs", own["cold mask worst"], SLOWEST),
            verdict("full walks per 10,000 tokens", own["full walks per 10,000 tokens"], FULL_WALKS),
            verdict("CPU used while idle, s", own["idle CPU s"], IDLE),
        ]
        part["verdicts"] = verdicts
        say(verdicts)
    return part


def grammars_part(outcomes: Outcomes) -> dict[str, Any]:
    """Print and return the figures of each grammar."""
    names = list(outcomes)
    shown = ["TTFM p50", "TBM cold mean", "TBM cold p99", "TBM cold max", "TBM warm mean", "TBM warm p50", "TBM warm max"]
    heads = [metric.replace("TBM ", "").replace(" p50", "") if metric == "TTFM p50" else metric.replace("TBM ", "") for metric in shown]
    print(f"\n{'grammar':<14}{'engine':<12}" + "".join(f"{head:>13}" for head in heads))
    part: dict[str, Any] = {"engines": {name: {} for name in names}, "verdicts": []}
    for case in outcomes[names[0]]:
        rows = {}
        for name in names:
            outcome = outcomes[name][case]
            if not outcome.passed:
                print(f"{case:<14}{name:<12}{outcome.refused or outcome.wrong}")
                continue
            rows[name] = part["engines"][name][case] = figures([outcome])
            print(f"{case:<14}{name:<12}" + "".join(f"{rows[name][metric]:>13,.1f}" for metric in shown))
        peers = [name for name in rows if name != "maskwright"]
        if "maskwright" not in rows:
            continue
        own = rows["maskwright"]
        verdicts = [
            verdict(f"{case}: {metric} / better peer", own[metric] / min(rows[peer][metric] for peer in peers), asked)
            for metric, asked in GRAMMARS_ASKED
            if peers
        ]
        if "llguidance" in rows:
            verdicts.append(verdict(f"{case}: TTFM / llguidance", own["TTFM p50"] / rows["llguidance"]["TTFM p50"], 1.0))
        verdicts.append(verdict(f"{case}: slowest token, µs", max(own["TBM cold max"], own["TBM warm max"]), SLOWEST))
        part["verdicts"] += verdicts
    say(part["verdicts"])
    return part


def picture(outcomes: Outcomes, what: str) -> str:
    """The latency curves."""
    names = list(outcomes)
    common = [case for case in outcomes[names[0]] if all(outcomes[name][case].passed for name in names)]

    def curve(times: dict[str, list[float]], title: str, per: str, y_range: tuple[float, ...] = ()) -> Panel:
        lines = [Line(name, tail(values)) for name, values in times.items()]
        return Panel(title, f"share of {per} that take no longer", "µs", lines, "tail", "log", None, y_range)

    ttfm = {name: [outcomes[name][case].ttfm or 0.0 for case in common] for name in names}
    cold = {name: [time for case in common for time in outcomes[name][case].cold] for name in names}
    warm = {name: [time for case in common for time in outcomes[name][case].warm] for name in names}
    # A time below the resolution of the clock has no place on a logarithmic axis.
    every = [time for times in (*cold.values(), *warm.values()) for time in times if time > 0]
    extent = (min(every), max(every)) if every else ()
    panels = [
        curve(ttfm, "Compile and first mask", what),
        curve(cold, "Each token, first time", "tokens", extent),
        curve(warm, "Each token, again", "tokens", extent),
    ]
    return svg(panels, f"Latency curves of {', '.join(names)}: the lower the better")


def slowest(cases: list[Case], outcomes: dict[str, Outcome], vocabulary: Vocabulary, count: int) -> None:
    """Print where the slowest tokens are."""
    found = []
    for case in cases:
        times = iter(outcomes[case.name].cold)
        for text in case.texts:
            tokens = vocabulary.encode(text)
            found += [(time, case.name, tokens, place) for place, time in enumerate(itertools.islice(times, len(tokens)))]
    for time, name, tokens, place in sorted(found, key=lambda item: -item[0])[:count]:
        before, after = (b"".join(vocabulary.tokens[token] for token in part) for part in (tokens[:place], tokens[place : place + 1]))
        print(f"  {time:>10.1f} µs  {name:<44} …{before.decode(errors='replace')[-60:]!r} then {after.decode(errors='replace')!r}")


def race(cases: list[Case], runners: dict[str, Runner], encode: Any) -> Outcomes:
    """Every case in every engine, another one first each time."""
    outcomes: Outcomes = {name: {} for name in runners}
    watched, names = sys.stderr.isatty(), list(runners)
    for number, case in enumerate(cases):
        if watched:
            print(f"\r{number + 1}/{len(cases)} {case.name:<40.40}", end="", file=sys.stderr, flush=True)
        texts = [encode(text) for text in case.texts]
        for name in names[number % len(names) :] + names[: number % len(names)]:
            outcomes[name][case.name] = runners[name].run(case, texts)
    if watched:
        print(f"\r{'':<60}\r", end="", file=sys.stderr)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--schemas", type=Path)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--grammars", type=Path, default=DATA / "grammars")
    parser.add_argument("--part", choices=["schemas", "grammars"])
    parser.add_argument("--timeout", type=float, default=20, help="seconds that one engine may take for one case")
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="say where the N slowest tokens of maskwright are")
    parser.add_argument("--json", type=Path, help="write every figure")
    parser.add_argument("--picture", type=Path, help="draw the latency curves of the schemas as SVG")
    options = parser.parse_args()
    versions = {name: version(name) for name in options.engines.split(",")}
    for name in [name for name, found in versions.items() if found is None]:
        print(f"{name} is not installed and does not race")
        del versions[name]
    vocabulary = load(options.tokenizer)
    print(f"{machine()}; {vocabulary.name}, {len(vocabulary.tokens):,} tokens; " + ", ".join(f"{n} {v}" for n, v in versions.items()))
    runners = {name: Runner(name, vocabulary, options.timeout) for name in versions}
    report: dict[str, Any] = {"machine": machine(), "tokenizer": vocabulary.name, "versions": versions}
    failures: list[str] = []
    for part in [options.part] if options.part else ["schemas", "grammars"]:
        if part == "schemas":
            cases = list(maskbench(options.schemas, options.n) if options.schemas else own_schemas())
        else:
            cases = list(grammars(options.grammars))
            for runner in runners.values():
                # One text is all there is.
                runner.timeout = max(runner.timeout, 60.0)
        outcomes = race(cases, runners, vocabulary.encode)
        report[part] = schemas_part(outcomes) if part == "schemas" else grammars_part(outcomes)
        if options.slowest and "maskwright" in outcomes:
            slowest(cases, outcomes["maskwright"], vocabulary, options.slowest)
        for name, of_cases in outcomes.items():
            refused = {case: outcome.refused for case, outcome in of_cases.items() if outcome.refused}
            report[part].setdefault("refused", {})[name] = len(refused)
            if part == "schemas":
                for case, why in list(refused.items())[:12]:
                    print(f"{name}: {case}: {why}")
                if len(refused) > 12:
                    print(f"{name}: … and {len(refused) - 12} more")
            # MaskBench has instances whose keys are not in declared order, which are right to refuse; our own cases have not.
            if name == "maskwright":
                failures += [f"{case}: {outcome.wrong}" for case, outcome in of_cases.items() if outcome.wrong]
                failures += [f"{case}: {why}" for case, why in refused.items() if part == "grammars" or not options.schemas]
        if part == "schemas" and options.picture:
            options.picture.parent.mkdir(parents=True, exist_ok=True)
            options.picture.write_text(picture(outcomes, "schemas"))
            print(f"drawn: {options.picture.name}")
    for runner in runners.values():
        runner.end()
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    for failure in failures:
        print(f"WRONG: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
