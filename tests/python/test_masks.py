"""Bit i of a mask is set exactly when a fork accepts token i, on real vocabularies."""

from __future__ import annotations

import random

import oracle
import pytest
from samples import ALL_SCHEMAS, GRAMMARS, SCHEMAS

import maskwright


def compiled_sample(compiler: maskwright.GrammarCompiler, name: str) -> maskwright.CompiledGrammar:
    if name in GRAMMARS:
        return compiler.compile_grammar(GRAMMARS[name])
    schema, options = ALL_SCHEMAS[name]
    return compiler.compile_json_schema(schema, **options)


@pytest.mark.parametrize("name", [*SCHEMAS, *GRAMMARS])
def test_sampled_tokens_on_every_real_vocabulary(real, name):
    info, _ = real
    rng = random.Random(name)
    compiled = compiled_sample(maskwright.GrammarCompiler(info), name)
    for _ in range(2):
        matcher = maskwright.GrammarMatcher(compiled)
        for _ in range(12):
            allowed = oracle.check_mask(matcher, info.vocab_size, sample=400, rng=rng)
            assert matcher.accept_token(int(rng.choice(allowed)))
            if matcher.is_terminated():
                break


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("person", ["", '{"na', '{"name":"', '{"name":"ab', '{"name":"ab","age":1', '{"name":"x","age":3,"tags":["']),
        ("open-object", ["{", '{"n', '{"nam', '{"x":1,"', '{"x":1,"namespace":"a","y":{"x":[']),
        ("anything", ["", "[", '{"a":[{"', '"\\', '"\\ud83d', "-1", '{"\\u0061":1,"']),
        ("arithmetic", ["", "(((1+", "12*(3"]),
        ("counted", ["", "a" * 35, "abc-12-3"]),
    ],
)
def test_every_token_of_a_real_vocabulary(llama3, name, prefixes):
    info, _ = llama3
    compiled = compiled_sample(maskwright.GrammarCompiler(info), name)
    for prefix in prefixes:
        matcher = maskwright.GrammarMatcher(compiled)
        assert matcher.accept_string(prefix)
        oracle.check_mask(matcher, info.vocab_size)


@pytest.mark.parametrize(
    ("text", "prefixes"),
    [
        ({"not": {"pattern": "in"}}, ["", "x", "i", "x\\\\"]),
        ({"pattern": "^(?!.*foo)"}, ["", "fo"]),
        ({"pattern": "^(a[^b]|[^a])*$"}, ["", "a"]),
        ({"pattern": "foo|[0-9]{3}"}, ["", "fo"]),
        ({"pattern": "[0-9]-[a-f]{8}", "minLength": 20}, ["1-abc"]),
        ({"anyOf": [{"not": {"pattern": "b"}}, {"minLength": 200}]}, ["", "b"]),
        ({"pattern": "^[\\p{L}\\p{Z}'-]{1,80}$"}, ["", "é", "x" * 78]),
        ({"pattern": "^\\p{Lu}\\p{L}*( \\p{L}+)*$"}, ["", "Ж "]),
        ({"format": "iri"}, ["http://é/", "http://a/?"]),
    ],
)
def test_every_token_where_texts_are_refused_late_or_by_one_character(llama3, text, prefixes):
    info, _ = llama3
    compiled = maskwright.GrammarCompiler(info).compile_json_schema({"type": "string", **text})
    for prefix in prefixes:
        matcher = maskwright.GrammarMatcher(compiled)
        assert matcher.accept_string('"' + prefix)
        oracle.check_mask(matcher, info.vocab_size)


@pytest.mark.parametrize("layout", [{}, {"any_whitespace": False}, {"any_whitespace": False, "separators": (",", ":")}, {"any_whitespace": False, "indent": 1}])
def test_every_token_where_only_used_keys_begin_so(llama3, layout):
    info, _ = llama3
    schema = {"type": "object", "patternProperties": {"^(id|name|x-.*)$": {"enum": [0, 1]}}, "additionalProperties": False}
    compiled = maskwright.GrammarCompiler(info).compile_json_schema(schema, **layout)
    item, colon = layout.get("separators", ("," if "indent" in layout else ", ", ": "))
    line = "\n " if "indent" in layout else ""
    members = [f'{line}"{key}"{colon}1' for key in ("id", "x-1", "name")]
    for end in ["", item, item + line, item + line + '"']:
        matcher = maskwright.GrammarMatcher(compiled)
        assert matcher.accept_string("{" + item.join(members) + end)
        oracle.check_mask(matcher, info.vocab_size)


@pytest.mark.parametrize("name", list(ALL_SCHEMAS))
def test_every_token_of_a_tiny_vocabulary(tiny, compiler, name):
    rng = random.Random(name)
    compiled = compiled_sample(compiler, name)
    for _ in range(3):
        matcher = maskwright.GrammarMatcher(compiled)
        for _ in range(25):
            allowed = oracle.check_mask(matcher, tiny.vocab_size)
            assert matcher.accept_token(int(rng.choice(allowed)))
            if matcher.is_terminated():
                break


def test_token_by_token_a_document_is_in_every_mask(real):
    """What a model would emit for a document is allowed at each step, and the end after it."""
    info, encode = real
    compiler = maskwright.GrammarCompiler(info)
    compiled = compiler.compile_json_schema(SCHEMAS["person"])
    for text in ['{"name":"Zoë 😀","age":42,"email":"a.b@c.de","tags":["x","","\\u00e9"]}', '{\n  "name": "Ann",\n  "age": 7\n}']:
        matcher = maskwright.GrammarMatcher(compiled)
        tokens = encode(text)
        vocab = info.decoded_vocab
        spelled = b"".join(vocab[t] for t in tokens)
        if spelled != text.encode():  # sentencepiece writes a space before the first word
            assert spelled.lstrip(b" ") == text.encode()
        for token in tokens:
            assert token in oracle.allowed_ids(matcher, info.vocab_size)
            assert matcher.accept_token(token)
        assert set(info.stop_token_ids) <= set(oracle.allowed_ids(matcher, info.vocab_size).tolist())


def test_special_tokens_are_never_text(llama3):
    info, _ = llama3
    matcher = maskwright.GrammarMatcher(maskwright.GrammarCompiler(info).compile_json_schema(True))
    assert matcher.accept_string('"')
    allowed = set(oracle.allowed_ids(matcher, info.vocab_size).tolist())
    assert not allowed & set(info.special_token_ids)
    assert not allowed & set(info.stop_token_ids)
    for token in info.special_token_ids:
        assert not matcher.fork().accept_token(token)


def test_ids_past_the_tokenizer_are_never_allowed(llama3):
    info, _ = llama3
    padded = maskwright.TokenizerInfo(info.decoded_vocab, vocab_size=info.vocab_size + 77, stop_token_ids=info.stop_token_ids[0])
    compiled = maskwright.GrammarCompiler(padded).compile_grammar("root ::= [^a]*")
    allowed = oracle.allowed_ids(maskwright.GrammarMatcher(compiled), padded.vocab_size)
    assert len(allowed) > 1000
    assert allowed.max() < info.vocab_size
