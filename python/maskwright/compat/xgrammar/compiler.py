"""Compiled grammars and the compiler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import maskwright
from maskwright.compat.xgrammar.base import XGRObject, deserialize_errors, runtime_errors
from maskwright.compat.xgrammar.grammar import BUILTIN_JSON, Grammar, schema_options, schema_text
from maskwright.compat.xgrammar.structural_tag import not_yet
from maskwright.compat.xgrammar.tokenizer_info import TokenizerInfo


class CompiledGrammar(XGRObject):
    """See :class:`maskwright.CompiledGrammar`."""

    @property
    def grammar(self) -> Grammar:
        """The grammar."""
        return Grammar._create_from_handle(self._handle.grammar)

    @property
    def tokenizer_info(self) -> TokenizerInfo:
        """The tokenizer it was compiled for."""
        return TokenizerInfo._create_from_handle(self._handle.tokenizer_info)

    @property
    def memory_size_bytes(self) -> int:
        """Bytes it holds now, roughly."""
        return int(self._handle.memory_size_bytes)

    def serialize_json(self) -> str:
        """See :meth:`maskwright.CompiledGrammar.serialize_json`."""
        return str(self._handle.serialize_json())

    @staticmethod
    def deserialize_json(json_str: str, tokenizer_info: TokenizerInfo) -> CompiledGrammar:
        """See :meth:`maskwright.CompiledGrammar.deserialize_json`."""
        with deserialize_errors():
            return CompiledGrammar._create_from_handle(maskwright.CompiledGrammar.deserialize_json(json_str, tokenizer_info._handle))


class GrammarCompiler(XGRObject):
    """See :class:`maskwright.GrammarCompiler`. ``max_threads`` changes nothing: masks are computed when they are first needed."""

    def __init__(
        self,
        tokenizer_info: TokenizerInfo,
        *,
        max_threads: int = 8,
        cache_enabled: bool = True,
        cache_limit_bytes: int = -1,
    ) -> None:
        if not isinstance(tokenizer_info, TokenizerInfo):
            raise ValueError("Please convert the tokenizer to TokenizerInfo before passing it to GrammarCompiler.")
        if cache_limit_bytes < -1:
            raise RuntimeError(f"cache_limit_bytes must be -1 (no limit) or at least 0, got {cache_limit_bytes}")
        self._init_handle(
            maskwright.GrammarCompiler(
                tokenizer_info._handle,
                max_threads=max(1, max_threads),
                cache_enabled=cache_enabled,
                cache_limit_bytes=cache_limit_bytes,
            )
        )

    def compile_json_schema(
        self,
        schema: str | type[Any] | dict[str, Any],
        *,
        any_whitespace: bool = True,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        strict_mode: bool = True,
        max_whitespace_cnt: int | None = None,
        any_order: bool = False,
    ) -> CompiledGrammar:
        """See :meth:`maskwright.GrammarCompiler.compile_json_schema`."""
        options = schema_options(any_whitespace, indent, separators, strict_mode, max_whitespace_cnt, any_order)
        with runtime_errors():
            return CompiledGrammar._create_from_handle(self._handle.compile_json_schema(schema_text(schema), **options))

    def compile_builtin_json_grammar(self) -> CompiledGrammar:
        """Any JSON text that is an array or an object."""
        with runtime_errors():
            return CompiledGrammar._create_from_handle(self._handle.compile_json_schema(BUILTIN_JSON))

    def compile_regex(self, regex: str) -> CompiledGrammar:
        """See :meth:`maskwright.GrammarCompiler.compile_regex`."""
        with runtime_errors():
            return CompiledGrammar._create_from_handle(self._handle.compile_regex(regex))

    def compile_lark(
        self,
        lark_string: str,  # noqa: ARG002
        *,
        named_grammars: Mapping[str, Grammar | str] | None = None,  # noqa: ARG002
    ) -> CompiledGrammar:
        """Not yet."""
        raise not_yet("Lark grammars")

    def compile_structural_tag(self, *args: Any, **kwargs: Any) -> CompiledGrammar:  # noqa: ARG002
        """Not yet."""
        raise not_yet("structural tags")

    def compile_grammar(self, grammar: str | Grammar, *, root_rule_name: str = "root") -> CompiledGrammar:
        """See :meth:`maskwright.GrammarCompiler.compile_grammar`."""
        if not isinstance(grammar, str | Grammar):
            raise ValueError("Invalid grammar type. Please pass a string or a Grammar object.")
        given = grammar if isinstance(grammar, str) else grammar._handle
        with runtime_errors():
            return CompiledGrammar._create_from_handle(self._handle.compile_grammar(given, root_rule_name=root_rule_name))

    def clear_cache(self) -> None:
        """Forget everything compiled so far."""
        self._handle.clear_cache()

    def get_cache_size_bytes(self) -> int:
        """Bytes that the remembered grammars hold now, roughly."""
        return int(self._handle.get_cache_size_bytes())

    @property
    def cache_limit_bytes(self) -> int:
        """As given: -1 for no limit."""
        return int(self._handle.cache_limit_bytes)
