"""Tekken tokenizers of the mistral-common library, and their files.

Invariant: ids below the number of special tokens are never text.
Must not import: mistral_common.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from maskwright._core import TokenizerInfo
from maskwright.exceptions import UnsupportedTokenizer
from maskwright.tokenizers import VocabType

#: The id of ``</s>`` in every tekken file.
_END = 2


def tokenizer_info(tokenizer: Any, *, vocab_size: int | None = None, stop_token_ids: int | list[int] | None = None) -> TokenizerInfo:
    """See :meth:`maskwright.TokenizerInfo.from_tekken`."""
    if isinstance(tokenizer, str | os.PathLike):
        special, words = _read(Path(tokenizer))
        end = next((i for i, name in enumerate(special) if name == "</s>"), _END)
    else:
        tokenizer = getattr(getattr(tokenizer, "instruct_tokenizer", None), "tokenizer", tokenizer)
        if not hasattr(tokenizer, "num_special_tokens") or not hasattr(tokenizer, "id_to_byte_piece"):
            raise UnsupportedTokenizer(
                f"{type(tokenizer).__name__} is no tekken tokenizer; for a sentencepiece one use TokenizerInfo.from_sentencepiece"
            )
        special = [tokenizer.id_to_piece(i) for i in range(tokenizer.num_special_tokens)]
        words = [tokenizer.id_to_byte_piece(i) for i in range(len(special), tokenizer.n_words)]
        end = tokenizer.eos_id
    literal = {i: name.encode() for i, name in enumerate(special)}
    tokens = [b""] * len(special) + words
    stop = [end] if stop_token_ids is None else stop_token_ids
    return TokenizerInfo._from_parts(tokens, VocabType.RAW, vocab_size, stop, list(range(len(special))), False, literal)


def _read(path: Path) -> tuple[list[str], list[bytes]]:
    """The special tokens and the ordinary ones of a file, each in the order of their ids."""
    data = json.loads(path.read_text(encoding="utf-8"))
    config = data["config"]
    count = config["default_num_special_tokens"]
    special = [f"<SPECIAL_{i}>" for i in range(count)]
    special[_END] = "</s>"
    for token in data.get("special_tokens") or []:
        special[token["rank"]] = token["token_str"]
    words = data["vocab"][: config["default_vocab_size"] - count]
    return special, [base64.b64decode(word["token_bytes"]) for word in words]
