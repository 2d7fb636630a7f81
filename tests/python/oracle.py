r"""Answers that share nothing with maskwright: masks token by token, and the `jsonschema` library with its known faults mended.

Overrides, each with the clause it rests on:

* numbers are read as `Decimal`, without the limit on digits of an int: JSON Schema Core 2020-12, 4.2.1 and 6.4 (arbitrary precision); so
  `1.0` is an integer (6.3.1.1 of Validation, "a numeric value whose fractional part is zero").
* a repeated key is no document: Core 4.3.1 with RFC 8259, section 4.
* a lone surrogate is no document: Core 4.2.1 (strings are Unicode strings).
* `multipleOf` is exact: Validation, 6.2.1 ("division by this keyword's value results in an integer").
* `pattern` and `patternProperties`: ECMA-262 semantics (Core 6.4): `$` does not match before a trailing line break, classes are ASCII but for `\s`.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import regex
from jsonschema import Draft4Validator, Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

import maskwright

_SPACES = r"\t\n\v\f\r \u00a0\ufeff\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_ESCAPE = regex.compile(r"\\(?:u\{(?P<code>[0-9a-fA-F]+)\}|k<|[pP]\{[^}]*\}|c(?P<control>[a-zA-Z])|(?P<one>[\s\S]))")


@functools.lru_cache(maxsize=4096)
def ecma(pattern: str) -> regex.Pattern[str]:
    """An ECMAScript pattern (with the flag `u`) in the syntax of the module `regex`."""
    out, at, in_class = [], 0, False
    while at < len(pattern):
        escape = _ESCAPE.match(pattern, at)
        c = pattern[at]
        if escape:
            at = escape.end()
            one = escape["one"]
            if escape["code"] or escape["control"]:
                out.append(regex.escape(chr(int(escape["code"], 16) if escape["code"] else ord(escape["control"]) % 32)))
            elif one == "s":
                out.append(_SPACES if in_class else f"[{_SPACES}]")
            elif one == "S" and not in_class:
                out.append(f"[^{_SPACES}]")
            elif one == "0":
                out.append(r"\x00")
            elif one is not None and (not one.isalnum() or one in "e"):
                out.append(regex.escape(one) if one != "-" else r"\-")
            else:
                out.append(escape[0].replace("k<", "g<") if escape[0] == r"\k<" else escape[0])
            continue
        at += 1
        if in_class:
            in_class = c != "]"
            out.append("\\" + c if c in "[&|~" else c)
        elif c == "[":
            empty = regex.match(r"\^?\]", pattern[at:])
            if empty:
                out.append(r"[\s\S]" if empty[0] == "^]" else "(?!)")
                at += len(empty[0])
            else:
                in_class = True
                negated = pattern.startswith("^", at)
                out.append("[^" if negated else "[")
                at += negated
        elif c == "$":
            out.append(r"\Z")
        elif c == ".":
            out.append(r"[^\n\r\u2028\u2029]")
        elif c == "(" and regex.match(r"\?<(?![=!])", pattern[at:]):
            out.append("(?P<")
            at += 2
        else:
            out.append(c)
    return regex.compile("".join(out), regex.ASCII | regex.V0)


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


def _multiple_of(validator, divisor, instance, schema) -> Iterator[ValidationError]:
    if validator.is_type(instance, "number") and divisor and Fraction(instance) % Fraction(divisor):
        yield ValidationError(f"{instance} is no multiple of {divisor}")


def _is_integer(_checker, instance) -> bool:
    if isinstance(instance, bool):
        return False
    return isinstance(instance, int) or (isinstance(instance, Decimal) and instance == instance.to_integral_value())


def _is_number(_checker, instance) -> bool:
    return isinstance(instance, (int, Decimal)) and not isinstance(instance, bool)


_DRAFTS = {
    "draft-04": Draft4Validator,
    "draft-06": Draft6Validator,
    "draft-07": Draft7Validator,
    "draft/2019-09": Draft201909Validator,
    "draft/2020-12": Draft202012Validator,
}


def validator_for(schema: Any, *, formats: bool = False):
    """The mended validator for a schema; with `formats` these are asserted too."""
    uri = schema.get("$schema") if isinstance(schema, dict) else None
    base = next((of for name, of in _DRAFTS.items() if isinstance(uri, str) and name in uri), Draft202012Validator)
    checker = base.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
    keywords = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "multipleOf": _multiple_of,
    }
    extended = validators.extend(base, keywords, type_checker=checker)
    return extended(schema, format_checker=Draft202012Validator.FORMAT_CHECKER if formats else None)


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
