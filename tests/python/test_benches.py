"""The benches run, and notice what is wrong: over a vocabulary of single bytes, so that it takes seconds."""

import hard
import hard_cases
import pytest
import racing
from vocabularies import Resized, resized

import maskwright as mw

BYTES = Resized([bytes([byte]) for byte in range(256)] + [b"</s>"])
CASES = [case for _, case in hard_cases.cases()]


def measure(case):
    return hard.measure(case, [BYTES.encode(text) for text in case.texts], BYTES.info(), 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hard_case_has_its_answer(case):
    row = measure(case)
    assert "failed" not in row
    assert row["cold masks"] > 0
    assert set(hard.verdicts(row)) <= {"compile", "cold", "worst", "warm"}


@pytest.mark.parametrize(
    ("texts", "refused", "why"),
    [(("[1]", '["a"]'), (), "refuses its text"), (("[1]",), ("[2]",), "accepts"), (("[1",), (), "does not let its text end")],
)
def test_a_wrong_answer_is_noticed(texts, refused, why):
    row = measure(hard_cases.Case("wrong", "schema", '{"items": {"type": "integer"}}', texts, refused))
    assert why in row["failed"]


class Racer:
    """The engine, with what a test asks of it."""

    def __init__(self, mistaken=False):
        import engines

        self.engine = engines.Maskwright(BYTES)
        self.mistaken = mistaken

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def accepts(self, token):
        return self.engine.accepts(token) != self.mistaken


@pytest.mark.parametrize(
    ("text", "mistaken", "refused", "wrong"),
    [
        ('{"a": 12345, "b": [1, 2, 3, 4, 5, 6, 7, 8]}', False, None, None),
        ('{"a": "b"}', False, "refuses its text after 6 of 10 tokens", None),
        ('{"a": 12', False, "does not let its text end", None),
        ('{"a": 12345, "b": [1, 2, 3, 4, 5, 6, 7, 8]}', True, None, "mask and acceptance disagree"),
    ],
)
def test_a_race_tells_what_an_engine_does(text, mistaken, refused, wrong):
    class Bytes(Resized):
        stop = 256

    case = racing.Case("case", "schema", {"properties": {"a": {"type": "integer"}}}, [text])
    outcome = racing.run(Racer(mistaken), "maskwright", case, [BYTES.encode(text)], Bytes(BYTES.tokens))
    assert outcome.refused == refused
    assert (wrong or "") in (outcome.wrong or "")
    assert outcome.passed == (refused is None and wrong is None)
    if outcome.passed:
        assert len(outcome.cold) == len(outcome.warm) == len(text)
        assert 0 < len(outcome.learning) <= len(text)


@pytest.mark.parametrize("size", [300, 500, 3000])
def test_a_vocabulary_is_cut_or_grown_to_size(size):
    singles = [bytes([byte]) for byte in range(256)]
    words = [first + second for first in (b" a", b"b", b"in", b" on") for second in (b"x", b"ut", b"boat", b"quay")]
    whole = Resized([*reversed(singles), *words, *(b" word%d" % number for number in range(100))])
    made = resized(whole, size)
    assert len(made.tokens) == size
    assert len(set(made.tokens)) == size
    assert made.tokens[:256] == singles
    assert b"".join(made.tokens[token] for token in made.encode("on a boat, Ü")) == "on a boat, Ü".encode()
    assert made.tokens == resized(whole, size).tokens
    assert mw.TokenizerInfo(made.tokens, mw.VocabType.RAW, stop_token_ids=size - 1).vocab_size == size
