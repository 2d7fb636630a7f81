"""Tokenizer libraries to vocabularies: one module per library, each with one ``tokenizer_info`` function.

Invariant: no library is imported unless the caller hands in one of its objects, or a path that only it can read.
"""

from __future__ import annotations

import enum


class VocabType(enum.IntEnum):
    """How a vocabulary spells bytes."""

    #: Tokens are their own bytes.
    RAW = 0
    #: ``<0x41>`` is a byte and ``▁`` a space, as in sentencepiece models.
    BYTE_FALLBACK = 1
    #: Every character stands for one byte by GPT-2's table.
    BYTE_LEVEL = 2


__all__ = ["VocabType"]
