"""A JSON Schema given as Python values becomes JSON text: the one form that the core reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


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
    try:
        return json.dumps(schema, allow_nan=False)
    except RecursionError:
        return "".join(_pieces(schema))


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
                raise ValueError("the schema contains itself; use $ref")
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
