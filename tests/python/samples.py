"""Schemas and grammars that tests walk through, and the cases of `tests/data`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

SCHEMAS: dict[str, Any] = {
    "anything": True,
    "person": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 20},
            "age": {"type": "integer", "minimum": 0, "maximum": 130},
            "email": {"type": "string", "pattern": "^[a-z0-9.]+@[a-z0-9]+\\.[a-z]{2,}$"},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 4},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    "open-object": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}, "nam": {"type": "null"}},
        "required": ["namespace"],
    },
    "tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"value": {"type": "number"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 3}},
                "required": ["value"],
                "additionalProperties": False,
            }
        },
    },
    "variants": {
        "anyOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "circle"}, "radius": {"type": "number", "exclusiveMinimum": 0}},
                "required": ["kind", "radius"],
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "square"}, "side": {"type": "number", "exclusiveMinimum": 0, "maximum": 10}},
                "required": ["kind", "side"],
            },
            {"type": "null"},
        ]
    },
    "intersection": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]},
            {"properties": {"a": {"minimum": 10}, "c": {"enum": ["x", "y\n", 3, None]}}, "required": ["c"]},
            {"additionalProperties": {"maxLength": 3}},
        ]
    },
    "patterns": {
        "type": "object",
        "patternProperties": {"^x-": {"type": "integer"}, "-y$": {"maximum": 5}},
        "additionalProperties": {"type": "boolean"},
        "required": ["x-y"],
    },
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string", "enum": ["a", "é\"", "\\"]}, {"type": "boolean"}],
        "items": {"type": "null"},
        "minItems": 2,
        "maxItems": 5,
    },
    "long-strings": {"type": "array", "items": {"type": "string", "minLength": 30, "maxLength": 60, "pattern": "^[^ ]* [^ ]*$"}, "minItems": 1, "maxItems": 2},
    "many-types": {"type": ["integer", "null", "boolean", "string"], "maxLength": 3, "minimum": -5},
    "exact-decimals": {"type": "array", "items": {"type": "number", "minimum": 0.1, "exclusiveMaximum": 0.3}, "minItems": 3, "maxItems": 6},
    "draft-7": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"p": {"items": [{"type": "integer"}], "additionalItems": False}, "q": {"$ref": "#/definitions/q", "minLength": 99}},
        "definitions": {"q": {"type": "string", "maxLength": 4}},
        "required": ["p", "q"],
        "additionalProperties": False,
    },
}

GRAMMARS: dict[str, str] = {
    "arithmetic": 'root ::= root [+-] term | term\nterm ::= term [*/] factor | factor\nfactor ::= "(" root ")" | [0-9]+\n',
    "list": 'root ::= "[" (item ("," " "? item)*)? "]"\nitem ::= [a-zé-ü]+ | root | "\\"" [^"]* "\\""\n',
    "counted": 'root ::= [a-z]{3,40} ("-" [0-9]{2}){0,9}\n',
    "palindrome": 'root ::= "a" root "a" | "b" root "b" | [cd]?\n',
    "tool": 'root ::= "<tool>" json_schema("{\\"type\\":\\"object\\",\\"properties\\":{\\"x\\":{\\"type\\":\\"integer\\"}},\\"required\\":[\\"x\\"]}") "</tool>"\n',
}


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of `tests/data/<name>.toml`."""
    text = (Path(__file__).parents[1] / "data" / f"{name}.toml").read_text()
    return tomllib.loads(text)["test"]


def schema_cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """The schemas of the data-driven cases that compile by themselves, with their options."""
    alone = [case for case in cases("json_schema") if "error" not in case and "registry" not in case]
    return {case["name"]: (case["json_schema"], case.get("options", {})) for case in alone}


ALL_SCHEMAS: dict[str, tuple[str, dict[str, Any]]] = {name: (json.dumps(schema), {}) for name, schema in SCHEMAS.items()} | schema_cases()
