"""``make record``: run race, hard cases and scaling, and keep what they say in ``benches/record``, with machine and date.

Writes `DATE-MACHINE.json`, a page of it (`.md`), its pictures, and the section of the README between the marks of `MARKS`, which a test
compares with the newest record. Machines are named by their processor and cores. A part that fails or takes too long is named, and the
others go on.

    record.py [--tokenizer llama3|qwen|PATH] [--schemas FILE.jsonl[.gz]] [--n N] [--quick] [--readme-only]
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECORDS = ROOT / "benches" / "record"
README = ROOT / "README.md"
MARKS = ("<!-- the newest record, written by `make record` -->\n", "<!-- end of the record -->\n")
PEERS = {"maskwright": "maskwright", "xgrammar": "XGrammar", "llguidance": "LLGuidance"}
#: Seconds after which a part is given up; together less than twenty minutes.
PATIENCE = {"race": 600, "hard": 270, "scaling": 300}

Record = dict[str, Any]


def newest() -> Record | None:
    """The record that the README shows: the last one made with the vocabulary of Llama 3."""
    records = [json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))]
    return max((record for record in records if record["tokenizer"] == "llama3"), key=lambda record: record["when"], default=None)


def figure(value: float) -> str:
    """Three digits are what a run can be trusted with."""
    if value != value:  # noqa: PLR0124
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


def ratio_table(engines: dict[str, dict[str, float]], metrics: dict[str, str]) -> Iterator[str]:
    """Ours in microseconds, peers as multiples of it."""
    ours, *peers = engines
    yield row("µs", PEERS.get(ours, ours), *(f"{PEERS.get(peer, peer)}" for peer in peers))
    yield row("---", *("---:" for _ in engines))
    for metric, name in metrics.items():
        own = engines[ours][metric]
        others = (f"{figure(engines[peer][metric] / own)} ×" for peer in peers)
        yield row(name, figure(own), *others)


METRICS = {
    "TTFM p50": "compile and first mask, median",
    "TTFM mean": "– mean",
    "TTFM p99": "– p99",
    "TBM cold p50": "a token (mask and acceptance), first time, median",
    "TBM cold mean": "– mean",
    "TBM cold p99": "– p99",
    "TBM cold max": "– slowest",
    "TBM warm p50": "a token, again, median",
    "TBM warm mean": "– mean",
    "TBM warm p99": "– p99",
}


def versions(record: Record) -> str:
    return ", ".join(f"{PEERS.get(name, name)} {version}" for name, version in record["versions"].items())


def head(record: Record) -> str:
    return f"{record['machine']}; {record['when'][:10]}; vocabulary {record['tokenizer']}; {versions(record)}"


def readme_section(record: Record) -> str:
    """What stands in the README."""
    out = [MARKS[0]]
    race = record["parts"].get("race", {})
    if "schemas" in race:
        part = race["schemas"]
        out += [
            f"![Latency curves](benches/record/{record['name']}/race.svg)\n\n",
            f"{part['common']} of {part['cases']} schemas of {record['schemas']} that all engines pass, {part['tokens']:,} tokens, ",
            "one thread. Times of maskwright, and multiples of them:\n\n",
            *ratio_table(part["engines"], METRICS),
        ]
    if "grammars" in race:
        out += ["\nGrammars: a token in µs, first time and again.\n\n", *grammar_table(race["grammars"]["engines"])]
    hard = record["parts"].get("hard", {}).get("cases", [])
    if hard:
        met = sum(not case.get("missed", ["failed"]) for case in hard)
        out.append(f"\nOf {len(hard)} [hard cases](benches/record/{record['name']}.md), {met} are as fast as asked.\n")
    out += [f"\n{head(record)}. [All figures](benches/record/{record['name']}.md); `make record` makes them anew.\n", MARKS[1]]
    return "".join(out)


def grammar_table(engines: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    """Means, cold and warm, of each engine on each grammar."""
    yield row("grammar", *(PEERS.get(name, name) for name in engines))
    yield row("---", *("---:" for _ in engines))
    for grammar in dict.fromkeys(grammar for of_engine in engines.values() for grammar in of_engine):
        cells = []
        for of_engine in engines.values():
            figures = of_engine.get(grammar)
            cells.append(f"{figure(figures['TBM cold mean'])} / {figure(figures['TBM warm mean'])}" if figures else "–")
        yield row(grammar, *cells)


def verdict_table(verdicts: list[dict[str, Any]]) -> Iterator[str]:
    yield row("figure", "value", "asked", "met")
    yield row("---", "---:", "---:", "---")
    for item in verdicts:
        yield row(item["what"], figure(item["value"]), f"{item['asked']:g}", "yes" if item["met"] else "**no**")


def plain_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for item in rows for name in item))
    yield row(*names)
    yield row(*("---:" for _ in names))
    for item in rows:
        cells = (item.get(name, "") for name in names)
        yield row(*(figure(cell) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells))


HARD = {
    "compile ms": "compile ms",
    "cold masks": "cold masks",
    "cold mean": "mean µs",
    "cold worst": "worst µs",
    "warm mean": "warm µs",
    "copies": "copies",
}


def page(record: Record) -> str:
    """The record as a page."""
    out = [f"# Record of {record['when'][:10]}\n\n{head(record)}.\n"]
    out += [f"\n**{failure}**\n" for failure in record["failures"]]
    race = record["parts"].get("race", {})
    if "schemas" in race:
        part = race["schemas"]
        out += [
            f"\n## Schemas of {record['schemas']}\n\n![Latency curves]({record['name']}/race.svg)\n\n",
            f"{part['common']} of {part['cases']} passed by all engines, {part['tokens']:,} tokens; ",
            "times of maskwright, and multiples of them.\n\n",
            *ratio_table(part["engines"], {name: name for name in next(iter(part["engines"].values()))}),
            f"\nRefused or not passed: {', '.join(f'{PEERS.get(name, name)} {count}' for name, count in part['refused'].items())}.\n",
        ]
        if own := part.get("own"):
            out += [
                f"\nOf {own['tokens']:,} masks that maskwright passed, {own['cold masks']:,} had something to learn: mean ",
                f"{figure(own['cold mask mean'])} µs, p99 {figure(own['cold mask p99'])}, worst {figure(own['cold mask worst'])}; ",
                f"full walks per 10,000 tokens: {figure(own['full walks per 10,000 tokens'])}.\n",
            ]
        out += ["\n", *verdict_table(part["verdicts"])]
    if "grammars" in race:
        out += ["\n## Grammars\n\nA token in µs, first time / again.\n\n", *grammar_table(race["grammars"]["engines"])]
        out += ["\n", *verdict_table(race["grammars"]["verdicts"])]
    if hard := record["parts"].get("hard"):
        out += ["\n## Hard cases\n\n", row("case", *HARD.values(), "not as asked"), row("---", *("---:" for _ in HARD), "---")]
        for case in hard["cases"]:
            if "failed" in case:
                out.append(row(case["case"], *("" for _ in HARD), f"failed: {case['failed']}"))
            else:
                out.append(row(case["case"], *(figure(float(case[name])) for name in HARD), ", ".join(case["missed"])))
    if scaling := record["parts"].get("scaling"):
        for name, rows in scaling["tables"].items():
            out += [f"\n## Scaling: {name}\n\n![{name}]({record['name']}/{name}.svg)\n\n", *plain_table(rows)]
        out += ["\n## Scaling: what is asked\n\n", *verdict_table(scaling["verdicts"])]
    return "".join(out)


def updated(readme: str, record: Record) -> str:
    """The README with the record's section in the place of the old one."""
    before, mark, rest = readme.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not mark or not end:
        raise SystemExit("the README has no place for a record")
    return before + readme_section(record) + after


def rounded(value: Any) -> Any:
    """Four digits, so that records stay small."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--schemas", type=Path, help="a file of MaskBench; without it the schemas of `benches/data`")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="for trying the command: figures that nobody should trust")
    parser.add_argument("--readme-only", action="store_true", help="write the README's section from the newest record")
    options = parser.parse_args()
    if options.readme_only:
        record = newest()
        if record is None:
            raise SystemExit("there is no record")
        README.write_text(updated(README.read_text(), record))
        return 0
    from engines import ENGINES, version
    from measuring import machine

    when = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    tokenizer = Path(options.tokenizer).name.removesuffix(".tiktoken")
    slug = re.sub(r"[^a-z0-9]+", "-", machine().lower()).strip("-")
    name = f"{when:%Y-%m-%d}-{slug}" + ("" if tokenizer == "llama3" else f"-{tokenizer}")
    folder = RECORDS / name
    folder.mkdir(parents=True, exist_ok=True)
    schemas = ["--schemas", str(options.schemas)] if options.schemas else []
    source = "benches/data" if not schemas else "MaskBench" if "maskbench" in options.schemas.name.lower() else options.schemas.stem
    commands = {
        "race": ["race.py", *schemas, "--n", str(options.n), "--picture", str(folder / "race.svg")],
        "hard": ["hard.py", "--rounds", "1" if options.quick else "3"],
        "scaling": ["scaling.py", *schemas, "--pictures", str(folder), *(["--quick"] if options.quick else [])],
    }
    parts: dict[str, Any] = {}
    failures = [f"{PEERS[peer]} was not installed and did not race" for peer in ENGINES if version(peer) is None]
    for part, (script, *arguments) in commands.items():
        answer = ROOT / "build" / f"record-{part}.json"
        answer.parent.mkdir(exist_ok=True)
        answer.unlink(missing_ok=True)
        command = [sys.executable, str(HERE / script), "--tokenizer", options.tokenizer, *arguments, "--json", str(answer)]
        print(f"== {part}", flush=True)
        start = time.monotonic()
        try:
            code = subprocess.run(command, check=False, timeout=PATIENCE[part]).returncode
            problem = f"{part} found something wrong" if code else None
        except subprocess.TimeoutExpired:
            problem = f"{part} was given up after {PATIENCE[part]} s"
        print(f"== {part}: {time.monotonic() - start:.0f} s", flush=True)
        if problem:
            failures.append(problem)
        if answer.exists():
            parts[part] = json.loads(answer.read_text())
    record = rounded(
        {
            "name": name,
            "when": when.isoformat(),
            "machine": machine(),
            "tokenizer": tokenizer,
            "schemas": source,
            "versions": {engine: found for engine in ENGINES if (found := version(engine)) is not None},
            "failures": failures,
            "parts": parts,
        }
    )
    (RECORDS / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    (RECORDS / f"{name}.md").write_text(page(record))
    shown = newest()
    if shown is not None:
        README.write_text(updated(README.read_text(), shown))
    print(f"recorded: benches/record/{name}.md" + "".join(f"\n  {failure}" for failure in failures))
    return 0 if parts else 1


if __name__ == "__main__":
    sys.exit(main())
