r"""Answers that share nothing with maskwright: masks token by token, and the `jsonschema` library with its known faults mended.

Overrides, each with the clause it rests on:

* numbers are read as `Decimal`, without the limit on digits of an int: JSON Schema Core 2020-12, 4.2.1 and 6.4 (arbitrary precision); so
  `1.0` is an integer (6.3.1.1 of Validation, "a numeric value whose fractional part is zero").
* a repeated key is no document: Core 4.3.1 with RFC 8259, section 4.
* a lone surrogate is no document: Core 4.2.1 (strings are Unicode strings).
* `multipleOf` is exact: Validation, 6.2.1 ("division by this keyword's value results in an integer").
* `pattern` and `patternProperties`: ECMA-262 semantics (Core 6.4): `$` does not match before a trailing line break, classes are ASCII but for `\s`.
* `dependencies` is enforced under every draft: Validation 2020-12, appendix A ("implementations MAY choose to support it").
* `format` and `contentEncoding` are asserted, where that is asked for, by `format_rules`: each function there names its clause (Validation, 7.3 and 8.3).
* a schema inside that names its dialect with `$schema` (Core 8.1.1) is read with the same overrides: the library forgets them there.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import numpy as np
import regex
from format_rules import CHECKERS, ENCODINGS, LOST
from jsonschema import Draft4Validator, Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from walker import Words, allowed_ids, spelled_bytes, walk, words_of

import maskwright

__all__ = ["Words", "allowed_ids", "check_mask", "ecma", "is_valid", "read", "spelled", "validator_for", "walk", "words_of"]

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


def _dependencies(validator, dependencies, instance, schema) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for key, dependency in dependencies.items():
            if key in instance and isinstance(dependency, list):
                yield from (ValidationError(f"{name!r} depends on {key!r}") for name in dependency if name not in instance)
            elif key in instance:
                yield from validator.descend(instance, dependency, schema_path=key)


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


def _asserts(names: dict[str, Callable[[str], bool]], without_lost: bool) -> Callable[..., Iterator[ValidationError]]:
    def check(validator, name, instance, schema) -> Iterator[ValidationError]:
        if not isinstance(instance, str) or not isinstance(name, str) or name not in names:
            return
        if not names[name](instance) or (without_lost and name in LOST and LOST[name](instance)):
            yield ValidationError(f"{instance!r} is not a {name}")

    return check


@functools.cache
def _mended(base, formats: bool, without_lost: bool):
    keywords = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "multipleOf": _multiple_of,
        "dependencies": _dependencies,
    }
    if formats:
        keywords |= {"format": _asserts(CHECKERS, without_lost), "contentEncoding": _asserts(ENCODINGS, without_lost)}
    checker = base.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
    mended = validators.extend(base, keywords, type_checker=checker)

    def evolve(self, **changes):
        changes.setdefault("schema", self.schema)
        inner = _mended(_dialect(changes["schema"], base), formats, without_lost)
        for own in attrs.fields(type(self)):
            if own.init:
                changes.setdefault(own.alias, getattr(self, own.name))
        return inner(**changes)

    mended.evolve = evolve
    return mended


def _dialect(schema: Any, default):
    uri = schema.get("$schema") if isinstance(schema, dict) else None
    return next((of for name, of in _DRAFTS.items() if isinstance(uri, str) and name in uri), default)


def validator_for(schema: Any, *, formats: bool = False, without_lost: bool = False):
    """The mended validator for a schema; with `formats` these are asserted too, and `without_lost` strings that the engine may refuse count as
    invalid."""
    return _mended(_dialect(schema, Draft202012Validator), formats, without_lost)(schema)


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


def spelled(value: Any) -> str:
    """A value as JSON, exactly, numbers without an exponent."""
    return spelled_bytes(value).decode()


def is_valid(schema: Any, text: str) -> bool:
    """Is the text a document that the schema allows? `schema` as read by `read`."""
    try:
        document = read(text)
    except ValueError:
        return False
    return validator_for(schema).is_valid(document)


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
