"""Objects whose keys come from languages with few strings: too few of them is no object, enough are one that can be completed."""

from __future__ import annotations

import itertools
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


SEPARATED = {"any_whitespace": False, "separators": (",", ":")}


@pytest.mark.parametrize("options", [{}, {"any_order": True}, SEPARATED])
def test_keys_that_no_schema_declares_come_in_any_order(compiler, options):
    schemas = [
        {"type": "object", "propertyNames": {"pattern": "^[a-c]$"}},
        {"type": "object", "propertyNames": {"enum": ["b", "a", "c"]}, "minProperties": 2},
        {"type": "object", "patternProperties": {"^(a|b|c)$": {"type": "integer"}}, "additionalProperties": False},
        {"type": "object", "patternProperties": {"^[ac]$": {}, "[b-d]": {}}, "propertyNames": {"maxLength": 1}, "additionalProperties": False},
    ]
    for schema in schemas:
        compiled = compiler.compile_json_schema(json.dumps(schema), **options)
        for keys in itertools.permutations("abc"):
            text = json.dumps(dict.fromkeys(keys, 1), separators=(",", ":"))
            matcher = maskwright.GrammarMatcher(compiled)
            assert matcher.accept_string(text), (schema, text)
            assert matcher.is_completed(), (schema, text)
        matcher = maskwright.GrammarMatcher(compiled)
        assert not matcher.accept_string('{"b":1,"a":1,"b"'), schema


def test_no_key_comes_twice_once_there_are_enough(compiler):
    schema = {"propertyNames": {"pattern": "^a*b?$"}, "patternProperties": {"^[a-z]{2}$": {}}, "additionalProperties": False, "minProperties": 2}
    compiled = compiler.compile_json_schema(json.dumps({"type": "object", **schema}), **SEPARATED)
    for text, holds in [('{"aa":1,"ab":1}', True), ('{"aa":1,"ab":1,"aa":1}', False), ('{"ab":1,"aa":1,"ab":1}', False), ('{"ab":1}', False)]:
        matcher = maskwright.GrammarMatcher(compiled)
        assert (matcher.accept_string(text) and matcher.is_completed()) == holds, text


def test_declared_keys_come_in_order_until_one_that_is_not_declared(compiler):
    schema = {"type": "object", "properties": {"x": {}, "y": {}}, "patternProperties": {"^[ab]$": {}}, "additionalProperties": False}
    compiled = compiler.compile_json_schema(json.dumps(schema), **SEPARATED)
    for keys, holds in [("xy", True), ("yx", False), ("bxya", True), ("xba", True), ("ayxb", True), ("yb", True), ("ybx", True), ("aa", False)]:
        text = "{" + ",".join(f'"{key}":1' for key in keys) + "}"
        matcher = maskwright.GrammarMatcher(compiled)
        assert (matcher.accept_string(text) and matcher.is_completed()) == holds, text


@pytest.mark.parametrize(
    "schema",
    [
        {"propertyNames": {"pattern": "^(ab|[A-Z]+)$"}, "patternProperties": {"b": {"const": "ab"}}, "additionalProperties": False, "minProperties": 2},
        {"propertyNames": {"maxLength": 1}, "patternProperties": {"^(a|b)$": {"type": "object"}, "^a*b?$": {"const": 1}}, "required": ["b"]},
        {"propertyNames": {"pattern": "^[ab]"}, "patternProperties": {"^[^z]{2}": False, "^.z": False}, "minProperties": 3},
    ],
)
def test_keys_are_counted_where_all_that_is_said_of_them_leaves_few(compiler, schema):
    with pytest.raises(maskwright.UnsatisfiableSchema):
        compiler.compile_json_schema(json.dumps({"type": "object", **schema}))


def test_a_key_may_begin_like_one_that_was_passed_over_if_all_do(compiler, tiny):
    schema = {"type": "object", "properties": {"a": {"const": 1}, "aa": {"const": 1}}, "propertyNames": {"pattern": "^a"}, "minProperties": 2}
    compiled = compiler.compile_json_schema(json.dumps(schema), **SEPARATED)
    for text, holds in [('{"aa":1,"ab":2}', True), ('{"aa":1,"ab":2,"a":1}', True), ('{"aa":1,"b":2', False), ('{"aa":1,"aa":1', False), ('{"a":1,"aa":1}', True)]:
        matcher = maskwright.GrammarMatcher(compiled)
        assert (matcher.accept_string(text) and matcher.is_completed()) == holds, text
    matcher = maskwright.GrammarMatcher(compiled)
    assert matcher.accept_string('{"aa":1,')
    assert len(oracle.check_mask(matcher, tiny.vocab_size))


def test_hundreds_of_names_that_do_not_differ_are_no_work(compiler):
    schema = {"type": "object", "patternProperties": {"^[\u0400-\u05ff]$": {"type": "integer"}}, "maxProperties": 2, "not": {"propertyNames": {"maxLength": 1}}}
    limits = maskwright.Limits(max_search_steps=50_000)
    compiled = maskwright.GrammarCompiler(compiler.tokenizer_info, limits=limits).compile_json_schema(json.dumps(schema), **SEPARATED)
    for text, holds in [('{"\u0400":1,"ab":1}', True), ('{"\u0400":1}', False), ('{"ab":"x"}', True), ('{"\u0400":1,"\u0401":1', False)]:
        matcher = maskwright.GrammarMatcher(compiled)
        assert (matcher.accept_string(text) and matcher.is_completed()) == holds, text


@pytest.mark.parametrize(
    "items",
    [
        {"type": "object", "maxProperties": 0},
        {"type": "array", "maxItems": 0},
        {"type": "object", "not": {"minProperties": 1}},
        {"type": "object", "properties": {"a": True}, "maxProperties": 0},
        {"type": "object", "unevaluatedProperties": False},
        {"type": "array", "unevaluatedItems": False},
        {"allOf": [{"type": "object"}], "unevaluatedProperties": False, "type": "object"},
    ],
)
def test_items_of_which_there_is_one_are_not_two_that_differ(compiler, items):
    schema = {"type": "array", "items": items, "uniqueItems": True}
    compiler.compile_json_schema(json.dumps({**schema, "minItems": 1}))
    with pytest.raises(maskwright.UnsatisfiableSchema):
        compiler.compile_json_schema(json.dumps({**schema, "minItems": 2}))
