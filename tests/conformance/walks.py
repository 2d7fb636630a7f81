"""Random texts for real schemas, judged by an independent validator.

    python tests/conformance/walks.py --data FILE.jsonl.gz [--schemas 500] [--seed 0] [--only PART_OF_A_NAME]

For schemas drawn across all features of the data:

* walks along the masks end, and what they end in is valid;
* the same document, and each instance said to be valid, is accepted with the keys of its objects shuffled, under ``any_order``;
* small changes to documents are accepted just when the validator calls the result valid, but for strings that a narrowed format may lose.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from judging import accepts, compiler, isolated, oracle
from maskbench import read

import maskwright as mw

SECONDS_PER_SCHEMA = 60.0
WALKS = (0, 12, 40)
MUTANTS = 12
#: Schemas by name with a problem that is known, a part of its message, and the reason.
KNOWN: dict[str, tuple[str, str]] = {}


def draw(entries: list[dict[str, Any]], count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Schemas such that every feature has its turn."""
    by_feature: dict[str, list[int]] = collections.defaultdict(list)
    for i, entry in enumerate(entries):
        for feature in entry["features"] or ["none"]:
            by_feature[feature].append(i)
    for places in by_feature.values():
        rng.shuffle(places)
    drawn: dict[int, None] = {}
    while len(drawn) < min(count, len(entries)) and by_feature:
        for feature in sorted(by_feature):
            places = by_feature[feature]
            while places and places[-1] in drawn:
                places.pop()
            if places and len(drawn) < count:
                drawn[places.pop()] = None
            if not places:
                del by_feature[feature]
    return [entries[i] for i in drawn]


def shuffled(value: Any, rng: random.Random) -> Any:
    """The value with the keys of its objects in another order."""
    if isinstance(value, dict):
        names = list(value)
        rng.shuffle(names)
        return {name: shuffled(value[name], rng) for name in names}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


_SCALARS = oracle.read(json.dumps([None, True, False, 0, 1, -3, 2.5, 1000000, "", "a", "2024-02-29", "x@example.org", "http://example.org/", "é\u2028😀"]))


def mutant(value: Any, rng: random.Random) -> Any:
    """The value with one small change somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        changed = dict(value)
        kind = rng.random()
        if kind < 0.25:
            del changed[name]
        elif kind < 0.35:
            changed[name + rng.choice("sx ")] = changed.pop(name)
        elif kind < 0.45:
            changed["extra"] = rng.choice(_SCALARS)
        else:
            changed[name] = mutant(value[name], rng)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.2:
            return value[:at] + value[at + 1 :]
        if kind < 0.4:
            return [*value, value[at]]
        return [*value[:at], mutant(value[at], rng), *value[at + 1 :]]
    if isinstance(value, str) and rng.random() < 0.6:
        at = rng.randint(0, len(value))
        return value[:at] + rng.choice(["", "a", "Z", "0", " ", "-", "."]) + value[at + rng.randint(0, 1) :]
    if isinstance(value, Decimal) and rng.random() < 0.7:
        return value + rng.choice([-1, 1, 10, -100])
    return rng.choice([*_SCALARS, [], {}, [value], {"a": value}])


def problems(engine: mw.GrammarCompiler, entry: dict[str, Any], seed: int) -> Iterator[str]:
    """What is wrong with a schema."""
    text = json.dumps(entry["schema"])
    rng = random.Random(f"{seed} {entry['name']}")
    try:
        ordered = engine.compile_json_schema(text)
        free = engine.compile_json_schema(text, any_order=True)
    except mw.MaskwrightError:
        return  # the other ratchet says whether that is right
    schema = oracle.read(text)
    validator = oracle.validator_for(schema, formats=True)
    narrow = oracle.validator_for(schema, formats=True, without_lost=True)
    documents = [oracle.read(json.dumps(test["data"])) for test in entry["tests"] if test["valid"]][:3]
    info, words = engine.tokenizer_info, oracle.words_of(schema, documents)
    for compiled, tokens in [(ordered, WALKS), (free, WALKS[1:2])]:
        for tokens_before_the_end in tokens:
            try:
                found = oracle.walk(mw.GrammarMatcher(compiled), info, rng, tokens_before_the_end, words=words)
            except (AssertionError, mw.MaskwrightError) as error:
                yield f"walk: {type(error).__name__} {str(error)[:300]}"
                continue
            value = oracle.read(found)
            wrong = next(iter(validator.iter_errors(value)), None)
            if wrong is not None:
                yield f"walk ends in an invalid document: {str(wrong.message)[:200]} in {found[:300]}"
            else:
                documents.append(value)
    documents = [document for document in documents if spellable(document)]
    for document in documents:
        other = shuffled(document, rng)
        if validator.is_valid(other) and not accepts(free, oracle.spelled(other)):
            yield f"shuffled keys are refused: {oracle.spelled(other)[:300]}"
    for _ in range(MUTANTS if documents else 0):
        changed = mutant(rng.choice(documents), rng)
        valid = validator.is_valid(changed)
        if narrow.is_valid(changed) == valid and valid != accepts(free, oracle.spelled(changed)):
            yield f"{'a valid' if valid else 'an invalid'} document is {'refused' if valid else 'accepted'}: {oracle.spelled(changed)[:300]}"


def spellable(value: Any) -> bool:
    """Can all numbers be written in reasonable length without an exponent, which is not written under bounds?"""
    if isinstance(value, Decimal):
        return value.adjusted() < 400 and value.as_tuple().exponent > -400
    return all(map(spellable, value.values() if isinstance(value, dict) else value if isinstance(value, list) else []))


def judged(engine: mw.GrammarCompiler, entry: dict[str, Any], seed: int) -> list[str]:
    """What is wrong with a schema, or with judging it."""
    found: list[str] = []
    try:
        found.extend(problems(engine, entry, seed))
    except Exception as error:
        found.append(f"{type(error).__name__} {str(error)[:300]}")
    return found


def main() -> int:
    """Run, print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--schemas", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="PART_OF_A_NAME")
    arguments = parser.parse_args()
    entries = draw(read(arguments.data, arguments.only), arguments.schemas, random.Random(arguments.seed))
    engine = compiler()
    started, wrong = time.monotonic(), 0
    features = collections.Counter(feature for entry in entries for feature in entry["features"])
    for i, found in isolated(lambda i: judged(engine, entries[i], arguments.seed), len(entries), SECONDS_PER_SCHEMA):
        for problem in [f"no answer within {SECONDS_PER_SCHEMA:.0f} s"] if found is None else found:
            name = entries[i]["name"]
            if name in KNOWN and KNOWN[name][0] in problem:
                continue
            wrong += 1
            print(f"  {name}: {problem}", flush=True)
    print(f"{len(entries)} schemas with {len(features)} features, {time.monotonic() - started:.0f} s: {wrong} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
