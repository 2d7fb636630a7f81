"""The enforcement report, what an unsatisfiable schema says of itself, and the spelling of strings."""

import json
import pickle

import pytest

import maskwright as mw


def report(compiler, schema, **options):
    """Pointer to status and detail, of keywords only."""
    entries = compiler.compile_json_schema(schema, **options).json_schema_report()
    return {entry.pointer: (entry.status, entry.detail) for entry in entries if not entry.keyword.startswith("(")}


def test_every_keyword_of_every_reachable_schema_is_listed_once(compiler):
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a thing",
        "x-own": 1,
        "type": "object",
        "properties": {"a/b": {"type": "string", "maxLength": 3}, "n": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": ["integer", "null"], "minimum": 1}, "unused": {"type": "string"}},
    }
    found = report(compiler, schema)
    assert {pointer: status for pointer, (status, _) in found.items()} == {
        "/$schema": "exact",
        "/title": "annotation",
        "/x-own": "annotation",
        "/type": "exact",
        "/properties": "narrowed",
        "/properties/a~1b/type": "exact",
        "/properties/a~1b/maxLength": "exact",
        "/properties/n/$ref": "exact",
        "/$defs": "exact",
        "/$defs/n/type": "narrowed",
        "/$defs/n/minimum": "narrowed",
    }
    assert "exponent" in found["/$defs/n/minimum"][1]
    assert "order" in found["/properties"][1]
    assert report(compiler, schema, any_order=True)["/properties"] == ("exact", "")
    entries = compiler.compile_json_schema(schema).json_schema_report()
    assert len({(entry.pointer, entry.keyword) for entry in entries}) == len(entries)


@pytest.mark.parametrize(
    ("schema", "pointer", "status"),
    [
        ({"properties": {"a": {}}}, "/properties", "exact"),
        ({"properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}]}, "/properties", "narrowed"),
        ({"properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}]}, "/allOf/0/properties", "narrowed"),
        ({"properties": {"a": {}, "b": {}}, "additionalProperties": False}, "/additionalProperties", "exact"),
        ({"properties": {"a": {}, "b": {}}, "additionalProperties": True}, "/additionalProperties", "narrowed"),
        ({"properties": {"a": {}, "b": {}}, "required": ["a"]}, "/required", "exact"),
        ({"properties": {"a": {}, "b": {}}, "required": ["c"]}, "/required", "narrowed"),
        ({"enum": ["a", {"b": [1]}]}, "/enum", "narrowed"),
        ({"enum": ["a", {"b": [None]}]}, "/enum", "exact"),
        ({"const": {"a": "", "b": ""}}, "/const", "narrowed"),
        ({"type": ["integer", "number"]}, "/type", "exact"),
        ({"format": "no such format"}, "/format", "annotation"),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "type": "null", "definitions": {"a": {}}}, "/type", "annotation"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "const": 1}, "/const", "annotation"),
    ],
    ids=json.dumps,
)
def test_how_a_keyword_is_enforced(compiler, schema, pointer, status):
    assert report(compiler, schema)[pointer][0] == status


def test_formats_that_are_not_asserted_are_annotations(compiler):
    assert report(compiler, {"format": "date"}, assert_formats=False)["/format"][0] == "annotation"


def test_options_that_narrow_are_listed(compiler):
    def listed(**options):
        entries = compiler.compile_json_schema({"type": "string"}, **options).json_schema_report()
        return {entry.keyword: entry.detail for entry in entries if entry.keyword.startswith("(")}

    assert set(listed()) == {"(white space)", "(strings)"}
    assert "48" in listed()["(white space)"]
    assert "2 characters" in listed(max_whitespace_cnt=2)["(white space)"]
    assert "json.dumps" in listed(any_whitespace=False)["(white space)"]
    assert "shortest" in listed(escapes="minimal")["(strings)"]
    assert "(strict mode)" in listed(strict_mode=True)


def test_a_grammar_lists_all_its_schemas_and_one_without_any_nothing(compiler):
    one, two = mw.Grammar.from_json_schema({"type": "null"}), mw.Grammar.from_json_schema({"const": "x"})
    entries = compiler.compile_grammar(mw.Grammar.concat(one, two)).json_schema_report()
    assert {(entry.schema, entry.pointer) for entry in entries if entry.pointer} == {(0, "/type"), (1, "/const")}
    assert compiler.compile_grammar('root ::= "a"').json_schema_report() == []


def test_entries_are_small_values(compiler):
    entry = compiler.compile_json_schema({"type": "null"}).json_schema_report()[-1]
    assert entry == mw.KeywordReport("/type", "type", mw.Enforcement.EXACT)
    assert entry.status == "exact"
    assert pickle.loads(pickle.dumps(entry)) == entry
    assert repr(entry).startswith("KeywordReport(pointer='/type', keyword='type', status=<Enforcement.EXACT")
    with pytest.raises(AttributeError):
        entry.pointer = ""


def test_an_unsatisfiable_schema_says_what_contradicts_what():
    with pytest.raises(mw.UnsatisfiableSchema) as caught:
        mw.Grammar.from_json_schema({"properties": {"a": {"type": "string", "minLength": 3, "maxLength": 2}}, "required": ["a"], "type": "object"})
    assert caught.value.pointer == "/properties/a"
    assert caught.value.conflicts == ["/properties/a/type", "/properties/a/minLength", "/properties/a/maxLength", "/required", "/type"]
    assert "/properties/a/minLength" in str(caught.value)


STRINGS = ["", "abc", 'a "quoted" \\ word', "é\u2028😀\x7f", "tab\tline\nfeed\x0cback\x08return\r", "\x00\x01\x0b\x1f", "a/b"]


@pytest.mark.parametrize("text", STRINGS)
def test_shortest_spellings_are_those_of_json_dumps(compiler, text):
    compiled = compiler.compile_json_schema({"additionalProperties": {"type": "string"}}, escapes="minimal")
    for value in (text, {text: text}):
        matcher = mw.GrammarMatcher(compiled)
        assert matcher.accept_string(json.dumps(value, ensure_ascii=False))
        assert matcher.is_completed()


@pytest.mark.parametrize("spelling", [r"\u0061", r"\/", r"\u000a", r"\u0022", r"\u005c", r"\ud83d\ude00", r"\u007f"])
def test_longer_spellings_are_refused(compiler, spelling):
    compiled = compiler.compile_json_schema({"additionalProperties": {"type": "string"}}, escapes="minimal")
    free = compiler.compile_json_schema({"additionalProperties": {"type": "string"}})
    for document in (f'"{spelling}"', f'{{"{spelling}": "x"}}', f'{{"x": "{spelling}"}}'):
        assert not mw.GrammarMatcher(compiled).accept_string(document)
        assert mw.GrammarMatcher(free).accept_string(document)


def test_what_a_vocabulary_cannot_spell_is_escaped_even_then():
    missing = {0xC3, 0x7F}
    tokens = [bytes([byte]) for byte in range(256) if byte not in missing]
    compiler = mw.GrammarCompiler(mw.TokenizerInfo([*tokens, b"</s>"], stop_token_ids=len(tokens)))
    compiled = compiler.compile_json_schema({"enum": ["é", "ø\x7f", "ā"]}, escapes="minimal")
    for good in (r'"\u00e9"', r'"\u00f8\u007f"', '"ā"'):
        matcher = mw.GrammarMatcher(compiled)
        assert matcher.accept_string(good)
        assert matcher.is_completed()
    for bad in ('"é"', r'"\u0101"'):
        assert not mw.GrammarMatcher(compiled).accept_string(bad)


def test_the_option_survives_printing_and_is_checked():
    grammar = mw.Grammar.from_json_schema({"type": "string"}, escapes="minimal")
    assert 'escapes="minimal"' in str(grammar)
    assert mw.Grammar.from_ebnf(str(grammar)) == grammar
    assert grammar != mw.Grammar.from_json_schema({"type": "string"})
    with pytest.raises(mw.JSONSchemaError, match="escapes"):
        mw.Grammar.from_json_schema({"type": "string"}, escapes="none")
