"""The stand-in for XGrammar: its names and signatures, its errors, its round trips, and a script of its quick start."""
# ruff: noqa: ARG005

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import TINY, TINY_STOP

torch = pytest.importorskip("torch")

import maskwright  # noqa: E402
import maskwright.compat.xgrammar as ours  # noqa: E402


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("xgrammar")


@pytest.fixture(scope="module")
def info():
    return ours.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP)


@pytest.fixture(scope="module")
def compiler(info):
    return ours.GrammarCompiler(info)


def parameters(function):
    """Names, kinds and defaults; how arguments are annotated does not matter."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, "required" if p.default is p.empty else getattr(p.default, "value", p.default)) for p in found]


CLASSES = ["BatchGrammarMatcher", "CompiledGrammar", "Grammar", "GrammarCompiler", "GrammarMatcher", "TokenizerInfo"]


def test_every_public_name_is_there(theirs):
    assert [name for name in theirs.__all__ if not hasattr(ours, name)] == []
    for name in theirs.__all__:
        assert inspect.isclass(getattr(theirs, name)) == inspect.isclass(getattr(ours, name)), name
        if inspect.isfunction(getattr(theirs, name)):
            assert parameters(getattr(theirs, name)) == parameters(getattr(ours, name)), name
    assert ours.bitmask_dtype is theirs.bitmask_dtype
    assert {m.name: m.value for m in ours.VocabType} == {m.name: m.value for m in theirs.VocabType}
    assert ours.contrib.hf is ours.hf


@pytest.mark.parametrize("name", CLASSES)
def test_members_of_classes(theirs, name):
    mine, other = getattr(ours, name), getattr(theirs, name)
    for member, value in inspect.getmembers_static(other):
        # What begins with _detect or _is looks into a tokenizer; the rest of the private ones hold the object.
        if member.startswith("_") and member not in ("__init__", "__str__", "_debug_print_internal_state"):
            continue
        found = inspect.getattr_static(mine, member, None)
        assert found is not None, member
        assert type(found) is type(value) or member == "__init__", member
        if not isinstance(value, property) and (member != "__init__" or "__init__" in vars(other)):
            assert parameters(getattr(mine, member)) == parameters(getattr(other, member)), member


@pytest.mark.parametrize("module", ["testing", "exception", "config", "structural_tag"])
def test_members_of_modules(theirs, module):
    __import__(f"xgrammar.{module}")
    mine, other = getattr(ours, module, None) or __import__(f"maskwright.compat.xgrammar.{module}", fromlist="x"), getattr(theirs, module)
    for name, value in vars(other).items():
        if getattr(value, "__module__", None) != other.__name__ or name in ("GrammarFunctor", "_convert_schema_to_str"):
            continue
        found = getattr(mine, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            assert found.__bases__ == value.__bases__
        # A model of another with `data` as its only field shows that instead of its own.
        elif name != "OrFormat":
            assert parameters(found) == parameters(value), name


def test_the_processor(theirs):
    pytest.importorskip("transformers")
    assert parameters(ours.contrib.hf.LogitsProcessor) == parameters(theirs.contrib.hf.LogitsProcessor)
    assert parameters(ours.contrib.hf.LogitsProcessor.__call__) == parameters(theirs.contrib.hf.LogitsProcessor.__call__)


#: What goes wrong, by what is called: the same type of exception in both.
ERRORS = {
    "ebnf without a root": lambda x, c, m: x.Grammar.from_ebnf("a ::= b"),
    "malformed ebnf": lambda x, c, m: c.compile_grammar("root ::= ("),
    "malformed schema": lambda x, c, m: x.Grammar.from_json_schema("{"),
    "schema false": lambda x, c, m: c.compile_json_schema("false"),
    "bool as a schema": lambda x, c, m: x.Grammar.from_json_schema(True),
    "number as a schema": lambda x, c, m: c.compile_json_schema(3),
    "malformed regex": lambda x, c, m: x.Grammar.from_regex("("),
    "a backreference": lambda x, c, m: c.compile_regex(r"(a)\1"),
    "a number as a grammar": lambda x, c, m: c.compile_grammar(3),
    "no tokenizer": lambda x, c, m: x.GrammarCompiler(3),
    "no compiled grammar": lambda x, c, m: x.GrammarMatcher(3),
    "a cache below zero": lambda x, c, m: x.GrammarCompiler(x.TokenizerInfo([b"a", b"</s>"]), cache_limit_bytes=-2),
    "no thread": lambda x, c, m: x.BatchGrammarMatcher(0),
    "tokens outside the vocabulary": lambda x, c, m: x.TokenizerInfo([b"a", b"</s>"], vocab_size=1),
    "no stop token": lambda x, c, m: x.GrammarMatcher(c.compile_regex("a"), override_stop_tokens=[]),
    "a stop token outside": lambda x, c, m: x.GrammarMatcher(c.compile_regex("a"), override_stop_tokens=[1000]),
    "rolled back too far": lambda x, c, m: m.rollback(1),
    "a row outside": lambda x, c, m: m.fill_next_token_bitmask(x.allocate_token_bitmask(1, 300), 1),
    "another dtype": lambda x, c, m: m.fill_next_token_bitmask(x.allocate_token_bitmask(1, 300).long()),
    "another width": lambda x, c, m: m.fill_next_token_bitmask(x.allocate_token_bitmask(1, 400)),
    "tokens of another number": lambda x, c, m: x.BatchGrammarMatcher.batch_accept_token([m], [1, 2]),
    "texts of another number": lambda x, c, m: x.BatchGrammarMatcher.batch_accept_string([m], []),
    "steps of another number": lambda x, c, m: x.BatchGrammarMatcher.batch_rollback([m], []),
    "indices of another number": lambda x, c, m: x.BatchGrammarMatcher().batch_fill_next_token_bitmask([m], x.allocate_token_bitmask(1, 300), []),
    "a link to nowhere": lambda x, c, m: m.traverse_draft_tree(*map(torch.tensor, ([9], [-1], [0])), x.allocate_token_bitmask(1, 300)),
    "a root with a sibling": lambda x, c, m: m.traverse_draft_tree(*map(torch.tensor, ([-1, -1], [1, -1], [0, 0])), x.allocate_token_bitmask(2, 300)),
    "fewer rows than nodes": lambda x, c, m: m.traverse_draft_tree(*map(torch.tensor, ([-1, -1], [-1, -1], [0, 0])), x.allocate_token_bitmask(1, 300)),
    "no recursion": lambda x, c, m: x.set_max_recursion_depth(0),
    "no JSON": lambda x, c, m: x.Grammar.deserialize_json("{"),
    "another version": lambda x, c, m: x.Grammar.deserialize_json('{"__VERSION__": "v1"}'),
    "no version": lambda x, c, m: x.TokenizerInfo.deserialize_json("{}"),
    "a malformed grammar": lambda x, c, m: x.Grammar.deserialize_json(json.dumps({"__VERSION__": x.get_serialization_version()})),
    "a malformed tokenizer": lambda x, c, m: x.TokenizerInfo.deserialize_json(json.dumps({"__VERSION__": x.get_serialization_version()})),
    "a malformed compiled grammar": lambda x, c, m: x.CompiledGrammar.deserialize_json(
        json.dumps({"__VERSION__": x.get_serialization_version()}), x.TokenizerInfo([b"a", b"</s>"])
    ),
    "another tokenizer": lambda x, c, m: x.CompiledGrammar.deserialize_json(c.compile_regex("a").serialize_json(), x.TokenizerInfo([b"a", b"</s>"])),
    "another device": lambda x, c, m: x.apply_token_bitmask_inplace(torch.zeros(1, 300, device="meta"), x.allocate_token_bitmask(1, 300)),
    "another backend": lambda x, c, m: x.apply_token_bitmask_inplace(torch.zeros(1, 300), x.allocate_token_bitmask(1, 300), backend="gpu"),
    "an unknown tokenizer": lambda x, c, m: x.TokenizerInfo.from_huggingface(3),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_the_same_type(theirs, case):
    caught = []
    for library in (theirs, ours):
        compiler = library.GrammarCompiler(library.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP))
        matcher = library.GrammarMatcher(compiler.compile_grammar('root ::= "ab"'))
        with pytest.raises(Exception) as error:  # noqa: PT011
            ERRORS[case](library, compiler, matcher)
        caught.append(error.value)
    assert type(caught[0]).__name__ == type(caught[1]).__name__ or isinstance(caught[1], type(caught[0])), caught


def test_structural_tags_and_lark_come_later(compiler):
    for wrong in [
        lambda: ours.Grammar.from_lark("start: A"),
        lambda: compiler.compile_lark("start: A"),
        lambda: ours.Grammar.from_structural_tag({}),
        lambda: compiler.compile_structural_tag([], []),
        lambda: ours.StructuralTag(format=None),
        lambda: ours.StructuralTagItem(begin="", schema="", end=""),
        lambda: ours.StructuralTag.from_json("{}"),
        lambda: ours.structural_tag.TagFormat(begin="", content="", end=""),
        lambda: ours.get_model_structural_tag("llama"),
        ours.normalize_tool_choice,
        lambda: ours.register_model_structural_tag("x"),
    ]:
        with pytest.raises(NotImplementedError, match=r"not implemented in maskwright yet"):
            wrong()


def test_round_trips(info, compiler):
    grammars = [
        ours.Grammar.from_ebnf('start ::= "a" start | "b"', root_rule_name="start"),
        ours.Grammar.from_json_schema({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ours.Grammar.from_regex("[a-zé]+"),
        ours.Grammar.concat(),
    ]
    for grammar in grammars:
        again = ours.Grammar.deserialize_json(grammar.serialize_json())
        assert again == grammar
        assert str(again) == str(grammar)
        compiled = compiler.compile_grammar(grammar)
        back = ours.CompiledGrammar.deserialize_json(compiled.serialize_json(), info)
        assert back.grammar == compiled.grammar
    again = ours.TokenizerInfo.deserialize_json(info.serialize_json())
    assert again == info
    assert again.decoded_vocab == info.decoded_vocab
    assert json.loads(again.dump_metadata()) == {"vocab_type": 0, "vocab_size": 300, "add_prefix_space": False, "stop_token_ids": [TINY_STOP]}
    assert ours.TokenizerInfo.from_vocab_and_metadata(TINY, info.dump_metadata()) == info
    levels = ours.TokenizerInfo(["Ġa", "b", "</s>"], ours.VocabType.BYTE_LEVEL, add_prefix_space=True)
    again = ours.TokenizerInfo.deserialize_json(levels.serialize_json())
    assert (again, again.decoded_vocab[0], again.vocab_type) == (levels, b" a", ours.VocabType.BYTE_LEVEL)
    assert ours.TokenizerInfo.deserialize_json(ours.TokenizerInfo([]).serialize_json()).vocab_size == 0


@pytest.mark.parametrize("damage", [{"stop_token_ids": [1000]}, {"decoded_vocab": ["?"]}, {"decoded_vocab": [3]}, {"vocab_type": 7}, {"vocab_size": -1}, {"stop_token_ids": ["x"]}])
def test_damaged_tokenizers(info, damage):
    text = json.dumps(json.loads(info.serialize_json()) | damage)
    with pytest.raises(ours.DeserializeFormatError):
        ours.TokenizerInfo.deserialize_json(text)


def test_a_matcher_behaves_like_theirs(theirs):
    """One sequence of calls, told by both."""
    stories = []
    for library in (theirs, ours):
        compiler = library.GrammarCompiler(library.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP))
        matcher = library.GrammarMatcher(compiler.compile_grammar('root ::= "ab" "c"? | "x" "yz"'), default_temperature=0.5)
        a, b, c = b"abc"
        fork = matcher.fork()
        bitmask = library.allocate_token_bitmask(1, 300)
        story = [matcher.accept_token(token) for token in (-1, 5000, TINY_STOP, b, a, b, a, TINY_STOP, TINY_STOP, c)]
        story += [matcher.is_terminated(), matcher.is_completed(), matcher.accept_string("c"), matcher.accept_string("")]
        matcher.rollback(1)
        story += [matcher.is_terminated(), matcher.is_completed(), matcher.accept_string("c"), matcher.fill_next_token_bitmask(bitmask), bitmask.tolist()]
        matcher.rollback(0)
        matcher.rollback(-3)
        matcher.rollback(2)
        story += [matcher.find_jump_forward_string(), matcher.stop_token_ids, matcher.max_rollback_tokens, matcher.temperature, matcher.get_captures()]
        matcher.reset()
        story += [matcher.accept_string(b"x"), matcher.find_jump_forward_string(), fork.accept_string("ab"), fork.temperature, fork == matcher]
        early = library.GrammarMatcher(compiler.compile_grammar('root ::= "ab" "c"?'), terminate_without_stop_token=True)
        story += [early.accept_string("a"), early.is_terminated(), early.accept_string("b"), early.is_terminated(), early.is_completed()]
        batch = library.BatchGrammarMatcher(2)
        both = [matcher, fork]
        rows = library.allocate_token_bitmask(3, 300)
        batch.batch_fill_next_token_bitmask(both, rows, [2, 0])
        story += [rows.tolist(), batch.batch_accept_token(both, [ord("y"), ord("y")]), batch.batch_accept_string(both, ["z", "c"])]
        batch.batch_rollback(both, [1, 1])
        temperatures = torch.zeros(3)
        batch.batch_fill_temperature(both, temperatures, [2, 1])
        story += [matcher.find_jump_forward_string(), fork.is_completed(), temperatures.tolist()]
        stories.append(story)
    assert stories[0] == stories[1]


def test_draft_trees_like_theirs(theirs):
    rng = np.random.default_rng(0)
    for _ in range(20):
        count = int(rng.integers(1, 9))
        next_token, next_sibling = [-1] * count, [-1] * count
        for node in range(1, count):
            parent = int(rng.integers(node))
            next_sibling[node], next_token[parent] = next_token[parent], node
        links = [torch.tensor(next_token), torch.tensor(next_sibling), torch.tensor([int(t) for t in rng.choice([97, 98, 99, 120, TINY_STOP], count)])]
        results = []
        for library in (theirs, ours):
            compiler = library.GrammarCompiler(library.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP))
            matcher = library.GrammarMatcher(compiler.compile_grammar("root ::= ([ab] [abc] [bc] | [ab])"), default_temperature=0.25)
            bitmask = library.allocate_token_bitmask(count, 300)
            temperatures = torch.zeros(count)
            done = matcher.traverse_draft_tree(*links, bitmask, temperatures=temperatures)
            results.append((done, bitmask.tolist(), temperatures.tolist()))
        assert results[0] == results[1]
    assert matcher.traverse_draft_tree(*links, bitmask, time_threshold=1e-12) is False


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_apply_like_theirs(theirs, dtype):
    rng = torch.Generator().manual_seed(1)
    for options in [{}, {"vocab_size": 250}, {"indices": [2, 0]}, {"indices": [], "backend": "torch_native"}, {"backend": "cpu"}]:
        logits = torch.rand((4, 300), generator=rng).to(dtype)
        bitmask = torch.randint(-(2**31), 2**31 - 1, (4, 10), generator=rng, dtype=torch.int64).to(torch.int32)
        expected, found = logits.clone(), logits.clone()
        theirs.apply_token_bitmask_inplace(expected, bitmask, **options)
        ours.apply_token_bitmask_inplace(found, bitmask, **options)
        assert torch.equal(expected, found), options
        if not options:
            expected, found = logits[1].clone(), logits[1].clone()
            theirs.apply_token_bitmask_inplace(expected, bitmask[1])
            ours.apply_token_bitmask_inplace(found, bitmask[1])
            assert torch.equal(expected, found)
    wide = torch.zeros(1, 400)
    with pytest.warns(UserWarning, match="left unmasked"):
        ours.apply_token_bitmask_inplace(wide, torch.zeros((1, 10), dtype=torch.int32))
    assert torch.isinf(wide[0, :320]).all()
    assert not torch.isinf(wide[0, 320:]).any()


def test_helpers_of_tests_like_theirs(theirs):
    mask = torch.rand((3, 70), generator=torch.Generator().manual_seed(0)) > 0.5
    mask[1] = False
    mask[1, 31] = True
    packed = ours.testing.bool_mask_to_bitmask(mask)
    assert torch.equal(packed, theirs.testing.bool_mask_to_bitmask(mask))
    assert torch.equal(ours.testing.bitmask_to_bool_mask(packed, 70), mask)
    assert torch.equal(ours.testing.bitmask_to_bool_mask(packed), theirs.testing.bitmask_to_bool_mask(packed))
    # As a matcher leaves them: no bit past the vocabulary.
    packed[:, 2] &= (1 << 70 % 32) - 1
    for row in range(3):
        for name in ("_is_single_token_bitmask", "_get_masked_tokens_from_bitmask"):
            assert getattr(ours.testing, name)(packed, 70, row) == getattr(theirs.testing, name)(packed, 70, row)
    for text in ("", "a", "ab", "abc", "é"):
        for grammar in ('root ::= "a" "b"?', "root ::= [^a]*"):
            for options in ({}, {"require_termination": False}):
                expected = theirs.testing._is_grammar_accept_string(grammar, text, **options)
                # Of the empty text theirs says that it is refused.
                assert ours.testing._is_grammar_accept_string(grammar, text, **options) == expected or text == ""
    assert ours.Grammar.from_ebnf(ours.testing._regex_to_ebnf("a+")) == ours.Grammar.from_regex("a+")
    with pytest.raises(NotImplementedError, match="internals"):
        ours.testing._print_grammar_fsms(ours.Grammar.from_regex("a"))


def test_settings(monkeypatch):
    assert ours.get_max_recursion_depth() == 10_000
    with ours.max_recursion_depth(5):
        assert ours.get_max_recursion_depth() == 5
    assert ours.get_max_recursion_depth() == 10_000


def test_vocabularies(theirs):
    for arguments, options in [
        (([b"a", b"", b"</s>"],), {"vocab_size": 5}),
        ((["Ġa", "b", "</s>"],), {"vocab_type": "BYTE_LEVEL"}),
        ((["▁a", "<0x0A>", "<eos>"],), {"vocab_type": "BYTE_FALLBACK", "stop_token_ids": 2, "add_prefix_space": True}),
        (([],), {}),
    ]:
        facts = []
        for library in (theirs, ours):
            given = {**options, "vocab_type": getattr(library.VocabType, options.get("vocab_type", "RAW"))}
            made = library.TokenizerInfo(*arguments, **given)
            names = ("vocab_size", "stop_token_ids", "special_token_ids", "add_prefix_space")
            facts.append((made.vocab_type.name, made.decoded_vocab[:3], json.loads(made.dump_metadata()), *(getattr(made, name) for name in names)))
        assert facts[0] == facts[1]


def tiny_huggingface_tokenizer():
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    model = tokenizers.models.BPE({c: i for i, c in enumerate([*alphabet, "ab", '{"'])}, [("a", "b"), ("{", '"')])
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens(["<|end|>", "<|x|>"])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")


@pytest.mark.parametrize("vocab_size", [None, 300, 259])
def test_tokenizers_of_transformers(theirs, vocab_size):
    tokenizer = tiny_huggingface_tokenizer()
    mine, other = (library.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocab_size) for library in (ours, theirs))
    assert json.loads(mine.dump_metadata()) == json.loads(other.dump_metadata())
    assert mine.decoded_vocab[:256] == other.decoded_vocab[:256]
    assert set(mine.special_token_ids) >= set(other.special_token_ids)
    matcher = ours.GrammarMatcher(ours.GrammarCompiler(mine).compile_builtin_json_grammar())
    bitmask = ours.allocate_token_bitmask(1, mine.vocab_size)
    matcher.fill_next_token_bitmask(bitmask)


QUICK_START = """
    import torch
    {import_}
    import xgrammar as xgr
    from transformers import LlamaConfig, LlamaForCausalLM
    from xgrammar.contrib.hf import LogitsProcessor
    import xgrammar.testing

    assert xgr.contrib.hf.LogitsProcessor is LogitsProcessor
    torch.manual_seed(0)
    vocab = [bytes([b]) for b in range(256)] + [b'{{"', b"</s>"]
    tokenizer_info = xgr.TokenizerInfo(vocab, vocab_size=260)
    compiler = xgr.GrammarCompiler(tokenizer_info, max_threads=8)
    schema = {{"type": "object", "properties": {{"a": {{"enum": ["x", "yz"]}}}}, "required": ["a"]}}
    compiled = compiler.compile_json_schema(schema, any_whitespace=False)

    matcher = xgr.GrammarMatcher(compiled)
    token_bitmask = xgr.allocate_token_bitmask(1, tokenizer_info.vocab_size)
    output = b""
    while not matcher.is_terminated():
        logits = torch.randn(1, tokenizer_info.vocab_size)
        matcher.fill_next_token_bitmask(token_bitmask)
        xgr.apply_token_bitmask_inplace(logits, token_bitmask)
        token = int(torch.argmax(torch.softmax(logits, dim=-1)))
        assert matcher.accept_token(token)
        output += vocab[token]
    matcher.reset()

    config = LlamaConfig(vocab_size=260, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
                         num_key_value_heads=1, bos_token_id=None, eos_token_id=257, pad_token_id=259)
    model = LlamaForCausalLM(config).eval()
    ids = torch.tensor([[10, 11, 12]])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=200, do_sample=True,
                         logits_processor=[LogitsProcessor(compiled)])
    text = b"".join(vocab[t] for t in out[0, 3:].tolist() if t < 257)
    print(output.decode(), text.decode(), xgr.GrammarMatcher.__module__, sep="\\n")
"""


@pytest.mark.parametrize("import_", ["", "import maskwright.compat.xgrammar; maskwright.compat.xgrammar.install()"])
def test_a_script_runs_but_for_the_import(import_):
    pytest.importorskip("transformers")
    if not import_:
        pytest.importorskip("xgrammar")
    script = textwrap.dedent(QUICK_START).format(import_=import_)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *texts, module = done.stdout.split("\n")[:3]
    assert all(json.loads(text.removesuffix("</s>"))["a"] in ("x", "yz") for text in texts)
    assert module == ("maskwright.compat.xgrammar.matcher" if import_ else "xgrammar.matcher")


KERNELS = ["cpu", "torch", "torch_compile", "triton", "cuda"]


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(theirs, name):
    path = f"kernels.apply_token_bitmask_inplace_{name}"
    mine = getattr(importlib.import_module(f"maskwright.compat.xgrammar.{path}"), f"apply_token_bitmask_inplace_{name}")
    try:
        other = getattr(importlib.import_module(f"xgrammar.{path}"), f"apply_token_bitmask_inplace_{name}")
    except ImportError:
        assert name in ("triton", "cuda")  # They need Triton, or a compiler for graphics cards.
    else:
        assert parameters(mine) == parameters(other)
    bitmask = ours.allocate_token_bitmask(3, 70)
    bitmask[1:, 0] = 5
    for options in ({}, {"indices": [1]}, {"vocab_size": 40}):
        if name == "cuda" and "vocab_size" in options:
            continue
        logits, right = torch.zeros(3, 70), torch.zeros(3, 70)
        mine(logits, bitmask, **options)
        theirs.apply_token_bitmask_inplace(right, bitmask, backend="cpu", **options)
        assert torch.equal(logits, right)


def test_the_processor_for_mlx(compiler):
    mx = pytest.importorskip("mlx.core", reason="needs mlx")
    from maskwright.compat.xgrammar.contrib.mlxlm import XGrammarLogitsProcessor
    from maskwright.compat.xgrammar.kernels.apply_token_bitmask_mlx import apply_token_bitmask_mlx

    processor = XGrammarLogitsProcessor(compiler.compile_regex("[ab]c"))
    prompt = [1, 2, 3]

    def allowed(text, prompt=prompt):
        scores = np.array(processor(mx.array([*prompt, *text]), mx.zeros((1, 300))))
        return np.flatnonzero(np.isfinite(scores[0])).tolist()

    assert allowed([]) == [97, 98]
    assert allowed([97]) == [99]
    assert allowed([98, 99]) == [TINY_STOP]
    assert allowed([120, 120]) == [TINY_STOP]
    assert allowed([], [4]) == [97, 98]
    assert np.array(apply_token_bitmask_mlx(mx.array(np.array([[5]], np.int32)), mx.zeros((1, 40)), 3)).tolist() == [[0, -np.inf, 0]]


def test_install_in_a_process_of_its_own():
    script = """
        import sys
        import maskwright.compat.xgrammar as ours
        ours.install()
        ours.install()
        import xgrammar, xgrammar.compiler
        from xgrammar.structural_tag import TagFormat
        from xgrammar import testing
        assert xgrammar is ours and xgrammar.compiler is ours.compiler and testing is ours.testing
        assert xgrammar.__name__ == "maskwright.compat.xgrammar" == xgrammar.__spec__.name
        assert "transformers" not in sys.modules
        from xgrammar.kernels.apply_token_bitmask_inplace_cpu import apply_token_bitmask_inplace_cpu as kernel
        assert kernel.__module__ == "maskwright.compat.xgrammar.kernels.apply_token_bitmask_inplace_cpu"
        try:
            import xgrammar.tvm_ffi_binding
        except ModuleNotFoundError:
            pass
        else:
            raise AssertionError
        ours.uninstall()
        assert "xgrammar" not in sys.modules
        sys.modules["xgrammar"] = sys
        try:
            ours.install()
        except RuntimeError as error:
            assert "already" in str(error)
        else:
            raise AssertionError
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_none_of_it():
    script = "import sys, maskwright; assert not {'torch', 'transformers', 'xgrammar', 'maskwright.compat'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert maskwright.Grammar is not ours.Grammar
