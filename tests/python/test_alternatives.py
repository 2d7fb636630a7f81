"""Many alternatives of one object that share keys: what one value can say about all of them at once."""

from __future__ import annotations

import json
import random

import oracle
import pytest

import maskwright

NAMES = ["a", "b", "c", "d", "e"]
SCALARS = [None, True, 0, 1, 2.5, -7, "x", "y", "long text", [], [1], ["x", "x"], {}, {"a": 1}, {"b": "x"}, {"a": "y", "c": 1}]


def scalar_schema(rng: random.Random):
    return rng.choice(
        [
            {"type": "string"},
            {"type": "string", "maxLength": 3},
            {"enum": ["x", "y"]},
            {"const": "x"},
            {"enum": ["y", 1, None]},
            {"type": "integer"},
            {"type": "number", "minimum": 1},
            {"type": ["boolean", "null"]},
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "maxItems": 0},
            {"not": {"type": "object"}},
            {"$ref": "#/$defs/shared"},
            True,
            False,
        ]
    )


def object_schema(rng: random.Random, depth: int):
    schema: dict = {"type": "object"} if rng.random() < 0.9 else {}
    names = rng.sample(NAMES, rng.randint(0, 3))
    inner = [object_schema(rng, depth - 1) if depth and rng.random() < 0.25 else scalar_schema(rng) for _ in names]
    schema["properties"] = dict(zip(names, inner, strict=True))
    if rng.random() < 0.8:
        schema["additionalProperties"] = False
    if rng.random() < 0.3:
        schema["required"] = rng.sample(NAMES, rng.choice([1, 1, 2]))
    if rng.random() < 0.1:
        schema["minProperties"] = rng.randint(1, 2)
    if rng.random() < 0.1:
        schema["patternProperties"] = {"^[ab]$": scalar_schema(rng)}
    if rng.random() < 0.1:
        schema["propertyNames"] = {"enum": rng.sample(NAMES, 3)}
    return schema


def alternatives(rng: random.Random):
    kind = rng.choice(["oneOf", "anyOf", "oneOf", "not"])
    branches = []
    for i in range(rng.randint(6, 9)):
        tag = {"const": f"t{i}"} if rng.random() < 0.8 else {"type": "string"}
        config = object_schema(rng, 2) if rng.random() < 0.9 else scalar_schema(rng)
        branches.append({"type": "object", "properties": {"config": config, "tag": tag}, "required": ["tag"]})
    inner = {"not": {"anyOf": branches}} if kind == "not" else {kind: branches}
    return {"$defs": {"shared": {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}}, **inner}


def document(rng: random.Random):
    def some(depth):
        if depth == 0 or rng.random() < 0.3:
            return rng.choice(SCALARS)
        return {name: some(depth - 1) for name in rng.sample(NAMES, rng.choice([0, 1, 1, 2, 3]))}

    whole = {"config": some(2), "tag": f"t{rng.randrange(9)}"} if rng.random() < 0.95 else {"tag": "t0"}
    names = list(whole)
    rng.shuffle(names)
    return {name: whole[name] for name in names}


@pytest.mark.parametrize("seed", range(60))
def test_alternatives_are_told_apart(compiler, seed):
    rng = random.Random(seed)
    schema = alternatives(rng)
    text = json.dumps(schema)
    try:
        compiled = compiler.compile_json_schema(text, any_order=True)
    except maskwright.UnsatisfiableSchema:
        compiled = None
    validator = oracle.validator_for(oracle.read(text))
    for _ in range(150):
        spelled = json.dumps(document(rng))
        matcher = compiled and maskwright.GrammarMatcher(compiled)
        accepted = bool(matcher) and matcher.accept_string(spelled) and matcher.is_completed()
        assert accepted == validator.is_valid(oracle.read(spelled)), (text, spelled)
