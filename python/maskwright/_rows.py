"""One row of a decoding loop, followed whatever the loop does with it: behind the logits processors.

Invariant: the matcher has accepted exactly ``accepted``. Must not import: torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maskwright._core import GrammarMatcher


@dataclass
class Row:
    """The text of one row, as far as its grammar accepts it."""

    matcher: GrammarMatcher
    accepted: list[int] = field(default_factory=list)
    #: The row has gone on with something that its grammar refuses.
    refused: bool = False

    def common(self, history: list[int]) -> int:
        """How many tokens of a history this text begins with."""
        if history[: len(self.accepted)] == self.accepted:
            return len(self.accepted)
        return next(i for i, (a, b) in enumerate(zip([*self.accepted, None], [*history, None], strict=False)) if a != b)

    def fork(self) -> Row:
        """Make an independent copy."""
        return Row(self.matcher.fork(), list(self.accepted), self.refused)

    def follow(self, history: list[int]) -> None:
        """Become the text of a history."""
        kept = self.common(history)
        self.matcher.rollback(len(self.accepted) - kept)
        del self.accepted[kept:]
        self.refused = False
        self.extend(history[kept:])

    def extend(self, tokens: list[int]) -> None:
        """Go on with more of it. What a refused row goes on with does not matter."""
        if self.refused:
            return
        count = self.matcher.accept_tokens(tokens)
        self.accepted += tokens[:count]
        self.refused = count < len(tokens)
