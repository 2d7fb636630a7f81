"""What XGrammar and its stand-in are both asked: grammars, texts, and after each beginning of a text the mask.

Every beginning of a text is a case. Texts are right and wrong ones; what comes after the first wrong byte is no case of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: Grammars by name, each with texts.
EBNF: dict[str, tuple[str, list[str]]] = {
    "list": ('root ::= "[" (item ("," item)*)? "]"\nitem ::= [a-z]+ | [0-9]{1,3}', ["[abc,123,x]", "[]", "[1234]", "[a,]", "abc"]),
    "arithmetic": (
        'root ::= expr\nexpr ::= term (("+" | "-") term)*\nterm ::= factor (("*" | "/") factor)*\nfactor ::= [0-9]+ | "(" expr ")"',
        ["(1+2)*34-5", "((7))", "1+*2", "12/(3)"],
    ),
    "left recursion": ('root ::= root "+" term | term\nterm ::= "a" | "(" root ")"', ["a+(a+a)", "a+", "+a"]),
    "right recursion": ('root ::= "a" root "b" | "ab" | "c"', ["aabb", "aaacbbb", "aab", "abab"]),
    "nullable": ('root ::= a b a\na ::= "x"?\nb ::= "y"* | "z"', ["xyyx", "xzx", "", "yx", "xx"]),
    "ambiguous": ('root ::= s\ns ::= s s | "a" | "ab" | "b"', ["abaab", "aabb", "abc"]),
    "palindrome": ('root ::= "a" root "a" | "b" root "b" | "c"', ["abcba", "aacaa", "abcab"]),
    "unicode": ('root ::= [à-ü]+ " " [^a-z] "€"', ["éü x€", "éü 9€", "é €€"]),
    "escapes": (r'root ::= "\"\\\n\t\x41\u00e9" [\]\-\\^]', ['"\\\n\tAé]', '"\\\n\tAé^', '"\\\n\tAéx']),
    "repeats": ('root ::= "a"{2} "b"{1,3} "c"{2,} "d"?', ["aabbcccd", "aabbbcc", "abcc", "aabbbbcc"]),
    "nested repeats": ('root ::= (("a" | "bc"){1,2} ";"){2}', ["abc;a;", "a;bcbc;", "aaa;"]),
    "sql": (
        'root ::= "SELECT " ("*" | names) " FROM " name (" WHERE " name "=" [0-9]+)? ";"\nnames ::= name (", " name)*\nname ::= [a-z]+',
        ["SELECT a, bc FROM t WHERE x=12;", "SELECT * FROM ab;", "SELECT  FROM t;"],
    ),
    "keywords": ('root ::= ("abc" | "ab" | "abcd" | "x") "!"', ["abc!", "abcd!", "ab!", "a!"]),
    "other root": ('s ::= "a" | "b" t\nroot ::= t s\nt ::= "c"*', ["ccbc", "a", "cb"]),
    "comments": ('# first\nroot ::= "a" # last\n | "b" "c"', ["a", "bc", "b#"]),
    "xml": ('root ::= "<" name ">" (text | root)* "</" name ">"\nname ::= [a-c]+\ntext ::= [^<>]', ["<a>x<b></b>y</a>", "<ab>é</c>", "<a></a"]),
    "csv": ('root ::= row ("\\n" row)*\nrow ::= cell ("," cell)*\ncell ::= [^",\\n]* | "\\"" ([^"] | "\\"\\"")* "\\""', ['a,"b""c",\n1,2', '"x', 'a"b']),
}

REGEX: dict[str, tuple[str, list[str]]] = {
    "date": (r"\d{4}-\d{2}-\d{2}", ["2024-01-31", "24-1-1", "2024-1"]),
    "words": (r"[a-z]+( [a-z]+)*", ["abc de f", "a  b", "A"]),
    "alternatives": (r"(foo|bar|foobar)+", ["foobarbar", "foo", "fob"]),
    "classes": (r"[^a-z\d]\w\W", ["AB!", "é_ ", "a"]),
    "optional": (r"-?(0|[1-9]\d*)(\.\d+)?", ["-12.50", "0", "01", "-.5"]),
    "email": (r"[a-z0-9.]+@[a-z0-9]+\.[a-z]{2,3}", ["a.b@c1.org", "ab@c.o", "@"]),
    "escaped": (r"\(\d+\)\n\t\x41\u0042\\", ["(12)\n\tAB\\", "()"]),
    "lazy": (r"a+?b*?c??", ["aabbc", "ab", "c"]),
    "named groups": (r"(?<year>\d+)(?:x|y)", ["12x", "1z"]),
    "empty branch": (r"a(|b|cd)e", ["ae", "abe", "acde", "ace"]),
    "whitespace": (r"a\s+b\S", ["a \t\nbc", "ab", "a b "]),
    "any": (r"<.*>", ["<abé>", "<>>", "<a\n>", "x"]),
    "anchors": (r"^ab$", ["ab", "abc"]),
    "counted": (r"(ab){2,3}c{0,2}", ["ababab", "ababcc", "abc"]),
}

#: Schemas laid out as json.dumps does.
SCHEMAS: dict[str, tuple[Any, list[Any]]] = {
    "integer": ({"type": "integer"}, ["-12", "0", "7", "1.0", "01", "-0"]),
    "bounded integer": ({"type": "integer", "minimum": -3, "maximum": 120}, ["-3", "7", "119", "121", "-4"]),
    "boolean": ({"type": "boolean"}, ["true", "false", "True"]),
    "null": ({"type": "null"}, ["null", "nul"]),
    "number": ({"type": "number"}, ["-1.5e+3", "0.25", "12", "1.", "1E5"]),
    "string": ({"type": "string"}, ['"aé\\n\\u00e9\\"b"', '"a\nb"', '"\\x"', '""']),
    "enum": ({"enum": ["red", "green", 3, True, None, "gr"]}, ['"red"', '"green"', "3", "true", '"gr"', "null", '"blue"']),
    "const": ({"const": "fixed value"}, ['"fixed value"', '"fixed"']),
    "array": ({"type": "array", "items": {"type": "integer"}}, ["[1, 2, 33]", "[]", "[1,2]", '["a"]']),
    "bounded array": ({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}, ["[true, false]", "[true]", "[]"]),
    "tuple": (
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": False, "minItems": 2},
        ["[1, true]", "[true]", "[1, true, 2]"],
    ),
    "person": (
        {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "ok": {"type": "boolean"}},
            "required": ["name", "age", "ok"],
        },
        ['{"name": "Ann", "age": 42, "ok": true}', '{"name": "A", "ok": true}', '{"age": 1}', "{}"],
    ),
    "optional keys": (
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": {"type": "boolean"}}, "required": ["b"]},
        ['{"a": 1, "b": null, "c": true}', '{"b": null}', '{"a": 1}', '{"b": null, "d": 1}'],
    ),
    "no required keys": (
        {"type": "object", "properties": {"a": {"type": "integer"}, "ab": {"type": "integer"}}},
        ['{"a": 1, "ab": 2}', '{"ab": 2}', "{}", '{"b": 1}'],
    ),
    "nested": (
        {
            "type": "object",
            "properties": {"p": {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "null"}}}, "required": ["x"]}},
            "required": ["p"],
        },
        ['{"p": {"x": [null, null]}}', '{"p": {"x": []}}', '{"p": {}}'],
    ),
    "union": ({"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "array", "items": {"type": "null"}}]}, ["12", "true", "[null]", '"a"']),
    "types": ({"type": ["integer", "null", "boolean"]}, ["-5", "null", "false", "[]"]),
    "recursive": (
        {
            "$ref": "#/$defs/node",
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                    "required": ["v", "next"],
                }
            },
        },
        ['{"v": 1, "next": {"v": 2, "next": null}}', '{"v": 1, "next": 3}'],
    ),
    "map": (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        ['{"a": 1, "bc": 22}', "{}", '{"a": "b"}'],
    ),
    "pattern": ({"type": "string", "pattern": "^[a-z]{2,4}-[0-9]+$"}, ['"ab-12"', '"abcde-1"', '"a-1"']),
    "lengths": ({"type": "string", "minLength": 2, "maxLength": 4}, ['"ab"', '"abcd"', '"abcde"', '"a"', '"a\\nb"', '"é\t"']),
    "date format": ({"type": "string", "format": "date"}, ['"2024-02-29"', '"2023-02-30"', '"24-1-1"']),
    "uuid format": ({"type": "string", "format": "uuid"}, ['"123e4567-e89b-12d3-a456-426614174000"', '"123"']),
    "bounded number": ({"type": "number", "minimum": 0, "maximum": 10.5}, ["10.5", "0.25", "7", "10.6", "-1", "1e1"]),
    # Where XGrammar drops what the schema says.
    "all of": ({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 9}]}, ["5", "2", "true"]),
    "not": ({"type": "integer", "not": {"const": 5}}, ["4", "5", "55"]),
    "unique": ({"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True}, ["[1, 2]", "[1, 1]"]),
    "contains": ({"type": "array", "items": {"type": "boolean"}, "contains": {"const": True}}, ["[false, true]", "[false]"]),
    "multiple of": ({"type": "number", "multipleOf": 0.5}, ["1.5", "1.25", "2"]),
    "minimum alone": ({"minimum": 5}, ["7", "4", '"a"']),
    "required alone": ({"type": "object", "required": ["a"], "additionalProperties": {"type": "null"}}, ['{"a": null}', "{}"]),
    "conditional": (
        {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "null"}}, "required": ["a"], "if": {"properties": {"a": {"const": True}}}, "then": {"required": ["b"]}},
        ['{"a": true, "b": null}', '{"a": true}', '{"a": false}'],
    ),
    "dependent": (
        {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "dependentRequired": {"a": ["b"]}},
        ['{"a": null, "b": null}', '{"a": null}', "{}"],
    ),
    "one of": ({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "integer", "maximum": 5}]}, ["7", "3", "-1"]),
    "enum of a type": ({"type": "string", "enum": [1, "a"]}, ['"a"', "1"]),
    "lookahead": ({"type": "string", "pattern": "^(?!a).*$"}, ['"bc"', '"ab"']),
    "unanchored": ({"type": "string", "pattern": "b"}, ['"abc"', '"b"', '"ac"']),
    "escaped key": ({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "boolean"}}, ['{"a": null, "b": true}', '{"\\u0061": true}']),
    "key names": ({"type": "object", "propertyNames": {"pattern": "^[ab]$"}, "additionalProperties": {"type": "null"}}, ['{"a": null}', '{"c": null}']),
    "key patterns": (
        {"type": "object", "patternProperties": {"^x": {"type": "null"}}, "additionalProperties": {"type": "boolean"}},
        ['{"x1": null}', '{"y": true}', '{"x": true}'],
    ),
    "few keys": ({"type": "object", "additionalProperties": {"type": "null"}, "minProperties": 1, "maxProperties": 2}, ['{"a": null, "b": null}', "{}", '{"a": null, "a": null}']),
    "pointer": ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}}, ["null", "1"]),
}

#: Schemas with white space anywhere.
SPACED = {name: SCHEMAS[name] for name in ("integer", "array", "person", "union")}


def cases() -> Iterator[tuple[str, str, Any, dict[str, Any], list[str]]]:
    """Each grammar: its name, the method that compiles it, its source, options, and its texts."""
    for name, (source, texts) in EBNF.items():
        yield f"ebnf: {name}", "compile_grammar", source, {}, texts
    for name, (source, texts) in REGEX.items():
        yield f"regex: {name}", "compile_regex", source, {}, texts
    for name, (schema, texts) in SCHEMAS.items():
        yield f"schema: {name}", "compile_json_schema", json.dumps(schema), {"any_whitespace": False}, texts
    for name, (schema, texts) in SPACED.items():
        yield f"spaced: {name}", "compile_json_schema", json.dumps(schema), {}, texts
    yield "open: person", "compile_json_schema", json.dumps(SCHEMAS["person"][0]), {"any_whitespace": False, "strict_mode": False}, SCHEMAS["person"][1]
    yield "any order: person", "compile_json_schema", json.dumps(SCHEMAS["person"][0]), {"any_whitespace": False, "any_order": True}, SCHEMAS["person"][1]
    yield "indented: nested", "compile_json_schema", json.dumps(SCHEMAS["nested"][0]), {"any_whitespace": False, "indent": 2}, ['{\n  "p": {\n    "x": [\n      null\n    ]\n  }\n}']
    yield "compact: array", "compile_json_schema", json.dumps(SCHEMAS["array"][0]), {"any_whitespace": False, "separators": (",", ":")}, ["[1,2]"]
    yield "json", "compile_builtin_json_grammar", None, {}, ['{"a":[1,-2.5e3,"x\\n"],"b":null}', "[]", "1", '["a\tb"]', '[01]']
