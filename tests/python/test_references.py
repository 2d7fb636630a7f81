"""Schemas that refer to other documents: what may be given as a registry, and what is remembered of it."""

import json
import pickle
import subprocess
import sys

import pytest

import maskwright as mw

URI = "https://example.org/name"
SCHEMA = {"type": "object", "properties": {"name": {"$ref": URI}}, "required": ["name"], "additionalProperties": False}


@pytest.fixture(scope="module")
def compiler():
    tokens = [bytes([byte]) for byte in range(256)]
    return mw.GrammarCompiler(mw.TokenizerInfo(tokens, vocab_size=257, stop_token_ids=[256]))


def accepts(compiled, value):
    matcher = mw.GrammarMatcher(compiled)
    return matcher.accept_string(json.dumps(value)) and matcher.is_completed()


def referencing_registry(contents):
    referencing = pytest.importorskip("referencing")
    from referencing.jsonschema import DRAFT202012

    return referencing.Registry().with_resource(URI, DRAFT202012.create_resource(contents))


@pytest.mark.parametrize(
    "registry",
    [
        lambda: {URI: {"type": "string", "minLength": 1}},
        lambda: {URI: '{"type": "string", "minLength": 1}'},
        lambda: {URI + "#": {"type": "string", "minLength": 1}},
        lambda: referencing_registry({"type": "string", "minLength": 1}),
        lambda: {URI: {"type": "string", "minLength": 1}, "https://example.org/unused": object()},
    ],
)
def test_what_a_registry_may_be(compiler, registry):
    compiled = compiler.compile_json_schema(SCHEMA, registry=registry())
    assert accepts(compiled, {"name": "x"})
    assert not accepts(compiled, {"name": ""})
    grammar = mw.Grammar.from_json_schema(SCHEMA, registry=registry())
    assert mw.Grammar.from_ebnf(str(grammar)) == grammar
    assert pickle.loads(pickle.dumps(grammar)) == grammar
    assert "unused" not in str(grammar)


def test_booleans_are_documents(compiler):
    compiled = compiler.compile_json_schema(SCHEMA, registry={URI: True})
    assert accepts(compiled, {"name": 1})
    with pytest.raises(mw.UnsatisfiableSchema):
        compiler.compile_json_schema(SCHEMA, registry={URI: False})


def test_a_resource_is_read_as_the_draft_it_is_said_to_be(compiler):
    referencing = pytest.importorskip("referencing")
    from referencing.jsonschema import DRAFT4

    registry = referencing.Registry().with_resource(URI, DRAFT4.create_resource({"minimum": 1, "exclusiveMinimum": True, "const": 0}))
    compiled = compiler.compile_json_schema({"$ref": URI}, registry=registry)
    assert accepts(compiled, 2)
    assert not accepts(compiled, 1)


def test_the_content_of_the_documents_is_what_is_remembered(compiler):
    registry = {URI: {"type": "string"}}
    first = compiler.compile_json_schema(SCHEMA, registry=registry)
    registry[URI] = {"type": "integer"}
    second = compiler.compile_json_schema(SCHEMA, registry=registry)
    assert accepts(first, {"name": "x"})
    assert not accepts(first, {"name": 1})
    assert accepts(second, {"name": 1})
    assert not accepts(second, {"name": "x"})
    assert first.grammar != second.grammar


@pytest.mark.parametrize(
    ("registry", "pointer", "says"),
    [
        ({}, "/properties/name/$ref", "registry="),
        ({URI + "/other": {}}, "/properties/name/$ref", URI),
        ({URI: object()}, URI, "not JSON"),
        ({URI: {"const": float("nan")}}, URI, "not JSON"),
        ({URI: "{"}, URI, "not valid JSON"),
        ({URI: {"minimum": "x"}}, URI + "#/minimum", "a number"),
    ],
)
def test_errors_name_the_document_and_the_place(compiler, registry, pointer, says):
    for make in (mw.Grammar.from_json_schema, compiler.compile_json_schema):
        with pytest.raises(mw.JSONSchemaError, match=says) as caught:
            make(SCHEMA, registry=registry)
        assert caught.value.pointer == pointer


def test_a_registry_that_fails_is_an_error_with_its_words():
    class Failing(dict):
        def __getitem__(self, uri):
            raise RuntimeError("the shelf is empty")

    with pytest.raises(mw.JSONSchemaError, match="the shelf is empty"):
        mw.Grammar.from_json_schema({"$ref": URI}, registry=Failing({URI: 1}))


def test_referencing_is_not_imported():
    code = (
        "import sys, maskwright; maskwright.Grammar.from_json_schema({'$ref': 'urn:x'}, registry={'urn:x': {}}); "
        "assert 'referencing' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
