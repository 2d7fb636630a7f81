"""Random texts of a grammar, without a model: a walk over the allowed bytes that leans towards readable text and towards the end.

Invariant: what is returned matches the whole grammar.
Must not import: typer, rich.
"""

from __future__ import annotations

import random

from maskwright import CompiledGrammar, GrammarMatcher

#: Walk freely for so many bytes, then look for a way to end.
_FREE = 120
#: A way to end may take so many bytes, and as many ways are followed at a time.
_ENDING = 2_000
_BEAM = 24
_ATTEMPTS = 20

_CLOSING = frozenset(b"\"'}])>;.\n/")
_OPENING = frozenset(b"{[(<,")


def _weight(byte: int, length: int) -> float:
    if byte in _CLOSING:
        return 0.3 + length / 20
    if byte in _OPENING:
        return 2 / (1 + length / 20)
    if byte in b"\\" or byte < 0x20 or byte == 0x7F:
        return 0.02
    if byte == 0x20:
        return 0.3
    if byte >= 0x80:
        # The inner bytes of a character come only beside each other, so they keep their chances.
        return 0.02
    return 1.0 if chr(byte).isalnum() else 0.1


def sample(compiled: CompiledGrammar, rng: random.Random) -> bytes | None:
    """One text; None if no end was found."""
    for _ in range(_ATTEMPTS):
        text = _walk(compiled, rng)
        if text is not None:
            return text
    return None


def _walk(compiled: CompiledGrammar, rng: random.Random) -> bytes | None:
    matcher = GrammarMatcher(compiled, max_rollback_tokens=0)
    text = bytearray()
    budget = rng.randint(1, _FREE)
    while True:
        forced = matcher.find_jump_forward_bytes()
        if forced:
            matcher.accept_string(forced)
            text += forced
            continue
        allowed = matcher.allowed_bytes()
        if matcher.is_completed() and (not allowed or rng.random() < 0.2 + len(text) / (2 * _FREE)):
            return bytes(text)
        if not allowed:
            return None
        if len(text) >= budget:
            end = _shortest_end(matcher, rng)
            return None if end is None else bytes(text) + end
        weights = [_weight(byte, len(text)) for byte in allowed]
        byte = rng.choices(allowed, weights)[0]
        matcher.accept_string(bytes([byte]))
        text.append(byte)


def _shortest_end(matcher: GrammarMatcher, rng: random.Random) -> bytes | None:
    """Follow a few ways at a time, those that close something first, until one may end."""
    ways = [(matcher, b"")]
    for _ in range(_ENDING):
        longer = []
        for way, text in ways:
            if way.is_completed():
                return text
            likely = sorted(way.allowed_bytes(), key=lambda byte: (byte not in _CLOSING, byte in _OPENING, rng.random()))
            for byte in likely[:4]:
                fork = way.fork()
                fork.accept_string(bytes([byte]))
                longer.append((fork, text + bytes([byte])))
        if not longer:
            return None
        # Keep the first choices of every way, and of the rest what chance brings.
        ways = longer[: _BEAM // 2] + rng.sample(longer[_BEAM // 2 :], min(_BEAM // 2, len(longer[_BEAM // 2 :])))
    return None
