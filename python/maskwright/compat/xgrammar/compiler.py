"""Compiled grammars and the compiler."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import maskwright
from maskwright.compat.xgrammar import _serialize
from maskwright.compat.xgrammar.base import XGRObject, runtime_errors
from maskwright.compat.xgrammar.exception import DeserializeFormatError
from maskwright.compat.xgrammar.grammar import (
    BUILTIN_JSON,
    GRAMMAR_FIELDS,
    Grammar,
    grammar_fields,
    grammar_of,
    schema_options,
    schema_text,
)
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
        """Write the grammar and a fingerprint of the tokenizer as JSON."""
        return _serialize.dump({**grammar_fields(self._handle.grammar), "tokenizer": _fingerprint(self.tokenizer_info)})

    @staticmethod
    def deserialize_json(json_str: str, tokenizer_info: TokenizerInfo) -> CompiledGrammar:
        """Read what :meth:`serialize_json` wrote; the tokenizer must be the same. It is compiled again."""
        fields = _serialize.load(json_str, "CompiledGrammar", {**GRAMMAR_FIELDS, "tokenizer": str})
        if fields["tokenizer"] != _fingerprint(tokenizer_info):
            raise DeserializeFormatError("CompiledGrammar: it was compiled for another tokenizer")
        compiler = maskwright.GrammarCompiler(tokenizer_info._handle, cache_enabled=False)
        grammar = grammar_of(fields)
        try:
            return CompiledGrammar._create_from_handle(compiler.compile_grammar(grammar))
        except maskwright.MaskwrightError as error:
            raise DeserializeFormatError(f"CompiledGrammar: {error}") from error


def _fingerprint(info: TokenizerInfo) -> str:
    """Of everything that masks depend on."""
    handle: maskwright.TokenizerInfo = info._handle
    parts = [json.dumps([handle.vocab_size, handle.stop_token_ids, handle.special_token_ids]).encode()]
    parts += [len(token).to_bytes(4, "little") + token for token in handle.decoded_vocab]
    return hashlib.sha256(b"".join(parts)).hexdigest()


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
