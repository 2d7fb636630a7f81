"""Vocabularies."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from enum import Enum
from typing import Any

import maskwright
from maskwright.compat.xgrammar.base import XGRObject, deserialize_errors, runtime_errors
from maskwright.compat.xgrammar.config import get_serialization_version


class VocabType(Enum):
    """How a vocabulary spells bytes."""

    RAW = 0
    BYTE_FALLBACK = 1
    BYTE_LEVEL = 2


#: For texts without tokens: what an empty vocabulary stands for.
_BYTES = [bytes([byte]) for byte in range(256)] + [b"</s>"]
#: An empty vocabulary, serialised.
_EMPTY = json.dumps({"kind": "TokenizerInfo", "decoded_vocab": [], "__VERSION__": get_serialization_version()})


class TokenizerInfo(XGRObject):
    """See :class:`maskwright.TokenizerInfo`. An empty vocabulary gives matchers that accept strings only, as XGrammar's tests use them."""

    def __init__(
        self,
        encoded_vocab: Sequence[bytes] | Sequence[str],
        vocab_type: VocabType = VocabType.RAW,
        *,
        vocab_size: int | None = None,
        stop_token_ids: list[int] | int | None = None,
        add_prefix_space: bool = False,
    ) -> None:
        self._has_tokens = bool(encoded_vocab) or bool(vocab_size)
        if not self._has_tokens:
            encoded_vocab, stop_token_ids = _BYTES, [len(_BYTES) - 1]
        with runtime_errors():
            self._init_handle(
                maskwright.TokenizerInfo(
                    encoded_vocab,
                    maskwright.VocabType(vocab_type.value),
                    vocab_size=vocab_size,
                    stop_token_ids=stop_token_ids,
                    add_prefix_space=add_prefix_space,
                )
            )

    @staticmethod
    def from_huggingface(
        tokenizer: Any, *, vocab_size: int | None = None, stop_token_ids: list[int] | int | None = None
    ) -> TokenizerInfo:
        """See :meth:`maskwright.TokenizerInfo.from_huggingface`; tokenizers around sentencepiece and tiktoken work as well."""
        if isinstance(stop_token_ids, list) and not stop_token_ids:
            raise ValueError("stop_token_ids cannot be empty")
        try:
            info = _read(tokenizer, stop_token_ids)
        except maskwright.UnsupportedTokenizer as error:
            raise ValueError(str(error)) from error
        if vocab_size is not None and vocab_size != info.vocab_size:
            # More ids are padding; fewer cut off tokens that the model does not have.
            tokens = info.decoded_vocab[:vocab_size]
            info = maskwright.TokenizerInfo._from_parts(
                [b""] * len(tokens),
                info.vocab_type,
                vocab_size,
                [token for token in info.stop_token_ids if token < vocab_size],
                [token for token in info.special_token_ids if token < vocab_size],
                info.add_prefix_space,
                dict(enumerate(tokens)),
            )
        return TokenizerInfo._create_from_handle(info)

    @property
    def vocab_type(self) -> VocabType:
        """How the tokens spelled bytes when they were read."""
        return VocabType(int(self._handle.vocab_type))

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return self._handle.vocab_size if self._tokens() else 0

    @property
    def add_prefix_space(self) -> bool:
        """Kept as given."""
        return bool(self._handle.add_prefix_space)

    @property
    def prepend_space_in_tokenization(self) -> bool:
        """The older name of ``add_prefix_space``."""
        warnings.warn("prepend_space_in_tokenization is deprecated. Use add_prefix_space instead.", stacklevel=2)
        return self.add_prefix_space

    @property
    def decoded_vocab(self) -> list[bytes]:
        """The bytes of each id; empty where an id has no text."""
        return self._handle.decoded_vocab if self._tokens() else []

    @property
    def stop_token_ids(self) -> list[int]:
        """The ids that end the output."""
        return self._handle.stop_token_ids if self._tokens() else []

    @property
    def special_token_ids(self) -> list[int]:
        """The ids that are never text: those that the tokenizer marks, those without bytes, and padding."""
        stop, marked = set(self.stop_token_ids), set(self._handle.special_token_ids if self._tokens() else [])
        return [token for token, text in enumerate(self.decoded_vocab) if (not text or token in marked) and token not in stop]

    def _tokens(self) -> bool:
        return getattr(self, "_has_tokens", True)

    def dump_metadata(self) -> str:
        """All but the tokens, as JSON."""
        return json.dumps(
            {
                "vocab_type": self.vocab_type.value,
                "vocab_size": self.vocab_size,
                "add_prefix_space": self.add_prefix_space,
                "stop_token_ids": self.stop_token_ids,
            }
        )

    @staticmethod
    def from_vocab_and_metadata(encoded_vocab: list[bytes | str], metadata: str) -> TokenizerInfo:
        """Make one from tokens and what :meth:`dump_metadata` wrote."""
        try:
            fields = json.loads(metadata)
            options = {name: fields[name] for name in ("vocab_size", "stop_token_ids", "add_prefix_space")}
            vocab_type = VocabType(fields["vocab_type"])
        except (ValueError, TypeError, KeyError) as error:
            raise RuntimeError(f"the metadata is malformed: {error!r}") from error
        return TokenizerInfo(encoded_vocab, vocab_type, **options)  # type: ignore[arg-type]

    def serialize_json(self) -> str:
        """See :meth:`maskwright.TokenizerInfo.serialize_json`."""
        return str(self._handle.serialize_json()) if self._tokens() else _EMPTY

    @staticmethod
    def deserialize_json(json_string: str) -> TokenizerInfo:
        """See :meth:`maskwright.TokenizerInfo.deserialize_json`."""
        if json_string == _EMPTY:
            return TokenizerInfo([])
        with deserialize_errors():
            return TokenizerInfo._create_from_handle(maskwright.TokenizerInfo.deserialize_json(json_string))


def _read(tokenizer: Any, stop_token_ids: list[int] | int | None) -> maskwright.TokenizerInfo:
    end = getattr(tokenizer, "eos_token_id", None)
    inner = getattr(tokenizer, "tokenizer", None)
    for model in (getattr(tokenizer, "sp_model", None), getattr(inner, "sp_model", None), getattr(tokenizer, "tok", None)):
        if hasattr(model, "id_to_piece") and not hasattr(tokenizer, "backend_tokenizer"):
            return maskwright.TokenizerInfo.from_sentencepiece(model, stop_token_ids=stop_token_ids if stop_token_ids is not None else end)
    if hasattr(inner, "decode_single_token_bytes"):
        return maskwright.TokenizerInfo.from_tiktoken(inner, stop_token_ids=stop_token_ids if stop_token_ids is not None else end)
    return maskwright.TokenizerInfo.from_huggingface(tokenizer, stop_token_ids=stop_token_ids)
