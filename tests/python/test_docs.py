"""The documentation says what the code does: its examples run, and its tables agree with what happens."""

import json
import re
from pathlib import Path

import pytest

import maskwright as mw

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page):
    names = {}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, page.name, "exec"), names)


def keyword_table():
    """Keyword to drafts and status, as the page has them."""
    section = (ROOT / "docs" / "keywords.md").read_text().partition("## Keywords")[2].partition("\n## ")[0]
    return {name: (drafts, status) for name, drafts, status in re.findall(r"^\| `([^`]+)` \| ([^|]*) \| (\w+) \|", section, re.MULTILINE)}


#: A value that is well-formed, says something, and can be satisfied.
VALUES = {
    keyword: value
    for keywords, value in [
        ("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf", 3),
        ("minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains", 2),
        ("items additionalItems additionalProperties contains", {"type": "string"}),
        ("not if unevaluatedItems unevaluatedProperties contentSchema", {"type": "string"}),
        ("then else", {"type": "number"}),
        ("properties patternProperties $defs definitions dependentSchemas dependencies", {"a": {"maxLength": 1, "maxProperties": 1}}),
        ("allOf anyOf oneOf prefixItems", [{"type": "string"}]),
        ("deprecated readOnly writeOnly uniqueItems $recursiveAnchor", True),
        ("title description default $comment contentMediaType", "text"),
        ("contentEncoding", "base64"),
        ("type", "string"),
        ("enum examples", [1, 2]),
        ("const", "c"),
        ("propertyNames", {"maxLength": 1}),
        ("pattern", "^a+$"),
        ("required", ["a"]),
        ("dependentRequired", {"a": ["b"]}),
        ("format", "date"),
        ("$ref $dynamicRef $recursiveRef", "#/$defs/x"),
        ("$id id", "http://example.com/schema"),
        ("$anchor $dynamicAnchor", "here"),
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("$vocabulary", {}),
    ]
    for keyword in keywords.split()
}
#: What a keyword needs beside it to say something.
BESIDE = {
    "$ref": {"$defs": {"x": {"type": "string"}}},
    "$dynamicRef": {"$defs": {"x": {"type": "string"}}},
    "if": {"else": False},
    "then": {"if": True},
    "else": {"if": False},
    "additionalItems": {"items": [{}]},
    "minContains": {"contains": {"type": "number"}},
    "maxContains": {"contains": {"type": "number"}},
    "unevaluatedItems": {"minItems": 1},
}
#: Names and definitions say nothing by themselves; the recursive reference needs a draft of its own.
NAMES = {"$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$schema", "$vocabulary", "$defs", "definitions", "$recursiveRef"}
TRIED = [
    *("c", "abcd", "x", "2024-02-30", 1, 2, 5, True, None, [], [1], ["x"], [1, 2, 3], [1, 1, 1], ["a", "b", 1]),
    *({}, {"a": 1}, {"a": "xx"}, {"q": 1}, {"a": 1, "b": 2}, {"long": 1, "b": 2, "c": 3}),
]


@pytest.mark.parametrize("keyword", sorted(set(keyword_table()) & set(VALUES) - NAMES))
def test_a_keyword_is_treated_as_the_table_says(keyword):
    _, status = keyword_table()[keyword]
    schema = {keyword: VALUES[keyword], **BESIDE.get(keyword, {})}
    if status == "refused":
        with pytest.raises(mw.JSONSchemaError) as caught:
            mw.Grammar.from_json_schema(schema)
        assert caught.value.pointer == f"/{keyword}"
        return
    grammar = mw.Grammar.from_json_schema(schema, any_order=True)
    accepted = [accepts(grammar, value) for value in TRIED]
    assert any(accepted)
    assert all(accepted) == (status == "annotation")


def accepts(grammar, value):
    from maskwright.cli.grammars import compile_for_bytes

    matcher = mw.GrammarMatcher(compile_for_bytes(grammar))
    return matcher.accept_string(json.dumps(value)) and matcher.is_completed()


def test_every_keyword_of_the_table_is_tried():
    assert set(keyword_table()) == set(VALUES)


def test_every_exception_is_in_the_table_of_errors():
    from maskwright import exceptions

    page = (ROOT / "docs" / "api.md").read_text()
    assert [name for name in exceptions.__all__ if f"`{name}`" not in page] == []
