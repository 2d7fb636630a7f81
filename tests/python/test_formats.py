"""The engine's formats against checkers written apart from it, on the shared cases and on changed ones."""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path

import format_rules
import pytest

import maskwright

CASES = tomllib.loads((Path(__file__).parents[1] / "data" / "formats.toml").read_text())
TABLES = {"format": ("format", format_rules.CHECKERS), "encoding": ("contentEncoding", format_rules.ENCODINGS)}
KNOWN = [(kind, group) for kind in TABLES for group in CASES[kind] if group["name"] in TABLES[kind][1]]
CHANGED = 4
INSERTED = ["", "a", "Z", "0", "9", " ", "-", ".", ":", "/", "@", "[", "]", "%", "+", "é", "\n", "#", "?", "~", "{", "}", "=", "\\"]


def test_every_format_has_a_checker():
    for kind, (_, table) in TABLES.items():
        # Two names stand for what nobody knows.
        unknown = {group["name"] for group in CASES[kind]} - set(table)
        assert unknown == {{"format": "a-format-that-nobody-knows", "encoding": "quoted-printable"}[kind]}
        assert set(table) <= {group["name"] for group in CASES[kind]}


@pytest.mark.parametrize(("kind", "group"), KNOWN, ids=[group["name"] for _, group in KNOWN])
def test_checkers_and_automata_agree(compiler, kind, group):
    keyword, table = TABLES[kind]
    name = group["name"]
    check, lost = table[name], format_rules.LOST.get(name, lambda _: False)
    for verdict, texts in [(True, group["valid"]), (False, group["invalid"]), (True, group.get("lost", []))]:
        for text in texts:
            assert check(text) is verdict, text
    assert all(map(lost, group.get("lost", [])))
    rng = random.Random(name)
    compiled = compiler.compile_json_schema(json.dumps({"type": "string", keyword: name}))
    texts = [*group["valid"], *group["invalid"]]
    for text in texts + [changed(text, rng) for text in texts * CHANGED]:
        matcher = maskwright.GrammarMatcher(compiled)
        accepted = matcher.accept_string(json.dumps(text, ensure_ascii=False)) and matcher.is_completed()
        assert accepted == check(text) or (lost(text) and not accepted), text


def changed(text: str, rng: random.Random) -> str:
    """One or two characters replaced."""
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice(INSERTED) + text[at + rng.randint(0, 1) :]
    return text
