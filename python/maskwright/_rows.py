"""One row of a decoding loop, followed whatever the loop does with it: behind the logits processors.

Invariant: the matcher has accepted exactly ``accepted``. Must not import: torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from maskwright._core import CompiledGrammar, GrammarMatcher

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


class PromptedRow:
    """A row whose tokens come with the prompt before them, all of them each time.

    The first tokens are a prompt, and so are any that do not begin with the last one.
    """

    def __init__(self, grammar: CompiledGrammar) -> None:
        self._grammar = grammar
        self.reset()

    def reset(self) -> None:
        """Forget the text: the next tokens are a prompt."""
        self._row = Row(GrammarMatcher(self._grammar))
        self.prompt: NDArray[Any] | None = None

    def follow(self, tokens: NDArray[Any]) -> Row:
        """Become the text after the prompt."""
        prompt = self.prompt
        if prompt is None or len(tokens) < len(prompt) or not np.array_equal(tokens[: len(prompt)], prompt):
            self.reset()
            self.prompt = prompt = tokens.copy()
        self._row.follow(tokens[len(prompt) :].tolist())
        return self._row
