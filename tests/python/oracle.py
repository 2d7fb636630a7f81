"""Answers that share nothing with maskwright: masks token by token, and the `jsonschema` library with its known faults mended.

Overrides, each with the clause it rests on:

* numbers are read as `Decimal`, without the limit on digits of an int: JSON Schema Core 2020-12, 4.2.1 and 6.4 (arbitrary precision); so
  `1.0` is an integer (6.3.1.1 of Validation, "a numeric value whose fractional part is zero").
* a repeated key is no document: Core 4.3.1 with RFC 8259, section 4.
* a lone surrogate is no document: Core 4.2.1 (strings are Unicode strings).
* `pattern` and `patternProperties`: ECMA-262 semantics (Core 6.4): `$` does not match before a trailing line break, classes are ASCII.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from jsonschema import Draft7Validator, Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

import maskwright


def ecma(pattern: str) -> re.Pattern[str]:
    """A pattern of the tests in Python's syntax: only what the tests use."""
    out, in_class, escaped = [], False, False
    for c in pattern:
        out.append(r"\Z" if c == "$" and not in_class and not escaped else c)
        in_class = not escaped and (c == "[" or (in_class and c != "]"))
        escaped = c == "\\" and not escaped
    return re.compile("".join(out), re.ASCII)


def _pattern(validator, pattern, instance, schema) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not ecma(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator, patterns, instance, schema) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, subschema in patterns.items():
            for key, value in instance.items():
                if ecma(pattern).search(key):
                    yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _additional_properties(validator, additional, instance, schema) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        patterns = [ecma(p) for p in schema.get("patternProperties", {})]
        for key, value in instance.items():
            if key not in schema.get("properties", {}) and not any(p.search(key) for p in patterns):
                yield from validator.descend(value, additional, path=key)


def _is_integer(_checker, instance) -> bool:
    if isinstance(instance, bool):
        return False
    return isinstance(instance, int) or (isinstance(instance, Decimal) and instance == instance.to_integral_value())


def _is_number(_checker, instance) -> bool:
    return isinstance(instance, (int, Decimal)) and not isinstance(instance, bool)


def validator_for(schema: Any):
    """The mended validator for a schema."""
    base = Draft202012Validator
    if isinstance(schema, dict) and "draft-07" in schema.get("$schema", ""):
        base = Draft7Validator
    checker = base.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
    keywords = {"pattern": _pattern, "patternProperties": _pattern_properties, "additionalProperties": _additional_properties}
    return validators.extend(base, keywords, type_checker=checker)(schema)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is repeated")
    return members


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def read(text: str) -> Any:
    """A JSON document, strictly."""
    document = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse, object_pairs_hook=_no_duplicates)
    json.dumps(document, default=str, ensure_ascii=False).encode()  # no lone surrogates
    return document


def is_valid(schema: Any, text: str) -> bool:
    """Is the text a document that the schema allows? `schema` as read by `read`."""
    try:
        document = read(text)
    except ValueError:
        return False
    return validator_for(schema).is_valid(document)


def allowed_ids(matcher: maskwright.GrammarMatcher, vocab_size: int) -> np.ndarray:
    """The ids that a fill allows, with the fill's promises checked."""
    mask = maskwright.allocate_token_bitmask(1, vocab_size)
    mask[:] = 0x5A5A5A5A
    limits = matcher.fill_next_token_bitmask(mask)
    bits = np.unpackbits(mask.view(np.uint8).reshape(-1), bitorder="little")
    assert not bits[vocab_size:].any(), "tail bits are set"
    assert limits == (not bits[:vocab_size].all())
    return np.flatnonzero(bits)


def check_mask(matcher: maskwright.GrammarMatcher, vocab_size: int, sample: int | None = None, rng: random.Random | None = None) -> np.ndarray:
    """Compare the mask with what a fork accepts: every token, or `sample` random ones and as many allowed ones."""
    allowed = allowed_ids(matcher, vocab_size)
    if sample is None:
        ids: Any = range(vocab_size)
    else:
        rng = rng or random.Random(0)
        shown = rng.sample(sorted(allowed.tolist()), min(sample, len(allowed)))
        ids = sorted({*rng.sample(range(vocab_size), min(sample, vocab_size)), *shown})
    accepted = {token for token in ids if matcher.fork().accept_token(token)}
    expected = set(allowed.tolist()) & set(ids)
    assert accepted == expected, f"wrongly allowed {sorted(expected - accepted)[:20]}, wrongly refused {sorted(accepted - expected)[:20]}"
    return allowed


def walk(
    matcher: maskwright.GrammarMatcher,
    info: maskwright.TokenizerInfo,
    rng: random.Random,
    free: int,
    closing: int = 3000,
    each_step: Callable[[maskwright.GrammarMatcher], None] = lambda _: None,
    keys: list[str] | None = None,
) -> str:
    """A random text: `free` tokens as the mask allows them, then towards the end, which must come within `closing` tokens.

    `keys` are names that objects may ask for: where other keys may come as well, chance would not find them.
    """
    vocab = info.decoded_vocab
    stop = set(info.stop_token_ids)
    text = b""
    words = [json.dumps(key).encode() for key in keys or []]
    pending = b""
    for step in range(free + closing):
        each_step(matcher)
        allowed = allowed_ids(matcher, info.vocab_size)
        assert len(allowed), f"dead end after {text!r}"
        if step >= free and not pending and text.rstrip().endswith((b"{", b",")):
            pending = next((word for word in words if matcher.matched_prefix_length(word) == len(word)), b"")
        if pending:
            token = vocab.index(pending[:1])
            pending = pending[1:]
        else:
            token = rng.choice(allowed) if step < free else _towards_the_end(allowed, vocab, stop, rng)
        token = int(token)
        assert matcher.accept_token(token), f"token {token} is allowed and refused after {text!r}"
        if token in stop:
            assert matcher.is_terminated()
            return text.decode()
        text += vocab[token]
    raise AssertionError(f"no end in sight after {text!r}")


def required_keys(schema: Any) -> list[str]:
    """The names in every `required` of a schema."""
    if isinstance(schema, list):
        return [name for part in schema for name in required_keys(part)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("required")
    names = [name for name in own if isinstance(name, str)] if isinstance(own, list) else []
    return names + [name for part in schema.values() for name in required_keys(part)]


_ORDER = {b"}": 1, b"]": 1, b")": 1, b'"': 2, b",": 6, b"{": 6, b"[": 6, b"(": 6, b"\\": 6, b" ": 7, b"\n": 7, b"\t": 7, b"\r": 7}


def _towards_the_end(allowed: np.ndarray, vocab: list[bytes], stop: set[int], rng: random.Random) -> int:
    # Only inside a string may a tilde come; there brackets close nothing.
    ids = allowed.tolist()
    in_string = any(vocab[token] == b"~" for token in ids)

    def order(token: int) -> int:
        if token in stop:
            return 0
        text = vocab[token]
        if len(text) > 1:
            return 8
        if in_string and text in b"}])":
            return 4
        if not in_string and text == b",":
            return 2
        return _ORDER.get(text, 3 if text.isalnum() or text[0] >= 0x80 else 4)

    best = min(map(order, ids))
    if best == 3 and rng.random() < 0.3:
        # A string that may not end yet: what a pattern still wants is rarely another letter.
        marks = [token for token in ids if len(vocab[token]) == 1 and vocab[token] in b"@.-_/:#+"]
        if marks:
            return rng.choice(marks)
    return rng.choice([token for token in ids if order(token) == best])
