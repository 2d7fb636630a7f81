"""The Python surface: values in and out, errors, buffers, pickling, waiting. What the masks mean is tested elsewhere."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import maskwright as mw

VOCAB = ["</s>", "a", "b", "ab", "c", "é", "<pad>"]


@pytest.fixture(scope="module")
def info():
    return mw.TokenizerInfo([*VOCAB, *byte_tokens()], vocab_size=300, special_token_ids=[6])


def byte_tokens():
    """Every byte is a token, so that no grammar needs one that is missing."""
    return [bytes([byte]) for byte in range(256)]


@pytest.fixture
def compiler(info):
    return mw.GrammarCompiler(info)


@pytest.fixture
def matcher(compiler):
    return mw.GrammarMatcher(compiler.compile_grammar('root ::= "ab" | "abc" | "aé"'))


def allowed(matcher, size=300):
    bitmask = mw.allocate_token_bitmask(1, size)
    matcher.fill_next_token_bitmask(bitmask)
    return set(np.flatnonzero(mw.bitmask_to_bool_mask(bitmask, size)[0]))


def letter(character):
    return len(VOCAB) + ord(character)


# Import


def test_import_loads_no_model_library_and_is_quick():
    code = (
        "import sys, time, numpy; start = time.perf_counter(); import maskwright; took = time.perf_counter() - start;"
        "bad = {'torch', 'transformers', 'pydantic', 'tokenizers', 'typer', 'rich'} & set(sys.modules); assert not bad, bad; print(took)"
    )
    took = min(float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout) for _ in range(3))
    assert took < 0.05


def test_every_public_name_exists():
    assert [name for name in mw.__all__ if not hasattr(mw, name)] == []


# Errors


def test_the_table_of_errors_covers_every_variant():
    samples = mw._core._error_samples()
    classes = {name: type(error).__name__ for name, error in samples.items()}
    assert classes == {
        "CompileError::Ebnf": "EBNFError",
        "CompileError::Regex": "RegexError",
        "CompileError::Json": "JSONSchemaError",
        "CompileError::Schema": "JSONSchemaError",
        "CompileError::UnsatisfiableSchema": "UnsatisfiableSchema",
        "CompileError::Grammar": "GrammarError",
        "CompileError::UnspellableByte": "UnsupportedTokenizer",
        "EngineError::Limit": "LimitExceeded",
        "EngineError::Interrupted": "CompileInterrupted",
        "EngineError::TimedOut": "CompileTimeout",
        "EngineError::Internal": "InternalError",
        "VocabError::TooManyTokens": "TokenizerError",
        "VocabError::IdOutOfRange": "TokenizerError",
        "VocabError::NoStopToken": "TokenizerError",
        "VocabError::TokenTooLong": "TokenizerError",
        "CacheError::NotACache": "CacheFileError",
        "CacheError::OtherVersion": "CacheFileError",
        "CacheError::OtherVocabulary": "CacheFileError",
        "CacheError::Damaged": "CacheFileError",
        "DeserializeError::NotJson": "InvalidJSONError",
        "DeserializeError::Format": "DeserializeFormatError",
        "DeserializeError::OtherVersion": "DeserializeVersionError",
        "DeserializeError::OtherTokenizer": "TokenizerMismatch",
        "DeserializeError::Grammar": "DeserializeFormatError",
        "DeserializeError::Grammar (limit)": "LimitExceeded",
        "DeserializeError::Vocabulary": "DeserializeFormatError",
        "MatcherError::NoStopToken": "TokenizerError",
        "MatcherError::StopTokenOutOfRange": "TokenizerError",
        "MatcherError::TooFarBack": "RollbackError",
    }
    for error in samples.values():
        assert isinstance(error, mw.MaskwrightError)
        assert isinstance(error, ValueError) != isinstance(error, RuntimeError)
        assert str(error)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert again.__dict__ == error.__dict__
    assert (samples["CompileError::Ebnf"].line, samples["CompileError::Ebnf"].column) == (1, 10)
    assert samples["CompileError::Schema"].pointer == "/items"
    assert samples["CompileError::Grammar"].rule == "root"
    assert samples["CompileError::UnspellableByte"].byte == 0x41
    assert samples["EngineError::Limit"].limit == "max_rules"
    assert (samples["DeserializeError::NotJson"].line, samples["DeserializeError::NotJson"].column) == (1, 10)
    assert (samples["DeserializeError::OtherVersion"].found, samples["DeserializeError::OtherVersion"].expected) == ("0", "1")
    assert samples["DeserializeError::OtherTokenizer"].differences == ["vocab_size is 2, here 3"]
    assert samples["DeserializeError::Grammar (limit)"].bound == 7
    assert isinstance(samples["DeserializeError::Grammar"].__cause__, mw.GrammarError)
    assert isinstance(samples["DeserializeError::Vocabulary"].__cause__, mw.TokenizerError)


def test_every_exception_is_a_value_error_or_a_runtime_error():
    from maskwright import exceptions

    for name in set(exceptions.__all__) - {"MaskwrightError"}:
        kind = getattr(exceptions, name)
        assert issubclass(kind, ValueError) != issubclass(kind, RuntimeError)
        assert getattr(mw, name) is kind


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: mw.Grammar.from_ebnf("root ::= ("), mw.EBNFError),
        (lambda: mw.Grammar.from_regex("(a"), mw.RegexError),
        (lambda: mw.Grammar.from_json_schema("{"), mw.JSONSchemaError),
        (lambda: mw.Grammar.from_json_schema(False), mw.UnsatisfiableSchema),
        (lambda: mw.Grammar.from_json_schema({"minimum": "x"}), mw.JSONSchemaError),
        (lambda: mw.Grammar.from_json_schema({}, default_draft="draft3"), mw.JSONSchemaError),
        (lambda: mw.Grammar.from_json_schema({"$ref": "http://x"}), mw.JSONSchemaError),
        (lambda: mw.Grammar.from_json_schema({"$ref": "http://x"}, registry={"http://x": object()}), mw.JSONSchemaError),
        (lambda: mw.Grammar.from_json_schema({}, registry=["http://x"]), TypeError),
        (lambda: mw.Grammar.from_choices([]), ValueError),
        (mw.Grammar.union, ValueError),
        (lambda: mw.Grammar.from_json_schema(3), TypeError),
        (lambda: mw.Grammar.from_json_schema(int), TypeError),
        (lambda: mw.Grammar.union("x"), TypeError),
    ],
)
def test_what_a_grammar_is_refused_with(make, kind):
    with pytest.raises(kind):
        make()


# Tokenizers, plainly constructed


def test_the_constructor_reads_lists_and_mappings():
    listed = mw.TokenizerInfo(["</s>", "a"], vocab_size=3)
    mapped = mw.TokenizerInfo({"</s>": 0, "a": 1}, vocab_size=3)
    assert listed == mapped
    assert hash(listed) == hash(mapped)
    assert listed.decoded_vocab == [b"</s>", b"a", b""]
    assert listed.stop_token_ids == [0]
    assert listed.vocab_type is mw.VocabType.RAW
    assert listed != mw.TokenizerInfo(["</s>", "b"], vocab_size=3)


@pytest.mark.parametrize(
    ("vocab_type", "token", "data"),
    [
        (mw.VocabType.RAW, "<0x41>", b"<0x41>"),
        (mw.VocabType.BYTE_FALLBACK, "<0x41>", b"A"),
        (mw.VocabType.BYTE_FALLBACK, "<0xfF>", b"\xff"),
        (mw.VocabType.BYTE_FALLBACK, "<0x4>", b"<0x4>"),
        (mw.VocabType.BYTE_FALLBACK, "<0x+4>", b"<0x+4>"),
        (mw.VocabType.BYTE_FALLBACK, "▁the▁", b" the "),
        (mw.VocabType.BYTE_LEVEL, "Ġthe", b" the"),
        (mw.VocabType.BYTE_LEVEL, "Ċ", b"\n"),
        (mw.VocabType.BYTE_LEVEL, "Ã©", "é".encode()),
        (mw.VocabType.BYTE_LEVEL, "a b", b"a b"),
    ],
)
def test_how_tokens_spell_bytes(vocab_type, token, data):
    assert mw.TokenizerInfo(["</s>", token], vocab_type).decoded_vocab[1] == data


def test_the_byte_table_is_the_one_of_gpt2():
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    table = {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    tokens = list(table)
    decoded = mw.TokenizerInfo([*tokens, "</s>"], mw.VocabType.BYTE_LEVEL, stop_token_ids=256).decoded_vocab
    assert decoded[:256] == [bytes([table[token]]) for token in tokens]


@pytest.mark.parametrize(
    ("arguments", "options", "kind"),
    [
        ((["a"],), {}, mw.TokenizerError),
        ((["a"],), {"stop_token_ids": [1]}, mw.TokenizerError),
        ((["a"],), {"stop_token_ids": []}, mw.TokenizerError),
        ((["a"],), {"stop_token_ids": [-1]}, ValueError),
        ((["a"],), {"stop_token_ids": "x"}, ValueError),
        ((["a", "b"],), {"stop_token_ids": 0, "vocab_size": 1}, mw.TokenizerError),
        ((["a"], 7), {"stop_token_ids": 0}, ValueError),
        (({"a": 0, "b": 0},), {"stop_token_ids": 0}, ValueError),
        (({"a": -1},), {"stop_token_ids": 0}, ValueError),
        (([1],), {"stop_token_ids": 0}, TypeError),
        (("\ud800",), {"stop_token_ids": 0}, ValueError),
    ],
)
def test_vocabularies_that_are_refused(arguments, options, kind):
    with pytest.raises(kind):
        mw.TokenizerInfo(*arguments, **options)


# Bitmasks


def test_a_fill_writes_one_row_and_no_other(matcher):
    bitmask = mw.allocate_token_bitmask(3, 300)
    assert bitmask.dtype == np.int32
    assert bitmask.shape == mw.get_bitmask_shape(3, 300) == (3, 10)
    assert matcher.fill_next_token_bitmask(bitmask, 1) is True
    assert (bitmask[[0, 2]] == -1).all()
    assert set(np.flatnonzero(mw.bitmask_to_bool_mask(bitmask, 300)[1])) == {1, 3, letter("a")}
    assert bitmask[1, -1] == 0
    mw.reset_token_bitmask(bitmask)
    assert (bitmask == -1).all()


def test_a_single_row_and_a_torch_tensor_are_bitmasks_too(matcher):
    torch = pytest.importorskip("torch")
    expected = mw.allocate_token_bitmask(1, 300)
    matcher.fill_next_token_bitmask(expected)
    row = np.zeros(10, dtype=np.int32)
    matcher.fill_next_token_bitmask(row)
    tensor = torch.full((2, 10), -1, dtype=torch.int32)
    matcher.fill_next_token_bitmask(tensor, 1)
    assert (row == expected[0]).all()
    assert (tensor[1].numpy() == expected[0]).all()
    assert (tensor[0] == -1).all()
    mw.reset_token_bitmask(tensor)
    assert (tensor == -1).all()
    assert (mw.bitmask_to_bool_mask(torch.from_numpy(expected), 300) == mw.bitmask_to_bool_mask(expected, 300)).all()


def wrong_bitmasks():
    good = np.zeros((2, 10), dtype=np.int32)
    read_only = good.copy()
    read_only.flags.writeable = False
    yield from [good.astype(np.int64), good.astype(np.uint32), good.astype(np.float32), good.astype(">i4")]
    yield from [good[:, :9], np.zeros((2, 11), np.int32), np.zeros((10, 2), np.int32).T, good.reshape(1, 2, 10), np.int32(1)]
    yield from [read_only, np.zeros((2, 20), np.int32)[:, ::2], [0] * 10, "x", None, b"x" * 40]


@pytest.mark.parametrize(
    "bitmask", list(wrong_bitmasks()), ids=lambda b: f"{type(b).__name__}-{getattr(b, 'dtype', '')}-{getattr(b, 'shape', '')}"
)
def test_wrong_bitmasks_are_value_errors(matcher, bitmask):
    with pytest.raises(mw.BitmaskError):
        matcher.fill_next_token_bitmask(bitmask)


def test_wrong_tensors_are_value_errors(matcher):
    torch = pytest.importorskip("torch")
    good = torch.zeros((2, 10), dtype=torch.int32)
    for bad in (good.long(), good.to("meta"), good[:, :9], torch.zeros((10, 2), dtype=torch.int32).T, good.reshape(1, 2, 10), good[0, 0]):
        with pytest.raises(mw.BitmaskError):
            matcher.fill_next_token_bitmask(bad)


@pytest.mark.parametrize("index", [2, -1, 10**20, -(10**20)])
def test_a_row_outside_the_bitmask_is_a_value_error(matcher, index):
    with pytest.raises(mw.BitmaskError):
        matcher.fill_next_token_bitmask(np.zeros((2, 10), np.int32), index)


def test_bitmask_helpers_refuse_nonsense():
    with pytest.raises(mw.BitmaskError):
        mw.allocate_token_bitmask(0, 5)
    with pytest.raises(mw.BitmaskError):
        mw.bitmask_to_bool_mask(np.zeros((1, 2), np.int32), 100)
    with pytest.raises(mw.BitmaskError):
        mw.bitmask_to_bool_mask(np.zeros((1, 2), np.int64), 64)
    with pytest.raises(mw.BitmaskError):
        mw.reset_token_bitmask("x")


# Matchers


def test_the_steps_of_a_text(matcher):
    assert allowed(matcher) == {1, 3, letter("a")}
    assert matcher.accept_token(2) is False
    assert matcher.accept_token(np.int64(3)) is True
    assert allowed(matcher) == {0, 4, letter("c")}
    assert matcher.is_completed()
    assert not matcher.is_terminated()
    assert matcher.accept_token(0) is True
    assert matcher.is_terminated()
    assert matcher.num_steps == 2
    matcher.rollback(2)
    assert matcher.num_steps == 0
    assert matcher.accept_string("abc")
    assert matcher.accept_string(b"d") is False
    matcher.rollback()
    assert allowed(matcher) == {1, 3, letter("a")}


def test_after_the_end_nothing_raises(matcher):
    assert matcher.accept_string("abc")
    assert matcher.accept_token(0)
    assert allowed(matcher) == {0}
    assert matcher.accept_token(0)
    assert not matcher.accept_token(1)
    assert not matcher.accept_string("c")
    assert matcher.is_terminated()
    assert matcher.find_jump_forward_string() == ""
    assert matcher.num_steps == 3
    matcher.rollback(2)
    assert not matcher.is_terminated()
    matcher.reset()
    assert matcher.num_steps == 0


@pytest.mark.parametrize("token", [300, 10**6, 2**32, 2**70, -1, -(2**70), 6])
def test_ids_that_are_no_text_are_refused_quietly(matcher, token):
    assert matcher.accept_token(token) is False
    assert matcher.num_steps == 0


@pytest.mark.parametrize("token", ["a", 1.0, None])
def test_what_is_no_id_is_a_mistake(matcher, token):
    with pytest.raises(TypeError):
        matcher.accept_token(token)


def test_a_fork_goes_its_own_way(matcher):
    matcher.accept_token(1)
    fork = matcher.fork()
    assert fork.accept_string("é")
    assert fork.is_completed()
    assert not matcher.is_completed()
    assert matcher.accept_token(2)
    assert matcher.is_completed()


def test_jumping_forward_gives_whole_characters_only(compiler):
    matcher = mw.GrammarMatcher(compiler.compile_grammar('root ::= "né" | "nè"'))
    assert matcher.find_jump_forward_bytes() == b"n\xc3"
    assert matcher.find_jump_forward_string() == "n"
    matcher.accept_string(b"n\xc3")
    assert matcher.find_jump_forward_string() == ""
    matcher.accept_string(b"\xa9")
    assert matcher.find_jump_forward_bytes() == b""


def test_looking_without_moving(matcher):
    assert matcher.matched_prefix_length("abx") == 2
    assert matcher.matched_prefix_length("é") == 0
    assert matcher.allowed_bytes() == b"a"
    assert matcher.expected()
    assert matcher.num_steps == 0


def test_too_much_rollback_is_a_runtime_error(matcher, compiler):
    with pytest.raises(mw.RollbackError):
        matcher.rollback(1)
    with pytest.raises(ValueError, match="num_tokens"):
        matcher.rollback(-1)
    short = mw.GrammarMatcher(compiler.compile_regex("a*"), max_rollback_tokens=2)
    for _ in range(5):
        assert short.accept_token(1)
    short.rollback(2)
    with pytest.raises(mw.RollbackError):
        short.rollback(1)


def test_stop_tokens_can_be_overridden(compiler):
    compiled = compiler.compile_regex("ab")
    matcher = mw.GrammarMatcher(compiled, override_stop_tokens=[4, 5])
    assert matcher.stop_token_ids == [4, 5]
    matcher.accept_string("ab")
    assert allowed(matcher) == {4, 5}
    for wrong in ([], [300]):
        with pytest.raises(mw.TokenizerError):
            mw.GrammarMatcher(compiled, override_stop_tokens=wrong)


def test_ending_without_a_stop_token(compiler):
    matcher = mw.GrammarMatcher(compiler.compile_regex("ab"), terminate_without_stop_token=True)
    assert not matcher.is_terminated()
    matcher.accept_string("ab")
    assert matcher.is_terminated()


def test_a_matcher_in_use_says_so(compiler):
    """A long text is consumed without the interpreter, so another thread can try to come in meanwhile."""
    matcher = mw.GrammarMatcher(compiler.compile_regex("(ab?)*"), max_rollback_tokens=0)
    text, problems = b"ab" * 2_000_000, []

    def consume():
        matcher.accept_string(text)

    thread = threading.Thread(target=consume)
    thread.start()
    while thread.is_alive() and not problems:
        try:
            matcher.is_completed()
        except mw.MatcherBusy as error:
            problems.append(error)
    thread.join()
    assert problems
    assert matcher.is_completed()


# Grammars


def test_grammars_print_compare_and_pickle():
    grammar = mw.Grammar.from_ebnf('start ::= "a" start | "b"', root_rule_name="start")
    again = pickle.loads(pickle.dumps(grammar))
    assert again == grammar
    assert hash(again) == hash(grammar)
    assert grammar != mw.Grammar.from_ebnf('root ::= "a"')
    assert (grammar == "x") is False
    assert mw.Grammar.from_ebnf(str(grammar), root_rule_name="start") == grammar
    assert "Grammar" in repr(grammar)


def test_grammars_combine(compiler):
    a, b = mw.Grammar.from_regex("a+"), mw.Grammar.from_choices(["b", "c"])
    matcher = mw.GrammarMatcher(
        compiler.compile_grammar(mw.Grammar.concat(a, mw.Grammar.union(b, mw.Grammar.from_json_schema({"const": 1}))))
    )
    for text, matches in [("aab", True), ("ac", True), ("a1", True), ("b", False), ("a", False)]:
        assert (matcher.accept_string(text) and matcher.is_completed()) is matches
        matcher.reset()


def test_schemas_come_as_text_values_and_models():
    schema = {"type": "integer", "maximum": 5}
    grammar = mw.Grammar.from_json_schema(schema)
    assert grammar == mw.Grammar.from_json_schema('{"type": "integer", "maximum": 5}')
    assert mw.Grammar.from_json_schema(True) == mw.Grammar.from_json_schema("true")
    pydantic = pytest.importorskip("pydantic")

    class Point(pydantic.BaseModel):
        x: int
        y: int

    assert mw.Grammar.from_json_schema(Point) == mw.Grammar.from_json_schema(Point.model_json_schema())


def test_deep_values_become_text_without_recursion():
    from maskwright._schema import _pieces, schema_text

    schema = {"title": 'q"uo\\te', "a": [1, 2.5, None, True, [], {}], "b": {"c": "é"}}
    assert "".join(_pieces(schema)) == schema_text(schema)
    for _ in range(100_000):
        schema = {"items": schema}
    assert schema_text(schema).count('"items"') == 100_000
    looped: dict = {}
    looped["items"] = looped
    with pytest.raises(ValueError, match=r"(?i)itself|circular"):
        schema_text(looped)
    with pytest.raises(ValueError, match="itself"):
        "".join(_pieces(looped))
    # Freeing it link by link: a deep chain of dictionaries is no test of the interpreter.
    while "items" in schema:
        schema = schema["items"]


# Compilers


def test_the_cache_remembers_and_forgets(info):
    compiler = mw.GrammarCompiler(info)
    assert compiler.get_cache_size_bytes() == 0
    compiler.compile_regex("a+")
    once = compiler.get_cache_size_bytes()
    assert once > 0
    compiler.compile_regex("a+")
    assert compiler.get_cache_size_bytes() == once
    compiler.compile_regex("b+")
    assert compiler.get_cache_size_bytes() > once
    compiler.clear_cache()
    assert compiler.get_cache_size_bytes() == 0
    assert compiler.cache_limit_bytes == -1
    off = mw.GrammarCompiler(info, cache_enabled=False)
    off.compile_regex("a+")
    assert off.get_cache_size_bytes() == 0


def test_the_cache_keeps_to_its_limit(info):
    small = mw.GrammarCompiler(info, cache_limit_bytes=1)
    small.compile_regex("a+")
    assert small.get_cache_size_bytes() == 0
    size = mw.GrammarCompiler(info)
    size.compile_regex("a{1,3}")
    limit = 3 * size.get_cache_size_bytes()
    bounded = mw.GrammarCompiler(info, cache_limit_bytes=limit)
    for letters in "abcdefgh":
        bounded.compile_regex(letters + "{1,3}")
        assert 0 < bounded.get_cache_size_bytes() <= limit
    with pytest.raises(ValueError, match="cache_limit_bytes"):
        mw.GrammarCompiler(info, cache_limit_bytes=-2)


def test_identical_compiles_in_many_threads_agree(info):
    compiler = mw.GrammarCompiler(info)
    schema = {"type": "array", "items": {"enum": [f"word {i}" for i in range(2000)]}}
    barrier, compiled, failures = threading.Barrier(8), [], []

    def work():
        barrier.wait()
        try:
            compiled.append(compiler.compile_json_schema(schema))
            compiler.compile_grammar("root ::= (")
        except mw.EBNFError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compiled) == len(failures) == 8
    one = mw.GrammarCompiler(info)
    one.compile_json_schema(schema)
    assert compiler.get_cache_size_bytes() <= 2 * one.get_cache_size_bytes()


def heavy_schema():
    """Long to read, whatever the engine does with it."""
    return {"enum": [f"{'x' * 40}{i}" for i in range(400_000)]}


def test_a_timeout_ends_a_compile(compiler):
    schema = heavy_schema()
    start = time.perf_counter()
    with pytest.raises(mw.CompileTimeout):
        compiler.compile_json_schema(schema, timeout=0.001)
    assert time.perf_counter() - start < 5
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            compiler.compile_regex("a", timeout=wrong)
    assert compiler.compile_regex("a", timeout=float("inf"))


def test_control_c_ends_a_compile():
    code = """
import maskwright as mw, signal
# Where the tests run in the background, a shell has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
tokenizer_info = mw.TokenizerInfo([bytes([b]) for b in range(256)], vocab_size=257, stop_token_ids=256)
compiler = mw.GrammarCompiler(tokenizer_info, limits=mw.Limits(max_text_bytes=1 << 30))
schema = '{"enum": [' + ", ".join(f'"{"x" * 40}{i}"' for i in range(3_000_000)) + "]}"
print("compiling", flush=True)
try:
    compiler.compile_json_schema(schema)
    print("done")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "compiling\n"
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        start = time.perf_counter()
        assert process.stdout.readline() == "interrupted\n"
        assert time.perf_counter() - start < 2


def test_limits_are_values_and_bind(info):
    limits = mw.Limits(max_rules=5)
    assert limits.max_rules == 5
    assert limits == mw.Limits(max_rules=5) == pickle.loads(pickle.dumps(limits))
    assert hash(limits) == hash(mw.Limits(max_rules=5))
    assert limits != mw.Limits()
    assert "max_rules=5" in repr(limits)
    assert set(dir(limits)) >= {"max_rules", "max_states"}
    with pytest.raises(TypeError, match="max_rule"):
        mw.Limits(max_rule=5)
    with pytest.raises(OverflowError):
        mw.Limits(max_rules=-5)
    with pytest.raises(AttributeError):
        _ = limits.max_rule
    compiler = mw.GrammarCompiler(info, limits=limits)
    assert compiler.limits == limits
    with pytest.raises(mw.LimitExceeded) as caught:
        compiler.compile_grammar("root ::= " + " ".join(f"r{i}" for i in range(9)) + "\n" + "\n".join(f'r{i} ::= "x{i}"' for i in range(9)))
    assert caught.value.limit == "max_rules"
    assert caught.value.bound == 5


# Pickling


def test_what_pickles_comes_back_working(compiler, info):
    assert pickle.loads(pickle.dumps(info)) == info
    assert pickle.loads(pickle.dumps(info)).special_token_ids == info.special_token_ids
    compiled = pickle.loads(pickle.dumps(compiler.compile_json_schema({"type": "integer"})))
    assert compiled.tokenizer_info == info
    assert compiled.memory_size_bytes > 0
    assert compiled.statistics()["states"] > 0
    matcher = mw.GrammarMatcher(compiled)
    assert matcher.accept_string("12")
    assert matcher.is_completed()


def test_a_matcher_does_not_pickle_or_copy(matcher):
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="fork"):
            attempt(matcher)
