"""Grammars and texts from the command line, and a vocabulary in which every byte is a token.

Invariant: a grammar read here needs no tokenizer to be checked or sampled.
Must not import: typer, rich.
"""

from __future__ import annotations

import enum
import functools
import re
import sys
from pathlib import Path

from maskwright import CompiledGrammar, Grammar, GrammarCompiler, TokenizerInfo


class Kind(enum.StrEnum):
    """What language a grammar is written in."""

    AUTO = "auto"
    JSON_SCHEMA = "json-schema"
    EBNF = "ebnf"
    REGEX = "regex"


_SUFFIXES = {
    ".json": Kind.JSON_SCHEMA,
    ".ebnf": Kind.EBNF,
    ".gbnf": Kind.EBNF,
    ".regex": Kind.REGEX,
    ".re": Kind.REGEX,
}


# Without this, the name of a file that is not there would be read as a regular expression.
_MISTYPED = re.compile(rf"[\w./~-]+({'|'.join(map(re.escape, _SUFFIXES))})")


def _file(argument: str) -> Path | None:
    try:
        path = Path(argument)
        return path if path.is_file() else None
    except (OSError, ValueError):  # too long, or with a NUL: no name of a file
        return None


def read_text(argument: str) -> bytes:
    """The bytes of a file, of the standard input (``-``), or else of the argument itself."""
    if argument == "-":
        return sys.stdin.buffer.read()
    path = _file(argument)
    return argument.encode("utf-8", "surrogateescape") if path is None else path.read_bytes()


def read_grammar(argument: str, kind: Kind = Kind.AUTO) -> Grammar:
    """The grammar in a file, or written out in the argument; its language by its looks unless ``kind`` says."""
    if kind is not Kind.REGEX and _file(argument) is None and _MISTYPED.fullmatch(argument):
        raise FileNotFoundError(f"no such file: {argument} (if it is a regular expression, say --kind regex)")
    text = read_text(argument).decode()
    if kind is Kind.AUTO:
        path = _file(argument)
        kind = _SUFFIXES.get(path.suffix, Kind.AUTO) if path is not None else Kind.AUTO
    if kind is Kind.AUTO:
        kind = _looks_like(text)
    if kind is Kind.JSON_SCHEMA:
        return Grammar.from_json_schema(text)
    if kind is Kind.EBNF:
        return Grammar.from_ebnf(text)
    return Grammar.from_regex(text.removesuffix("\n") if _file(argument) else text)


def _looks_like(text: str) -> Kind:
    if text.strip() in ("true", "false") or text.lstrip().startswith("{"):
        return Kind.JSON_SCHEMA
    return Kind.EBNF if "::=" in text else Kind.REGEX


@functools.cache
def _byte_compiler() -> GrammarCompiler:
    tokens = [bytes([byte]) for byte in range(256)]
    return GrammarCompiler(TokenizerInfo(tokens, vocab_size=257, stop_token_ids=[256]))


def compile_for_bytes(grammar: Grammar) -> CompiledGrammar:
    """Compile for the vocabulary of the 256 bytes."""
    return _byte_compiler().compile_grammar(grammar)
