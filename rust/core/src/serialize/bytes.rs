//! The compact form. Part of **serialize**.
//!
//! Layout: magic, format (4 bytes, little-endian), kind (1 byte), the fields without their names, a checksum of all that (16 bytes). Numbers are in groups of seven
//! bits, the lowest first, the high bit set in all but the last; lists and texts follow their length.
//!
//! Invariant: the checksum finds damage, not forgery: nothing is believed for its sake. A length is compared with what is left before anything is
//! allocated for it.
//! Must not know: which fields there are.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::fields::{Sink, Source, Tokens};
use super::{FORMAT, Kind, version, version_of};
use crate::error::DeserializeError;
use crate::vocab::Vocabulary;

const MAGIC: &[u8; 8] = b"mwrecipe";
const SUM: usize = 16;

fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let mut hasher = SipHasher13::new_with_keys(0x6d61_736b_7772_6967, 0x6874_2d72_6563_6970);
    hasher.write(bytes);
    hasher.finish128().as_u128().to_le_bytes()
}

/// Fields with all that goes around them.
pub fn framed(kind: Kind, fields: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + 5 + fields.len() + SUM);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.push(kind as u8);
    out.extend_from_slice(fields);
    out.extend_from_slice(&checksum(&out));
    out
}

#[derive(Default)]
pub struct Writer {
    fields: Vec<u8>,
}

impl Writer {
    fn put(&mut self, mut number: u64) {
        while number > 0x7F {
            self.fields.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.fields.push(number as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.put(bytes.len() as u64);
        self.fields.extend_from_slice(bytes);
    }

    pub fn finish(self, kind: Kind) -> Vec<u8> {
        framed(kind, &self.fields)
    }
}

impl Sink for Writer {
    fn text(&mut self, _: &'static str, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, _: &'static str, number: u64) {
        self.put(number);
    }

    fn flag(&mut self, _: &'static str, flag: bool) {
        self.put(u64::from(flag));
    }

    fn hash(&mut self, _: &'static str, hash: u128) {
        self.fields.extend_from_slice(&hash.to_le_bytes());
    }

    fn numbers(&mut self, _: &'static str, numbers: &[u32]) {
        self.put(numbers.len() as u64);
        for &number in numbers {
            self.put(u64::from(number));
        }
    }

    fn tokens(&mut self, _: &'static str, vocabulary: &Vocabulary) {
        self.put(vocabulary.vocab_size() as u64);
        for id in 0..vocabulary.vocab_size() as u32 {
            self.bytes(vocabulary.token_bytes(id));
        }
    }
}

pub struct Reader<'a> {
    kind: Kind,
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Check all that goes around the fields.
    pub fn open(bytes: &'a [u8], kind: Kind) -> Result<Self, DeserializeError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| kind.refuse("the bytes do not begin as such bytes do"))?;
        let cut_off = || kind.refuse("the bytes are cut off");
        let (format, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let format = u32::from_le_bytes(*format);
        if format != FORMAT {
            return Err(DeserializeError::OtherVersion { found: Some(version_of(format)), expected: version() });
        }
        let (&number, rest) = rest.split_first().ok_or_else(cut_off)?;
        let (left, sum) = rest.split_last_chunk::<SUM>().ok_or_else(cut_off)?;
        if *sum != checksum(&bytes[..bytes.len() - SUM]) {
            return Err(kind.refuse("the bytes are damaged or cut off"));
        }
        if number != kind as u8 {
            let other = [Kind::Grammar, Kind::CompiledGrammar, Kind::Tokenizer].into_iter().find(|other| *other as u8 == number);
            return Err(kind.refuse(format!("it is a {}", other.map_or("thing that there is not", Kind::name))));
        }
        Ok(Self { kind, left })
    }

    /// There is nothing more.
    pub fn close(self) -> Result<(), DeserializeError> {
        if self.left.is_empty() { Ok(()) } else { Err(self.kind.refuse("there is more than its fields")) }
    }

    fn wrong(&self, name: &str) -> DeserializeError {
        self.kind.refuse(format!("{name} is malformed"))
    }

    fn take(&mut self, name: &str) -> Result<u64, DeserializeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.left.split_first().ok_or_else(|| self.wrong(name))?;
            self.left = rest;
            let group = u64::from(byte & 0x7F);
            // The tenth group has one bit. A number has one spelling: no zeros go before its highest group.
            if group << shift >> shift != group || (byte == 0 && shift > 0) {
                break;
            }
            number |= group << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.wrong(name))
    }

    fn bytes(&mut self, name: &str) -> Result<&'a [u8], DeserializeError> {
        let length = self.take(name)?;
        let split = usize::try_from(length).ok().and_then(|length| self.left.split_at_checked(length));
        let (bytes, rest) = split.ok_or_else(|| self.wrong(name))?;
        self.left = rest;
        Ok(bytes)
    }

    /// How many there are of what takes a byte or more each.
    fn count(&mut self, name: &str) -> Result<usize, DeserializeError> {
        let count = self.take(name)?;
        usize::try_from(count).ok().filter(|&count| count <= self.left.len()).ok_or_else(|| self.wrong(name))
    }
}

impl Source for Reader<'_> {
    fn text(&mut self, name: &'static str) -> Result<String, DeserializeError> {
        let text = std::str::from_utf8(self.bytes(name)?);
        text.map(str::to_owned).map_err(|_| self.wrong(name))
    }

    fn number(&mut self, name: &'static str) -> Result<u64, DeserializeError> {
        self.take(name)
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, DeserializeError> {
        match self.take(name)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.wrong(name)),
        }
    }

    fn hash(&mut self, name: &'static str) -> Result<u128, DeserializeError> {
        let (hash, rest) = self.left.split_first_chunk::<16>().ok_or_else(|| self.wrong(name))?;
        self.left = rest;
        Ok(u128::from_le_bytes(*hash))
    }

    fn numbers(&mut self, name: &'static str) -> Result<Vec<u32>, DeserializeError> {
        let count = self.count(name)?;
        (0..count).map(|_| u32::try_from(self.take(name)?).map_err(|_| self.wrong(name))).collect()
    }

    fn tokens(&mut self, name: &'static str) -> Result<Tokens, DeserializeError> {
        let mut tokens = Tokens::default();
        for _ in 0..self.count(name)? {
            tokens.push(self.bytes(name)?.iter().copied());
        }
        Ok(tokens)
    }
}
