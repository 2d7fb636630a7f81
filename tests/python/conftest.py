"""Real tokenizers, small ones, and what every test of the package shares."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from tokenizer_files import SPECIAL, mistral_file, tiktoken_encoding

import maskwright

settings.register_profile("fast", max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
settings.register_profile("slow", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("fast")


def make_tokenizer(name: str) -> tuple[maskwright.TokenizerInfo, Callable[[str], list[int]]]:
    """The tokenizer for maskwright, and a function that encodes text."""
    if name in SPECIAL:
        encoding = tiktoken_encoding(name)
        stop = encoding.encode_single_token(SPECIAL[name][-1])
        return maskwright.TokenizerInfo.from_tiktoken(encoding, stop_token_ids=stop), encoding.encode_ordinary
    if name == "tekken":
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer

        path = mistral_file("tekken*.json")
        tekkenizer = Tekkenizer.from_file(path)
        return maskwright.TokenizerInfo.from_tekken(tekkenizer), lambda text: tekkenizer.encode(text, bos=False, eos=False)
    if name == "sentencepiece":
        import sentencepiece

        processor = sentencepiece.SentencePieceProcessor(model_file=str(mistral_file("*.model*")))
        return maskwright.TokenizerInfo.from_sentencepiece(processor), processor.encode
    raise AssertionError(name)


REAL = ["llama3", "qwen", "tekken", "sentencepiece"]


@pytest.fixture(scope="session")
def tokenizers() -> Callable[[str], tuple[maskwright.TokenizerInfo, Callable[[str], list[int]]]]:
    """Each real tokenizer, made once."""
    made: dict[str, tuple[maskwright.TokenizerInfo, Callable[[str], list[int]]]] = {}

    def get(name: str) -> tuple[maskwright.TokenizerInfo, Callable[[str], list[int]]]:
        if name not in made:
            made[name] = make_tokenizer(name)
        return made[name]

    return get


@pytest.fixture(scope="session", params=REAL)
def real(request, tokenizers):
    """Each real tokenizer in turn."""
    return tokenizers(request.param)


@pytest.fixture(scope="session")
def llama3(tokenizers):
    """One real tokenizer: 128k tokens, byte-level."""
    return tokenizers("llama3")


#: A vocabulary for tests that need to see every token: all bytes, and pieces across structure.
TINY = [bytes([b]) for b in range(256)] + [b'":{"', b"}}", b'","', b'": "', b"ab", b"abc", b"ab", b"\xc3\xa9", b"\xa9a", b"[[", b"", b"</s>"]
TINY_STOP = len(TINY) - 1


@pytest.fixture(scope="session")
def tiny() -> maskwright.TokenizerInfo:
    """A vocabulary of 268 tokens, in 300 ids."""
    return maskwright.TokenizerInfo(TINY, vocab_size=300, stop_token_ids=TINY_STOP)


@pytest.fixture(scope="session")
def compiler(tiny) -> maskwright.GrammarCompiler:
    """A compiler for the tiny vocabulary."""
    return maskwright.GrammarCompiler(tiny)
