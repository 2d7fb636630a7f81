"""The engines that race, each behind the same calls. Peers come from the package index, in the versions that `make race` pins."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any, Protocol

import numpy as np
from vocabularies import Vocabulary


class Engine(Protocol):
    """One engine with one vocabulary."""

    #: int32, one bit per token; what `fill` writes.
    row: np.ndarray

    def fresh(self) -> None:
        """Forget what earlier grammars taught."""

    def compile(self, kind: str, source: Any) -> None:
        """Make a JSON Schema (`schema`) or a grammar (`ebnf`) ready; raises if the engine refuses it."""

    def start(self) -> None:
        """Begin a text."""

    def fill(self) -> None:
        """Compute the mask of the next token into `row`."""

    def commit(self, token: int) -> bool:
        """Go on with a token."""


class Maskwright:
    """This package, through its public API."""

    def __init__(self, vocabulary: Vocabulary):
        import maskwright

        self.module, self.vocabulary = maskwright, vocabulary
        self.fresh()
        self.mask = maskwright.allocate_token_bitmask(1, self.info.vocab_size)
        self.row = np.asarray(self.mask).reshape(-1)

    def fresh(self) -> None:
        # A new vocabulary, too: what masks have in common is kept with it.
        self.info = self.vocabulary.info()
        self.compiler = self.module.GrammarCompiler(self.info, max_threads=1)

    def compile(self, kind: str, source: Any) -> None:
        compile_ = self.compiler.compile_json_schema if kind == "schema" else self.compiler.compile_grammar
        self.compiled = compile_(json.dumps(source) if kind == "schema" else source)

    def start(self) -> None:
        self.matcher = self.module.GrammarMatcher(self.compiled)

    def fill(self) -> None:
        self.matcher.fill_next_token_bitmask(self.mask)

    def commit(self, token: int) -> bool:
        return self.matcher.accept_token(token)

    def statistics(self) -> dict[str, int]:
        """What the grammar has learned so far."""
        return self.compiled.statistics()

    def accepts(self, token: int) -> bool:
        """Would a fork accept it? What the mask must say."""
        return self.matcher.fork().accept_token(token)


class XGrammar:
    """XGrammar with its defaults."""

    def __init__(self, vocabulary: Vocabulary):
        import torch
        import xgrammar

        torch.set_num_threads(1)
        self.module = xgrammar
        if vocabulary.huggingface:
            self.info = xgrammar.TokenizerInfo.from_huggingface(vocabulary.library, vocab_size=len(vocabulary.library))
        else:
            tokens = vocabulary.tokens
            self.info = xgrammar.TokenizerInfo(tokens, xgrammar.VocabType.RAW, vocab_size=len(tokens), stop_token_ids=[vocabulary.stop])
        self.mask = xgrammar.allocate_token_bitmask(1, self.info.vocab_size)
        self.row = self.mask.numpy().reshape(-1)
        self.fresh()

    def fresh(self) -> None:
        self.compiler = self.module.GrammarCompiler(self.info, max_threads=1)

    def compile(self, kind: str, source: Any) -> None:
        compile_ = self.compiler.compile_json_schema if kind == "schema" else self.compiler.compile_grammar
        self.compiled = compile_(json.dumps(source) if kind == "schema" else source)

    def start(self) -> None:
        self.matcher = self.module.GrammarMatcher(self.compiled)

    def fill(self) -> None:
        self.matcher.fill_next_token_bitmask(self.mask)

    def commit(self, token: int) -> bool:
        return self.matcher.accept_token(token)


class LLGuidance:
    """LLGuidance with its defaults; grammars through its own converter from GBNF."""

    def __init__(self, vocabulary: Vocabulary):
        import llguidance
        import llguidance.hf
        import llguidance.numpy
        import llguidance.tiktoken

        self.module, self.fill_row = llguidance, llguidance.numpy.fill_next_token_bitmask
        library = vocabulary.library
        if vocabulary.huggingface:
            self.tokenizer = llguidance.hf.from_tokenizer(library)
        else:
            self.tokenizer = llguidance.tiktoken.lltokenizer_from_encoding(library, n_vocab=library.n_vocab, eos_token=vocabulary.stop)
        self.mask = llguidance.numpy.allocate_token_bitmask(1, self.tokenizer.vocab_size)
        self.row = self.mask.reshape(-1)

    def fresh(self) -> None:
        """It keeps nothing between grammars."""

    def compile(self, kind: str, source: Any) -> None:
        if kind == "schema":
            grammar = json.dumps({"grammars": [{"json_schema": source}]})
        else:
            from llguidance.gbnf_to_lark import any_to_lark

            grammar = self.module.LLMatcher.grammar_from_lark(any_to_lark(source))
        self.compiled = self.module.LLMatcher(self.tokenizer, grammar)
        if self.compiled.is_error():
            raise ValueError(self.compiled.get_error())

    def start(self) -> None:
        self.matcher = self.compiled.deep_copy()

    def fill(self) -> None:
        self.fill_row(self.matcher, self.mask, 0)

    def commit(self, token: int) -> bool:
        return self.matcher.consume_token(token)


ENGINES = {"maskwright": Maskwright, "xgrammar": XGrammar, "llguidance": LLGuidance}


def version(name: str) -> str | None:
    """The version that is installed, if one is."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
