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
    """Keyword to what the page says of it."""
    section = (ROOT / "docs" / "json-schema.md").read_text().partition("## Keywords")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|$", section, re.MULTILINE)
    return {name: says for names, says in rows for name in re.findall(r"`([^`]+)`", names)}


#: A value that is well-formed, says something, and can be satisfied.
VALUES = {
    keyword: value
    for keywords, value in [
        ("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf", 3),
        ("minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains", 2),
        ("items additionalItems additionalProperties contains", {"type": "string"}),
        ("not if then else unevaluatedItems unevaluatedProperties contentSchema", {"type": "string"}),
        ("properties patternProperties $defs definitions dependentSchemas dependencies", {"a": {"maxLength": 1, "maxProperties": 1}}),
        ("allOf anyOf oneOf prefixItems", [{"type": "string"}]),
        ("deprecated readOnly writeOnly uniqueItems", True),
        ("title description default $comment contentEncoding contentMediaType", "text"),
        ("type", "string"),
        ("enum examples", [1, 2]),
        ("const", "c"),
        ("propertyNames", {"maxLength": 1}),
        ("pattern", "^a+$"),
        ("required", ["a"]),
        ("dependentRequired", {"a": ["b"]}),
        ("format", "date"),
        ("$ref $dynamicRef $recursiveRef", "#/$defs/x"),
        ("$dynamicAnchor", "there"),
        ("$recursiveAnchor", True),
        ("$vocabulary", {"http://example.com/vocabulary": False}),
        ("$id", "http://example.com/schema"),
        ("$anchor", "here"),
    ]
    for keyword in keywords.split()
}


@pytest.mark.parametrize("keyword", sorted(set(keyword_table()) & set(VALUES)))
def test_a_keyword_is_treated_as_the_table_says(keyword):
    says = keyword_table()[keyword]
    schema = {keyword: VALUES[keyword]} | ({"$defs": {"x": {"type": "string"}}} if keyword.endswith("Ref") else {})
    if "refused" in says:
        with pytest.raises(mw.JSONSchemaError) as caught:
            mw.Grammar.from_json_schema(schema)
        assert caught.value.pointer == f"/{keyword}"
    else:
        grammar = mw.Grammar.from_json_schema(schema)
        says_nothing = "nothing about validity" in says
        values = [
            "c",
            "abcd",
            "x",
            1,
            2,
            5,
            True,
            None,
            [],
            [1],
            ["x"],
            [1, 2, 3],
            {},
            {"a": 1},
            {"a": "xx"},
            {"q": 1},
            {"a": 1, "b": 2},
            {"long": 1, "b": 2, "c": 3},
        ]
        accepted = [accepts(grammar, value) for value in values]
        assert any(accepted)
        if says_nothing:
            assert all(accepted)
        elif "enforced" in says and keyword not in ("if", "then", "else", "additionalItems", "minContains", "maxContains"):
            assert not all(accepted)


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
