"""One output of a transformers model, token by token, without asking it for what is certain. Behind ``maskwright.transformers``, the
command line and the demo.

Invariant: every piece continues a text of the grammar; what is forced is spelled as the tokenizer would; what is measured as the engine's
time is all that would not be there without a grammar. Needs torch when it is used.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maskwright._core import CompiledGrammar, GrammarMatcher, TokenizerInfo
from maskwright._model_cache import cache_name

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Piece:
    """What one step adds to an output."""

    #: In whole characters; those that a token ends within come with a later piece.
    text: str
    token_ids: tuple[int, ...]
    #: How many of the tokens, the last ones, the model was not asked for.
    forced: int


@dataclass
class Sampling:
    """How a token is chosen among those that are allowed."""

    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    generator: Any = None

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            given = f"{self.temperature}, {self.top_k}, {self.top_p}"
            raise ValueError(f"temperature must be above 0, top_k at least 0, top_p above 0 and at most 1; got {given}")

    def choose(self, logits: Tensor) -> int:
        """Pick from logits of one row, minus infinity where a token is refused."""
        import torch

        if not self.do_sample:
            return int(logits.argmax())
        logits = logits.float() / self.temperature
        if self.top_k:
            lowest = torch.topk(logits, min(self.top_k, logits.shape[-1])).values[-1]
            logits = logits.masked_fill(logits < lowest, float("-inf"))
        probabilities = torch.softmax(logits, dim=-1)
        if self.top_p < 1:
            ordered, order = probabilities.sort(descending=True)
            # What comes before a token is less than top_p, so the first one always stays.
            ordered[ordered.cumsum(dim=-1) - ordered >= self.top_p] = 0
            probabilities = torch.zeros_like(probabilities).scatter(0, order, ordered)
        return int(torch.multinomial(probabilities, 1, generator=self.generator))


@dataclass
class Stream:
    """An output under way: iterate over it for its pieces. Made by :func:`maskwright.transformers.generate`."""

    _pieces: Iterator[Piece] = field(repr=False)
    #: So far.
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    #: True once the text has ended; False to the end if it was cut off.
    finished: bool = False
    #: How often the model was asked, and how many tokens came without.
    forward_passes: int = 0
    forced_tokens: int = 0
    #: Since the first token was asked for, the part of it that the first forward pass took, which reads the prompt, and the part that
    #: constraining took.
    seconds: float = 0.0
    prompt_seconds: float = 0.0
    engine_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second after the prompt was read."""
        rest = self.seconds - self.prompt_seconds
        return (len(self.token_ids) - 1) / rest if rest > 0 and len(self.token_ids) > 1 else 0.0

    @property
    def engine_share(self) -> float:
        """The part of the time per token that constraining took."""
        rest = self.seconds - self.prompt_seconds
        return self.engine_seconds / rest if rest > 0 else 0.0

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        piece = next(self._pieces)
        self.text += piece.text
        self.forced_tokens += piece.forced
        return piece

    def run(self) -> str:
        """Take all pieces, and return the text."""
        for _ in self:
            pass
        return self.text


def stream(
    model: Any,
    info: TokenizerInfo,
    grammar: CompiledGrammar | None,
    input_ids: Tensor,
    *,
    max_new_tokens: int,
    encode: Callable[[str], Sequence[int]] | None = None,
    jump_forward: bool = True,
    sampling: Sampling | None = None,
    logits_processor: Sequence[Callable[[Tensor, Tensor], Tensor]] = (),
) -> Stream:
    """See :func:`maskwright.transformers.generate`. Without a grammar any text may come, and special tokens are left out of it."""
    out = Stream(iter(()))
    matcher = None if grammar is None else GrammarMatcher(grammar)
    loop = _Loop(out, model, info, matcher, encode, jump_forward, sampling or Sampling(), logits_processor)
    out._pieces = loop.pieces(input_ids, max_new_tokens)
    return out


@dataclass
class _Loop:
    out: Stream
    model: Any
    info: TokenizerInfo
    matcher: GrammarMatcher | None
    encode: Callable[[str], Sequence[int]] | None
    jump_forward: bool
    sampling: Sampling
    logits_processor: Sequence[Callable[[Tensor, Tensor], Tensor]]

    def pieces(self, input_ids: Tensor, max_new_tokens: int) -> Iterator[Piece]:
        import torch

        out, info = self.out, self.info
        stop = set(info.stop_token_ids)
        silent = stop if self.matcher else stop | set(info.special_token_ids)
        vocabulary = info.decoded_vocab
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def piece(tokens: list[int], forced: int) -> Piece:
            out.token_ids += tokens
            out.finished = bool(tokens) and tokens[-1] in stop
            text = b"".join(vocabulary[token] for token in tokens if token not in silent)
            return Piece(decoder.decode(text, final=out.finished), tuple(tokens), forced)

        # On the CPU, whatever the default device is.
        bitmask = torch.empty((1, -(-info.vocab_size // 32)), dtype=torch.int32, device="cpu")
        begin = time.perf_counter()
        cache, past = cache_name(self.model), None
        # What the model has not read yet, and what it has said.
        unread, said = input_ids, self._jump(max_new_tokens)
        if said:
            yield piece(said, len(said))
        while not out.finished and len(out.token_ids) < max_new_tokens:
            if said:
                added = self._tensor(said, input_ids)
                unread = torch.cat([input_ids, added], dim=1) if past is None else added
            with torch.inference_mode():
                result = self.model(input_ids=unread, use_cache=True, **{cache: past})
                past = result[cache]
                logits = result.logits[:, -1].clone()
                out.forward_passes += 1
                if out.forward_passes == 1:
                    out.prompt_seconds = time.perf_counter() - begin
                if self.logits_processor:
                    history = torch.cat([input_ids, self._tensor(out.token_ids, input_ids)], dim=1)
                    for processor in self.logits_processor:
                        logits = processor(history, logits)
                self._constrain(logits, bitmask)
                token = self.sampling.choose(logits[0])
            self._accept(token)
            forced = self._jump(max_new_tokens - len(out.token_ids) - 1)
            said = [token, *forced]
            out.seconds = time.perf_counter() - begin
            yield piece(said, len(forced))
        rest = decoder.decode(b"", final=True)
        if rest:
            yield Piece(rest, (), 0)

    @staticmethod
    def _tensor(tokens: list[int], like: Tensor) -> Tensor:
        import torch

        return torch.tensor([tokens], dtype=like.dtype, device=like.device)

    def _constrain(self, logits: Tensor, bitmask: Tensor) -> None:
        from maskwright.torch import apply_token_bitmask_inplace

        if self.matcher is None:
            return
        start = time.perf_counter()
        if self.matcher.fill_next_token_bitmask(bitmask):
            apply_token_bitmask_inplace(logits, bitmask)
        self.out.engine_seconds += time.perf_counter() - start

    def _accept(self, token: int) -> None:
        if self.matcher is None:
            return
        start = time.perf_counter()
        if not self.matcher.accept_token(token):
            raise RuntimeError(f"the mask allowed token {token}, but the matcher refuses it")
        self.out.engine_seconds += time.perf_counter() - start

    def _jump(self, room: int) -> list[int]:
        """Take the tokens that are certain, the end among them."""
        matcher = self.matcher
        if matcher is None or not self.jump_forward or matcher.is_terminated() or room <= 0:
            return []
        start = time.perf_counter()
        tokens = matcher.find_jump_forward_tokens(self.encode)[:room]
        matcher.accept_tokens(tokens)
        if len(tokens) < room and matcher.is_completed() and not matcher.allowed_bytes():
            tokens.append(matcher.stop_token_ids[0])
            matcher.accept_token(tokens[-1])
        self.out.engine_seconds += time.perf_counter() - start
        return tokens
