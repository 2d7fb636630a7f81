"""Models of the llama-cpp-python library.

Invariant: the bytes are those that llama.cpp itself writes for a token; control tokens are never text.
Must not import: llama_cpp, but for the module that the given object comes from.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from maskwright._core import TokenizerInfo
from maskwright.exceptions import TokenizerError, UnsupportedTokenizer
from maskwright.tokenizers import VocabType

#: What llama.cpp calls the kinds of vocabularies, and how their tokens are spelled.
_SENTENCEPIECE, _BYTE_LEVEL, _WORDPIECE = 1, 2, 3
#: Attributes of a token: unknown, unused, control.
_NEVER_TEXT = 1 << 0 | 1 << 1 | 1 << 3


def tokenizer_info(llama: Any, *, vocab_size: int | None = None, stop_token_ids: int | list[int] | None = None) -> TokenizerInfo:
    """See :meth:`maskwright.TokenizerInfo.from_llama_cpp`."""
    library: Any = sys.modules.get(type(llama).__module__.partition(".")[0])
    vocab = getattr(getattr(llama, "_model", None), "vocab", None)
    if vocab is None or not hasattr(library, "llama_token_to_piece"):
        raise UnsupportedTokenizer(f"{type(llama).__name__} is no llama_cpp.Llama")
    kind: int = library.llama_vocab_type(vocab)
    if kind == _WORDPIECE:
        raise UnsupportedTokenizer(
            "a WordPiece vocabulary cannot spell every text: its tokens lose white space, and an unknown word has no tokens"
        )
    ids = range(library.llama_vocab_n_tokens(vocab))
    pieces = {token: _piece(library, vocab, token) for token in ids}
    special = [token for token in ids if library.llama_vocab_get_attr(vocab, token) & _NEVER_TEXT]
    if stop_token_ids is None:
        stop_token_ids = [token for token in ids if library.llama_vocab_is_eog(vocab, token)]
        if not stop_token_ids:
            raise TokenizerError("the model has no token that ends an output: pass stop_token_ids")
    vocab_type = {_SENTENCEPIECE: VocabType.BYTE_FALLBACK, _BYTE_LEVEL: VocabType.BYTE_LEVEL}.get(kind, VocabType.RAW)
    prefix = kind == _SENTENCEPIECE
    return TokenizerInfo._from_parts([b""] * len(ids), vocab_type, vocab_size, stop_token_ids, special, prefix, pieces)


def _piece(library: Any, vocab: Any, token: int) -> bytes:
    """The bytes that llama.cpp writes for a token."""
    room = 64
    while True:
        buffer = ctypes.create_string_buffer(room)
        length: int = library.llama_token_to_piece(vocab, token, buffer, room, 0, True)
        if length >= 0:
            return buffer.raw[:length]
        room = -length
