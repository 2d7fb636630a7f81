"""What the public names promise: bitmasks, ends, rollback, errors, pickling."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import oracle
import pytest
from conftest import TINY, TINY_STOP
from samples import GRAMMARS, SCHEMAS, cases

import maskwright

AB = 'root ::= "ab" "c"?'


@pytest.fixture
def ab(compiler):
    return maskwright.GrammarMatcher(compiler.compile_grammar(AB))


def ids(matcher):
    return [TINY[i] if i < len(TINY) else i for i in oracle.allowed_ids(matcher, 300).tolist()]


class TestEnd:
    def test_stop_tokens_are_allowed_exactly_when_the_text_may_end(self, ab):
        assert ids(ab) == [b"a", b"ab", b"abc", b"ab"]
        assert not ab.accept_token(TINY_STOP)
        assert ab.accept_string("ab")
        assert ids(ab) == [b"c", b"</s>"]
        assert ab.is_completed()
        assert not ab.is_terminated()

    def test_after_termination_nothing_raises(self, ab):
        assert ab.accept_string("abc")
        assert ab.accept_token(TINY_STOP)
        assert ab.is_terminated()
        assert ids(ab) == [b"</s>"]
        assert not ab.accept_token(0)
        assert not ab.accept_token(10**9)
        assert not ab.accept_string("a")
        assert ab.find_jump_forward_string() == ""
        steps = ab.num_steps
        assert ab.accept_token(TINY_STOP)
        assert ab.num_steps == steps + 1
        assert ab.is_terminated()
        ab.rollback(1)
        assert ab.is_terminated()
        ab.rollback(1)
        assert not ab.is_terminated()
        assert ids(ab) == [b"</s>"]
        ab.rollback(1)
        assert ids(ab) == [b"a", b"ab", b"abc", b"ab"]

    def test_terminate_without_stop_token(self, compiler):
        matcher = maskwright.GrammarMatcher(compiler.compile_grammar('root ::= "ab"'), terminate_without_stop_token=True)
        assert not matcher.is_terminated()
        assert matcher.accept_string("ab")
        assert matcher.is_terminated()

    def test_override_stop_tokens(self, compiler):
        compiled = compiler.compile_grammar(AB)
        matcher = maskwright.GrammarMatcher(compiled, override_stop_tokens=[ord("x"), ord("y")])
        assert matcher.stop_token_ids == [ord("x"), ord("y")]
        assert matcher.accept_string("ab")
        assert ids(matcher) == [b"c", b"x", b"y"]
        assert not matcher.accept_token(TINY_STOP)
        assert matcher.accept_token(ord("y"))
        assert matcher.is_terminated()

    def test_bad_stop_tokens_are_refused(self, compiler):
        compiled = compiler.compile_grammar(AB)
        for stop in [[], [300], [-1]]:
            with pytest.raises(ValueError, match="stop|token"):
                maskwright.GrammarMatcher(compiled, override_stop_tokens=stop)


class TestHistory:
    def test_a_refused_token_changes_nothing(self, ab):
        assert ab.accept_string("a")
        before = ids(ab)
        for token in [ord("x"), TINY_STOP, 299, 300, -1]:
            assert not ab.accept_token(token)
        assert not ab.accept_string("bcx")
        assert ids(ab) == before
        assert ab.num_steps == 1

    def test_a_string_is_one_step(self, ab):
        assert ab.accept_string(b"ab")
        ab.rollback()
        assert ids(ab) == [b"a", b"ab", b"abc", b"ab"]

    def test_rollback_too_far(self, ab):
        assert ab.accept_string("a")
        with pytest.raises(maskwright.RollbackError):
            ab.rollback(2)
        assert ids(ab) == [b"b"]

    def test_rollback_is_bounded_by_max_rollback_tokens(self, compiler):
        matcher = maskwright.GrammarMatcher(compiler.compile_grammar("root ::= [a]*"), max_rollback_tokens=2)
        for _ in range(5):
            assert matcher.accept_string("a")
        with pytest.raises(maskwright.RollbackError):
            matcher.rollback(3)
        matcher.rollback(2)

    def test_reset(self, ab):
        assert ab.accept_string("ab")
        ab.reset()
        assert ab.num_steps == 0
        assert ids(ab) == [b"a", b"ab", b"abc", b"ab"]

    def test_fork(self, ab):
        assert ab.accept_string("a")
        fork = ab.fork()
        assert fork.accept_string("bc")
        assert ids(ab) == [b"b"]
        fork.rollback(2)
        assert ids(fork) == [b"a", b"ab", b"abc", b"ab"]


class TestJumpForward:
    def test_forced_text(self, compiler):
        matcher = maskwright.GrammarMatcher(compiler.compile_grammar('root ::= "héllo" [ab]'))
        assert matcher.find_jump_forward_string() == "héllo"
        assert matcher.find_jump_forward_bytes() == "héllo".encode()
        assert matcher.accept_string("h")
        assert matcher.find_jump_forward_string() == "éllo"

    def test_a_string_has_whole_characters_only(self, compiler):
        matcher = maskwright.GrammarMatcher(compiler.compile_grammar('root ::= "a" [é-ê]'))
        assert matcher.find_jump_forward_string() == "a"
        assert matcher.find_jump_forward_bytes() == b"a\xc3"


class TestBitmask:
    def test_shapes(self):
        assert maskwright.get_bitmask_shape(3, 65) == (3, 3)
        mask = maskwright.allocate_token_bitmask(2, 65)
        assert mask.shape == (2, 3)
        assert mask.dtype == np.int32

    def test_the_row_at_index_is_written_whole_and_no_other(self, ab):
        mask = np.full((3, 10), 0x12345678, dtype=np.int32)
        assert ab.fill_next_token_bitmask(mask, 1)
        assert (mask[[0, 2]] == 0x12345678).all()
        bools = maskwright.bitmask_to_bool_mask(mask[1], 300)
        assert np.flatnonzero(bools).tolist() == oracle.allowed_ids(ab, 300).tolist()

    def test_reset(self):
        mask = np.zeros((2, 3), dtype=np.int32)
        maskwright.reset_token_bitmask(mask)
        assert (mask == -1).all()

    def test_false_when_every_token_is_allowed(self):
        info = maskwright.TokenizerInfo([b"a", b"b", b"</s>"], stop_token_ids=2)
        matcher = maskwright.GrammarMatcher(maskwright.GrammarCompiler(info).compile_grammar("root ::= [ab]*"))
        mask = maskwright.allocate_token_bitmask(1, 3)
        assert matcher.fill_next_token_bitmask(mask) is False
        assert mask[0, 0] == 0b111

    @pytest.mark.parametrize(
        "mask",
        [
            np.zeros((1, 10), dtype=np.int64),
            np.zeros((1, 9), dtype=np.int32),
            np.zeros((1, 20), dtype=np.int32)[:, ::2],
            np.zeros((1, 1, 10), dtype=np.int32),
            np.zeros((10, 1), dtype=np.int32).T[:, ::-1],
        ],
    )
    def test_wrong_masks_are_refused(self, ab, mask):
        with pytest.raises(ValueError, match="bitmask"):
            ab.fill_next_token_bitmask(mask)

    def test_wrong_index(self, ab):
        for index in [2, -3, 10**12]:
            with pytest.raises(ValueError, match="index"):
                ab.fill_next_token_bitmask(maskwright.allocate_token_bitmask(2, 300), index)

    def test_not_an_array(self, ab):
        for mask in [None, [1, 2], b"abc", 5]:
            with pytest.raises((TypeError, ValueError)):
                ab.fill_next_token_bitmask(mask)

    def test_read_only_arrays_are_refused(self, ab):
        mask = maskwright.allocate_token_bitmask(1, 300)
        mask.flags.writeable = False
        with pytest.raises(ValueError, match="writ|read"):
            ab.fill_next_token_bitmask(mask)
        assert (mask == -1).all()

    def test_torch(self, ab):
        torch = pytest.importorskip("torch")
        mask = torch.full((2, 10), -1, dtype=torch.int32)
        assert ab.fill_next_token_bitmask(mask, 1)
        expected = maskwright.allocate_token_bitmask(1, 300)
        ab.fill_next_token_bitmask(expected)
        assert mask[1].numpy().tolist() == expected[0].tolist()
        assert (mask[0] == -1).all()
        for wrong in [torch.zeros((1, 10)), torch.zeros((1, 9), dtype=torch.int32), torch.zeros((1, 20), dtype=torch.int32)[:, ::2]]:
            with pytest.raises(ValueError, match="bitmask"):
                ab.fill_next_token_bitmask(wrong)


class TestGrammar:
    @pytest.mark.parametrize("text", GRAMMARS.values())
    def test_printing_reads_back(self, text):
        grammar = maskwright.Grammar.from_ebnf(text)
        again = maskwright.Grammar.from_ebnf(str(grammar))
        assert grammar == again
        assert hash(grammar) == hash(again)

    @pytest.mark.parametrize("name", list(SCHEMAS))
    def test_schemas_print_and_read_back(self, compiler, name):
        grammar = maskwright.Grammar.from_json_schema(SCHEMAS[name])
        again = maskwright.Grammar.from_ebnf(str(grammar))
        assert grammar == again
        assert compiler.compile_grammar(again).grammar == grammar

    def accepts(self, compiler, grammar, text):
        matcher = maskwright.GrammarMatcher(compiler.compile_grammar(grammar))
        return matcher.accept_string(text) and matcher.is_completed()

    def test_union_concat_choices(self, compiler):
        digits = maskwright.Grammar.from_regex("[0-9]+")
        schema = maskwright.Grammar.from_json_schema({"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": False})
        both = maskwright.Grammar.union(digits, schema, maskwright.Grammar.from_choices(["yes", "no"]))
        for text, expected in [("12", True), ('{"a":1}', True), ("yes", True), ('{"a":2}', False), ("", False), ("12yes", False)]:
            assert self.accepts(compiler, both, text) == expected
        row = maskwright.Grammar.concat(digits, maskwright.Grammar.from_ebnf('root ::= ":"'), schema)
        for text, expected in [('7:{"a":1}', True), ('{"a":1}', False), ("7:", False), ('77:{ "a" : 1 }', True)]:
            assert self.accepts(compiler, row, text) == expected
        assert self.accepts(compiler, maskwright.Grammar.from_ebnf(str(row)), '7:{"a":1}')

    def test_builtin_json(self, compiler):
        grammar = maskwright.Grammar.builtin_json_grammar()
        for text in ["[]", '{"a":[1,{"b":null}]}', '[true,"\\u00e9"]']:
            assert self.accepts(compiler, grammar, text)
        assert not self.accepts(compiler, grammar, "[1,]")

    def test_schema_as_text_dict_bool_or_model(self, compiler):
        pydantic = pytest.importorskip("pydantic")

        class Point(pydantic.BaseModel):
            x: int
            y: float = 0.5

        for schema in [json.dumps(Point.model_json_schema()), Point.model_json_schema(), Point]:
            matcher = maskwright.GrammarMatcher(compiler.compile_json_schema(schema))
            assert matcher.accept_string('{"x": 1, "y": 2.5}')
            assert matcher.is_completed()
        assert maskwright.GrammarMatcher(compiler.compile_json_schema(True)).accept_string("[1]")

    def test_whitespace_options(self, compiler):
        value = {"a": [1, {"b": None}], "c": {}}
        schema = {
            "type": "object",
            "properties": {"a": {"type": "array"}, "c": {"type": "object"}},
            "required": ["a", "c"],
            "additionalProperties": False,
        }
        for indent, separators in [(None, None), (2, None), (None, (",", ":")), (4, (",", ": "))]:
            compiled = compiler.compile_json_schema(schema, any_whitespace=False, indent=indent, separators=separators)
            matcher = maskwright.GrammarMatcher(compiled)
            text = json.dumps(value, indent=indent, separators=separators)
            assert matcher.matched_prefix_length(text) == len(text), text
            assert matcher.accept_string(text)
            assert matcher.is_completed()
            assert not maskwright.GrammarMatcher(compiled).accept_string('{ "a"  :')

    def test_strict_mode(self, compiler):
        for strict in [False, True]:
            compiled = compiler.compile_json_schema({"type": "object", "properties": {"a": {}}}, strict_mode=strict)
            assert maskwright.GrammarMatcher(compiled).accept_string('{"b":1}') == (not strict)


class TestErrors:
    @pytest.mark.parametrize("name", ["ebnf", "regex", "json_schema"])
    def test_errors_are_our_own_and_value_errors(self, compiler, name):
        methods = {"ebnf": compiler.compile_grammar, "regex": compiler.compile_regex, "json_schema": compiler.compile_json_schema}
        for case in cases(name):
            if "error" in case and name in case:
                documents = {"registry": case["registry"]} if "registry" in case else {}
                with pytest.raises(ValueError, match=".") as caught:
                    methods[name](case[name], **documents, **case.get("options", {}))
                assert isinstance(caught.value, maskwright.GrammarError)
                assert case["error"] in str(caught.value)

    def test_ebnf_errors_say_where(self):
        with pytest.raises(maskwright.EBNFError) as caught:
            maskwright.Grammar.from_ebnf('root ::= "a"\nb ::= "x')
        assert caught.value.line == 2
        assert "^" in str(caught.value)

    def test_schema_errors_have_a_pointer(self, compiler):
        with pytest.raises(maskwright.JSONSchemaError) as caught:
            compiler.compile_json_schema({"properties": {"a": {"uniqueItems": 1}}})
        assert caught.value.pointer == "/properties/a/uniqueItems"
        with pytest.raises(maskwright.UnsatisfiableSchema):
            compiler.compile_json_schema({"type": "integer", "minimum": 5, "maximum": 4})

    def test_limits(self, tiny):
        limited = maskwright.GrammarCompiler(tiny, limits=maskwright.Limits(max_text_bytes=5))
        with pytest.raises(maskwright.LimitExceeded) as caught:
            limited.compile_grammar('root ::= "abcdef"')
        assert caught.value.limit == "max_text_bytes"
        assert isinstance(caught.value, RuntimeError)

    def test_timeout(self, tiny):
        rules = "".join(f'r{n} ::= "a" r{(n + 1) % 20000} | "b" r{n * 31 % 20000}?\n' for n in range(20000))
        with pytest.raises(maskwright.CompileTimeout):
            maskwright.GrammarCompiler(tiny).compile_grammar("root ::= r0\n" + rules, timeout=0.001)

    def test_a_vocabulary_that_cannot_spell_the_grammar(self):
        info = maskwright.TokenizerInfo([b"ab", b"a", b"</s>"], stop_token_ids=2)
        with pytest.raises(maskwright.UnsupportedTokenizer) as caught:
            maskwright.GrammarCompiler(info).compile_grammar('root ::= "ab"')
        assert caught.value.byte == ord("b")


class TestPickle:
    @pytest.mark.parametrize("turn", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
    def test_everything_that_can(self, tiny, turn):
        grammar = maskwright.Grammar.from_json_schema(SCHEMAS["tree"])
        assert turn(grammar) == grammar
        assert turn(tiny) == tiny
        assert turn(tiny).stop_token_ids == tiny.stop_token_ids
        assert turn(maskwright.Limits(max_rules=7)) == maskwright.Limits(max_rules=7)
        compiled = maskwright.GrammarCompiler(tiny).compile_grammar(grammar)
        again = turn(compiled)
        assert again.grammar == grammar
        one, two = maskwright.GrammarMatcher(compiled), maskwright.GrammarMatcher(again)
        for text in ["", '{"value":', '1,"children":[{', '"v']:
            assert one.accept_string(text)
            assert two.accept_string(text)
            assert oracle.allowed_ids(one, 300).tolist() == oracle.allowed_ids(two, 300).tolist()

    def test_what_cannot_says_so(self, ab):
        with pytest.raises(TypeError):
            pickle.dumps(ab)

    def test_exceptions(self, compiler):
        with pytest.raises(maskwright.JSONSchemaError) as caught:
            compiler.compile_json_schema({"uniqueItems": 1})
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is type(caught.value)
        assert str(again) == str(caught.value)
        assert again.pointer == caught.value.pointer


class TestCompiler:
    def test_cache(self, tiny):
        compiler = maskwright.GrammarCompiler(tiny)
        assert compiler.get_cache_size_bytes() == 0
        first = compiler.compile_json_schema(SCHEMAS["person"])
        assert compiler.get_cache_size_bytes() > 0
        assert compiler.compile_json_schema(SCHEMAS["person"]) is first or compiler.compile_json_schema(SCHEMAS["person"]).grammar == first.grammar
        compiler.clear_cache()
        assert compiler.get_cache_size_bytes() == 0
        assert maskwright.GrammarMatcher(first).accept_string("{")

    def test_cache_limit(self, tiny):
        compiler = maskwright.GrammarCompiler(tiny, cache_limit_bytes=200_000)
        for n in range(200):
            compiler.compile_json_schema({"type": "string", "maxLength": n})
        assert compiler.get_cache_size_bytes() <= 200_000

    def test_cache_disabled(self, tiny):
        compiler = maskwright.GrammarCompiler(tiny, cache_enabled=False)
        compiler.compile_json_schema(SCHEMAS["person"])
        assert compiler.get_cache_size_bytes() == 0


def test_import_is_light():
    code = "import sys, maskwright; print(sorted(m for m in sys.modules if m.split('.')[0] in {'torch', 'transformers', 'tiktoken', 'typer'}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in maskwright.__all__:
        assert hasattr(maskwright, name)
