"""The stand-in beside XGrammar itself, case by case: equal, or on the list of differences with the reason that makes ours right.

``MASKWRIGHT_WRITE_DIFFERENCES=1`` writes the list as it is now; read the change before committing it.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, TINY_STOP
from xgrammar_cases import SCHEMAS, cases

torch = pytest.importorskip("torch")

import maskwright  # noqa: E402
import maskwright.compat.xgrammar as ours  # noqa: E402

VOCAB_SIZE = 300
LIST = Path(__file__).parent / "xgrammar_differences.toml"

REASONS = {
    "escapes": "RFC 8259 section 7: any character of a string, a key among them, may be spelled as an escape",
    "integers": "JSON Schema 2020-12 core 4.2.3 and validation 6.1.1: an integer is a number without fraction, so 1.0, 1e2 and -0 are integers",
    "blanks around": "RFC 8259 section 2: white space may stand before and after a value; it is bounded, so that no model is lost in it",
    "blanks bounded": "white space between tokens is bounded, a few blanks or a line break with indentation, so that no model is lost in it",
    "control": "RFC 8259 section 7: control characters in a string must be escaped; and escapes may be used",
    "dot": "ECMA-262 22.2.2.7: without the flag s the dot matches no line end",
    "space class": "ECMA-262 22.2.2.9: \\s is every character of WhiteSpace and LineTerminator, those beyond ASCII too",
    "bounds": "validation 6.2: -0.0 is a number, and equals the minimum 0",
    "keywords": "XGrammar drops this keyword, or applies it to part of what it is about; the specification says what it means",
    "formats": "RFC 3339: a date is a day of the calendar",
    "pattern": "validation 6.3.3: a pattern is searched for, and may use lookahead",
    "names": "RFC 8259 section 8.3: names are compared as the characters they stand for, so an escape spells a declared name all the same",
    "repeated keys": "RFC 8259 section 4: names in an object should be unique; no object has one twice",
    "required keys": "validation 6.5.3: required keys are there whatever their order, and none is there twice",
    "open objects": "core 10.3.2.3: another key may have any name, the empty one and one that begins as a declared one among them",
    "pointers": "RFC 6901 section 3: ~1 in a pointer stands for a slash",
}

#: What differs in a grammar beyond what can be seen from the tokens.
BY_GRAMMAR = {
    "regex: whitespace": "space class",
    "regex: any": "dot",
    "schema: bounded number": "bounds",
    "schema: date format": "formats",
    "schema: lookahead": "pattern",
    "schema: unanchored": "pattern",
    "schema: escaped key": "names",
    "schema: few keys": "repeated keys",
    "any order: person": "required keys",
    "open: person": "open objects",
    "schema: pointer": "pointers",
}


def state(library, compiled, text):
    """What a library says after a text: refused, or whether it may end and which tokens come next."""
    matcher = library.GrammarMatcher(compiled)
    if text and not matcher.accept_string(text):
        return None
    bitmask = library.allocate_token_bitmask(1, VOCAB_SIZE)
    matcher.fill_next_token_bitmask(bitmask)
    return matcher.is_completed(), frozenset(np.flatnonzero(maskwright.bitmask_to_bool_mask(bitmask, VOCAB_SIZE)[0]).tolist())


def summary(theirs, mine):
    """A difference in words."""
    if theirs is None or mine is None:
        return "accepted" if theirs is None else "refused"
    more, less = mine[1] - theirs[1], theirs[1] - mine[1]

    def tokens(ids):
        shown = " ".join(TINY[i].decode("latin-1") if TINY[i].isascii() and TINY[i].decode().isprintable() else TINY[i].hex() for i in sorted(ids)[:4])
        return f"{len(ids)} tokens ({shown}{' …' if len(ids) > 4 else ''})"

    parts = [f"more by {tokens(more)}"] * bool(more) + [f"less by {tokens(less)}"] * bool(less)
    return ", ".join(parts)


def reason(name, theirs, mine):
    """Why it differs."""
    if theirs is not None and mine is not None:
        more, less = ({TINY[i] for i in ids} - {b"</s>"} for ids in (mine[1] - theirs[1], theirs[1] - mine[1]))
        blanks = {b" ", b"\t", b"\n", b"\r"}
        if not less and more and more <= {b"\\"}:
            return "escapes"
        if not less and more and more <= {b".", b"e", b"E", b"0"}:
            return "integers"
        if name.startswith(("spaced:", "json")):
            if not less and more & blanks and more <= blanks | {b".", b"e", b"E", b"0"}:
                return "blanks around"
            if not more and less <= blanks:
                return "blanks bounded"
        if any(token < b" " for token in less) and name == "schema: lengths":
            return "control"
    elif name in ("schema: lengths",):
        return "escapes" if theirs is None else "control"
    elif theirs is None and name not in BY_GRAMMAR and name.startswith(("schema:", "spaced:")):
        return "integers" if SCHEMAS[name.partition(": ")[2]][0].get("type") == "integer" else "keywords"
    elif name.startswith("spaced:"):
        return "blanks bounded"
    return BY_GRAMMAR.get(name, "keywords")


@pytest.fixture(scope="module")
def compared():
    """How many cases there are, how many agree, the differences, and what each library said of whole texts."""
    theirs = pytest.importorskip("xgrammar")
    compilers = [(x, x.GrammarCompiler(x.TokenizerInfo(TINY, vocab_size=VOCAB_SIZE, stop_token_ids=TINY_STOP))) for x in (theirs, ours)]
    total, found, whole = 0, [], []
    for name, method, source, options, texts in cases():
        arguments = [] if source is None else [source]
        try:
            compiled = [(x, getattr(compiler, method)(*arguments, **options)) for x, compiler in compilers]
        except RuntimeError:
            # Only theirs may refuse a grammar of the cases.
            getattr(compilers[1][1], method)(*arguments, **options)
            found.append((name, "", "compiles", reason(name, None, None)))
            total += 1
            continue
        seen = set()
        for text in texts:
            data = text.encode()
            for end in range(len(data) + 1):
                if data[:end] in seen:
                    continue
                seen.add(data[:end])
                other, mine = (state(library, grammar, data[:end]) for library, grammar in compiled)
                total += 1
                if other != mine:
                    shown = data[:end].decode("utf-8", "backslashreplace")
                    found.append((name, shown, summary(other, mine), reason(name, other, mine)))
                if end == len(data):
                    whole.append((name, source, text, *(said is not None and said[0] for said in (other, mine))))
                if other is None and mine is None:
                    break
    return total, total - len(found), found, whole


def rendered(differences):
    lines = ["# Where the stand-in differs from XGrammar 0.2.8, and why ours is right. Written by tests/python/test_compat_cases.py.", "", "[reasons]"]
    lines += [f"{json.dumps(name)} = {json.dumps(text)}" for name, text in REASONS.items()]
    groups = {}
    for name, text, what, why in differences:
        groups.setdefault((name, why), []).append((text, what))
    for (name, why), members in groups.items():
        lines += ["", "[[difference]]", f"grammar = {json.dumps(name)}", f"reason = {json.dumps(why)}", "cases = ["]
        lines += [f"  [{json.dumps(text)}, {json.dumps(what, ensure_ascii=False)}]," for text, what in members]
        lines.append("]")
    return "\n".join(lines) + "\n"


def test_more_than_a_thousand_cases_agree_and_the_rest_is_on_the_list(compared):
    total, agree, differences, _ = compared
    assert agree >= 1000, (agree, total)
    text = rendered(differences)
    if os.environ.get("MASKWRIGHT_WRITE_DIFFERENCES"):
        LIST.write_text(text)
    recorded = tomllib.loads(LIST.read_text())
    assert recorded["reasons"] == REASONS
    listed = [(group["grammar"], group["reason"], case) for group in recorded["difference"] for case in group["cases"]]
    now = tomllib.loads(text)
    assert listed == [(group["grammar"], group["reason"], case) for group in now["difference"] for case in group["cases"]]
    assert {group["reason"] for group in recorded["difference"]} == set(REASONS)


def test_the_page_has_every_reason():
    page = (Path(__file__).parents[2] / "docs" / "xgrammar.md").read_text()
    assert [why for why in REASONS.values() if f"| {why} |" not in page] == []


def no_repeats(pairs):
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def test_a_validator_agrees_with_ours(compared):
    """Where one library says that a whole text is an answer and the other does not, the ``jsonschema`` library says what ours says."""
    jsonschema = pytest.importorskip("jsonschema")
    *_, whole = compared
    judged = 0
    for name, source, text, theirs, mine in whole:
        if theirs == mine or not name.startswith("schema:"):
            continue
        try:
            value = json.loads(text, object_pairs_hook=no_repeats)
        except ValueError:
            valid = False
        else:
            checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
            valid = jsonschema.Draft202012Validator(json.loads(source), format_checker=checker).is_valid(value)
        assert mine == valid, (name, text)
        judged += 1
    assert judged >= 15
