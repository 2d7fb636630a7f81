"""Tokenizers to run over: `llama3` and `qwen` (from packages on the index), a `.tiktoken` file, or a folder of transformers."""

from __future__ import annotations

import base64
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "python"))

import tokenizer_files


@dataclass(frozen=True)
class Vocabulary:
    """One tokenizer. `library` is its own object, which the peers take: an `Encoding` of tiktoken or a tokenizer of transformers."""

    name: str
    stop: int
    library: Any
    encode: Callable[[str], list[int]]
    huggingface: bool

    def info(self) -> Any:
        """What maskwright builds of it, with masks that have learned nothing."""
        import maskwright

        if self.huggingface:
            return maskwright.TokenizerInfo.from_huggingface(self.library, vocab_size=len(self.library), stop_token_ids=self.stop)
        return maskwright.TokenizerInfo.from_tiktoken(self.library, stop_token_ids=self.stop)

    @cached_property
    def tokens(self) -> list[bytes]:
        """The bytes of every token, special ones included."""
        return self.info().decoded_vocab


def load(where: str) -> Vocabulary:
    """By name, file or folder."""
    path = Path(where)
    if path.is_dir():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(path)
        return Vocabulary(path.name, tokenizer.eos_token_id, tokenizer, lambda text: tokenizer.encode(text, add_special_tokens=False), True)
    if path.is_file():
        import tiktoken

        lines = path.read_bytes().splitlines()
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
        encoding = tiktoken.Encoding(path.stem, pat_str=tokenizer_files.SPLIT, mergeable_ranks=ranks, special_tokens={"</s>": len(ranks)})
    elif where in tokenizer_files.SPECIAL:
        encoding = tokenizer_files.tiktoken_encoding(where)
    else:
        names = ", ".join(tokenizer_files.SPECIAL)
        raise SystemExit(f"no tokenizer {where}: give one of {names}, a .tiktoken file, or a folder of transformers")
    return Vocabulary(encoding.name, encoding.n_vocab - 1, encoding, encoding.encode_ordinary, False)


@dataclass(frozen=True)
class Resized:
    """The first tokens of a vocabulary, or all of them and more; the last one ends the text."""

    tokens: list[bytes]

    def info(self) -> Any:
        """What maskwright builds of it, with masks that have learned nothing."""
        import maskwright

        return maskwright.TokenizerInfo(self.tokens, maskwright.VocabType.RAW, stop_token_ids=len(self.tokens) - 1)

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        return {token: index for index, token in enumerate(self.tokens[:-1])}

    def encode(self, text: str) -> list[int]:
        """At each place the longest token that fits."""
        data, ids, at = text.encode(), [], 0
        longest = max(map(len, self._ids))
        while at < len(data):
            token = next(data[at : at + n] for n in range(min(longest, len(data) - at), 0, -1) if data[at : at + n] in self._ids)
            ids.append(self._ids[token])
            at += len(token)
        return ids


def resized(vocabulary: Vocabulary, size: int) -> Resized:
    """A vocabulary of another size, made of `vocabulary` the same way every time. Tokens are in the order in which they were merged, so
    that the first ones are what a smaller vocabulary has; a larger one is given words of two parts, as further merges would make them.
    """
    tokens = [token for token in vocabulary.tokens if token]
    known = set(tokens)
    bytes_first = [bytes([byte]) for byte in range(256)]
    tokens = bytes_first + [token for token in dict.fromkeys(tokens) if len(token) > 1]
    chance = random.Random(1)
    words = [token for token in tokens[256:40_000] if token.decode(errors="ignore").encode() == token and token.strip().isalpha()]
    ends = [word for word in words if not word.startswith(b" ")] or words
    while len(tokens) < size - 1:
        merged = chance.choice(words) + chance.choice(ends)
        if merged in known or len(merged) > 24:
            # A number, so that there is always another.
            merged = chance.choice(words) + b"%d" % len(tokens)
        known.add(merged)
        tokens.append(merged)
    return Resized([*tokens[: size - 1], b"</s>"])
