"""How strictly a compiled JSON Schema is enforced, keyword by keyword.

Invariant: nothing is enforced less strictly than reported.
Must not import: anything heavy.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Enforcement(enum.StrEnum):
    """How strictly a keyword is enforced."""

    #: What is accepted is just what the keyword allows.
    EXACT = "exact"
    #: What is accepted is allowed, but not all that is allowed can be written.
    NARROWED = "narrowed"
    #: It says nothing about which values are valid.
    ANNOTATION = "annotation"


class KeywordReport(NamedTuple):
    """One keyword of a schema, as :meth:`maskwright.CompiledGrammar.json_schema_report` lists it."""

    #: Its JSON pointer; after a URI and ``#`` where it stands in another document.
    pointer: str
    #: The keyword. In parentheses what is no keyword: an option, the form of JSON text, or a search that was given up.
    keyword: str
    status: Enforcement
    #: What is lost, or why it is an annotation; empty if there is nothing to say.
    detail: str = ""
    #: Which of the grammar's schemas it belongs to, from 0 in the order of the grammar's text.
    schema: int = 0


__all__ = ["Enforcement", "KeywordReport"]
