"""Models of the sentencepiece library.

Invariant: control, unknown and unused pieces are never text.
Must not import: sentencepiece, unless a path is given.
"""

from __future__ import annotations

import os
from typing import Any

from maskwright._core import TokenizerInfo
from maskwright.exceptions import TokenizerError, UnsupportedTokenizer
from maskwright.tokenizers import VocabType


def tokenizer_info(processor: Any, *, vocab_size: int | None = None, stop_token_ids: int | list[int] | None = None) -> TokenizerInfo:
    """See :meth:`maskwright.TokenizerInfo.from_sentencepiece`."""
    if isinstance(processor, str | os.PathLike):
        import sentencepiece

        processor = sentencepiece.SentencePieceProcessor(model_file=os.fspath(processor))
    ids = list(range(processor.get_piece_size()))
    pieces: list[str] = processor.id_to_piece(ids)
    if sum(processor.is_byte(ids)) < 256:
        raise UnsupportedTokenizer(
            "this sentencepiece model cannot spell every text: it has no byte pieces (train it with --byte_fallback=true)"
        )
    flags = zip(processor.is_control(ids), processor.is_unknown(ids), processor.is_unused(ids), strict=True)
    special = [token_id for token_id, never_text in zip(ids, flags, strict=True) if any(never_text)]
    literal = {token_id: pieces[token_id].encode() for token_id in special}
    if stop_token_ids is None:
        if processor.eos_id() < 0:
            raise TokenizerError("the model has no end piece: pass stop_token_ids, the ids that end the model's output")
        stop_token_ids = [processor.eos_id()]
    return TokenizerInfo._from_parts(
        pieces, VocabType.BYTE_FALLBACK, vocab_size, stop_token_ids, special, _adds_prefix_space(processor), literal
    )


def _adds_prefix_space(processor: Any) -> bool:
    first = processor.encode("a", out_type=str)[:1]
    return bool(first) and first[0].startswith("▁")
