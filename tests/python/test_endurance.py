"""Random operations from many threads on shared compiled grammars: no error, and every mask is that of a fresh replay.

``MASKWRIGHT_OPERATIONS=1000000`` (``make endurance``) runs as many as a release is tried with.
"""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import TINY_STOP
from samples import GRAMMARS, SCHEMAS

import maskwright

OPERATIONS = int(os.environ.get("MASKWRIGHT_OPERATIONS", "30000"))
THREADS = 8
VOCAB_SIZE = 300
WIDTH = -(-VOCAB_SIZE // 32)
#: Texts longer than this begin anew, so that a replay stays short.
LONGEST = 60
TEXTS = ['{"', "[", '"', "1", "ab", "</s>", "((1", '":', "}", "é", '{"name": "']


KINDS = [
    *["accept"] * 8,
    *["fill"] * 3,
    *["refuse", "text", "rollback", "too_far_back", "fork", "stop", "validate", "chain", "tree", "jump"],
]


class Walker:
    """One thread's matchers, with what each should have read."""

    def __init__(self, grammars, seed):
        self.grammars = grammars
        self.rng = random.Random(seed)
        self.row = np.zeros(WIDTH, dtype=np.int32)
        self.rows = np.zeros((8, WIDTH), dtype=np.int32)
        self.other = np.zeros(WIDTH, dtype=np.int32)
        self.fresh()

    def fresh(self):
        self.compiled = self.rng.choice(self.grammars)
        self.matcher, self.history = maskwright.GrammarMatcher(self.compiled), []

    def replay(self):
        matcher = maskwright.GrammarMatcher(self.compiled)
        for step in self.history:
            assert matcher.accept_string(step) if isinstance(step, str) else matcher.accept_token(step)
        return matcher

    def mask(self, matcher, row):
        matcher.fill_next_token_bitmask(row)
        return np.flatnonzero(maskwright.bitmask_to_bool_mask(row, VOCAB_SIZE))

    def fill(self):
        allowed = self.mask(self.matcher, self.row)
        replayed = self.replay()
        replayed.fill_next_token_bitmask(self.other)
        assert np.array_equal(self.row, self.other), self.history
        assert replayed.is_terminated() == self.matcher.is_terminated()
        assert len(allowed), "a dead end"
        return allowed

    def accept(self):
        token = int(self.rng.choice(self.mask(self.matcher, self.row)))
        if token == TINY_STOP and self.rng.random() < 0.8:
            return
        assert self.matcher.accept_token(token)
        self.history.append(token)

    def refuse(self):
        token = self.rng.randrange(-1, 305)
        if self.matcher.accept_token(token):
            self.history.append(token)

    def text(self):
        text = self.rng.choice(TEXTS)
        if self.matcher.accept_string(text):
            self.history.append(text)

    def rollback(self):
        steps = self.rng.randrange(min(len(self.history), 9) + 1)
        self.matcher.rollback(steps)
        del self.history[len(self.history) - steps :]

    def too_far_back(self):
        with pytest.raises(maskwright.RollbackError):
            self.matcher.rollback(len(self.history) + 1)

    def fork(self):
        fork, sibling = self.matcher.fork(), self.matcher
        # The one that is left behind goes another way; the fork must not see it.
        sibling.accept_token(int(self.rng.choice(self.mask(sibling, self.row))))
        self.matcher = fork

    def reset(self):
        self.matcher.reset()
        self.history.clear()

    def stop(self):
        if self.matcher.accept_token(TINY_STOP):
            self.history.append(TINY_STOP)
            assert self.matcher.is_terminated()
            assert self.mask(self.matcher, self.row).tolist() == [TINY_STOP]

    def drafts(self):
        ahead, drafts = self.matcher.fork(), []
        for _ in range(self.rng.randrange(5)):
            drafts.append(int(self.rng.choice(self.mask(ahead, self.row))) if self.rng.random() < 0.8 else self.rng.randrange(300))
            ahead.accept_token(drafts[-1])
        return drafts

    def validate(self):
        drafts = self.drafts()
        legal = self.matcher.validate_tokens(drafts)
        assert self.matcher.accept_tokens(drafts) == legal
        self.history += drafts[:legal]

    def chain(self):
        drafts = self.drafts()
        legal = self.matcher.fill_draft_bitmasks(drafts, self.rows)
        replayed = self.replay()
        assert replayed.accept_tokens(drafts) == legal
        replayed.fill_next_token_bitmask(self.other)
        assert np.array_equal(self.rows[legal], self.other)

    def tree(self):
        drafts = [0, *self.drafts(), *self.drafts()[:2]]
        count = len(drafts)
        # Each node hangs below an earlier one.
        next_token, next_sibling, parents = [-1] * count, [-1] * count, [0] * count
        for node in range(1, count):
            parent = parents[node] = self.rng.randrange(max(0, node - 2), node)
            next_sibling[node], next_token[parent] = next_token[parent], node
        reached = self.matcher.traverse_draft_tree(next_token, next_sibling, drafts, self.rows)
        node = self.rng.randrange(count)
        path, at = [], node
        while at:
            path.insert(0, drafts[at])
            at = parents[at]
        replayed = self.replay()
        assert (replayed.accept_tokens(path) == len(path)) == reached[node]
        if reached[node]:
            replayed.fill_next_token_bitmask(self.other)
            assert np.array_equal(self.rows[node], self.other)

    def jump(self):
        tokens = self.matcher.find_jump_forward_tokens()
        assert self.matcher.accept_tokens(tokens) == len(tokens)
        self.history += tokens

    def run(self, count):
        for _ in range(count):
            kind = self.rng.choice(KINDS)
            if len(self.history) > LONGEST:
                kind = "rollback" if self.rng.random() < 0.5 else "reset"
                if self.rng.random() < 0.5:
                    self.fill()
                    self.fresh()
            getattr(self, kind)()
            assert self.matcher.num_steps == len(self.history)


@pytest.mark.timeout(max(300, OPERATIONS // 500))
def test_random_operations_from_many_threads(tiny):
    compiler = maskwright.GrammarCompiler(tiny)
    grammars = [compiler.compile_json_schema(schema) for schema in SCHEMAS.values()]
    grammars += [compiler.compile_grammar(grammar) for grammar in GRAMMARS.values()]
    gate = threading.Barrier(THREADS)

    def work(seed):
        gate.wait()
        Walker(grammars, seed).run(OPERATIONS // THREADS)
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))
