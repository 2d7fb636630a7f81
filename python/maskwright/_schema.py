"""A JSON Schema given as Python values, and the documents it refers to, become JSON text: the one form that the core reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_DIALECTS = {
    "draft-04": "http://json-schema.org/draft-04/schema#",
    "draft-06": "http://json-schema.org/draft-06/schema#",
    "draft-07": "http://json-schema.org/draft-07/schema#",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}
"""What ``referencing`` calls the drafts, and their ``$schema``."""


def schema_text(schema: Any) -> str:
    """Return the JSON text of a schema.

    Args:
        schema: a dict, a bool, or a class with ``model_json_schema()`` (a pydantic model).

    Raises:
        TypeError: something else, or a value inside that JSON does not have.
        ValueError: NaN, an infinity, or a value that contains itself.

    """
    if isinstance(schema, type):
        describe = getattr(schema, "model_json_schema", None)
        if describe is None:
            raise TypeError(f"a schema class must have model_json_schema() as pydantic models do; {schema.__name__} has not")
        schema = describe()
    if not isinstance(schema, dict | bool):
        raise TypeError(f"a schema must be str, dict, bool or a pydantic model class, got {type(schema).__name__}")
    return _json_text(schema)


def check_registry(registry: Any) -> None:
    """Raise a TypeError unless documents can be asked for by URI."""
    if not isinstance(registry, Mapping):
        raise TypeError(f"registry must be a mapping of URI to document, or a referencing.Registry, got {type(registry).__name__}")


def document_text(registry: Mapping[str, Any], uri: str) -> str | None:
    """Return the JSON text of the document known by ``uri``; None if there is none.

    A document is JSON text, a value that JSON has, or a ``referencing.Resource``, told by what it offers: the package is not imported.

    """
    try:
        document = registry[uri]
    except KeyError:
        return None
    if hasattr(document, "contents"):
        name = getattr(getattr(document, "_specification", None), "name", None)
        document = document.contents
        if isinstance(document, dict) and "$schema" not in document and name in _DIALECTS:
            document = {"$schema": _DIALECTS[name], **document}
    if isinstance(document, str):
        return document
    try:
        return _json_text(document)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"this document of the registry is not JSON: {problem}") from problem


def document_uris(registry: Mapping[str, Any]) -> list[str]:
    """Return the URIs of all documents."""
    return [uri for uri in registry if isinstance(uri, str)]


def _json_text(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except RecursionError:
        return "".join(_pieces(value))


def _pieces(value: Any) -> Iterator[str]:
    """Like ``json.dumps``, however deep the value is."""
    work: list[tuple[str, Any]] = [("value", value)]
    open_values: set[int] = set()
    while work:
        kind, item = work.pop()
        if kind == "text":
            yield item
        elif kind == "close":
            open_values.discard(item)
        elif isinstance(item, dict | list | tuple):
            if id(item) in open_values:
                raise ValueError("it contains itself; use $ref")
            open_values.add(id(item))
            if isinstance(item, dict):
                parts = [[("text", json.dumps({k: 0})[1:-2]), ("value", v)] for k, v in item.items()]
                brackets = "{}"
            else:
                parts = [[("value", v)] for v in item]
                brackets = "[]"
            row: list[tuple[str, Any]] = [("text", brackets[0])]
            for i, part in enumerate(parts):
                row += [("text", ", "), *part] if i else part
            row += [("text", brackets[1]), ("close", id(item))]
            work.extend(reversed(row))
        else:
            yield json.dumps(item, allow_nan=False)
