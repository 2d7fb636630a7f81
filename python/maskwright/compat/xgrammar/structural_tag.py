"""Structural tags, which come later: their names are here, and using one says so."""

from __future__ import annotations

import inspect
from typing import Any


def not_yet(what: str) -> NotImplementedError:
    """The exception for what this engine does not have yet."""
    return NotImplementedError(
        f"{what} are not implemented in maskwright yet; compile_json_schema, compile_grammar (EBNF) and compile_regex are"
    )


class _Later:
    """A class that cannot be made yet."""

    def __init__(self, **_: Any) -> None:
        raise not_yet("structural tags")


class StructuralTagItem(_Later):
    """The older form: one tag with a schema."""


class StructuralTag(_Later):
    """A structural tag."""

    @staticmethod
    def from_legacy_structural_tag(tags: list[StructuralTagItem], triggers: list[str]) -> StructuralTag:  # noqa: ARG004
        """Not yet."""
        raise not_yet("structural tags")

    @staticmethod
    def from_json(json_str: str | dict[str, Any]) -> StructuralTag:  # noqa: ARG004
        """Not yet."""
        raise not_yet("structural tags")


_REQUIRED = inspect.Parameter.empty
_MARKS = {"at_least_one": False, "stop_after_first": False}
#: Each class with its fields and their defaults.
_FORMATS: dict[str, dict[str, Any]] = {
    "ConstStringFormat": {"type": "const_string", "value": _REQUIRED},
    "JSONSchemaFormat": {
        "type": "json_schema",
        "json_schema": _REQUIRED,
        "style": "json",
        "any_order": False,
        "max_whitespace_cnt": None,
        "excludes": [],
    },
    "AnyTextFormat": {"type": "any_text", "excludes": [], "max_tokens": None, "max_chars": None},
    "TokenFormat": {"type": "token", "token": _REQUIRED},
    "ExcludeTokenFormat": {"type": "exclude_token", "exclude_tokens": []},
    "AnyTokensFormat": {"type": "any_tokens", "exclude_tokens": [], "max_tokens": None},
    "GrammarFormat": {"type": "grammar", "grammar": _REQUIRED},
    "RegexFormat": {"type": "regex", "pattern": _REQUIRED},
    "SequenceFormat": {"type": "sequence", "elements": _REQUIRED},
    "OrFormat": {"type": "or", "elements": _REQUIRED},
    "TagFormat": {"type": "tag", "begin": _REQUIRED, "content": _REQUIRED, "end": _REQUIRED},
    "TriggeredTagsFormat": {"type": "triggered_tags", "triggers": _REQUIRED, "tags": _REQUIRED, **_MARKS, "excludes": []},
    "TokenTriggeredTagsFormat": {
        "type": "token_triggered_tags",
        "trigger_tokens": _REQUIRED,
        "tags": _REQUIRED,
        "exclude_tokens": [],
        **_MARKS,
    },
    "TagsWithSeparatorFormat": {"type": "tags_with_separator", "tags": _REQUIRED, "separator": _REQUIRED, **_MARKS},
    "OptionalFormat": {"type": "optional", "content": _REQUIRED},
    "PlusFormat": {"type": "plus", "content": _REQUIRED},
    "StarFormat": {"type": "star", "content": _REQUIRED},
    "RepeatFormat": {"type": "repeat", "min": _REQUIRED, "max": _REQUIRED, "content": _REQUIRED},
    "DispatchFormat": {"type": "dispatch", "rules": _REQUIRED, "loop": True, "excludes": []},
    "TokenDispatchFormat": {"type": "token_dispatch", "rules": _REQUIRED, "loop": True, "exclude_tokens": []},
    "QwenXMLParameterFormat": {"type": "qwen_xml_parameter", "json_schema": _REQUIRED},
}


def _signature(fields: dict[str, Any]) -> inspect.Signature:
    return inspect.Signature([inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in fields.items()])


def _define(name: str, fields: dict[str, Any]) -> type:
    return type(name, (_Later,), {"__doc__": "Not yet.", "__module__": __name__, "__signature__": _signature(fields)})


globals().update({name: _define(name, fields) for name, fields in _FORMATS.items()})
StructuralTagItem.__signature__ = _signature({"begin": _REQUIRED, "schema": _REQUIRED, "end": _REQUIRED})  # type: ignore[attr-defined]
StructuralTag.__signature__ = _signature({"type": "structural_tag", "format": _REQUIRED})  # type: ignore[attr-defined]
