"""What a JSON Schema is worth once compiled: the enforcement report, or why there is none.

Must not import: typer, rich.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Any

from maskwright import Enforcement, Grammar, JSONSchemaError, KeywordReport, MaskwrightError, UnsatisfiableSchema
from maskwright.cli.grammars import compile_for_bytes


@dataclass
class SchemaCheck:
    """The report of a schema, or what is wrong with it."""

    entries: list[KeywordReport] = field(default_factory=list)
    #: Why the schema is refused.
    error: str | None = None
    #: Where, if it is known.
    pointer: str | None = None
    #: Pointers of keywords that no value satisfies together.
    conflicts: list[str] = field(default_factory=list)
    unsatisfiable: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many keywords are enforced how; what is no keyword is not counted."""
        found = collections.Counter(entry.status for entry in self.entries if not entry.keyword.startswith("("))
        return {status.value: found[status] for status in Enforcement}

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        if self.error is not None:
            kind = "unsatisfiable" if self.unsatisfiable else "refused"
            return {"ok": False, kind: self.error, "pointer": self.pointer, "conflicts": self.conflicts}
        return {"ok": True, "counts": self.counts, "keywords": [entry._asdict() for entry in self.entries]}


def check_schema(schema: str, options: dict[str, Any]) -> SchemaCheck:
    """Compile a schema, and say how each of its keywords is enforced."""
    try:
        return SchemaCheck(compile_for_bytes(Grammar.from_json_schema(schema, **options)).json_schema_report())
    except MaskwrightError as error:
        conflicts = list(error.conflicts) if isinstance(error, UnsatisfiableSchema) else []
        pointer = error.pointer if isinstance(error, JSONSchemaError) else None
        return SchemaCheck(error=str(error), pointer=pointer, conflicts=conflicts, unsatisfiable=isinstance(error, UnsatisfiableSchema))
