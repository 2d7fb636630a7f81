"""Grammars and tokenizers as JSON and bytes: what is written comes back, here and in other processes; whatever else is read is refused by type."""

import copy
import functools
import hashlib
import json
import pickle
import random
import subprocess
import sys
import tomllib
from pathlib import Path

import oracle
import pytest
from conftest import TINY, TINY_STOP
from hypothesis import given
from hypothesis import strategies as st

import maskwright as mw

DATA = Path(__file__).parents[1] / "data"
REGISTRY = {"urn:a": {"$defs": {"x": {"type": "string", "maxLength": 3}}}, "urn:b": True}
A = mw.Grammar.from_ebnf('start ::= "a" start | [^\\x00-\\x7f] # text\nspare ::= regex("b+")', root_rule_name="start")
JOINED = mw.Grammar.from_ebnf('root ::= regex bytes\nregex ::= "r"\nbytes ::= "b"')
#: Grammars of each kind, made where they are needed.
KINDS = {
    "ebnf": lambda: A,
    "any bytes": lambda: mw.Grammar.from_ebnf('root ::= bytes("ff00") | "\\U0001F600" json_schema("{\\"const\\": 1}")'),
    "nested deeply": lambda: mw.Grammar.from_ebnf("root ::= " + '("a" | "b" ' * 300 + '"x"' + ")*" * 300),
    "many rules": lambda: mw.Grammar.from_ebnf("".join(f'r{n} ::= "{n}" r{(n * 7 + 1) % 500} | "x"\n' for n in range(500)), root_rule_name="r0"),
    "regex": lambda: mw.Grammar.from_regex(r"\p{L}{2,500}(-[0-9]+)?|[\u{1F600}-\u{1F64F}]"),
    "regex nested deeply": lambda: mw.Grammar.from_regex("(a|b" * 150 + "c?)*" * 150),
    "regex that looks around": lambda: mw.Grammar.from_regex("(?i)(?<!a)b(?=c).{1,3}"),
    "choices": lambda: mw.Grammar.from_choices(['"', "\\", "é\u2028", "", "a\nb"]),
    "json": mw.Grammar.builtin_json_grammar,
    "schema with options": lambda: mw.Grammar.from_json_schema(
        {"properties": {"a": {"type": "number", "multipleOf": 0.1}, "b": {"enum": ['"', "\x00é", None]}}, "required": ["a"]},
        any_whitespace=False,
        indent=2,
        separators=(",", " : "),
        strict_mode=True,
        any_order=True,
        default_draft="draft7",
        assert_formats=False,
        escapes="minimal",
        number_exponents=3,
    ),
    "schema with white space": lambda: mw.Grammar.from_json_schema({"items": {"type": "null"}}, max_whitespace_cnt=2),
    "schema with documents": lambda: mw.Grammar.from_json_schema({"items": {"$ref": "urn:a#/$defs/x"}, "contains": {"$ref": "urn:b"}}, registry=REGISTRY),
    "union": lambda: mw.Grammar.union(A, A, mw.Grammar.from_json_schema({"const": 1}), JOINED, mw.Grammar.from_regex("(?=a)[ab]")),
    "concat": lambda: mw.Grammar.concat(JOINED, mw.Grammar.union(A, mw.Grammar.builtin_json_grammar()), A),
}


def data_cases():
    """Every grammar of the data-driven tests that is one."""
    for path in sorted(DATA.glob("*.toml")):
        for case in tomllib.loads(path.read_text()).get("test", []):
            make = {
                "ebnf": lambda text, case: mw.Grammar.from_ebnf(text, root_rule_name=case.get("root", "root")),
                "regex": lambda text, _: mw.Grammar.from_regex(text),
                "json_schema": lambda text, case: mw.Grammar.from_json_schema(text, **case.get("options", {})),
            }
            for kind in set(make) & set(case):
                yield f"{path.stem}: {case['name']}", lambda make=make[kind], text=case[kind], case=case: make(text, case)


CASES = KINDS | dict(data_cases())


def walk_masks(compiled, seed=0, steps=12):
    """The masks along a random text."""
    choose, matcher = random.Random(seed), mw.GrammarMatcher(compiled)
    masks = []
    for _ in range(steps):
        masks.append(oracle.allowed_ids(matcher, 300).tolist())
        assert matcher.accept_token(choose.choice(masks[-1]))
    return masks


def ways(grammar):
    """To write and to read a grammar."""
    return [(grammar.to_bytes(), mw.Grammar.from_bytes), (grammar.serialize_json(), mw.Grammar.deserialize_json)]


def compiled_ways(compiled):
    """To write and to read a compiled grammar."""
    return [(compiled.to_bytes(), mw.CompiledGrammar.from_bytes), (compiled.serialize_json(), mw.CompiledGrammar.deserialize_json)]


# Round trips


@pytest.mark.parametrize("name", CASES)
def test_a_grammar_comes_back(name, tiny, compiler):
    try:
        grammar = CASES[name]()
        compiled = compiler.compile_grammar(grammar)
    except mw.MaskwrightError:
        assert name not in KINDS
        return
    for written, read in ways(grammar):
        again = read(written)
        assert [text for text, _ in ways(again)] == [text for text, _ in ways(grammar)]
        assert walk_masks(compiler.compile_grammar(again)) == walk_masks(compiled)
        assert again == grammar
        assert hash(again) == hash(grammar)
        assert str(again) == str(grammar)
    for written, read in compiled_ways(compiled):
        for target in (tiny, compiler, mw.GrammarCompiler(tiny)):
            again = read(written, target)
            assert [text for text, _ in compiled_ways(again)] == [text for text, _ in compiled_ways(compiled)]
            assert again.grammar == mw.Grammar.from_bytes(grammar.to_bytes())
            assert again.tokenizer_info == tiny
            assert walk_masks(again) == walk_masks(compiled)
    for turn in (lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy):
        assert turn(grammar).to_bytes() == grammar.to_bytes()
        again = turn(compiled)
        assert again.to_bytes() == compiled.to_bytes()
        assert walk_masks(again, seed=1) == walk_masks(compiled, seed=1)


def test_what_is_written_is_the_grammar_that_was_given(tiny):
    """Not what passes made of it, nor an equal one from the cache."""
    compiler = mw.GrammarCompiler(tiny)
    one, two = (mw.Grammar.from_ebnf(f'root ::= {name} "b"\n{name} ::= "a" ("c")') for name in ("x", "y"))
    assert one == two
    for grammar in (one, two):
        compiled = compiler.compile_grammar(grammar)
        assert str(compiled.grammar) == str(grammar)
        assert json.loads(compiled.serialize_json())["ebnf"] == str(grammar)
        assert mw.CompiledGrammar.from_bytes(compiled.to_bytes(), compiler).to_bytes() == compiled.to_bytes()
    assert compiler.statistics()["compile_misses"] == 1
    text = 'root ::= "a" (("b"))'
    assert json.loads(compiler.compile_grammar(text).serialize_json())["ebnf"] == str(mw.Grammar.from_ebnf(text))


def test_json_is_made_for_people():
    assert json.loads(A.serialize_json()) == {
        "kind": "Grammar",
        "ebnf": str(A),
        "root_rule_name": "start",
        "__VERSION__": mw.get_serialization_version(),
    }
    by_hand = {"__VERSION__": "maskwright-1", "root_rule_name": "r", "ebnf": 'r::=regex("a{2}") # mine', "kind": "Grammar"}
    assert mw.Grammar.deserialize_json(json.dumps(by_hand, indent=4)) == mw.Grammar.from_regex("a{2}")


def test_bytes_are_small():
    for make in KINDS.values():
        grammar = make()
        assert len(grammar.to_bytes()) < len(json.loads(grammar.serialize_json())["ebnf"].encode()) + 60


@pytest.mark.parametrize("vocab_type", mw.VocabType)
def test_a_tokenizer_comes_back(vocab_type):
    info = mw.TokenizerInfo(TINY, vocab_type, vocab_size=300, stop_token_ids=[TINY_STOP, 299], add_prefix_space=True, special_token_ids=[258, 3])
    for written, read in [(info.to_bytes(), mw.TokenizerInfo.from_bytes), (info.serialize_json(), mw.TokenizerInfo.deserialize_json)]:
        again = read(written)
        assert again == info
        for name in ("decoded_vocab", "stop_token_ids", "special_token_ids", "vocab_size", "vocab_type", "add_prefix_space"):
            assert getattr(again, name) == getattr(info, name)
        assert (again.to_bytes(), again.serialize_json()) == (info.to_bytes(), info.serialize_json())
    assert pickle.loads(pickle.dumps(info)).to_bytes() == info.to_bytes()


def test_a_real_tokenizer_comes_back(llama3):
    info, _ = llama3
    written = info.to_bytes()
    assert len(written) < sum(map(len, info.decoded_vocab)) * 1.3
    assert mw.TokenizerInfo.from_bytes(written) == info
    assert mw.TokenizerInfo.deserialize_json(info.serialize_json()) == info


def test_across_processes(tmp_path, tiny):
    """Another process, which has numbered nothing yet, makes the same masks of what was written here."""
    compiler = mw.GrammarCompiler(tiny)
    (tmp_path / "tokenizer").write_bytes(tiny.to_bytes())
    expected = []
    for number, make in enumerate(KINDS.values()):
        compiled = compiler.compile_grammar(make())
        (tmp_path / f"{number}.bytes").write_bytes(compiled.to_bytes())
        (tmp_path / f"{number}.json").write_text(compiled.serialize_json(), encoding="utf-8")
        (tmp_path / f"{number}.pickle").write_bytes(pickle.dumps(compiled))
        expected.append(hashlib.sha256(repr(walk_masks(compiled)).encode()).hexdigest())
    code = f"""
import hashlib, pickle, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import maskwright as mw
from test_serialize import walk_masks
folder = Path({str(tmp_path)!r})
info = mw.TokenizerInfo.from_bytes((folder / "tokenizer").read_bytes())
compiler = mw.GrammarCompiler(info)
for number in reversed(range({len(KINDS)})):
    from_bytes = mw.CompiledGrammar.from_bytes((folder / f"{{number}}.bytes").read_bytes(), compiler)
    from_json = mw.CompiledGrammar.deserialize_json((folder / f"{{number}}.json").read_text(encoding="utf-8"), info)
    pickled = pickle.loads((folder / f"{{number}}.pickle").read_bytes())
    hashes = {{hashlib.sha256(repr(walk_masks(c)).encode()).hexdigest() for c in (from_bytes, from_json, pickled)}}
    assert from_bytes.to_bytes() == from_json.to_bytes() == pickled.to_bytes() == (folder / f"{{number}}.bytes").read_bytes()
    print(*hashes)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == expected[::-1]


# Limits


def test_a_compiler_gives_its_limits_and_its_cache(tiny):
    wide = mw.GrammarCompiler(tiny, limits=mw.Limits(max_number_digits=9000))
    compiled = wide.compile_json_schema('{"enum": [1e6000]}')
    for written, read in compiled_ways(compiled):
        with pytest.raises(mw.LimitExceeded) as caught:
            read(written, tiny)
        assert caught.value.limit == "max_number_digits"
        with pytest.raises(mw.LimitExceeded):
            read(written, mw.GrammarCompiler(tiny))
        before = wide.statistics()
        again = read(written, wide)
        assert again.to_bytes() == compiled.to_bytes()
        assert wide.statistics()["compile_hits"] + wide.statistics()["compile_misses"] == before["compile_hits"] + before["compile_misses"] + 1
        assert read(written, wide).memory_size_bytes == again.memory_size_bytes
        assert wide.statistics()["grammars"] == 2
    # A pickle is trusted: it brings its own.
    assert pickle.loads(pickle.dumps(compiled)).to_bytes() == compiled.to_bytes()
    grammar = compiled.grammar
    assert mw.Grammar.from_bytes(grammar.to_bytes(), limits=wide.limits) == grammar
    for written, read in ways(KINDS["many rules"]()):
        with pytest.raises(mw.LimitExceeded) as caught:
            read(written, limits=mw.Limits(max_rules=499))
        assert caught.value.limit == "max_rules"
        assert read(written, limits=mw.Limits(max_rules=500))


def test_what_is_compiled_in_a_limited_cache_is_bounded(tiny):
    compiler = mw.GrammarCompiler(tiny, cache_limit_bytes=200_000)
    largest = 0
    for n in range(60):
        alone = mw.GrammarCompiler(tiny)
        written = alone.compile_json_schema({"type": "string", "maxLength": n}).to_bytes()
        walk_masks(mw.CompiledGrammar.from_bytes(written, compiler), steps=2)
        walk_masks(mw.CompiledGrammar.from_bytes(written, alone), steps=2)
        largest = max(largest, alone.get_cache_size_bytes())
    # What was used last stays, and only that.
    assert largest < 100_000
    assert compiler.get_cache_size_bytes() <= 200_000 + largest
    assert compiler.statistics()["evicted_grammars"] > 0


def test_pickles_have_no_limit_on_printed_text():
    grammar = mw.Grammar.from_choices([f"{n}" for n in range(2000)])
    again = mw.Grammar.union(*[grammar] * 3)
    assert pickle.loads(pickle.dumps(again)) == again


# Refusals


@pytest.mark.parametrize(
    ("info", "differences"),
    [
        (mw.TokenizerInfo(TINY, vocab_size=301, stop_token_ids=TINY_STOP), ["vocab_size is 300, here 301"]),
        (mw.TokenizerInfo([b"AB" if t == b"abc" else t for t in TINY], vocab_size=300, stop_token_ids=TINY_STOP), ["which tokens are text, or their bytes, differ"]),
        (mw.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=[TINY_STOP, 299]), [f"stop_token_ids are [{TINY_STOP}], here [{TINY_STOP}, 299]"]),
        (mw.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP, special_token_ids=[258]), ["266 tokens are text, here 265"]),
    ],
)
def test_another_tokenizer(tiny, info, differences):
    compiled = mw.GrammarCompiler(tiny).compile_grammar(A)
    for written, read in compiled_ways(compiled):
        for target in (info, mw.GrammarCompiler(info)):
            with pytest.raises(mw.TokenizerMismatch) as caught:
                read(written, target)
            assert caught.value.differences == differences
            assert differences[0] in str(caught.value)


def test_what_masks_do_not_depend_on_may_differ(tiny):
    other = mw.TokenizerInfo(TINY, mw.VocabType.BYTE_LEVEL, vocab_size=300, stop_token_ids=TINY_STOP)
    same_bytes = mw.TokenizerInfo._from_parts([b""] * 300, mw.VocabType.BYTE_LEVEL, 300, [TINY_STOP], [], True, dict(enumerate(tiny.decoded_vocab)))
    compiled = mw.GrammarCompiler(tiny).compile_grammar(A)
    assert mw.CompiledGrammar.from_bytes(compiled.to_bytes(), same_bytes).tokenizer_info == same_bytes
    with pytest.raises(mw.TokenizerMismatch):
        mw.CompiledGrammar.from_bytes(compiled.to_bytes(), other)


def fields(**changes):
    whole = json.loads(A.serialize_json()) | changes
    return json.dumps({name: value for name, value in whole.items() if value is not ...})


#: Texts that are no grammar, and the exception.
WRONG = {
    "nothing": ("", mw.InvalidJSONError),
    "cut off": (A.serialize_json()[:-1], mw.InvalidJSONError),
    "twice": ('{"kind": "Grammar", ' + fields()[1:], mw.InvalidJSONError),
    "not a number": ('{"a": NaN}', mw.InvalidJSONError),
    "surrogates": ("\ud800", mw.InvalidJSONError),
    "surrogates as an escape": (fields(ebnf="\ud800"), mw.InvalidJSONError),
    "nested without end": ("[" * 2_000_000, mw.InvalidJSONError),
    "nested": ("[" * 200_000 + "]" * 200_000, mw.DeserializeFormatError),
    "nested in a field": (fields(x=...)[:-1] + ', "x": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", mw.DeserializeFormatError),
    "no object": ("[]", mw.DeserializeFormatError),
    "no version": (fields(__VERSION__=...), mw.DeserializeVersionError),
    "another version": (fields(__VERSION__="maskwright-2"), mw.DeserializeVersionError),
    "a number as version": (fields(__VERSION__=1), mw.DeserializeVersionError),
    "of XGrammar": ('{"rules":[["root",2,-1,false]],"grammar_expr_data":[0,1],"complete_fsm":null,"__VERSION__":"v16"}', mw.DeserializeVersionError),
    "another kind": (fields(kind="TokenizerInfo"), mw.DeserializeFormatError),
    "no kind": (fields(kind=...), mw.DeserializeFormatError),
    "no grammar": (fields(ebnf=...), mw.DeserializeFormatError),
    "a list as grammar": (fields(ebnf=["a"]), mw.DeserializeFormatError),
    "one field more": (fields(x=1), mw.DeserializeFormatError),
    "a malformed grammar": (fields(ebnf="start ::="), mw.DeserializeFormatError),
    "another root": (fields(root_rule_name="root"), mw.DeserializeFormatError),
    "a malformed schema": (fields(ebnf='start ::= json_schema("{")'), mw.DeserializeFormatError),
    "an unsatisfiable schema": (fields(ebnf='start ::= json_schema("false")'), mw.DeserializeFormatError),
    "a count out of range": (fields(ebnf='start ::= "a"{99999999999999999999}'), mw.DeserializeFormatError),
    "too many rules": (fields(ebnf="".join(f'r{n} ::= "a"\n' for n in range(200_002))), mw.LimitExceeded),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_grammar(case):
    text, error = WRONG[case]
    with pytest.raises(error) as caught:
        mw.Grammar.deserialize_json(text)
    assert isinstance(caught.value, mw.DeserializeError) == (error is not mw.LimitExceeded)
    assert type(pickle.loads(pickle.dumps(caught.value))) is error


def test_errors_say_where_and_why(tiny):
    with pytest.raises(mw.InvalidJSONError) as caught:
        mw.Grammar.deserialize_json('{\n  "ebnf": ?')
    assert (caught.value.line, caught.value.column, caught.value.offset) == (2, 11, 12)
    with pytest.raises(mw.DeserializeVersionError) as caught:
        mw.Grammar.deserialize_json(fields(__VERSION__="v16"))
    assert (caught.value.found, caught.value.expected) == ("v16", "maskwright-1")
    with pytest.raises(mw.DeserializeFormatError) as caught:
        mw.Grammar.deserialize_json(fields(ebnf="start ::= (", root_rule_name="start"))
    assert isinstance(caught.value.__cause__, mw.EBNFError)
    assert caught.value.__cause__.line == 1
    # What only compiling finds.
    endless = json.loads(mw.GrammarCompiler(tiny).compile_grammar(A).serialize_json()) | {"ebnf": 'start ::= "a" start'}
    for target in (tiny, mw.GrammarCompiler(tiny)):
        with pytest.raises(mw.DeserializeFormatError) as caught:
            mw.CompiledGrammar.deserialize_json(json.dumps(endless), target)
        assert caught.value.__cause__.rule == "start"
    data = bytearray(A.to_bytes())
    data[8] = 7
    with pytest.raises(mw.DeserializeVersionError) as caught:
        mw.Grammar.from_bytes(bytes(data))
    assert caught.value.found == "maskwright-7"


TOKENIZER = mw.TokenizerInfo([b"a", b"\xff", b"</s>"])


@pytest.mark.parametrize(
    "damage",
    [
        {"stop_token_ids": [3]},
        {"stop_token_ids": []},
        {"stop_token_ids": [-1]},
        {"stop_token_ids": [2.0]},
        {"stop_token_ids": [10**30]},
        {"stop_token_ids": "2"},
        {"special_token_ids": [[0]]},
        {"vocab_type": 3},
        {"vocab_type": 2**64},
        {"vocab_type": True},
        {"add_prefix_space": 0},
        {"decoded_vocab": []},
        {"decoded_vocab": ["a", "b", "\u0100"]},
        {"decoded_vocab": ["a", "b", 3]},
        {"decoded_vocab": ["a", "b", "x" * 5000]},
        {"vocab_size": 2**62},
    ],
)
def test_damaged_tokenizers(damage):
    text = json.dumps(json.loads(TOKENIZER.serialize_json()) | damage)
    with pytest.raises(mw.DeserializeFormatError):
        mw.TokenizerInfo.deserialize_json(text)


def test_arguments_of_other_types(tiny):
    for wrong in (None, 3, ["x"], A):
        for read in (mw.Grammar.from_bytes, mw.Grammar.deserialize_json, mw.TokenizerInfo.from_bytes, mw.TokenizerInfo.deserialize_json):
            with pytest.raises(TypeError):
                read(wrong)
    with pytest.raises(TypeError):
        mw.Grammar.from_bytes("text")
    with pytest.raises(TypeError):
        mw.Grammar.deserialize_json(b"{}")
    with pytest.raises(TypeError, match="TokenizerInfo or a GrammarCompiler, got"):
        mw.CompiledGrammar.from_bytes(b"", A)
    with pytest.raises(mw.DeserializeFormatError):
        mw.CompiledGrammar.from_bytes(A.to_bytes(), tiny)
    with pytest.raises(mw.DeserializeFormatError, match="it is a Grammar"):
        mw.CompiledGrammar.deserialize_json(A.serialize_json(), tiny)


# Anything


@functools.cache
def written(kind):
    """Small things, serialised."""
    info = mw.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP)
    grammar = KINDS[kind]()
    compiled = mw.GrammarCompiler(info).compile_grammar(grammar)
    return info, [grammar.to_bytes(), compiled.to_bytes(), TOKENIZER.to_bytes()], [grammar.serialize_json(), compiled.serialize_json(), TOKENIZER.serialize_json()]


def read_anything(data, info):
    """As everything that it might be; whatever it is gives a typed error, or works."""
    readers = [
        [mw.Grammar.from_bytes, lambda data: mw.CompiledGrammar.from_bytes(data, info), mw.TokenizerInfo.from_bytes],
        [mw.Grammar.deserialize_json, lambda data: mw.CompiledGrammar.deserialize_json(data, info), mw.TokenizerInfo.deserialize_json],
    ][isinstance(data, str)]
    for read in readers:
        try:
            value = read(data)
        except mw.DeserializeError:
            continue
        except (mw.LimitExceeded, mw.UnsupportedTokenizer):
            continue
        assert type(value).from_bytes(value.to_bytes(), *[info] * isinstance(value, mw.CompiledGrammar)).to_bytes() == value.to_bytes()
        if isinstance(value, mw.Grammar):
            try:
                value = mw.GrammarCompiler(info).compile_grammar(value)
            except mw.MaskwrightError:
                continue
        if isinstance(value, mw.CompiledGrammar):
            matcher = mw.GrammarMatcher(value)
            allowed = oracle.allowed_ids(matcher, 300).tolist()
            assert allowed
            assert all(matcher.fork().accept_token(token) for token in allowed)


SMALL = st.sampled_from(["ebnf", "any bytes", "regex that looks around", "choices", "schema with options", "schema with documents", "concat"])


@given(kind=SMALL, which=st.integers(0, 2), edits=st.lists(st.tuples(st.integers(0), st.integers(0, 12), st.binary(max_size=6)), min_size=1, max_size=4))
def test_changed_bytes(kind, which, edits):
    info, all_bytes, _ = written(kind)
    data = all_bytes[which]
    for at, length, new in edits:
        start = at % (len(data) + 1)
        data = data[:start] + new + data[start + length :]
    read_anything(data, info)


@given(kind=SMALL, which=st.integers(0, 2), edits=st.lists(st.tuples(st.integers(0), st.integers(0, 12), st.text(max_size=6)), min_size=1, max_size=4))
def test_changed_json(kind, which, edits):
    info, _, all_texts = written(kind)
    text = all_texts[which]
    for at, length, new in edits:
        start = at % (len(text) + 1)
        text = text[:start] + new + text[start + length :]
    read_anything(text, info)


@given(kind=SMALL, which=st.integers(0, 2), other=st.integers(0, 2), at=st.integers(0), beyond=st.integers(0))
def test_spliced(kind, which, other, at, beyond):
    info, *both = written(kind)
    for texts in both:
        one, two = texts[which], texts[other]
        read_anything(one[: at % (len(one) + 1)], info)
        read_anything(one[: at % (len(one) + 1)] + two[beyond % (len(two) + 1) :], info)


@given(data=st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(lambda tail: b"mwrecipe\x01\x00\x00\x00" + tail), st.text(max_size=40)))
def test_anything(data):
    info, *_ = written("ebnf")
    read_anything(data, info)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(which=st.integers(0, 2), changes=st.dictionaries(st.integers(0, 8), JSON, min_size=1, max_size=3), ebnf=st.text('a"|()[]{}*:= \n', max_size=12))
def test_fields_of_other_types(which, changes, ebnf):
    info, _, texts = written("ebnf")
    value = json.loads(texts[which])
    names = sorted(value)
    value |= {names[at % len(names)]: new for at, new in changes.items()}
    read_anything(json.dumps(value), info)
    if "ebnf" in value:
        read_anything(json.dumps(value | {"ebnf": f"start ::= {ebnf}", "kind": "Grammar", "__VERSION__": mw.get_serialization_version()}), info)
