"""How much memory many grammars take: compile them one after the other under a limit, follow a text of each, and watch the process.

A process of its own builds the vocabulary, compiles the schemas of a file of MaskBench (or those of `benches/data`, varied), fills the
mask before every token of their texts, and drops what it was given. It fails if the resident memory ever passes that of the vocabulary
alone by the limit and an allowance, or if the compiler says that it holds more than its limit.

    memory.py [--data FILE.jsonl[.gz]] [--n 1000] [--limit-mb 256] [--allow-mb 200] [--tokenizer llama3]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import gzip
import json
import multiprocessing
import random
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def resident() -> float:
    """Resident memory of this process, in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def schemas(data: Path | None, count: int) -> list[tuple[Any, list[str]]]:
    """Different schemas, and texts of each."""
    found: list[tuple[Any, list[str]]] = []
    if data is None:
        lines = [json.loads(line) for line in (HERE.parent / "data" / "schemas.jsonl").read_text().splitlines()]
        for number in range(count):
            item = lines[number % len(lines)]
            # Another title is no other schema: another property is.
            schema = {"allOf": [item["schema"], {"properties": {f"p{number}": {"maxLength": number}}}]}
            found.append((schema, [json.dumps(x, ensure_ascii=False) for x in item["instances"]]))
        return found
    with gzip.open(data, "rt") if data.suffix == ".gz" else data.open() as file:
        items = [json.loads(line) for line in file]
    random.Random(11).shuffle(items)
    for item in items:
        texts = [json.dumps(test["data"], ensure_ascii=False) for test in item["tests"] if test["valid"]]
        if texts and len(found) < count:
            found.append((item["schema"], texts))
    return found


def measure(arguments: argparse.Namespace, report: Any) -> None:
    import vocabularies

    import maskwright

    cases = [(json.dumps(schema), texts) for schema, texts in schemas(arguments.data, arguments.n)]
    vocabulary = vocabularies.load(arguments.tokenizer)
    tokens = [[vocabulary.encode(text) for text in texts] for _, texts in cases]
    info = vocabulary.info()
    limit = arguments.limit_mb << 20
    compiler = maskwright.GrammarCompiler(info, cache_limit_bytes=limit if arguments.limit_mb >= 0 else -1)
    bitmask = maskwright.allocate_token_bitmask(1, info.vocab_size)
    # What reading the tokenizer left behind would hide as much growth.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident()
    highest, most, refused = before, 0, 0
    for number, ((schema, _), rows) in enumerate(zip(cases, tokens, strict=True)):
        try:
            compiled = compiler.compile_json_schema(schema)
        except maskwright.MaskwrightError:
            refused += 1
            continue
        for ids in rows:
            matcher = maskwright.GrammarMatcher(compiled)
            for token in ids:
                matcher.fill_next_token_bitmask(bitmask)
                if not matcher.accept_token(token):
                    break
        del compiled
        matcher = None
        statistics = compiler.statistics()
        most = max(most, statistics["bytes"] + statistics["shared_bytes"])
        highest = max(highest, resident())
        if arguments.verbose and number % 100 == 99:
            print(f"{number + 1:>6} {resident() - before:8.0f} MB resident, {statistics}", file=sys.stderr)
    report.put((before, highest, most / 2**20, len(cases) - refused, refused, compiler.statistics()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--limit-mb", type=int, default=256, help="cache_limit_bytes of the compiler; -1: none, and nothing is checked")
    parser.add_argument("--allow-mb", type=int, default=200)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    report = context.Queue()
    process = context.Process(target=measure, args=(arguments, report))
    process.start()
    before, highest, most, compiled, refused, statistics = report.get()
    process.join()
    grown = highest - before
    print(f"{compiled} grammars ({refused} refused): {grown:.0f} MB resident beyond the {before:.0f} MB of vocabulary and schemas")
    print(f"the compiler says that it held at most {most:.0f} MB of {arguments.limit_mb}")
    print(", ".join(f"{name} {number}" for name, number in statistics.items()))
    if arguments.limit_mb < 0:
        return 0
    # The grammar that is in use is held by its matcher.
    within = grown <= arguments.limit_mb + arguments.allow_mb and most <= arguments.limit_mb * 1.125
    print("within the limit" if within else "BEYOND THE LIMIT")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
