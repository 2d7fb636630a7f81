"""Whatever masks allow leads to an end, and what ends is valid."""

from __future__ import annotations

import random

import oracle
import pytest
from samples import ALL_SCHEMAS, GRAMMARS

import maskwright

#: Schemas whose options change the order of keys or white space, not what is valid, are walked too.
WALKS = 3


@pytest.mark.parametrize("name", list(ALL_SCHEMAS))
def test_walks_over_schemas_end_in_valid_documents(tiny, compiler, name):
    text, options = ALL_SCHEMAS[name]
    schema = oracle.read(text)
    rng = random.Random(name)
    compiled = compiler.compile_json_schema(text, **options)
    for free in [0, 5, 30, 100][: WALKS + 1]:
        document = oracle.walk(maskwright.GrammarMatcher(compiled), tiny, rng, free, words=oracle.words_of(schema))
        assert oracle.is_valid(schema, document), document


@pytest.mark.parametrize("name", ["person", "open-object", "tree", "variants", "intersection", "patterns", "exact-decimals", "draft-7"])
def test_walks_on_real_vocabularies(real, name):
    info, _ = real
    text, options = ALL_SCHEMAS[name]
    schema = oracle.read(text)
    rng = random.Random(name)
    compiled = maskwright.GrammarCompiler(info).compile_json_schema(text, **options)
    for free in [8, 20]:
        document = oracle.walk(maskwright.GrammarMatcher(compiled), info, rng, free, words=oracle.words_of(schema))
        assert oracle.is_valid(schema, document), document


@pytest.mark.parametrize("name", list(GRAMMARS))
def test_walks_over_grammars_end_where_the_grammar_does(tiny, compiler, name):
    rng = random.Random(name)
    compiled = compiler.compile_grammar(GRAMMARS[name])
    for free in [0, 6, 25]:
        text = oracle.walk(maskwright.GrammarMatcher(compiled), tiny, rng, free)
        again = maskwright.GrammarMatcher(compiled)
        assert again.accept_string(text)
        assert again.is_completed()
