"""Speculation: chains and trees of drafts, jumps over forced text, and everything after the end, against forks that take one token at a time."""

from __future__ import annotations

import random

import numpy as np
import oracle
import pytest
from conftest import TINY, TINY_STOP
from samples import SCHEMAS

import maskwright

VOCAB_SIZE = 300
WIDTH = -(-VOCAB_SIZE // 32)


def row_of(matcher):
    """The mask of a fork; the stop tokens alone where there is none."""
    row = np.zeros((1, WIDTH), dtype=np.int32)
    if matcher is None:
        row[0, TINY_STOP // 32] = 1 << TINY_STOP % 32
    else:
        matcher.fork().fill_next_token_bitmask(row)
    return row[0]


def draft(rng, matcher):
    return rng.randrange(-1, 310) if rng.random() < 0.15 else int(rng.choice(oracle.allowed_ids(matcher, VOCAB_SIZE)))


def chain(rng, matcher, length):
    ahead, drafts = matcher.fork(), []
    for _ in range(length):
        drafts.append(draft(rng, ahead))
        ahead.accept_token(drafts[-1])
    return drafts


def expected_chain(matcher, drafts):
    """The rows, and how many drafts are legal."""
    ahead, rows, legal = matcher.fork(), [row_of(matcher)], 0
    for token in drafts:
        if ahead is not None and ahead.accept_token(token):
            legal += 1
        else:
            ahead = None
        rows.append(row_of(ahead))
    return np.stack(rows), legal


def tree(rng, matcher, size):
    """Links and tokens of a random tree, and the fork of each node."""
    forks = [matcher.fork()]
    links = ([-1], [-1], [rng.randrange(300)])
    for node in range(1, size):
        parent = rng.randrange(node)
        fork = None if forks[parent] is None else forks[parent].fork()
        token = rng.randrange(300) if fork is None else draft(rng, fork)
        forks.append(fork if fork is not None and fork.accept_token(token) else None)
        links[0].append(-1)
        links[1].append(links[0][parent])
        links[2].append(token)
        links[0][parent] = node
    return links, forks


def walked(compiler, rng):
    """A matcher somewhere in some text."""
    schema = rng.choice(list(SCHEMAS.values()))
    matcher = maskwright.GrammarMatcher(compiler.compile_json_schema(schema, any_whitespace=False))
    for _ in range(rng.randrange(12)):
        matcher.accept_token(int(rng.choice(oracle.allowed_ids(matcher, VOCAB_SIZE))))
    return matcher


@pytest.mark.parametrize("kind", ["list", "numpy", "torch"])
@pytest.mark.parametrize("seed", range(8))
def test_chains_and_trees(compiler, seed, kind):
    rng = random.Random(seed)
    matcher = walked(compiler, rng)
    if kind == "torch":
        torch = pytest.importorskip("torch")
        make, mask = torch.tensor, lambda rows: torch.zeros((rows, WIDTH), dtype=torch.int32)
    else:
        make, mask = (np.array if kind == "numpy" else list), lambda rows: np.zeros((rows, WIDTH), dtype=np.int32)
    for _ in range(10):
        before, steps = row_of(matcher), matcher.num_steps
        drafts = chain(rng, matcher, rng.randrange(6))
        rows, legal = expected_chain(matcher, drafts)
        bitmask = mask(len(drafts) + 3)
        given = make(drafts) if drafts else drafts
        assert matcher.fill_draft_bitmasks(given, bitmask, 1) == legal
        filled = np.asarray(bitmask)
        assert np.array_equal(filled[1:-1], rows)
        assert not filled[0].any()
        assert not filled[-1].any()
        assert matcher.validate_tokens(given) == legal
        links, forks = tree(rng, matcher, rng.randrange(1, 9))
        bitmask = mask(len(forks))
        reached = matcher.traverse_draft_tree(*map(make, links), bitmask)
        assert reached == [fork is not None for fork in forks]
        assert np.array_equal(np.asarray(bitmask), np.stack([row_of(fork) for fork in forks]))
        assert (matcher.num_steps, row_of(matcher).tolist()) == (steps, before.tolist())
        assert matcher.accept_tokens(given) == legal
        assert matcher.num_steps == steps + legal


@pytest.mark.parametrize("threads", [1, 3])
def test_batches(compiler, threads):
    rng = random.Random(threads)
    batch = maskwright.BatchGrammarMatcher(max_threads=threads)
    matchers = [walked(compiler, rng) for _ in range(20)]
    drafts = [chain(rng, matcher, rng.randrange(5)) for matcher in matchers]
    expected = [expected_chain(matcher, ids) for matcher, ids in zip(matchers, drafts, strict=True)]
    rows, legal = np.concatenate([rows for rows, _ in expected]), [count for _, count in expected]
    bitmask = np.zeros((len(rows) + 1, WIDTH), dtype=np.int32)
    assert batch.batch_fill_draft_bitmasks(matchers, drafts, bitmask) == legal
    assert np.array_equal(bitmask[:-1], rows)
    # Rows of one height each, in another order.
    spread = np.zeros((20 * 5, WIDTH), dtype=np.int32)
    order = [5 * i for i in rng.sample(range(20), 20)]
    assert batch.batch_fill_draft_bitmasks(matchers, drafts, spread, order) == legal
    for start, (own, _) in zip(order, expected, strict=True):
        assert np.array_equal(spread[start : start + len(own)], own)
    assert batch.batch_validate_tokens(matchers, drafts) == legal
    trees = [tree(rng, matcher, 6) for matcher in matchers]
    links = [np.array([links[i] for links, _ in trees]) for i in range(3)]
    bitmask = np.zeros((20 * 6, WIDTH), dtype=np.int32)
    reached = batch.batch_traverse_draft_tree(matchers, *links, bitmask)
    assert reached == [[fork is not None for fork in forks] for _, forks in trees]
    assert np.array_equal(bitmask, np.stack([row_of(fork) for _, forks in trees for fork in forks]))
    steps = [matcher.num_steps for matcher in matchers]
    assert batch.batch_accept_tokens(matchers, drafts) == legal
    assert [matcher.num_steps for matcher in matchers] == [a + b for a, b in zip(steps, legal, strict=True)]
    assert batch.batch_fill_draft_bitmasks([], [], bitmask) == []
    assert batch.batch_traverse_draft_tree([], [], [], [], bitmask) == []


def test_what_is_refused_touches_nothing(compiler):
    batch = maskwright.BatchGrammarMatcher()
    matchers = [maskwright.GrammarMatcher(compiler.compile_regex("ab*")) for _ in range(2)]
    first = matchers[0]
    bitmask = maskwright.allocate_token_bitmask(4, VOCAB_SIZE)
    for wrong, match in [
        (lambda: first.fill_draft_bitmasks([97, 98, 98], bitmask, 1), "row 4"),
        (lambda: first.fill_draft_bitmasks([97], bitmask, -1), "row -1"),
        (lambda: first.fill_draft_bitmasks([97], bitmask.astype(np.int64)), "int32"),
        (lambda: first.traverse_draft_tree([], [], [], bitmask), "no node"),
        (lambda: first.traverse_draft_tree([1, -1], [-1, -1], [0], bitmask), "as many"),
        (lambda: first.traverse_draft_tree([1, 2], [-1, -1], [0, 1], bitmask), "linked to 2"),
        (lambda: first.traverse_draft_tree([1, 0], [-1, -1], [0, 1], bitmask), "twice"),
        (lambda: first.traverse_draft_tree([-1] * 5, [-1] * 5, [0] * 5, bitmask), "row 4"),
        (lambda: batch.batch_fill_draft_bitmasks(matchers, [[97]], bitmask), "2 matchers, but 1"),
        (lambda: batch.batch_fill_draft_bitmasks(matchers, [[97], [97, 98]], bitmask), "row 4"),
        (lambda: batch.batch_fill_draft_bitmasks(matchers, [[97], [97]], bitmask, [0, 1]), "row 1 is asked for twice"),
        (lambda: batch.batch_fill_draft_bitmasks([first, first], [[], []], bitmask), "twice"),
        (lambda: batch.batch_validate_tokens(matchers, [[97]]), "2 matchers, but 1"),
    ]:
        with pytest.raises(ValueError, match=match):
            wrong()
    for wrong in [
        lambda: first.accept_tokens("ab"),
        lambda: first.accept_tokens(b"ab"),
        lambda: first.accept_tokens(97),
        lambda: first.accept_tokens([97, "b"]),
        lambda: first.validate_tokens([97, 9.5]),
        lambda: first.find_jump_forward_tokens(lambda text: text),
    ]:
        with pytest.raises(TypeError):
            wrong()
    assert (bitmask == -1).all()
    assert [matcher.num_steps for matcher in matchers] == [0, 0]
    assert first.accept_tokens([97, 98, -1, 98]) == 2
    assert first.validate_tokens([2**62]) == 0


def test_an_error_takes_no_token(tiny):
    compiler = maskwright.GrammarCompiler(tiny, limits=maskwright.Limits(max_states=15))
    matcher = maskwright.GrammarMatcher(compiler.compile_grammar("root ::= " + " | ".join(f'"z"? "{chr(i)}" "{i}"' for i in range(97, 123))))
    ids = [122, 97, ord("9"), ord("7")]
    bitmask = maskwright.allocate_token_bitmask(5, VOCAB_SIZE)
    with pytest.raises(maskwright.LimitExceeded):
        matcher.fill_draft_bitmasks(ids, bitmask)
    assert not bitmask.any()
    assert matcher.num_steps == 0


def test_after_the_end_nothing_raises(compiler):
    matcher = maskwright.GrammarMatcher(compiler.compile_regex("ab?"))
    bitmask = maskwright.allocate_token_bitmask(4, VOCAB_SIZE)
    drafts = [97, TINY_STOP, TINY_STOP, 98]
    assert matcher.validate_tokens(drafts) == 3
    assert matcher.accept_tokens(drafts) == 3
    assert matcher.is_terminated()
    only_stop = row_of(None)
    assert matcher.fill_draft_bitmasks([98, TINY_STOP], bitmask) == 0
    assert matcher.fill_draft_bitmasks([TINY_STOP, 98], bitmask) == 1
    assert all(np.array_equal(row, only_stop) for row in bitmask[:3])
    assert matcher.traverse_draft_tree([1, 2, -1], [-1, -1, -1], [0, TINY_STOP, 97], bitmask) == [True, True, False]
    assert matcher.find_jump_forward_tokens() == []
    matcher.rollback(2)
    assert not matcher.is_terminated()
    assert matcher.validate_tokens([98, TINY_STOP, TINY_STOP]) == 3
    matcher.rollback(1)
    assert matcher.num_steps == 0
    assert matcher.accept_tokens([97, 98, TINY_STOP]) == 3


def test_a_draft_tree_by_hand(compiler):
    matcher = maskwright.GrammarMatcher(compiler.compile_grammar('root ::= "a" ("b" | "c" "d")'))
    a, b, c, d = b"abcd"
    # root -> a -> (b, c -> d, x -> b); the root's own token does not count.
    links = [1, 2, -1, 4, -1, 6, -1], [-1, -1, 3, 5, -1, -1, -1], [d, a, b, c, d, ord("x"), b]
    bitmask = maskwright.allocate_token_bitmask(7, VOCAB_SIZE)
    assert matcher.traverse_draft_tree(*links, bitmask) == [True, True, True, True, True, False, False]
    allowed = [np.flatnonzero(row).tolist() for row in maskwright.bitmask_to_bool_mask(bitmask, VOCAB_SIZE)]
    assert a in allowed[0]
    assert allowed[1:] == [[b, c], [TINY_STOP], [d], [TINY_STOP], [TINY_STOP], [TINY_STOP]]


def test_forced_tokens_stop_where_a_longer_one_could_go_on(compiler):
    def forced(grammar, text=""):
        matcher = maskwright.GrammarMatcher(compiler.compile_grammar(grammar))
        assert matcher.accept_string(text)
        return [TINY[token] for token in matcher.find_jump_forward_tokens()]

    assert forced('root ::= "x" "ab" "y"') == [b"x", b"ab", b"y"]
    assert forced('root ::= "xab" [yz]') == [b"x", b"ab"]
    # "abc" is a token.
    assert forced('root ::= "xab" [cz]') == [b"x"]
    assert forced('root ::= "xab" "c"? "z"') == [b"x"]
    # '":{"' could end what '"' begins.
    assert forced('root ::= "x\\"" (":" [{1]) [1"]') == [b"x"]
    assert forced('root ::= "x\\"" (":" [12])') == [b"x", b'"', b":"]
    assert forced('root ::= "x" [yz]', "xy") == []
    assert forced('root ::= "é" [yz]') == ["é".encode()]
    assert forced('root ::= [éè] "z"') == []


SAMPLES = {
    "person": SCHEMAS["person"],
    "closed": {
        "type": "object",
        "properties": {"invoice_number": {"type": "integer"}, "größe": {"type": "boolean"}, "address line": {"enum": ["Main Street 12", "Main Street 125"]}},
        "required": ["invoice_number", "größe", "address line"],
        "additionalProperties": False,
    },
    "constant": {"const": {"type": "text", "content": "It's 12345 o'clock,  don’t  worry: naïve café — 完了", "list": [1.5, True, None, "\t"]}},
    "tree": SCHEMAS["tree"],
}


@pytest.mark.parametrize("layout", [{"any_whitespace": False}, {"any_whitespace": False, "indent": 2}, {"any_whitespace": False, "separators": (",", ":")}])
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", ["llama3", "tekken"])
def test_forced_tokens_are_those_of_the_tokenizer(tokenizers, name, sample, layout):
    """Whatever follows the forced text, the tokenizer spells the text from here on with the forced tokens first."""
    info, encode = tokenizers(name)
    vocab = info.decoded_vocab
    rng = random.Random(sample)
    matcher = maskwright.GrammarMatcher(maskwright.GrammarCompiler(info).compile_json_schema(SAMPLES[sample], escapes="minimal", **layout))
    total = exact = 0
    for _ in range(12):
        own, tokens = matcher.find_jump_forward_tokens(), matcher.find_jump_forward_tokens(encode)
        forced = matcher.find_jump_forward_bytes()
        for found in (own, tokens):
            assert forced.startswith(b"".join(vocab[token] for token in found))
            assert matcher.validate_tokens(found) == len(found)
        total += len(tokens)
        exact += len(tokens) if own == tokens else 0
        for _ in range(5):
            ahead, text = matcher.fork(), forced
            ahead.accept_string(forced)
            for _ in range(20):
                token = int(rng.choice(oracle.allowed_ids(ahead, info.vocab_size)))
                if token in info.stop_token_ids:
                    break
                ahead.accept_token(token)
                text += vocab[token]
            assert encode(text.decode(errors="ignore"))[: len(tokens)] == tokens
        assert matcher.accept_tokens(tokens) == len(tokens)
        if not matcher.accept_token(int(rng.choice(oracle.allowed_ids(matcher, info.vocab_size)))) or matcher.is_terminated():
            break
    assert total
    # Without the tokenizer's own function the tokens are nearly always the same.
    assert exact >= 0.8 * total


def test_an_encoder_that_adds_something(compiler):
    matcher = maskwright.GrammarMatcher(compiler.compile_grammar('root ::= "xab" "y"'))
    own = matcher.find_jump_forward_tokens()
    a, b, x, y = b"abxy"
    assert matcher.find_jump_forward_tokens(lambda _: [TINY_STOP, x, a, b, y]) == [x, a, b, y]
    assert matcher.find_jump_forward_tokens(lambda _: np.array([x, a, b, y])) == [x, a, b, y]
    assert matcher.find_jump_forward_tokens(lambda _: [ord(" "), x, a, b, y]) == own
    assert matcher.find_jump_forward_tokens(lambda _: [x, -5]) == own

    def fails(text):
        raise KeyError(text)

    with pytest.raises(KeyError, match="xaby"):
        matcher.find_jump_forward_tokens(fails)
    # It may even move the matcher.
    assert matcher.find_jump_forward_tokens(lambda _: [x, a, b, y] if matcher.accept_string("x") else []) == [x, a, b, y]
    assert matcher.num_steps == 1
