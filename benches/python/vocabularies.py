"""Tokenizers to run over: `llama3` and `qwen` (from packages on the index), a `.tiktoken` file, or a folder of transformers."""

from __future__ import annotations

import base64
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
