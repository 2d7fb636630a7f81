"""What can go wrong, as exceptions. Each is also a ``ValueError`` or a ``RuntimeError``.

Errors in what was asked for are ``ValueError``; work that was stopped, or went wrong inside, is ``RuntimeError``. Attributes hold the
data of an error where it has such data, and are None elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence


class MaskwrightError(Exception):
    """Everything below."""


class GrammarError(MaskwrightError, ValueError):
    """The grammar was refused while compiling: a rule is missing, repeated, or can never end."""

    #: The rule, where the error is one of a rule.
    rule: str | None = None
    #: Where in the text, from 1, and the bytes before it.
    line: int | None = None
    column: int | None = None
    offset: int | None = None


class EBNFError(GrammarError):
    """The EBNF text is malformed; ``line`` and ``column`` say where."""


class RegexError(GrammarError):
    """The regular expression is malformed, or needs what no automaton has; ``column`` says where."""


class JSONSchemaError(GrammarError):
    """The schema is malformed, or has a keyword that cannot be enforced; ``pointer`` says where (``line`` if it is not even JSON)."""

    #: JSON pointer of the keyword.
    pointer: str | None = None


class UnsatisfiableSchema(JSONSchemaError):
    """No JSON value at all can satisfy the schema; ``pointer`` says which part, ``conflicts`` which keywords contradict each other."""

    #: JSON pointers of keywords that no value satisfies together: without any one of them, some value would satisfy the rest.
    conflicts: Sequence[str] = ()


class TokenizerError(MaskwrightError, ValueError):
    """A vocabulary was refused: no stop token, an id outside it, too many tokens."""

    #: The token, where the error is one of a token.
    token_id: int | None = None


class UnsupportedTokenizer(TokenizerError):
    """The tokenizer cannot spell every text (WordPiece), or has no token for a byte that a grammar needs."""

    #: The byte without a token.
    byte: int | None = None


class BitmaskError(MaskwrightError, ValueError):
    """A bitmask has the wrong dtype, shape, layout or device, or the index is outside it."""


class CacheFileError(MaskwrightError, ValueError):
    """A file of saved masks is none, is damaged, or is for another tokenizer or version."""


class DeserializeError(MaskwrightError, ValueError):
    """What was to be a serialised grammar or tokenizer is not taken."""


class InvalidJSONError(DeserializeError):
    """The text is not JSON; ``line`` and ``column`` say where."""

    #: Where in the text, from 1, and the bytes before it.
    line: int | None = None
    column: int | None = None
    offset: int | None = None


class DeserializeFormatError(DeserializeError):
    """It is something else, cut off or damaged, or the grammar or the tokens in it are refused: then ``__cause__`` says why."""


class DeserializeVersionError(DeserializeError):
    """It was written in another version of the format."""

    #: The version that it says, if it says one.
    found: str | None = None
    #: The version that is read.
    expected: str | None = None


class TokenizerMismatch(DeserializeError):
    """The grammar was compiled for another tokenizer; ``differences`` says what is different."""

    #: In words.
    differences: Sequence[str] = ()


class LimitExceeded(MaskwrightError, RuntimeError):
    """A bound of :class:`maskwright.Limits` was passed; ``limit`` names it."""

    #: The field of ``Limits``.
    limit: str | None = None
    #: Its value.
    bound: int | None = None


class CompileTimeout(MaskwrightError, RuntimeError):
    """The compile was not done within ``timeout``."""


class CompileInterrupted(MaskwrightError, RuntimeError):
    """The compile was stopped from outside."""


class MatcherBusy(MaskwrightError, RuntimeError):
    """Another thread is inside a call of the same matcher."""


class RollbackError(MaskwrightError, RuntimeError):
    """There are fewer steps to undo than were asked for."""


class InternalError(MaskwrightError, RuntimeError):
    """Something went wrong inside; the request failed, no mask was made up. Please report it."""


__all__ = [
    "BitmaskError",
    "CacheFileError",
    "CompileInterrupted",
    "CompileTimeout",
    "DeserializeError",
    "DeserializeFormatError",
    "DeserializeVersionError",
    "EBNFError",
    "GrammarError",
    "InternalError",
    "InvalidJSONError",
    "JSONSchemaError",
    "LimitExceeded",
    "MaskwrightError",
    "MatcherBusy",
    "RegexError",
    "RollbackError",
    "TokenizerError",
    "TokenizerMismatch",
    "UnsatisfiableSchema",
    "UnsupportedTokenizer",
]
