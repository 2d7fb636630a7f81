"""Sequences of operations on matchers against replays, with the same compiled grammar and with a fresh one."""

from __future__ import annotations

import numpy as np
import oracle
from conftest import TINY, TINY_STOP
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from samples import GRAMMARS, SCHEMAS

import maskwright

INFO = maskwright.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP)
COMPILER = maskwright.GrammarCompiler(INFO)
FRESH = maskwright.GrammarCompiler(maskwright.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP), cache_enabled=False)


def compile_with(compiler: maskwright.GrammarCompiler, name: str) -> maskwright.CompiledGrammar:
    if name in GRAMMARS:
        return compiler.compile_grammar(GRAMMARS[name])
    return compiler.compile_json_schema(SCHEMAS[name])


class Matchers(RuleBasedStateMachine):
    """Matchers with the history that each should have."""

    matchers = Bundle("matchers")

    @initialize(name=st.sampled_from([*SCHEMAS, *GRAMMARS]), target=matchers)
    def start(self, name):
        self.name = name
        self.compiled = compile_with(COMPILER, name)
        self.pairs = [(maskwright.GrammarMatcher(self.compiled), [])]
        return 0

    @rule(index=matchers, pick=st.integers(0, 10**6))
    def accept_allowed(self, index, pick):
        matcher, history = self.pairs[index]
        allowed = oracle.allowed_ids(matcher, INFO.vocab_size)
        token = int(allowed[pick % len(allowed)])
        assert matcher.accept_token(token)
        history.append(token)

    @rule(index=matchers, token=st.integers(-2, 310))
    def try_any(self, index, token):
        matcher, history = self.pairs[index]
        if matcher.accept_token(token):
            history.append(token)

    @rule(index=matchers, text=st.sampled_from(['{"', "[", '"', "1", "ab", "", "</s>", "((1", '":', "}", "\xff"]))
    def try_text(self, index, text):
        matcher, history = self.pairs[index]
        steps = matcher.num_steps
        if matcher.accept_string(text):
            if matcher.num_steps > steps:
                history.append(text)
            else:
                assert text == ""
        else:
            assert matcher.num_steps == steps

    @rule(index=matchers, share=st.floats(0, 1))
    def rollback(self, index, share):
        matcher, history = self.pairs[index]
        steps = int(share * len(history))
        matcher.rollback(steps)
        del history[len(history) - steps :]

    @rule(index=matchers)
    def too_far_back(self, index):
        matcher, history = self.pairs[index]
        try:
            matcher.rollback(len(history) + 1)
        except maskwright.RollbackError:
            return
        raise AssertionError("rolled back further than there are steps")

    @rule(index=matchers, target=matchers)
    def fork(self, index):
        matcher, history = self.pairs[index]
        self.pairs.append((matcher.fork(), list(history)))
        return len(self.pairs) - 1

    @rule(index=matchers)
    def reset(self, index):
        matcher, history = self.pairs[index]
        matcher.reset()
        history.clear()

    @rule(index=matchers, fresh=st.booleans())
    def compare_with_a_replay(self, index, fresh):
        matcher, history = self.pairs[index]
        replayed = maskwright.GrammarMatcher(compile_with(FRESH, self.name) if fresh else self.compiled)
        for step in history:
            assert replayed.accept_token(step) if isinstance(step, int) else replayed.accept_string(step)
        assert matcher.is_terminated() == replayed.is_terminated()
        assert matcher.is_completed() == replayed.is_completed()
        assert matcher.find_jump_forward_bytes() == replayed.find_jump_forward_bytes()
        assert np.array_equal(oracle.allowed_ids(matcher, INFO.vocab_size), oracle.allowed_ids(replayed, INFO.vocab_size))

    @invariant()
    def steps_are_counted(self):
        for matcher, history in getattr(self, "pairs", []):
            assert matcher.num_steps == len(history)


TestMatchers = Matchers.TestCase
