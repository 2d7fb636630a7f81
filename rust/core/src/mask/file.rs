//! What was learned, as bytes that another process can read. Part of **mask**.
//!
//! Everything is named by content: masks by the identity of their state, residuals by their own. A file is for one vocabulary and one version of this
//! library. Layout, little-endian: magic, version, vocabulary, then four sections (residuals, masks, keys of masks, parts), each with its length
//! and a checksum. A residual or mask names only earlier ones.
//!
//! Invariant: whatever the bytes, reading ends in a result or a typed error; nothing is allocated that the bytes do not pay for; every id, place and node
//! is one of the vocabulary. So a file that someone forged cannot break anything but what masks say: load what you would run.
//! Must not know: files.

use std::hash::Hasher;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::Mask;
use super::parts::Part;
use super::residual::{Leaving, Leftover, Residual};
use super::token_set::TokenSet;
use crate::error::CacheError;
use crate::vocab::Vocabulary;

const MAGIC: &[u8; 8] = b"mwmasks\0";
/// Changed whenever what is written, or how anything is named or numbered, changes.
const FORMAT: u32 = 4;
/// Residuals with more bases one below the other than any that is learned has.
const DEEPEST: usize = 64;
/// Sections, in order.
const SECTIONS: [&str; 4] = ["residuals", "masks", "keys", "parts"];

/// State, view, and whether it stands above a frame.
pub type MaskKey = (u128, u64, bool);
/// Residual, return state and view.
pub type ResolvedKey = (u128, u128, u64);
/// Node of the vocabulary's trie, state and view.
pub type PartKey = (u32, u128, u64);

/// What was learned, by content.
#[derive(Default)]
pub struct Entries {
    pub masks: Vec<(MaskKey, Arc<Mask>)>,
    pub resolved: Vec<(ResolvedKey, Arc<Mask>)>,
    pub parts: Vec<(PartKey, Arc<Part>)>,
}

impl Entries {
    /// The first with each key.
    pub fn unique(&mut self) {
        let mut masks = HashSet::new();
        self.masks.retain(|(key, _)| masks.insert(*key));
        let mut resolved = HashSet::new();
        self.resolved.retain(|(key, _)| resolved.insert(*key));
        let mut parts = HashSet::new();
        self.parts.retain(|(key, _)| parts.insert(*key));
    }
}

/// The version that files of this library have.
fn version() -> String {
    format!("{} {FORMAT}", env!("CARGO_PKG_VERSION"))
}

fn checksum(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new_with_keys(0x6d61_736b_7772_6967, 0x6361_6368_6566_696c);
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

#[derive(Default)]
struct Writer {
    sections: [Vec<u8>; SECTIONS.len()],
    residuals: HashMap<u128, u32>,
    masks: HashMap<*const Mask, u32>,
}

fn number(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn numbers<'a>(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = &'a u32>) {
    number(out, numbers.len() as u32);
    numbers.for_each(|&n| number(out, n));
}

impl Writer {
    /// The number of a residual, one more than its place; it is written first if it is not there.
    fn residual(&mut self, residual: Option<&Arc<Residual>>) -> u32 {
        let Some(residual) = residual else { return 0 };
        if let Some(&known) = self.residuals.get(&residual.id) {
            return known;
        }
        let base = self.residual(residual.base.as_ref().map(|(base, _)| base));
        let out = &mut self.sections[0];
        number(out, base);
        numbers(out, residual.base.iter().flat_map(|(_, without)| without.iter()).collect::<Vec<_>>().into_iter());
        let mut leftovers = Vec::new();
        residual.list_groups(&mut leftovers);
        let flat: Vec<u32> = leftovers.iter().flat_map(|l| [l.value, l.token, u32::from(l.length)]).collect();
        numbers(out, flat.iter());
        let flat: Vec<u32> = residual.subtrees.iter().flat_map(|&(value, node)| [value, node]).collect();
        numbers(out, flat.iter());
        let place = self.residuals.len() as u32 + 1;
        self.residuals.insert(residual.id, place);
        place
    }

    fn mask(&mut self, mask: &Arc<Mask>) -> u32 {
        if let Some(&known) = self.masks.get(&Arc::as_ptr(mask)) {
            return known;
        }
        let base = if let TokenSet::Relative { base, .. } = &mask.accepted { self.mask(base) } else { 0 };
        let residual = self.residual(mask.residual.as_ref());
        let out = &mut self.sections[1];
        number(out, residual);
        number(out, mask.cost);
        match &mask.accepted {
            TokenSet::List(ids) => {
                number(out, 0);
                numbers(out, ids.iter());
            }
            TokenSet::Bits(bits) => {
                number(out, 1);
                numbers(out, bits.iter());
            }
            TokenSet::Relative { more, less, .. } => {
                number(out, 2);
                number(out, base);
                numbers(out, more.iter());
                numbers(out, less.iter());
            }
        }
        let place = self.masks.len() as u32 + 1;
        self.masks.insert(Arc::as_ptr(mask), place);
        place
    }
}

/// Write everything down.
pub fn write(vocabulary: &Vocabulary, entries: &Entries) -> Vec<u8> {
    let mut writer = Writer::default();
    for ((state, view, framed), mask) in &entries.masks {
        let mask = writer.mask(mask);
        let out = &mut writer.sections[2];
        number(out, u32::from(*framed));
        out.extend_from_slice(&state.to_le_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&view.to_le_bytes());
        number(out, mask);
    }
    for ((residual, state, view), mask) in &entries.resolved {
        let mask = writer.mask(mask);
        let out = &mut writer.sections[2];
        number(out, 2);
        out.extend_from_slice(&state.to_le_bytes());
        out.extend_from_slice(&residual.to_le_bytes());
        out.extend_from_slice(&view.to_le_bytes());
        number(out, mask);
    }
    for ((node, state, view), part) in &entries.parts {
        let residual = writer.residual(part.residual.as_ref());
        let out = &mut writer.sections[3];
        number(out, *node);
        out.extend_from_slice(&state.to_le_bytes());
        out.extend_from_slice(&view.to_le_bytes());
        number(out, residual);
        let flat: Vec<u32> = part.places.iter().flat_map(|&(start, end)| [start, end]).collect();
        numbers(out, flat.iter());
        numbers(out, part.tokens.iter());
    }
    let mut out = MAGIC.to_vec();
    let version = version();
    number(&mut out, version.len() as u32);
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(&vocabulary.identity().to_le_bytes());
    for section in writer.sections {
        out.extend_from_slice(&(section.len() as u64).to_le_bytes());
        out.extend_from_slice(&checksum(&section).to_le_bytes());
        out.extend_from_slice(&section);
    }
    out
}

/// Bytes still to be read.
struct Reader<'a> {
    left: &'a [u8],
    section: &'static str,
}

impl<'a> Reader<'a> {
    fn damaged(&self) -> CacheError {
        CacheError::Damaged { section: self.section }
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], CacheError> {
        let (bytes, left) = self.left.split_at_checked(length).ok_or(self.damaged())?;
        self.left = left;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CacheError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| self.damaged())
    }

    fn u32(&mut self) -> Result<u32, CacheError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, CacheError> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Result<u128, CacheError> {
        self.array().map(u128::from_le_bytes)
    }

    /// A list; its length is checked against what is left before anything is allocated.
    fn numbers(&mut self) -> Result<Vec<u32>, CacheError> {
        let count = self.u32()? as usize;
        let bytes = self.bytes(count.checked_mul(4).ok_or(self.damaged())?)?;
        Ok(bytes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect())
    }

    fn holds(&self, condition: bool) -> Result<(), CacheError> {
        if condition { Ok(()) } else { Err(self.damaged()) }
    }

    /// Ids of text tokens, ascending.
    fn tokens(&mut self, vocabulary: &Vocabulary) -> Result<Vec<u32>, CacheError> {
        let ids = self.numbers()?;
        self.holds(ids.is_sorted_by(|a, b| a < b) && ids.iter().all(|&id| vocabulary.is_text(id)))?;
        Ok(ids)
    }
}

/// The thing that a number names: one of those read before, or none.
fn named<T: Clone>(known: &[T], number: u32, reader: &Reader<'_>) -> Result<Option<T>, CacheError> {
    let Some(place) = number.checked_sub(1) else { return Ok(None) };
    known.get(place as usize).cloned().map(Some).ok_or(reader.damaged())
}

fn residual(reader: &mut Reader<'_>, vocabulary: &Vocabulary, known: &[Arc<Residual>]) -> Result<Arc<Residual>, CacheError> {
    let base = reader.u32()?;
    let base = named(known, base, reader)?;
    let without = reader.tokens(vocabulary)?;
    let flat = reader.numbers()?;
    let mut leaving = Leaving::default();
    reader.holds(flat.len() % 3 == 0)?;
    for part in flat.chunks_exact(3) {
        let (value, token, length) = (part[0], part[1], part[2]);
        reader.holds(vocabulary.is_text(token) && length > 0 && length as usize <= vocabulary.token_bytes(token).len())?;
        leaving.leftovers.push(Leftover { value, token, length: length as u16 });
    }
    let flat = reader.numbers()?;
    reader.holds(flat.len() % 2 == 0)?;
    for part in flat.chunks_exact(2) {
        reader.holds((part[1] as usize) < vocabulary.trie().nodes().len())?;
        leaving.subtrees.push((part[0], part[1]));
    }
    // Bases are followed by recursion.
    let below = std::iter::successors(base.as_ref(), |residual| residual.base.as_ref().map(|(base, _)| base));
    reader.holds(below.take(DEEPEST + 1).count() <= DEEPEST)?;
    let built = Residual::build(leaving, base.map(|base| (base, without.into())));
    built.map(Arc::new).ok_or(reader.damaged())
}

fn mask(
    reader: &mut Reader<'_>,
    vocabulary: &Vocabulary,
    residuals: &[Arc<Residual>],
    known: &[Arc<Mask>],
) -> Result<Arc<Mask>, CacheError> {
    let residual = reader.u32()?;
    let residual = named(residuals, residual, reader)?;
    let cost = reader.u32()?;
    let accepted = match reader.u32()? {
        0 => TokenSet::List(reader.tokens(vocabulary)?.into()),
        1 => {
            let bits = reader.numbers()?;
            let texts = vocabulary.texts();
            reader.holds(bits.len() == texts.len() && bits.iter().zip(texts).all(|(bits, texts)| bits & !texts == 0))?;
            TokenSet::Bits(bits.into())
        }
        2 => {
            let base = reader.u32()?;
            let base = named(known, base, reader)?.ok_or(reader.damaged())?;
            reader.holds(!matches!(base.accepted, TokenSet::Relative { .. }))?;
            let (more, less) = (reader.tokens(vocabulary)?.into(), reader.tokens(vocabulary)?.into());
            TokenSet::Relative { base, more, less }
        }
        _ => return Err(reader.damaged()),
    };
    Ok(Arc::new(Mask { cost, ..Mask::new(accepted, residual) }))
}

/// Read what was written for this vocabulary by this version of the library.
pub fn read(vocabulary: &Vocabulary, bytes: &[u8]) -> Result<Entries, CacheError> {
    let mut file = Reader { left: bytes, section: "header" };
    if file.bytes(MAGIC.len()).ok() != Some(&MAGIC[..]) {
        return Err(CacheError::NotACache);
    }
    let length = file.u32()? as usize;
    let found = file.bytes(length.min(64))?;
    if found != version().as_bytes() {
        let found = String::from_utf8_lossy(found).into_owned();
        return Err(CacheError::OtherVersion { found, expected: version() });
    }
    if file.u128()? != vocabulary.identity() {
        return Err(CacheError::OtherVocabulary);
    }
    let mut sections = [&[][..]; SECTIONS.len()];
    for (section, name) in sections.iter_mut().zip(SECTIONS) {
        file.section = name;
        let (length, sum) = (file.u64()?, file.u128()?);
        *section = file.bytes(usize::try_from(length).map_err(|_| file.damaged())?)?;
        file.holds(checksum(section) == sum)?;
    }
    file.holds(file.left.is_empty())?;
    let of = |number: usize| Reader { left: sections[number], section: SECTIONS[number] };
    let (mut reader, mut residuals) = (of(0), Vec::new());
    while !reader.left.is_empty() {
        residuals.push(residual(&mut reader, vocabulary, &residuals)?);
    }
    let (mut reader, mut masks) = (of(1), Vec::new());
    while !reader.left.is_empty() {
        masks.push(mask(&mut reader, vocabulary, &residuals, &masks)?);
    }
    let mut entries = Entries::default();
    let mut reader = of(2);
    while !reader.left.is_empty() {
        let (kind, state, residual, view) = (reader.u32()?, reader.u128()?, reader.u128()?, reader.u64()?);
        let number = reader.u32()?;
        let mask = named(&masks, number, &reader)?.ok_or(reader.damaged())?;
        match kind {
            0 | 1 => entries.masks.push(((state, view, kind == 1), mask)),
            2 => entries.resolved.push(((residual, state, view), mask)),
            _ => return Err(reader.damaged()),
        }
    }
    let mut reader = of(3);
    while !reader.left.is_empty() {
        let (node, state, view) = (reader.u32()?, reader.u128()?, reader.u64()?);
        let number = reader.u32()?;
        let residual = named(&residuals, number, &reader)?;
        let flat = reader.numbers()?;
        let tokens = reader.numbers()?;
        let (nodes, all) = (vocabulary.trie().nodes().len(), vocabulary.trie().tokens().len());
        reader.holds((node as usize) < nodes && flat.len() % 2 == 0 && tokens.iter().all(|&id| vocabulary.is_text(id)))?;
        let places: Box<[(u32, u32)]> = flat.chunks_exact(2).map(|run| (run[0], run[1])).collect();
        reader.holds(places.iter().all(|&(start, end)| start <= end && end as usize <= all))?;
        entries.parts.push(((node, state, view), Arc::new(Part { places, tokens: tokens.into(), residual })));
    }
    Ok(entries)
}

/// Make the checksums fit, as far as the sections can be found: what a forger would do.
#[cfg(any(test, feature = "testing"))]
pub fn mend(bytes: &mut [u8]) {
    let mut at = MAGIC.len() + 4 + version().len() + 16;
    while let Some(head) = bytes.get(at..at + 24) {
        let length = u64::from_le_bytes(head[..8].try_into().expect("8 bytes"));
        let (start, end) = (at + 24, usize::try_from(length).ok().and_then(|length| (at + 24).checked_add(length)));
        let Some(section) = end.and_then(|end| bytes.get(start..end)) else { return };
        let sum = checksum(section).to_le_bytes();
        bytes[at + 8..at + 24].copy_from_slice(&sum);
        at = start + length as usize;
    }
}
