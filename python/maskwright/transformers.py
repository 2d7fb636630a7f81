"""A logits processor for ``generate`` of the transformers library, in every decoding mode it has, and a loop that streams.

``generate`` of that library promises little: rows are permuted (beam search), grow by several tokens and shrink again (drafts that are
verified), go on after they have ended (padding), and one processor may serve a draft model beside the model itself. So nothing is assumed
of a call but its ``input_ids``: each row takes the matcher whose text has the longest prefix in common with it, rolls that back, and
accepts the rest.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from maskwright._core import BatchGrammarMatcher, CompiledGrammar, GrammarMatcher
from maskwright._rows import Row
from maskwright._streaming import Piece, Sampling, Stream, stream

try:
    import torch
    import transformers

    from maskwright.torch import apply_token_bitmask_inplace
except ImportError as error:  # pragma: no cover
    message = "maskwright.transformers needs the transformers library: pip install 'maskwright[transformers]'"
    raise ImportError(message) from error

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LogitsProcessor", "Piece", "Stream", "generate"]


class LogitsProcessor(transformers.LogitsProcessor):  # type: ignore[misc]
    """Makes every row that ``generate`` returns as finished a text of its grammar.

    Works with greedy search, sampling, ``num_return_sequences``, beam search and beam sampling, assisted decoding (the draft model may
    get the same processor), prompt lookup, static caches, and left-padded batches. It may be used for any number of calls: one with a
    prompt that is shorter than the last or differs from it begins anew. A chat that is continued, so that its prompt begins with all of
    the last one, needs :meth:`reset` before the call.

    A row whose text its grammar refuses (a draft that will be thrown away, padding after the end) is offered only stop tokens;
    nothing raises. Scores of another width than the vocabulary's, as a draft model with a vocabulary of its own has, pass through with
    one warning.

    Args:
        compiled_grammar: one grammar for all rows, or a list: with R rows and N grammars, row i takes grammar ``i // (R / N)``.

    Raises:
        ValueError: no grammar, or grammars of several vocabulary sizes; at a call, rows that are no multiple of the grammars.

    """

    def __init__(self, compiled_grammar: CompiledGrammar | Sequence[CompiledGrammar]):
        grammars = [compiled_grammar] if isinstance(compiled_grammar, CompiledGrammar) else list(compiled_grammar)
        if not grammars:
            raise ValueError("at least one compiled grammar is needed")
        sizes = {grammar.tokenizer_info.vocab_size for grammar in grammars}
        if len(sizes) > 1:
            raise ValueError(f"the grammars are compiled for vocabularies of several sizes: {sorted(sizes)}")
        self._grammars = grammars
        (self._vocab_size,) = sizes
        self._batch = BatchGrammarMatcher()
        self._stop_masks: dict[tuple[int, ...], Tensor] = {}
        self._warned = False
        self.reset()

    def reset(self) -> None:
        """Forget all rows: the next call's ``input_ids`` are a prompt."""
        self._rows: list[Row] = []
        self._prompt: Tensor | None = None
        self._seen: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores with minus infinity for every token that is not allowed next; ``scores`` itself is left as it is.

        Args:
            input_ids: integers, shape ``(rows, length)``: the prompt, and what was generated after it.
            scores: floats, shape ``(rows, vocab_size)``, on any device.

        """
        if scores.shape[-1] != self._vocab_size:
            if not self._warned:
                self._warned = True
                message = (
                    f"scores of {scores.shape[-1]} tokens are not constrained: the grammar is compiled for {self._vocab_size}; "
                    "for the model itself, give TokenizerInfo its vocab_size=model.config.vocab_size"
                )
                warnings.warn(message, stacklevel=2)
            return scores
        self._follow(input_ids)
        # Where the default device is another one; pinned, so that the copy to a graphics card waits for nothing.
        shape = (len(self._rows), (self._vocab_size + 31) // 32)
        bitmask = torch.empty(shape, dtype=torch.int32, device="cpu", pin_memory=scores.is_cuda)
        matchers = [row.matcher for row in self._rows]
        if len(matchers) == 1:
            restricts = [matchers[0].fill_next_token_bitmask(bitmask)]
        else:
            restricts = self._batch.batch_fill_next_token_bitmask(matchers, bitmask)
        for i, row in enumerate(self._rows):
            if row.refused:
                restricts[i] = True
                bitmask[i] = self._stop_mask(tuple(row.matcher.stop_token_ids))
        return _masked(scores, bitmask) if any(restricts) else scores

    def _stop_mask(self, stop_token_ids: tuple[int, ...]) -> Tensor:
        """Rows that have ended get it at every step."""
        if stop_token_ids not in self._stop_masks:
            mask = torch.zeros((self._vocab_size + 31) // 32, dtype=torch.int64, device="cpu")
            for token in stop_token_ids:
                mask[token // 32] |= 1 << token % 32
            self._stop_masks[stop_token_ids] = mask.to(torch.int32)
        return self._stop_masks[stop_token_ids]

    def _follow(self, input_ids: Tensor) -> None:
        """Bring every row to its text."""
        # From a graphics card the ids are fetched once; the rest is done here. A copy is kept, as the caller may write to its own.
        ids = input_ids.cpu() if input_ids.device.type != "cpu" else input_ids.clone()
        seen, self._seen = self._seen, ids
        if seen is not None and _goes_on(ids, seen):
            # The usual step: every row has grown.
            for row, new in zip(self._rows, ids[:, seen.shape[1] :].tolist(), strict=True):
                row.extend(new)
            return
        rows = ids.shape[0]
        if self._prompt is None or not _goes_on(ids, self._prompt):
            if rows % len(self._grammars):
                self._seen = seen
                raise ValueError(f"{rows} rows cannot be shared out among {len(self._grammars)} grammars")
            self._prompt = ids
            share = rows // len(self._grammars)
            self._rows = [Row(GrammarMatcher(self._grammars[i // share])) for i in range(rows)]
            return
        self._regroup(ids[:, self._prompt.shape[1] :].tolist())

    def _regroup(self, histories: list[list[int]]) -> None:
        """Give each history the row that has most of it; rows that several need are copied."""
        old = self._rows
        share = len(old) // len(self._grammars)
        sources: list[int] = []
        for i, history in enumerate(histories):
            first = i // share * share
            # The row itself, if no other has more: only rows of its own grammar, which are its own prompt's beams too.
            sources.append(max([i, *range(first, first + share)], key=lambda j: (old[j].common(history), j == i)))
        uses = Counter(sources)
        self._rows = [old[source] if uses[source] == 1 else old[source].fork() for source in sources]
        for row, history in zip(self._rows, histories, strict=True):
            row.follow(history)


def _goes_on(ids: Tensor, before: Tensor) -> bool:
    """Do all rows begin with what they were before?"""
    if ids.shape[0] != before.shape[0] or ids.shape[1] < before.shape[1]:
        return False
    return bool(torch.equal(ids[:, : before.shape[1]], before))


def _masked(scores: Tensor, bitmask: Tensor) -> Tensor:
    """A copy of the scores with minus infinity where the bit is not set."""
    masked = scores.clone()
    if scores.is_cuda:
        # Torch keeps its memory until the copy is done.
        bitmask = bitmask.to(scores.device, non_blocking=True)
    apply_token_bitmask_inplace(masked, bitmask)
    return masked


def generate(
    model: Any,
    compiled_grammar: CompiledGrammar,
    inputs: str | Sequence[int] | Tensor,
    *,
    tokenizer: Any = None,
    max_new_tokens: int = 1024,
    jump_forward: bool = True,
    do_sample: bool = False,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    logits_processor: Sequence[Callable[[Tensor, Tensor], Tensor]] = (),
) -> Stream:
    """Continue a prompt with a text of the grammar, piece by piece as it comes.

    The model is not asked for what the grammar has decided: keys, punctuation and the end of the text are taken as they are, and the
    model reads them when it is asked for the next token. Of JSON most is certain with ``escapes="minimal"`` and ``any_whitespace=False``.

    Args:
        model: a causal language model of the transformers library.
        compiled_grammar: what the output must match, compiled for the width of the model's logits.
        inputs: the prompt: token ids, one row of them as a tensor, or text, which ``tokenizer`` then encodes.
        tokenizer: the model's tokenizer. With it forced text is spelled exactly as the model has learned to read it; without it,
            as :meth:`maskwright.GrammarMatcher.find_jump_forward_tokens` does by itself.
        max_new_tokens: where the output is cut off; ``finished`` of what is returned is then False.
        jump_forward: take what is certain without the model; otherwise it is asked for every token.
        do_sample: draw tokens by their probability rather than take the likeliest.
        temperature: of sampling.
        top_k: sample among so many likeliest tokens; 0: among all.
        top_p: sample among the likeliest tokens that have so much of the probability together.
        generator: of the random numbers.
        logits_processor: functions of the tokens so far, shape ``(1, length)``, and the logits, shape ``(1, vocab_size)``, to other logits;
            called before the grammar is applied.

    Returns:
        An iterator over pieces, which has the text, the tokens and the times so far; ``run()`` takes all at once.

    Raises:
        ValueError: a prompt of several rows or of none, options out of their range, or a grammar for another vocabulary size.

    """
    if isinstance(inputs, str):
        if tokenizer is None:
            raise ValueError("a prompt given as text needs the tokenizer")
        inputs = tokenizer(inputs)["input_ids"]
    input_ids = inputs if isinstance(inputs, torch.Tensor) else torch.tensor(inputs, dtype=torch.long)
    input_ids = input_ids.reshape(1, -1) if input_ids.dim() == 1 else input_ids
    if input_ids.dim() != 2 or input_ids.shape[0] != 1 or input_ids.shape[1] == 0:
        raise ValueError(f"the prompt must be one row of at least one token, got shape {tuple(input_ids.shape)}")
    width = model.config.get_text_config().vocab_size
    known = compiled_grammar.tokenizer_info.vocab_size
    if known < width:
        hint = "give TokenizerInfo its vocab_size=model.config.vocab_size"
        raise ValueError(f"the grammar is compiled for {known} tokens, but the model has {width}: {hint}")
    encode = None if tokenizer is None else lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    return stream(
        model,
        compiled_grammar.tokenizer_info,
        compiled_grammar,
        input_ids.to(model.device),
        max_new_tokens=max_new_tokens,
        encode=encode,
        jump_forward=jump_forward,
        sampling=Sampling(do_sample, temperature, top_k, top_p, generator),
        logits_processor=list(logits_processor),
    )
