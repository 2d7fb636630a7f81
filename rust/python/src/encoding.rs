//! How tokenizer files spell bytes: tokens as text -> **bytes** -> the vocabulary.
//!
//! Invariant: decoding never fails; a token that does not follow the convention stands for its own UTF-8 bytes.
//! Must not know: any tokenizer library.

/// The convention of a vocabulary. The numbers are those of `maskwright.VocabType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VocabType {
    /// Tokens are their own bytes.
    Raw = 0,
    /// `<0x41>` is a byte and `▁` a space (sentencepiece).
    ByteFallback = 1,
    /// Every character stands for a byte by GPT-2's table.
    ByteLevel = 2,
}

impl VocabType {
    /// From its number.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Raw, Self::ByteFallback, Self::ByteLevel].into_iter().find(|t| *t as i64 == number)
    }
}

/// GPT-2's table shows printable Latin-1 bytes as themselves and the other 68 as the characters from U+0100 on, in order.
const fn shown_as_itself(byte: usize) -> bool {
    matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF)
}

const BYTE_OF_CHAR: [Option<u8>; 0x144] = {
    let mut table = [None; 0x144];
    let (mut byte, mut hidden) = (0, 0x100);
    while byte < 256 {
        if shown_as_itself(byte) {
            table[byte] = Some(byte as u8);
        } else {
            table[hidden] = Some(byte as u8);
            hidden += 1;
        }
        byte += 1;
    }
    table
};

fn byte_level(token: &str) -> Option<Vec<u8>> {
    token.chars().map(|c| BYTE_OF_CHAR.get(c as usize).copied().flatten()).collect()
}

fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let hexadecimal = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
}

/// The bytes of a token.
pub fn decode(token: &str, vocab_type: VocabType) -> Vec<u8> {
    let verbatim = || token.as_bytes().to_vec();
    match vocab_type {
        VocabType::Raw => verbatim(),
        VocabType::ByteLevel => byte_level(token).unwrap_or_else(verbatim),
        VocabType::ByteFallback => match byte_token(token) {
            Some(byte) => vec![byte],
            None if token.contains('▁') => token.replace('▁', " ").into_bytes(),
            None => verbatim(),
        },
    }
}
