"""Documents of other people's generator: `hypothesis-jsonschema` for drafts 4 to 7, keys put in declared order."""

from __future__ import annotations

import json
from typing import Any

import oracle
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema

import maskwright

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
COMPILER = maskwright.GrammarCompiler(
    maskwright.TokenizerInfo([bytes([b]) for b in range(256)] + [b"</s>"], stop_token_ids=256), cache_enabled=False
)

scalars = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda kind, low, high: {"type": kind} | ({"minimum": low} if low is not None else {}) | ({"maximum": low + high} if high is not None and low is not None else {}),
        st.sampled_from(["integer", "number"]),
        st.none() | st.integers(-1000, 1000),
        st.none() | st.integers(0, 500),
    ),
    st.builds(
        lambda low, high: {"type": "string"} | ({"minLength": low} if low else {}) | ({"maxLength": low + high} if high is not None else {}),
        st.integers(0, 4),
        st.none() | st.integers(0, 8),
    ),
    st.builds(lambda pattern: {"type": "string", "pattern": pattern}, st.sampled_from(["^[a-z]+$", "b", "^[0-9]{2,4}$", "^(ab)*$"])),
    st.builds(lambda values: {"enum": values}, st.lists(st.none() | st.booleans() | st.integers() | st.text(max_size=4), min_size=1, max_size=4)),
)


def composite(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "ab", "name", "é", 'q"', "x y"])
    return st.one_of(
        st.builds(lambda item, low, high: {"type": "array", "items": item, "minItems": low, "maxItems": low + high}, children, st.integers(0, 2), st.integers(0, 3)),
        st.builds(
            lambda properties, required, closed: {
                "type": "object",
                "properties": properties,
                "required": [name for name, wanted in zip(properties, required, strict=False) if wanted],
            }
            | ({"additionalProperties": False} if closed else {}),
            st.dictionaries(names, children, max_size=4),
            st.lists(st.booleans(), min_size=4, max_size=4),
            st.just(True),
        ),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(children, min_size=1, max_size=3)),
    )


schemas = st.recursive(scalars, composite, max_leaves=6)


def ordered(schema: Any, value: Any) -> Any:
    """The value with the keys of its objects as the schema declares them."""
    for branch in schema.get("anyOf", []):
        if oracle.validator_for(branch).is_valid(oracle.read(json.dumps(value))):
            return ordered(branch, value)
    if isinstance(value, dict) and "properties" in schema:
        return {name: ordered(schema["properties"][name], value[name]) for name in schema["properties"] if name in value}
    if isinstance(value, list) and "items" in schema:
        return [ordered(schema["items"], item) for item in value]
    return value


@given(schemas, st.data())
def test_generated_documents_are_accepted(schema, data):
    value = data.draw(from_schema(schema | {"$schema": DRAFT_7}))
    value = ordered(schema, value)
    compiled = COMPILER.compile_json_schema(json.dumps(schema))
    for text in [json.dumps(value), json.dumps(value, ensure_ascii=False), json.dumps(value, indent=2), json.dumps(value, separators=(",", ":"))]:
        try:
            valid = oracle.is_valid(oracle.read(json.dumps(schema)), text)
        except UnicodeEncodeError:
            valid = False
        assume(valid)
        # With bounds no exponent is offered (narrowed, as documented): json.dumps writes them for very large and small floats.
        assume("e+" not in text and "e-" not in text)
        matcher = maskwright.GrammarMatcher(compiled)
        read = matcher.matched_prefix_length(text)
        assert read == len(text.encode()), f"refused after {text.encode()[:read]!r}: {text}"
        assert matcher.accept_string(text)
        assert matcher.is_completed()


@given(schemas, st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4), lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=3), c, max_size=3), max_leaves=6))
def test_what_is_accepted_is_valid(schema, value):
    compiled = COMPILER.compile_json_schema(json.dumps(schema))
    matcher = maskwright.GrammarMatcher(compiled)
    text = json.dumps(value)
    if matcher.accept_string(text) and matcher.is_completed():
        assert oracle.is_valid(oracle.read(json.dumps(schema)), text)
