"""Fast tokenizers of the transformers library, and those of the tokenizers library itself.

Invariant: joining the bytes of a text's tokens gives the text; what cannot promise that is refused.
Must not import: transformers, tokenizers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from maskwright._core import TokenizerInfo
from maskwright.exceptions import TokenizerError, UnsupportedTokenizer
from maskwright.tokenizers import VocabType


def tokenizer_info(tokenizer: Any, *, vocab_size: int | None = None, stop_token_ids: int | list[int] | None = None) -> TokenizerInfo:
    """See :meth:`maskwright.TokenizerInfo.from_huggingface`."""
    backend = _backend(tokenizer)
    vocab: dict[str, int] = backend.get_vocab(with_added_tokens=True)
    vocab_type = _vocab_type(backend, vocab)
    added = backend.get_added_tokens_decoder()
    special = [token_id for token_id, token in added.items() if token.special]
    # An added token is cut out of the text as it stands. One that the model knows as well comes out of its merges too, and is
    # then spelled like any other.
    literal = {
        token_id: token.content.encode()
        for token_id, token in added.items()
        if token.special or backend.model.token_to_id(token.content) != token_id
    }
    if stop_token_ids is None:
        stop_token_ids = _end_of_sequence(tokenizer, vocab)
    if vocab_size is None:
        vocab_size = max(max(vocab.values(), default=-1), max(literal, default=-1)) + 1
    return TokenizerInfo._from_parts(vocab, vocab_type, vocab_size, stop_token_ids, special, _adds_prefix_space(backend), literal)


def _backend(tokenizer: Any) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if all(hasattr(backend, name) for name in ("get_added_tokens_decoder", "get_vocab", "model", "decoder")):
        return backend
    hint = ""
    if hasattr(tokenizer, "sp_model"):
        hint = "; hand its sentencepiece model to TokenizerInfo.from_sentencepiece"
    raise UnsupportedTokenizer(
        f"{type(tokenizer).__name__} is no fast tokenizer: load it with AutoTokenizer.from_pretrained(…, use_fast=True){hint}"
    )


def _parts(component: Any) -> Iterator[dict[str, Any]]:
    """The leaves of a decoder, pre-tokenizer or normalizer, as the tokenizers library would write them to its file."""
    if component is None:
        return
    work = [json.loads(component.__getstate__())]
    while work:
        part = work.pop()
        inner = [part.get(key) for key in ("decoders", "pretokenizers", "normalizers")]
        nested = [item for group in inner if group for item in group]
        if nested:
            work.extend(reversed(nested))
        else:
            yield part


def _vocab_type(backend: Any, vocab: dict[str, int]) -> VocabType:
    model = type(backend.model).__name__
    decoders = list(_parts(backend.decoder))
    kinds = {part["type"] for part in decoders}
    if model in ("WordPiece", "WordLevel") or "WordPiece" in kinds:
        raise UnsupportedTokenizer(
            f"a {model} vocabulary cannot spell every text: its tokens lose white space, and an unknown word has no tokens"
        )
    if "ByteLevel" in kinds or (not kinds and "ByteLevel" in {part["type"] for part in _parts(backend.pre_tokenizer)}):
        return VocabType.BYTE_LEVEL
    missing = [byte for byte in range(256) if f"<0x{byte:02X}>" not in vocab]
    if not missing:
        return VocabType.BYTE_FALLBACK
    why = f"it has no byte token <0x{missing[0]:02X}>" if len(missing) < 256 else "it has no byte tokens"
    raise UnsupportedTokenizer(
        f"this {model} tokenizer cannot spell every text: its decoder ({', '.join(sorted(kinds)) or 'none'}) is not ByteLevel, and {why}"
    )


def _adds_prefix_space(backend: Any) -> bool:
    def adds(part: dict[str, Any]) -> bool:
        return (
            part.get("add_prefix_space") is True
            or part.get("prepend_scheme") in ("always", "first")
            or (part["type"] == "Prepend" and part.get("prepend") == "▁")
        )

    return any(adds(part) for component in (backend.pre_tokenizer, backend.normalizer) for part in _parts(component))


def _end_of_sequence(tokenizer: Any, vocab: dict[str, int]) -> list[int]:
    found = getattr(tokenizer, "eos_token_id", None)
    if found is None:
        name = getattr(tokenizer, "eos_token", None)
        found = vocab.get(name) if isinstance(name, str) else None
    if found is None:
        raise TokenizerError("the tokenizer has no eos_token_id: pass stop_token_ids, the ids that end the model's output")
    return [found] if isinstance(found, int) else list(found)
