"""Encodings of the tiktoken library.

Invariant: the bytes are the encoding's own; its special tokens are never text.
Must not import: tiktoken.
"""

from __future__ import annotations

from typing import Any

from maskwright._core import TokenizerInfo
from maskwright.exceptions import TokenizerError
from maskwright.tokenizers import VocabType


def tokenizer_info(encoding: Any, *, vocab_size: int | None = None, stop_token_ids: int | list[int] | None = None) -> TokenizerInfo:
    """See :meth:`maskwright.TokenizerInfo.from_tiktoken`."""
    special = {name: encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    special_ids = set(special.values())
    tokens = []
    for token_id in range(encoding.n_vocab):
        try:
            tokens.append(b"" if token_id in special_ids else encoding.decode_single_token_bytes(token_id))
        except KeyError:  # a gap between the ordinary and the special tokens
            tokens.append(b"")
    if stop_token_ids is None:
        if "<|endoftext|>" not in special:
            raise TokenizerError(
                f"the encoding {encoding.name} has no <|endoftext|>: pass stop_token_ids, the ids that end the model's output"
            )
        stop_token_ids = [special["<|endoftext|>"]]
    literal = {token_id: name.encode() for name, token_id in special.items()}
    return TokenizerInfo._from_parts(tokens, VocabType.RAW, vocab_size, stop_token_ids, sorted(special_ids), False, literal)
