"""Grammars."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import maskwright
from maskwright.compat.xgrammar.base import XGRObject, deserialize_errors, runtime_errors
from maskwright.compat.xgrammar.structural_tag import not_yet
from maskwright.compat.xgrammar.tokenizer_info import TokenizerInfo

#: XGrammar's grammar of JSON is of texts that are an array or an object.
BUILTIN_JSON = '{"type": ["object", "array"]}'


def schema_text(schema: str | type[Any] | dict[str, Any]) -> str:
    """Return the JSON text of a schema in one of the forms that XGrammar takes."""
    if isinstance(schema, str):
        return schema
    if isinstance(schema, dict):
        return json.dumps(schema)
    describe = getattr(schema, "model_json_schema", None)
    if isinstance(schema, type) and describe is not None:
        return json.dumps(describe())
    raise ValueError("The schema should be a string or a Pydantic model.")


def schema_options(
    any_whitespace: bool,
    indent: int | None,
    separators: tuple[str, str] | None,
    strict_mode: bool,
    max_whitespace_cnt: int | None,
    any_order: bool,
) -> dict[str, Any]:
    """Return the options under the names that this engine has for them."""
    return {
        "any_whitespace": any_whitespace,
        "indent": None if any_whitespace else indent,
        "separators": None if any_whitespace or separators is None else tuple(separators),
        "strict_mode": strict_mode,
        "max_whitespace_cnt": max_whitespace_cnt if any_whitespace else None,
        "any_order": any_order,
    }


class Grammar(XGRObject):
    """See :class:`maskwright.Grammar`."""

    def __str__(self) -> str:
        return str(self._handle)

    @staticmethod
    def from_ebnf(ebnf_string: str, *, root_rule_name: str = "root") -> Grammar:
        """See :meth:`maskwright.Grammar.from_ebnf`."""
        with runtime_errors():
            return Grammar._create_from_handle(maskwright.Grammar.from_ebnf(ebnf_string, root_rule_name=root_rule_name))

    @staticmethod
    def from_json_schema(
        schema: str | type[Any] | dict[str, Any],
        *,
        any_whitespace: bool = True,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        strict_mode: bool = True,
        max_whitespace_cnt: int | None = None,
        print_converted_ebnf: bool = False,
        any_order: bool = False,
    ) -> Grammar:
        """See :meth:`maskwright.Grammar.from_json_schema`."""
        options = schema_options(any_whitespace, indent, separators, strict_mode, max_whitespace_cnt, any_order)
        with runtime_errors():
            return _printed(maskwright.Grammar.from_json_schema(schema_text(schema), **options), print_converted_ebnf)

    @staticmethod
    def from_regex(regex_string: str, *, print_converted_ebnf: bool = False) -> Grammar:
        """See :meth:`maskwright.Grammar.from_regex`."""
        with runtime_errors():
            return _printed(maskwright.Grammar.from_regex(regex_string), print_converted_ebnf)

    @staticmethod
    def from_lark(
        lark_string: str,  # noqa: ARG004
        *,
        tokenizer_info: TokenizerInfo | None = None,  # noqa: ARG004
        named_grammars: Mapping[str, Grammar | str] | None = None,  # noqa: ARG004
    ) -> Grammar:
        """Not yet."""
        raise not_yet("Lark grammars")

    @staticmethod
    def from_structural_tag(*args: Any, **kwargs: Any) -> Grammar:  # noqa: ARG004
        """Not yet."""
        raise not_yet("structural tags")

    @staticmethod
    def builtin_json_grammar() -> Grammar:
        """Any JSON text that is an array or an object."""
        return Grammar._create_from_handle(maskwright.Grammar.from_json_schema(BUILTIN_JSON))

    @staticmethod
    def concat(*grammars: Grammar) -> Grammar:
        """See :meth:`maskwright.Grammar.concat`."""
        if not grammars:
            return Grammar.from_ebnf('root ::= ""')
        return Grammar._create_from_handle(maskwright.Grammar.concat(*(grammar._handle for grammar in grammars)))

    @staticmethod
    def union(*grammars: Grammar) -> Grammar:
        """See :meth:`maskwright.Grammar.union`."""
        if not grammars:
            raise RuntimeError("union needs at least one grammar: no text matches none")
        return Grammar._create_from_handle(maskwright.Grammar.union(*(grammar._handle for grammar in grammars)))

    def serialize_json(self) -> str:
        """See :meth:`maskwright.Grammar.serialize_json`."""
        return str(self._handle.serialize_json())

    @staticmethod
    def deserialize_json(json_string: str) -> Grammar:
        """See :meth:`maskwright.Grammar.deserialize_json`."""
        with deserialize_errors():
            return Grammar._create_from_handle(maskwright.Grammar.deserialize_json(json_string))


def _printed(grammar: maskwright.Grammar, wanted: bool) -> Grammar:
    if wanted:
        print(grammar)
    return Grammar._create_from_handle(grammar)
