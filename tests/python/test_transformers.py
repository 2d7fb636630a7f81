"""The logits processor in every decoding mode of the real library, with models of random weights: what ends is valid, whatever they say."""

from __future__ import annotations

import json
import os
import warnings

import pytest
from conftest import TINY, TINY_STOP

import maskwright

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import maskwright.transformers  # noqa: E402

VOCAB_SIZE = 300
PAD = 299
SCHEMA = {
    "type": "object",
    "properties": {"a": {"enum": ["x", "yz"]}, "b": {"type": "array", "items": {"enum": ["p", True, None]}, "maxItems": 3}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
#: Enough for every text of the schema, all characters of its strings escaped.
NEW_TOKENS = 120


def tiny_model(seed: int):
    config = transformers.LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=TINY_STOP,
        pad_token_id=PAD,
    )
    torch.manual_seed(seed)
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def model():
    return tiny_model(0)


@pytest.fixture(scope="module")
def compiled(compiler):
    # No free white space and no numbers, which may end in any number of zeros: even a random model ends.
    return compiler.compile_json_schema(SCHEMA, any_whitespace=False)


@pytest.fixture(autouse=True)
def quiet():
    transformers.logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def text_of(tokens):
    """The text of a finished row; None if it was cut off."""
    tokens = list(tokens)
    if TINY_STOP not in tokens:
        return None
    end = tokens.index(TINY_STOP)
    assert all(token in (PAD, TINY_STOP) for token in tokens[end:])
    assert all(token < len(TINY) for token in tokens[:end])
    return b"".join(TINY[token] for token in tokens[:end]).decode()


def check(text):
    value = json.loads(text)
    assert set(value) == {"a", "b"}
    assert value["a"] in ("x", "yz")
    assert len(value["b"]) <= 3
    assert all(item in ("p", True, None) for item in value["b"])


def run(model, processor, prompt, **options):
    attention = (prompt != PAD).long()
    output = model.generate(
        prompt,
        attention_mask=attention,
        logits_processor=transformers.LogitsProcessorList([processor]),
        max_new_tokens=NEW_TOKENS,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    scores = getattr(output, "sequences_scores", None)
    texts = []
    for i, row in enumerate(output.sequences[:, prompt.shape[1] :].tolist()):
        # A beam with a score of minus infinity was never alive: the search wanted more beams than there are texts.
        if scores is not None and not torch.isfinite(scores[i]):
            continue
        texts.append(text_of(row))
        if texts[-1] is not None:
            check(texts[-1])
    assert any(text is not None for text in texts)
    return texts


def prompt_of(rows, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(32, 127, (rows, length), generator=generator)


MODES = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "temperature": 3.0, "top_k": 0},
    "several": {"do_sample": True, "temperature": 2.0, "num_return_sequences": 3},
    "beams": {"num_beams": 3, "num_return_sequences": 2, "do_sample": False},
    "beam sampling": {"num_beams": 3, "do_sample": True, "temperature": 2.0},
    "static cache": {"do_sample": True, "cache_implementation": "static", "disable_compile": True},
}
ONE_ROW = {"prompt lookup": {"prompt_lookup_num_tokens": 3, "do_sample": False}, "prompt lookup, sampling": {"prompt_lookup_num_tokens": 3, "do_sample": True}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows", [1, 4])
def test_modes(model, compiled, mode, rows):
    torch.manual_seed(1)
    processor = maskwright.transformers.LogitsProcessor(compiled)
    for seed in range(3):
        run(model, processor, prompt_of(rows, 5 + seed % 2, seed), **MODES[mode])


@pytest.mark.parametrize("mode", ONE_ROW)
def test_modes_of_one_row(model, compiled, mode):
    torch.manual_seed(1)
    processor = maskwright.transformers.LogitsProcessor(compiled)
    for seed in range(4):
        prompt = torch.tensor([list(b'Answer: {"a": "x", "b": [1, 2]} {"a":')])
        run(model, processor, prompt[:, seed:], **ONE_ROW[mode])


@pytest.mark.parametrize("do_sample", [False, True])
def test_a_draft_model_shares_the_processor(model, compiled, do_sample):
    torch.manual_seed(1)
    processor = maskwright.transformers.LogitsProcessor(compiled)
    for seed in range(4):
        run(model, processor, prompt_of(1, 6, seed), assistant_model=tiny_model(5 + seed), do_sample=do_sample)
    # Its own drafts: all are right.
    run(model, processor, prompt_of(1, 6, 9), assistant_model=model, do_sample=do_sample)


def test_left_padding_and_rows_that_have_ended(model, compiled):
    torch.manual_seed(3)
    prompt = prompt_of(6, 8)
    for i in range(6):
        prompt[i, :i] = PAD
    texts = run(model, maskwright.transformers.LogitsProcessor(compiled), prompt, do_sample=True, temperature=2.0, top_k=0)
    assert len({len(text) for text in texts if text is not None}) > 1


@pytest.mark.parametrize("mode", MODES)
def test_left_padding_in_every_mode(model, compiled, mode):
    torch.manual_seed(6)
    prompt = prompt_of(4, 6)
    for i in range(4):
        prompt[i, :i] = PAD
    run(model, maskwright.transformers.LogitsProcessor(compiled), prompt, **MODES[mode])


def test_one_processor_through_every_mode(model, compiled):
    torch.manual_seed(7)
    processor = maskwright.transformers.LogitsProcessor(compiled)
    for seed, options in enumerate([*MODES.values(), *ONE_ROW.values(), {"assistant_model": tiny_model(3), "do_sample": True}, *MODES.values()]):
        run(model, processor, prompt_of(1, 4 + seed % 3, seed), **options)


def test_the_end_of_another_row_in_beams(model, compiler):
    """Some beams end early, others go on for long."""
    torch.manual_seed(8)
    processor = maskwright.transformers.LogitsProcessor(compiler.compile_regex("a|b{2}|c{20}"))
    for options in ({"do_sample": False}, {"do_sample": True, "temperature": 5.0}):
        prompt = prompt_of(3, 4)
        output = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            logits_processor=[processor],
            num_beams=4,
            num_return_sequences=3,
            max_new_tokens=30,
            return_dict_in_generate=True,
            output_scores=True,
            **options,
        )
        finite = torch.isfinite(output.sequences_scores)
        texts = {text_of(row) for row, alive in zip(output.sequences[:, 4:].tolist(), finite.tolist(), strict=True) if alive}
        assert texts <= {"a", "bb", "c" * 20}
        assert len(texts) > 1


def test_a_chat_that_goes_on(model, compiled):
    """The second prompt is the first with its answer: reset() says so."""
    torch.manual_seed(9)
    processor = maskwright.transformers.LogitsProcessor(compiled)
    prompt = prompt_of(1, 4)
    for _ in range(3):
        processor.reset()
        output = model.generate(prompt, attention_mask=torch.ones_like(prompt), logits_processor=[processor], max_new_tokens=NEW_TOKENS, do_sample=True)
        text = text_of(output[0, prompt.shape[1] :].tolist())
        if text is not None:
            check(text)
        prompt = output[:, :120]


def test_a_high_temperature_is_a_fuzzer(model, compiled):
    torch.manual_seed(4)
    processor = maskwright.transformers.LogitsProcessor(compiled)
    seen = set()
    for seed in range(int(os.environ.get("MASKWRIGHT_FUZZ_RUNS", "25"))):
        seen.update(run(model, processor, prompt_of(8, 4, seed), do_sample=True, temperature=50.0, top_k=0))
    assert len(seen) > 30


def test_greedy_is_what_a_plain_loop_says(model, compiled):
    prompt = prompt_of(1, 5)
    (text,) = run(model, maskwright.transformers.LogitsProcessor(compiled), prompt, do_sample=False)
    matcher, ids, out = maskwright.GrammarMatcher(compiled), prompt, []
    bitmask = maskwright.allocate_token_bitmask(1, VOCAB_SIZE)
    while not matcher.is_terminated():
        matcher.fill_next_token_bitmask(bitmask)
        with torch.no_grad():
            logits = model(ids).logits[0, -1]
        logits[~torch.from_numpy(maskwright.bitmask_to_bool_mask(bitmask, VOCAB_SIZE)[0])] = float("-inf")
        out.append(int(logits.argmax()))
        assert matcher.accept_token(out[-1])
        ids = torch.cat([ids, torch.tensor([[out[-1]]])], dim=1)
    assert text == text_of(out)


def test_a_grammar_for_each_row(model, compiler):
    grammars = [compiler.compile_regex(pattern) for pattern in ("a{1,3}", "b{2}", "[cd]")]
    processor = maskwright.transformers.LogitsProcessor(grammars)
    torch.manual_seed(5)
    output = model.generate(
        prompt_of(3, 4),
        attention_mask=torch.ones(3, 4, dtype=torch.long),
        logits_processor=[processor],
        do_sample=True,
        num_return_sequences=2,
        max_new_tokens=9,
    )
    texts = [text_of(row) for row in output[:, 4:].tolist()]
    assert all(set(text) == {"a"} for text in texts[:2])
    assert texts[2:4] == ["bb", "bb"]
    assert all(text in ("c", "d") for text in texts[4:])
    with pytest.raises(ValueError, match="4 rows cannot be shared out among 3"):
        processor(prompt_of(4, 4), torch.zeros(4, VOCAB_SIZE))


def allowed(processor, rows, length=None):
    ids = torch.tensor(rows)
    scores = torch.zeros(len(rows), length or VOCAB_SIZE)
    out = processor(ids, scores)
    assert not torch.isinf(scores).any(), "scores were written to"
    return [torch.isfinite(row).nonzero().flatten().tolist() for row in out]


def test_rows_are_followed_whatever_they_do(compiler):
    processor = maskwright.transformers.LogitsProcessor(compiler.compile_grammar('root ::= "ab" | "ac" "d"*'))
    a, b, c, d = b"abcd"
    assert all(a in row and b not in row for row in allowed(processor, [[1, 2], [1, 3]]))
    assert allowed(processor, [[1, 2, a], [1, 3, a]])[0] == [b, c]
    # A draft of several tokens, then less of it, then another.
    assert allowed(processor, [[1, 2, a, c, d, d], [1, 3, a, b, TINY_STOP, PAD]]) == [[d, TINY_STOP], [TINY_STOP]]
    assert allowed(processor, [[1, 2, a, c], [1, 3, a, b]]) == [[d, TINY_STOP], [TINY_STOP]]
    # Beams that change places, and one that both go on from.
    assert allowed(processor, [[1, 2, a, b], [1, 3, a, c]]) == [[TINY_STOP], [d, TINY_STOP]]
    assert allowed(processor, [[1, 2, a, c], [1, 3, a, b]]) == [[d, TINY_STOP], [TINY_STOP]]
    assert allowed(processor, [[1, 2, a, c, d], [1, 3, a, c, d]]) == [[d, TINY_STOP], [d, TINY_STOP]]
    # Refused, and taken back.
    assert allowed(processor, [[1, 2, b], [1, 3, a]]) == [[TINY_STOP], [b, c]]
    assert allowed(processor, [[1, 2, b, a, a], [1, 3, a, c, c]]) == [[TINY_STOP], [TINY_STOP]]
    assert allowed(processor, [[1, 2, a], [1, 3, a]]) == [[b, c], [b, c]]
    # Another prompt.
    first = allowed(processor, [[7, 7, 7]])[0]
    assert a in first
    assert b not in first
    assert allowed(processor, [[7, 7, 7, a]])[0] == [b, c]
    # The chat goes on: the same tokens are a prompt now.
    processor.reset()
    assert allowed(processor, [[7, 7, 7, a]])[0] == first


def test_the_default_device_is_another_one(compiled):
    processor = maskwright.transformers.LogitsProcessor(compiled)
    prompt, scores = prompt_of(2, 4), torch.zeros(2, VOCAB_SIZE)
    with torch.device("meta"):
        masked = processor(prompt, scores)
    assert (masked == 0).any(dim=1).all()
    assert torch.isneginf(masked).any()


def test_scores_of_another_width_pass_through(compiler):
    processor = maskwright.transformers.LogitsProcessor(compiler.compile_regex("a"))
    scores = torch.zeros(1, 17)
    with pytest.warns(UserWarning, match="not constrained"):
        assert processor(torch.tensor([[1]]), scores) is scores
    assert len(allowed(processor, [[1]])[0]) < VOCAB_SIZE


def test_what_cannot_be_a_processor(compiler):
    with pytest.raises(ValueError, match="at least one"):
        maskwright.transformers.LogitsProcessor([])
    other = maskwright.GrammarCompiler(maskwright.TokenizerInfo(TINY, vocab_size=400, stop_token_ids=TINY_STOP)).compile_regex("a")
    with pytest.raises(ValueError, match="several sizes"):
        maskwright.transformers.LogitsProcessor([compiler.compile_regex("a"), other])
