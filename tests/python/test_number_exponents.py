"""Numbers with exponents under bounds, divisors and lists: accepted just when the value meets them, and the exponent is small and plain."""

from __future__ import annotations

import json
import random

import oracle
import pytest
import regex

import maskwright

MOST = 4
#: An exponent as it is offered.
PLAIN = regex.compile(r"[eE][+-]?(?:0|[1-9]\d*)$")


def schema(rng: random.Random):
    """A random demand on numbers."""
    number = lambda: rng.choice([rng.randint(-20, 20), rng.randint(-3000, 3000), rng.randint(-500, 500) / 100, 0.001, 1e5])  # noqa: E731
    parts: dict = {}
    if rng.random() < 0.3:
        parts["type"] = "integer"
    if rng.random() < 0.6:
        parts[rng.choice(["minimum", "exclusiveMinimum"])] = number()
    if rng.random() < 0.6:
        parts[rng.choice(["maximum", "exclusiveMaximum"])] = number()
    if rng.random() < 0.4:
        parts["multipleOf"] = rng.choice([2, 3, 0.5, 0.01, 25, 1000, 0.3])
    if rng.random() < 0.2:
        parts["enum"] = [number() for _ in range(4)]
    if rng.random() < 0.2:
        parts["not"] = {"multipleOf": rng.choice([5, 7, 0.2])}
    return {"type": "number", **parts} if rng.random() < 0.8 else {"type": "number", "oneOf": [parts, schema(rng)]}


def spelling(rng: random.Random):
    """A random number, as text."""
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(0, 3)))
    text = rng.choice(["", "", "-"]) + (rng.choice("123456789") + digits if rng.random() < 0.8 else "0")
    if rng.random() < 0.4:
        text += "." + "".join(rng.choice("0005123") for _ in range(rng.randint(1, 4)))
    if rng.random() < 0.7:
        text += rng.choice("eE") + rng.choice(["", "", "+", "-"]) + rng.choice(["0", "1", "2", "3", "4", "5", "00", "01", "10"])
    return text


@pytest.mark.parametrize("seed", range(80))
def test_values_decide_not_spellings(compiler, tiny, seed):
    rng = random.Random(seed)
    asked = schema(rng)
    text = json.dumps(asked)
    read = oracle.read(text)
    validator = oracle.validator_for(read)
    try:
        compiled = compiler.compile_json_schema(text, number_exponents=MOST)
    except maskwright.UnsatisfiableSchema:
        with pytest.raises(maskwright.UnsatisfiableSchema):
            compiler.compile_json_schema(text)
        compiled = None
    unbounded = not set(json.dumps(asked)) & set("[") and not {"minimum", "maximum", "multipleOf", "enum", "not"} & {key.lower().replace("exclusivem", "m") for key in asked}
    for _ in range(200):
        spelled = spelling(rng)
        matcher = compiled and maskwright.GrammarMatcher(compiled)
        accepted = bool(matcher) and matcher.accept_string(spelled) and matcher.is_completed()
        exponent = spelled.lower().partition("e")[2]
        offered = not exponent or (PLAIN.search(spelled) is not None and abs(int(exponent)) <= MOST)
        if unbounded and exponent:
            continue  # as without the option
        assert accepted == (offered and validator.is_valid(oracle.read(spelled))), (text, spelled)
    for free in [0, 3, 8] if compiled else []:
        document = oracle.walk(maskwright.GrammarMatcher(compiled), tiny, rng, free, words=oracle.words_of(read))
        assert validator.is_valid(oracle.read(document)), (text, document)


def test_masks_are_what_is_accepted(compiler, tiny):
    compiled = compiler.compile_json_schema({"type": "number", "minimum": -2.5, "exclusiveMaximum": 1234, "multipleOf": 0.5}, number_exponents=9)
    for begin in ["", "-", "1", "2.", "12", "1e", "1.5E", "123e-", "0e", "1e+", "2e0", "2500e-"]:
        matcher = maskwright.GrammarMatcher(compiled)
        assert matcher.accept_string(begin)
        oracle.check_mask(matcher, tiny.vocab_size)


def test_the_report_says_what_is_lost():
    asked = {"type": "number", "minimum": 5, "enum": [7, 8.5]}
    tokens = [bytes([byte]) for byte in range(256)]
    compiler = maskwright.GrammarCompiler(maskwright.TokenizerInfo(tokens, vocab_size=257, stop_token_ids=256))
    status = {entry.pointer: entry.status for entry in compiler.compile_json_schema(asked, number_exponents=3).json_schema_report()}
    assert status["/minimum"] == status["/enum"] == maskwright.Enforcement.EXACT
    lost = {entry.keyword: entry.detail for entry in compiler.compile_json_schema(asked, number_exponents=3).json_schema_report()}
    assert "at most 3 either way" in lost["(numbers)"]
    with pytest.raises(maskwright.JSONSchemaError, match="number_exponents"):
        compiler.compile_json_schema(asked, number_exponents=65)
