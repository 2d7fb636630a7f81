"""Real schemas of MaskBench with their instances, keys in any order, against the committed verdicts.

    python tests/conformance/maskbench.py --data FILE.jsonl.gz [--update] [--only PART_OF_A_NAME] [--list VERDICT]

Only what does not pass is recorded, by the hash of its content, with its reason: many are errors of the data. Verdicts:

pass             the schema compiles; an instance is accepted or refused as the data says
unsatisfiable    the schema is refused since nothing satisfies it
refused_schema   the schema was refused otherwise
false_negative   an instance said to be valid was refused
false_positive   an instance said to be invalid was accepted
exception        another exception, or no answer in time
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

from judging import UNEXAMINED, Baseline, accepts, compiler, isolated, key_of, oracle, report_changes

import maskwright as mw

HERE = Path(__file__).parent
SECONDS_PER_SCHEMA = 30.0


def read(path: Path, only: str = "") -> list[dict[str, Any]]:
    """The schemas, each with `name`, `schema`, `tests` and `features`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [entry for entry in map(json.loads, lines) if only in entry["name"]]


def examine(schema: Any, instance: Any, valid: bool) -> str:
    """Why an instance is not judged as the data says: the independent validator's answer."""
    try:
        validator = oracle.validator_for(oracle.read(json.dumps(schema)), formats=True)
        wrong = next(iter(validator.iter_errors(oracle.read(json.dumps(instance)))), None)
    except Exception as error:
        return f"{UNEXAMINED}: the independent validator fails: {type(error).__name__}"
    if valid and wrong is not None:
        return f"an error of the data: the independent validator refuses it too: {wrong.message}"[:300]
    if not valid and wrong is None:
        return "an error of the data: the independent validator accepts it too"
    return f"{UNEXAMINED}: the independent validator agrees with the data"


def judge(engine: mw.GrammarCompiler, entry: dict[str, Any]) -> tuple[str, str, float, list[tuple[str, str]]]:
    """The verdict on the schema, why it was refused, the seconds it took to compile, and a verdict per instance with its reason."""
    started = time.process_time()
    try:
        compiled = engine.compile_json_schema(json.dumps(entry["schema"]), any_order=True)
    except mw.UnsatisfiableSchema as error:
        return "unsatisfiable", str(error), time.process_time() - started, []
    except BaseException as error:
        return "refused_schema", f"{type(error).__name__}: {error}", time.process_time() - started, []
    seconds = time.process_time() - started
    verdicts = []
    for test in entry["tests"]:
        try:
            accepted = accepts(compiled, json.dumps(test["data"], ensure_ascii=False))
        except BaseException as error:
            verdicts.append(("exception", f"{type(error).__name__}: {error}"))
            continue
        if accepted == test["valid"]:
            verdicts.append(("pass", ""))
        else:
            verdicts.append(("false_negative" if test["valid"] else "false_positive", examine(entry["schema"], test["data"], test["valid"])))
    return "pass", "", seconds, verdicts


def main() -> int:
    """Run, print the counts, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--update", action="store_true", help="record the verdicts as they are now")
    parser.add_argument("--only", default="", metavar="PART_OF_A_NAME")
    parser.add_argument("--list", default="", metavar="VERDICT", help="print the schemas and instances with this verdict")
    arguments = parser.parse_args()
    entries, engine = read(arguments.data, arguments.only), compiler()
    started = time.monotonic()
    verdicts: dict[str, str] = {}
    names: dict[str, str] = {}
    reasons: dict[str, str] = {}
    schemas: collections.Counter[str] = collections.Counter()
    instances: collections.Counter[str] = collections.Counter()
    compiles = []
    losing = set()
    no_answer = ("exception", f"no answer within {SECONDS_PER_SCHEMA:.0f} s", SECONDS_PER_SCHEMA, [])
    for i, result in isolated(lambda i: judge(engine, entries[i]), len(entries), SECONDS_PER_SCHEMA):
        entry = entries[i]
        verdict, why, seconds, found = result or no_answer
        compiles.append((seconds, entry["name"]))
        schemas[verdict] += 1
        listed = [(key_of(entry["schema"]), verdict, entry["name"], why)]
        for n, (test, (of_test, why_not)) in enumerate(zip(entry["tests"], found, strict=False)):
            instances[of_test] += 1
            if of_test == "false_negative":
                losing.add(entry["name"])
            word = "valid" if test["valid"] else "invalid"
            listed.append((key_of(entry["schema"], test["data"], test["valid"]), of_test, f"{entry['name']}: {word} instance {n}", why_not))
        for key, of_what, name, because in listed:
            verdicts[key], names[key], reasons[key] = of_what, name, because
            if of_what == arguments.list:
                print(f"  {name} [{key}]" + (f" | {because}" if because else ""))
    satisfiable = len(entries) - schemas["unsatisfiable"]
    print(
        f"{len(entries)} schemas: {100 * schemas['pass'] / max(1, satisfiable):.2f} % of {satisfiable} satisfiable ones compile; "
        + ", ".join(f"{name} {n}" for name, n in schemas.most_common())
    )
    print(
        f"{sum(instances.values())} instances: " + ", ".join(f"{name} {n}" for name, n in instances.most_common())
        + f"; {100 * len(losing) / max(1, schemas['pass']):.2f} % of the schemas refuse a valid one"
    )
    total = sum(seconds for seconds, _ in compiles)
    print(f"{time.monotonic() - started:.0f} s in all, {total:.1f} s of it compiling; the slowest compiles:")
    for seconds, name in sorted(compiles, reverse=True)[:10]:
        print(f"  {1000 * seconds:8.1f} ms  {name}")
    baseline = Baseline(None, HERE / "maskbench.toml")
    if arguments.update:
        if arguments.only:
            parser.error("--update needs all schemas")
        baseline.update(verdicts, names, str, reasons)
        return 0
    return report_changes(baseline, verdicts, names, f"{sys.argv[0]} --data {arguments.data}")


if __name__ == "__main__":
    sys.exit(main())
