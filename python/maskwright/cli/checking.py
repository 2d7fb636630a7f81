"""Does a text match a grammar, and if not, where does it go wrong?

Must not import: typer, rich.
"""

from __future__ import annotations

from dataclasses import dataclass

from maskwright import CompiledGrammar, GrammarMatcher

_SHOWN = 60


@dataclass
class Mismatch:
    """The first wrong byte of a text."""

    #: Bytes before it.
    offset: int
    #: From 1; columns in characters.
    line: int
    column: int
    #: The line, cut around the place, and a caret under it.
    excerpt: str
    #: What is there.
    found: str
    #: What could be, in words.
    expected: list[str]
    #: All is right but a line break at the end.
    only_last_newline: bool = False

    def __str__(self) -> str:
        """Several lines for a person."""
        lines = [f"line {self.line}, column {self.column} (byte {self.offset}): {self.found}", self.excerpt]
        if self.expected:
            lines.append("expected " + " or ".join(self.expected))
        if self.only_last_newline:
            lines.append("(everything before the line break at the end matches)")
        return "\n".join(lines)


def check(compiled: CompiledGrammar, text: bytes) -> Mismatch | None:
    """None if the whole text matches, else where it goes wrong first."""
    matcher = GrammarMatcher(compiled)
    offset = matcher.matched_prefix_length(text)
    if not matcher.accept_string(text[:offset]):
        raise RuntimeError("a prefix that matches was refused")
    if offset == len(text) and matcher.is_completed():
        return None
    before = text[:offset].decode("utf-8", "replace")
    start = before.rfind("\n") + 1
    column = len(before) - start + 1
    rest = text[offset:].decode("utf-8", "replace").partition("\n")[0]
    left, right = before[start:][-_SHOWN:], rest[:_SHOWN]
    shown = (left + right).replace("\t", " ").replace("\r", " ")
    completed = matcher.is_completed()
    return Mismatch(
        offset=offset,
        line=before.count("\n") + 1,
        column=column,
        excerpt=f"{shown}\n{' ' * len(left)}^",
        found=_found(text, offset),
        expected=[*matcher.expected(), *(["the end of the text"] if completed else [])],
        only_last_newline=completed and text[offset:] in (b"\n", b"\r\n"),
    )


def _found(text: bytes, offset: int) -> str:
    if offset == len(text):
        return "the text ends too early"
    try:
        # As many bytes as make one character, if they do.
        character = text[offset : offset + 4].decode("utf-8", "ignore")[:1]
        if character and text[offset:].startswith(character.encode()):
            return f"{character!r} cannot come here"
    except UnicodeDecodeError:
        pass
    return f"byte 0x{text[offset]:02X} cannot come here"
