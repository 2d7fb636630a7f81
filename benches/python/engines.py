"""The engines that race, each behind the same five calls. Peers come from the package index, in the versions that `make race` pins."""

from __future__ import annotations

import json
from typing import Any, Protocol

import numpy as np


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

    def __init__(self, encoding: Any, stop: int):
        import maskwright

        self.module, self.encoding, self.stop = maskwright, encoding, stop
        self.fresh()
        self.mask = maskwright.allocate_token_bitmask(1, self.info.vocab_size)
        self.row = np.asarray(self.mask).reshape(-1)

    def fresh(self) -> None:
        # A new vocabulary, too: what masks have in common is kept with it.
        self.info = self.module.TokenizerInfo.from_tiktoken(self.encoding, stop_token_ids=self.stop)
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


class XGrammar:
    """XGrammar with its defaults."""

    def __init__(self, encoding: Any, stop: int):
        import torch
        import xgrammar

        torch.set_num_threads(1)
        self.module = xgrammar
        vocabulary = [encoding.decode_single_token_bytes(i) for i in range(encoding.n_vocab)]
        self.info = xgrammar.TokenizerInfo(vocabulary, xgrammar.VocabType.RAW, vocab_size=encoding.n_vocab, stop_token_ids=[stop])
        self.mask = xgrammar.allocate_token_bitmask(1, encoding.n_vocab)
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

    def __init__(self, encoding: Any, stop: int):
        import llguidance
        import llguidance.numpy
        import llguidance.tiktoken

        self.module, self.fill_row = llguidance, llguidance.numpy.fill_next_token_bitmask
        self.tokenizer = llguidance.tiktoken.lltokenizer_from_encoding(encoding, n_vocab=encoding.n_vocab, eos_token=stop)
        self.mask = llguidance.numpy.allocate_token_bitmask(1, encoding.n_vocab)
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
