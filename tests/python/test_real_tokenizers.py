"""The bytes that a tokenizer's tokens stand for, on real tokenizers."""

from __future__ import annotations

import pytest
from conftest import make_tokenizer
from tokenizer_files import SPECIAL, SPLIT, downloaded, tiktoken_encoding

import maskwright

TEXTS = ["Hello, world!", ' {"a": [1, 2]}\n\n\t', "naïve café — 日本語 😀👩‍👩‍👧", "\u0000\u007f\u0080", "    indented\r\n", "x" * 300, "<|eot_id|> </s> <s>"]


def test_joined_tokens_are_the_text(real):
    info, encode = real
    vocab = info.decoded_vocab
    for text in TEXTS:
        spelled = b"".join(vocab[token] for token in encode(text))
        # sentencepiece writes a space before the first word.
        assert spelled in (text.encode(), b" " + text.encode()), text


def test_every_byte_has_a_token(real):
    info, _ = real
    special = {*info.special_token_ids, *info.stop_token_ids}
    single = {token for i, token in enumerate(info.decoded_vocab) if len(token) == 1 and i not in special}
    assert len(single) == 256


def test_stop_tokens_are_special_and_inside(real):
    info, _ = real
    assert info.stop_token_ids
    assert all(0 <= token < info.vocab_size for token in info.stop_token_ids)


def test_huggingface_and_tiktoken_agree():
    """The same vocabulary through another library: token ids and bytes are the same."""
    transformers = pytest.importorskip("transformers")
    from transformers.convert_slow_tokenizer import TikTokenConverter

    converter = TikTokenConverter(vocab_file=str(downloaded("qwen.tiktoken")), pattern=SPLIT, extra_special_tokens=SPECIAL["qwen"])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=converter.converted(), eos_token=SPECIAL["qwen"][-1])
    theirs = maskwright.TokenizerInfo.from_huggingface(fast)
    ours, _ = make_tokenizer("qwen")
    assert theirs.vocab_type == maskwright.VocabType.BYTE_LEVEL
    assert theirs.decoded_vocab == ours.decoded_vocab
    assert theirs.stop_token_ids == ours.stop_token_ids
    padded = maskwright.TokenizerInfo.from_huggingface(fast, vocab_size=theirs.vocab_size + 300)
    assert padded.vocab_size == theirs.vocab_size + 300


def test_a_tokenizer_that_cannot_spell_bytes_is_refused():
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece

    model = Tokenizer(WordPiece({"[UNK]": 0, "a": 1, "##b": 2, "[SEP]": 3}, unk_token="[UNK]"))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=model, eos_token="[SEP]")
    with pytest.raises(maskwright.UnsupportedTokenizer):
        maskwright.TokenizerInfo.from_huggingface(fast)


def test_plain_constructor_decodes_each_type():
    raw = maskwright.TokenizerInfo(["a", "é", b"\xff", "</s>"], maskwright.VocabType.RAW)
    assert raw.decoded_vocab == [b"a", "é".encode(), b"\xff", b"</s>"]
    assert raw.stop_token_ids == [3]
    fallback = maskwright.TokenizerInfo(["<0x41>", "\u2581b", "A", "</s>"], maskwright.VocabType.BYTE_FALLBACK)
    assert fallback.decoded_vocab[:3] == [b"A", b" b", b"A"]
    level = maskwright.TokenizerInfo(["Ġa", "Ċ", "Ã©", "</s>"], maskwright.VocabType.BYTE_LEVEL)
    assert level.decoded_vocab[:3] == [b" a", b"\n", "é".encode()]


def test_vocabularies_that_make_no_sense_are_refused():
    for arguments in [
        {"encoded_vocab": ["a", "b"]},
        {"encoded_vocab": ["a"], "stop_token_ids": [5]},
        {"encoded_vocab": ["a", "b"], "stop_token_ids": [0], "vocab_size": 1},
        {"encoded_vocab": [], "stop_token_ids": []},
    ]:
        with pytest.raises(maskwright.TokenizerError):
            maskwright.TokenizerInfo(**arguments)


def test_tiktoken_special_tokens_are_not_text():
    encoding = tiktoken_encoding("llama3")
    info = maskwright.TokenizerInfo.from_tiktoken(encoding, stop_token_ids=encoding.encode_single_token("<|eot_id|>"))
    special = {encoding.encode_single_token(text) for text in encoding.special_tokens_set}
    assert special <= {*info.special_token_ids, *info.stop_token_ids}
