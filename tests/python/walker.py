"""Random texts along masks that come to an end, if there is one to be found.

A walk takes some tokens as the mask allows them, then goes towards the end: several attempts from there on, each with its own taste (which kinds
of values, which keys, how soon to close), the first with none. A walker knows JSON's brackets and quotation marks and, as `Words`, texts that stand
in the schema, and no more: that no attempt ends is how a trap shows.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
import regex

import maskwright

#: Bytes that an attempt may take towards the end, now and then one may take more, and all of them together.
_BYTES = 800
_MORE_BYTES = 20_000
_ALL_BYTES = 80_000
_SHOWN = 48
_NUMBER = b"0123456789.eE+-"
_STRANGE = b':[[0,{"":null}]'
_VALUES = [b"null", b"true", b"1", b"1.5", b'""', b'"a"', b"[]", b"{}", b"[[]]", b"[{}]"]


def allowed_bits(matcher: maskwright.GrammarMatcher, vocab_size: int) -> np.ndarray:
    """By id, whether a fill allows it, with the fill's promises checked."""
    mask = maskwright.allocate_token_bitmask(1, vocab_size)
    mask[:] = 0x5A5A5A5A
    limits = matcher.fill_next_token_bitmask(mask)
    bits = np.unpackbits(mask.view(np.uint8).reshape(-1), bitorder="little")
    assert not bits[vocab_size:].any(), "tail bits are set"
    assert limits == (not bits[:vocab_size].all())
    return bits


def allowed_ids(matcher: maskwright.GrammarMatcher, vocab_size: int) -> np.ndarray:
    """The ids that a fill allows."""
    return np.flatnonzero(allowed_bits(matcher, vocab_size))


@dataclass
class Words:
    """Texts that may be needed, as they stand in a schema: keys and values, spelled as JSON."""

    #: Names that some `required` lists.
    required: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    #: Literal runs of patterns, and whole strings of examples, which some pattern may want in the midst of others.
    fragments: list[bytes] = field(default_factory=list)


def words_of(schema: Any, examples: list[Any] | None = None) -> Words:
    """The words of a schema read with numbers as `Decimal`."""
    required: dict[str, None] = {}
    keys: dict[str, None] = {}
    values: dict[bytes, None] = {}
    fragments: dict[str, None] = {}
    stack: list[Any] = [*(examples or [])]
    while stack:
        part = stack.pop()
        stack += part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        if isinstance(part, str) and 0 < len(part) < 60:
            fragments[json.dumps(part, ensure_ascii=False)[1:-1]] = None
    stack = [schema, *(examples or [])]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack += reversed(part)
        if isinstance(part, (str, Decimal)) and len(str(part)) < 200:
            values[spelled_bytes(part)] = None
            if isinstance(part, Decimal) and abs(part) < 10**18:
                values |= dict.fromkeys([spelled_bytes(part + 1), spelled_bytes(part - 1)])
        if not isinstance(part, dict):
            continue
        values |= dict.fromkeys(map(spelled_bytes, _multiples(part)))
        own = part.get("required")
        required |= dict.fromkeys(name for name in own if isinstance(name, str)) if isinstance(own, list) else {}
        for listed in (part.get("enum"), [part["const"]] if "const" in part else None):
            values |= dict.fromkeys(spelled_bytes(value) for value in listed if len(str(value)) < 500) if isinstance(listed, list) else {}
        for name, value in part.items():
            if isinstance(value, list):
                keys |= dict.fromkeys(word for word in value if isinstance(word, str))
            keys |= dict.fromkeys([name, *_runs(name)])
            if name == "patternProperties" and isinstance(value, dict):
                fragments |= dict.fromkeys(run for pattern in value for run in _runs(pattern))
            if name == "pattern" and isinstance(value, str):
                fragments |= dict.fromkeys(_runs(value))
                values |= dict.fromkeys(map(spelled_bytes, _runs(value)))
        stack += reversed(list(part.values()))
    return Words([spelled_bytes(name) for name in required], [spelled_bytes(name) for name in keys], list(values), [run.encode() for run in fragments])


def _runs(pattern: str) -> list[str]:
    return regex.findall(r"[\w./:@-]+", pattern)


def _multiples(schema: dict[str, Any], most: int = 10**12) -> list[Decimal]:
    """Multiples of `multipleOf` near each number of the schema."""
    divisor = schema.get("multipleOf")
    if not isinstance(divisor, Decimal) or not 0 < divisor < most:
        return []
    bounds = [value for value in schema.values() if isinstance(value, Decimal) and abs(value) < most]
    return [(bound // divisor + step) * divisor for bound in bounds for step in (0, 1, 2, 3, 6, 9)]


def spelled_bytes(value: Any) -> bytes:
    """A value as JSON, exactly, numbers without an exponent."""
    if isinstance(value, Decimal):
        return format(value, "f").encode()
    if isinstance(value, dict):
        return b"{" + b",".join(spelled_bytes(key) + b":" + spelled_bytes(inner) for key, inner in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(spelled_bytes, value)) + b"]"
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


class _Place:
    """Where a text of JSON is: the brackets open, whether a string is, and what was read last outside of strings."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.in_string = self.escaped = False
        self.last = 0

    def copy(self) -> _Place:
        other = _Place()
        other.open, other.in_string, other.escaped, other.last = [*self.open], self.in_string, self.escaped, self.last
        return other

    def read(self, text: bytes) -> None:
        for byte in text:
            if self.in_string:
                if self.escaped:
                    self.escaped = False
                elif byte == 0x5C:
                    self.escaped = True
                elif byte == 0x22:
                    self.in_string = False
                continue
            if byte == 0x22:
                self.in_string = True
            elif byte in b"{[":
                self.open.append(byte)
            elif byte in b"}]" and self.open:
                self.open.pop()
            if byte not in b" \t\r\n":
                self.last = byte

    def before_key(self) -> bool:
        return not self.in_string and self.last in b"{," and self.open[-1:] == [0x7B]

    def before_value(self) -> bool:
        return not self.in_string and (self.last == 0 or self.last in b":[" or (self.last == 0x2C and self.open[-1:] == [0x5B]))


class _Taste:
    """What an attempt likes."""

    def __init__(self, attempt: int, rng: random.Random) -> None:
        self.plain = attempt == 0
        #: How often it goes on where it might close.
        self.goes_on = 0.0 if attempt < 4 else rng.choice([0.0, 0.0, 0.05, 0.3])
        #: How often it takes a word of the schema where one fits.
        self.words = 1.0 if self.plain else rng.choice([0.1, 0.5, 0.9, 1.0])
        #: How it begins values, by their first byte.
        scalars = rng.choice([1.0, 1.0, 8.0])
        self.begins = {byte: rng.random() ** 2 * scalars for byte in b'ntf"0123456789-'} | {byte: rng.random() ** 2 for byte in b"{["}
        self.digits = sum(self.begins[byte] for byte in b"0123456789-")


class Walker:
    """One walk, from where the matcher is."""

    def __init__(self, matcher: maskwright.GrammarMatcher, info: maskwright.TokenizerInfo, rng: random.Random, words: Words | None) -> None:
        self.matcher, self.info, self.rng, self.words = matcher, info, rng, words or Words()
        self.vocab, self.stop = info.decoded_vocab, set(info.stop_token_ids)
        self.text, self.place = b"", _Place()
        tokens = {}
        for token in reversed(range(len(self.vocab))):
            if len(self.vocab[token]) == 1 and token not in self.stop:
                tokens[self.vocab[token][0]] = token
        #: Bytes, and their tokens.
        self.tokens, self.bytes = tokens, np.array(list(tokens), dtype=np.uint8)
        self.singles, self.stops = np.array(list(tokens.values())), np.array(sorted(self.stop))

    def accept(self, token: int) -> bool:
        """Take an allowed token; is the text complete?"""
        assert self.matcher.accept_token(token), f"token {token} is allowed and refused after {self.text!r}"
        if token in self.stop:
            assert self.matcher.is_terminated()
            return True
        self.text += self.vocab[token]
        self.place.read(self.vocab[token])
        return False

    def allowed(self) -> np.ndarray:
        """What the mask allows, which is something."""
        allowed = allowed_bits(self.matcher, self.info.vocab_size)
        assert allowed.any(), f"dead end after {self.text!r}"
        return allowed

    def fork(self) -> Walker:
        """The same walk, to be tried in another way."""
        other = object.__new__(Walker)
        other.__dict__.update(self.__dict__)
        other.matcher, other.place = self.matcher.fork(), self.place.copy()
        return other

    def attempt(self, attempt: int, each_step: Callable[[maskwright.GrammarMatcher], None]) -> bool:
        """Go towards the end; was it found?"""
        taste = _Taste(attempt, self.rng)
        planned = b""
        begin, most = len(self.text), _BYTES if attempt % 8 else _MORE_BYTES
        while len(self.text) < begin + most:
            each_step(self.matcher)
            allowed = self.allowed()
            stops = self.stops[allowed[self.stops] == 1]
            if len(stops):
                return self.accept(int(stops[0]))
            if not planned:
                planned = self.word(taste)
            byte = planned[0] if planned else self.choose(taste, self.bytes[allowed[self.singles] == 1].tobytes())
            planned = planned[1:]
            assert allowed[self.tokens[byte]], f"byte {byte:#x} is matched and not allowed after {self.text!r}"
            self.accept(self.tokens[byte])
        return False

    def fits(self, word: bytes) -> bool:
        return self.matcher.matched_prefix_length(word) == len(word)

    def word(self, taste: _Taste) -> bytes:
        """A word that fits here, or nothing."""
        rng = self.rng
        if taste.plain:
            return self.key(self.words.required) if self.place.before_key() else b""
        if rng.random() > taste.words:
            return b""
        if self.place.in_string:
            return next(filter(self.fits, self.some(self.words.fragments)), b"") if rng.random() < 0.3 and not self.fits(b'"') else b""
        if self.place.before_key():
            some = self.some(self.words.required if rng.random() < 0.6 else self.words.keys)
            keys = [word for word in some if self.fits(word)]
            if rng.random() < 0.5 and (declared := self.key(some)):
                return declared
            closing = self.closing([key + b":" + value for key in keys for value in [*_VALUES, *self.some(self.words.values)[:8]]])
            return closing or (rng.choice(keys) if keys else b"")
        if not self.place.before_value():
            return b""
        values = [*_VALUES, *self.some(self.words.values), *(b"0123456789"[digit : digit + 1] for digit in range(10))]
        wrapped = [b"[" + value + b"]" for value in values]
        values += wrapped + [b"[" + value + b"]" for value in wrapped]
        closing = self.closing(values)
        return closing or next(filter(self.fits, self.some(self.words.values)), b"")

    def key(self, words: list[bytes]) -> bytes:
        """Of these keys the first whose value may not be just anything, since that one is asked for here; or else the first that fits."""
        keys = filter(self.fits, words)
        first = next(keys, b"")
        return next((key for key in chain([first], keys) if key and not self.fits(key + _STRANGE)), first)

    def closing(self, words: list[bytes]) -> bytes:
        """Of these words one after which as much as possible closes, with what closes then; nothing if nothing does."""
        closers = bytes(0x7D if bracket == 0x7B else 0x5D for bracket in reversed(self.place.open))
        self.rng.shuffle(words)
        best, most = b"", 0
        for word in words:
            closed = self.matcher.matched_prefix_length(word + closers) - len(word)
            if closed > most:
                best, most = word + closers[:closed], closed
        return best

    def some(self, words: list[bytes]) -> list[bytes]:
        """Some of the words, in any order."""
        return self.rng.sample(words, min(_SHOWN, len(words)))

    def choose(self, taste: _Taste, allowed: bytes) -> int:
        """One of the allowed bytes."""
        rng = self.rng
        solid = bytes(byte for byte in allowed if byte not in b" \t\r\n") or allowed
        if self.place.in_string:
            if 0x22 in allowed and not self.place.escaped and (taste.plain or rng.random() < 0.7):
                return 0x22
            return self.character(allowed, taste)
        closing = [byte for byte in b"}])" if byte in allowed]
        if self.place.before_value():
            if closing and (taste.plain or rng.random() < 0.7):
                return closing[0]
            return self.value_start(taste, solid)
        if closing and rng.random() >= taste.goes_on:
            return closing[0]
        goes_on = self.place.last in _NUMBER and not taste.plain and rng.random() < 0.6 and any(byte in b"0123456789" for byte in allowed)
        if 0x2C in allowed and not goes_on:
            return 0x2C
        # What ends a string or begins a key; then digits and letters.
        if 0x22 in allowed:
            return 0x22
        if self.place.last in _NUMBER:
            # An exponent may be the only way on: zeros of a fraction lead nowhere.
            if rng.random() < 0.2 and 0x65 in allowed:
                return 0x65
            digits = [byte for byte in solid if byte in b"0123456789"]
            return rng.choice(digits or list(solid))
        return self.character(solid, taste)

    def value_start(self, taste: _Taste, solid: bytes) -> int:
        if taste.plain:
            return min(solid, key=lambda byte: b'"0123456789tfn-{['.find(byte) % 99)
        weights = [taste.begins.get(byte, 0.5) * 0.7 ** (len(self.place.open) * (byte in b"{[")) + 1e-6 for byte in solid]
        return self.rng.choices(solid, weights)[0]

    def character(self, allowed: bytes, taste: _Taste) -> int:
        letters = [byte for byte in allowed if chr(byte).isalnum() or byte >= 0x80]
        marks = [byte for byte in allowed if byte in b"@.-_/:#+=,;~ "]
        # What a pattern still wants is rarely another letter.
        if marks and (not letters or self.rng.random() < 0.3):
            return self.rng.choice(marks)
        plain = [byte for byte in letters if byte < 0x80]
        if plain and (taste.plain or self.rng.random() < 0.9):
            return self.rng.choice(plain)
        return self.rng.choice(letters or [byte for byte in allowed if byte != 0x5C] or list(allowed))


def walk(
    matcher: maskwright.GrammarMatcher,
    info: maskwright.TokenizerInfo,
    rng: random.Random,
    free: int,
    each_step: Callable[[maskwright.GrammarMatcher], None] = lambda _: None,
    words: Words | None = None,
) -> str:
    """A random text: `free` tokens as the mask allows them, then towards the end, which must be found."""
    walker = Walker(matcher, info, rng, words)
    for _ in range(free):
        each_step(walker.matcher)
        if walker.accept(int(rng.choice(np.flatnonzero(walker.allowed())))):
            return walker.text.decode()
    attempt, spent = 0, 0
    while spent < _ALL_BYTES:
        towards_the_end = walker.fork()
        if towards_the_end.attempt(attempt, each_step):
            return towards_the_end.text.decode()
        attempt, spent = attempt + 1, spent + len(towards_the_end.text) - len(walker.text)
    raise AssertionError(f"no end in sight after {walker.text!r}")
