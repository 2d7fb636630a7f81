"""The official JSON Schema test suite, all drafts, required and optional tests, against the committed verdicts.

    python tests/conformance/suite.py --suite FOLDER [--update] [--drafts draft7,…] [--list VERDICT]

Each instance is written as JSON text in several spellings (separators, escapes, every character as ``\\uXXXX``, keys also in the order of
the schema). A valid instance passes if some spelling is accepted to its end, an invalid one if none is. Keys may come in any order, the
remote documents of the suite are the registry, and formats are asserted only under ``optional/format``. Verdicts:

pass             as the suite expects, or no valid instance is in the suite and the schema is refused as unsatisfiable
false_negative   a valid instance was refused: something is lost
false_positive   an invalid instance was accepted: unsound
refused_schema   the schema was refused
exception        another exception, or no answer in time
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judging import Baseline, accepts, compiler, isolated, key_of, report_changes

import maskwright as mw

HERE = Path(__file__).parent
DRAFTS = {
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft4": "http://json-schema.org/draft-04/schema#",
}
#: Tests of what no draft requires of a validator of texts: contentMediaType as an assertion, and drafts where 1.0 is no integer.
LEFT_OUT = {("draft7", "optional/content"), ("draft4", "optional/zeroTerminatedFloats")}
SECONDS_PER_GROUP = 20.0
REMOTE = "http://localhost:1234/"


@dataclass
class Group:
    """A schema and its tests."""

    draft: str
    file: str
    description: str
    schema: Any
    tests: list[dict[str, Any]]

    @property
    def asserts_formats(self) -> bool:
        """Are formats assertions here?"""
        return self.file.startswith("optional/format")

    @property
    def required(self) -> bool:
        """Does the draft require it?"""
        return not self.file.startswith("optional/")

    def key(self, test: dict[str, Any]) -> str:
        """The key of a test: its content."""
        return key_of(self.draft, self.asserts_formats, self.schema, test["data"], test["valid"])

    def name(self, test: dict[str, Any]) -> str:
        """The name of a test, for people."""
        return f"{self.draft}/{self.file}: {self.description} | {test['description']}"


def groups_of(suite: Path, drafts: list[str]) -> list[Group]:
    """All groups, in order."""
    found = []
    for draft in drafts:
        root = suite / "tests" / draft
        for path in [*sorted(root.glob("*.json")), *sorted(root.glob("optional/**/*.json"))]:
            name = path.relative_to(root).with_suffix("").as_posix()
            if (draft, name) not in LEFT_OUT:
                found += [Group(draft, name, g["description"], g["schema"], g["tests"]) for g in json.loads(path.read_text())]
    return found


def remotes_of(suite: Path) -> dict[str, Any]:
    """The documents that the suite serves."""
    root = suite / "remotes"
    return {REMOTE + path.relative_to(root).as_posix(): json.loads(path.read_text()) for path in sorted(root.rglob("*.json"))}


def ordered(value: Any, schema: Any) -> Any:
    """The members of an object as the schema declares them."""
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return value
    properties, required = schema.get("properties"), schema.get("required")
    names = [*(properties if isinstance(properties, dict) else []), *(required if isinstance(required, list) else [])]
    return {name: value[name] for name in [*(n for n in names if isinstance(n, str) and n in value), *value]}


def escaped(value: Any) -> str:
    """JSON text with every character of every string and key written ``\\uXXXX``."""
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass").hex()
        return '"' + "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)) + '"'
    if isinstance(value, dict):
        return "{" + ",".join(f"{escaped(name)}:{escaped(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(escaped, value)) + "]"
    return json.dumps(value)


def spellings(value: Any, schema: Any) -> Iterator[str]:
    """The texts that an instance is tried as."""
    seen = set()
    for arranged in (value, ordered(value, schema)):
        for separators in (None, (",", ":")):
            for ascii_only in (False, True):
                text = json.dumps(arranged, ensure_ascii=ascii_only, separators=separators)
                if text not in seen:
                    seen.add(text)
                    yield text
        text = escaped(arranged)
        if text not in seen:
            seen.add(text)
            yield text


def judge(engine: mw.GrammarCompiler, group: Group, remotes: dict[str, Any]) -> tuple[list[str], str]:
    """A verdict per test, and why the schema, or a valid instance, was refused."""
    schema = group.schema
    if isinstance(schema, dict) and "$schema" not in schema:
        schema = {"$schema": DRAFTS[group.draft], **schema}
    text = json.dumps(schema)
    options: dict[str, Any] = {"registry": remotes} if REMOTE in text else {}
    try:
        compiled = engine.compile_json_schema(text, any_order=True, assert_formats=group.asserts_formats, **options)
    except BaseException as error:
        as_expected = isinstance(error, mw.UnsatisfiableSchema) and not any(test["valid"] for test in group.tests)
        return ["pass" if as_expected else "refused_schema"] * len(group.tests), f"{type(error).__name__}: {error}"
    verdicts = []
    for test in group.tests:
        try:
            accepted = any(accepts(compiled, text) for text in spellings(test["data"], schema))
        except BaseException:
            verdicts.append("exception")
        else:
            verdicts.append("pass" if accepted == test["valid"] else "false_negative" if test["valid"] else "false_positive")
    narrowed = [f"{e.pointer}: {e.detail}" for e in compiled.json_schema_report() if e.status == "narrowed" and not e.keyword.startswith("(")]
    lost = "false_negative" in verdicts and narrowed
    return verdicts, "narrowed, as the report says of " + "; ".join(narrowed) if lost else ""


def main() -> int:
    """Run, print the counts, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, required=True)
    parser.add_argument("--drafts", default=",".join(DRAFTS))
    parser.add_argument("--update", action="store_true", help="record the verdicts as they are now")
    parser.add_argument("--list", default="", metavar="VERDICT", help="print the tests with this verdict")
    arguments = parser.parse_args()
    started = time.monotonic()
    groups, remotes, engine = groups_of(arguments.suite, arguments.drafts.split(",")), remotes_of(arguments.suite), compiler()
    if not groups:
        parser.error(f"there are no tests in {arguments.suite}")
    verdicts: dict[str, str] = {}
    names: dict[str, str] = {}
    reasons: dict[str, str] = {}
    sections: dict[str, str] = {}
    counts: dict[tuple[str, bool], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    slow = []
    before = time.monotonic()
    for i, result in isolated(lambda i: judge(engine, groups[i], remotes), len(groups), SECONDS_PER_GROUP):
        group = groups[i]
        found, why = result or (["exception"] * len(group.tests), f"no answer within {SECONDS_PER_GROUP:.0f} s")
        slow.append((time.monotonic() - before, f"{group.draft}/{group.file}: {group.description}"))
        before = time.monotonic()
        for test, verdict in zip(group.tests, found, strict=True):
            key = group.key(test)
            verdicts[key], names[key], sections[key] = verdict, group.name(test), f"{group.draft}/{group.file}"
            counts[group.draft, group.required][verdict] += 1
            if verdict in ("false_negative", "refused_schema", "exception") and why:
                reasons[key] = why
            if verdict == arguments.list:
                print(f"  {names[key]}" + (f" | {why}" if why else ""))
    for (draft, required), by_verdict in counts.items():
        total = sum(by_verdict.values())
        rest = ", ".join(f"{name} {n}" for name, n in by_verdict.most_common() if name != "pass")
        kind = "required" if required else "optional"
        print(f"{draft} {kind}: {by_verdict['pass']} of {total} pass ({100 * by_verdict['pass'] / total:.2f} %)" + (f"; {rest}" if rest else ""))
    print(f"{time.monotonic() - started:.0f} s; slowest: " + "; ".join(f"{s:.1f} s {name}" for s, name in sorted(slow, reverse=True)[:3]))
    baseline = Baseline(HERE / "suite.known", HERE / "suite.toml")
    if arguments.update:
        if set(arguments.drafts.split(",")) != set(DRAFTS):
            parser.error("--update needs all drafts")
        baseline.update(verdicts, names, sections.__getitem__, reasons)
        return 0
    return report_changes(baseline, verdicts, names, f"{sys.argv[0]} --suite {arguments.suite}")


if __name__ == "__main__":
    sys.exit(main())
