"""Objects whose keys come from languages with few strings: too few of them is no object, enough are one that can be completed."""

from __future__ import annotations

import json
import random

import oracle
import pytest

import maskwright

LETTERS = {"pattern": "^[a-c]*$", "maxLength": 1}
#: `propertyNames`, further keywords, and how many keys there may be at most.
CASES = [
    ({"maxLength": 0}, {}, 1),
    (LETTERS, {}, 4),
    (LETTERS, {"required": ["a", "b"]}, 4),
    (LETTERS, {"properties": {"a": False}}, 3),
    (LETTERS, {"patternProperties": {"^[bc]$": False}}, 2),
    ({"allOf": [{"pattern": "^[a-e]$"}, {"not": {"enum": ["b", "d"]}}]}, {}, 3),
    ({"anyOf": [{"enum": ["x", "y"]}, {"pattern": "^[a-b]{2}$"}]}, {}, 6),
    ({"format": "date", "pattern": "^2024-02-2"}, {}, 10),
    ({"pattern": "^[0-9]{3}$"}, {}, 1000),
    ({"pattern": "^[0-9]*$", "maxLength": 3}, {"properties": {"12": {"type": "null"}}}, 1111),
]


@pytest.mark.parametrize("any_order", [False, True])
@pytest.mark.parametrize(("names", "more", "most"), CASES)
def test_too_few_keys_are_no_object(compiler, tiny, names, more, most, any_order):
    schema = {"type": "object", "propertyNames": names, **more}
    with pytest.raises(maskwright.UnsatisfiableSchema):
        compiler.compile_json_schema(json.dumps({**schema, "minProperties": most + 1}), any_order=any_order)
    enough = {**schema, "minProperties": min(most, 8)}
    compiled = compiler.compile_json_schema(json.dumps(enough), any_order=any_order)
    read = oracle.read(json.dumps(enough))
    for seed in range(3):
        document = oracle.walk(maskwright.GrammarMatcher(compiled), tiny, random.Random(seed), 6 * seed, words=oracle.words_of(read))
        assert oracle.validator_for(read, formats=True).is_valid(oracle.read(document)), document
