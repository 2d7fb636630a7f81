//! How characters are spelled in bytes: UTF-8, and the escapes of JSON strings. Between the products over characters and the engine.
//!
//! Invariant: what is in flight (the rest of a character, of an escape) is kept as the list of what each completion leads to, numbered
//! from zero. So states do not remember what was read, only what it still decides, and spellings that decide the same share a state.
//! Must not know: components, outcomes, lengths.

use std::sync::OnceLock;

use smallvec::SmallVec;

use super::product::{Move, ProductId};
use crate::grammar::CharClass;

/// A list of completions, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(super) struct ListId(pub(super) u32);

/// Where the last byte of a spelling leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(super) enum Goal {
    /// The character was read.
    Product(ProductId),
    /// The character was read, and no other may follow; the text is worth this leaf.
    Close(u32),
    /// The first half of a surrogate pair was read; the list is of the second halves.
    Low(ListId),
}

/// The completions from `low` to `high` lead to `goal`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Entry {
    pub(super) low: u32,
    pub(super) high: u32,
    pub(super) goal: Goal,
}

/// Sorted, disjoint; neighbours with the same goal are one.
pub(super) type Entries = SmallVec<[Entry; 4]>;

/// Append, and join with the last entry where that says the same.
pub(super) fn push(entries: &mut Entries, entry: Entry) {
    match entries.last_mut() {
        Some(last) if last.goal == entry.goal && last.high + 1 == entry.low => last.high = entry.high,
        _ => entries.push(entry),
    }
}

/// The entries from `low` to `high`, numbered from zero.
pub(super) fn slice(entries: &[Entry], low: u32, high: u32) -> Entries {
    let first = entries.partition_point(|e| e.high < low);
    let inside = entries[first..].iter().take_while(|e| e.low <= high);
    inside.map(|e| Entry { low: e.low.max(low) - low, high: e.high.min(high) - low, goal: e.goal }).collect()
}

/// What a number leads to.
pub(super) fn find(entries: &[Entry], number: u32) -> Option<Goal> {
    let at = entries.partition_point(|e| e.high < number);
    entries.get(at).filter(|e| e.low <= number).map(|e| e.goal)
}

/// The moves on the characters of a class.
pub(super) fn within(moves: &[Move], class: &CharClass) -> Vec<Move> {
    let mut kept = Vec::new();
    for m in moves {
        let first = class.ranges().partition_point(|&(_, high)| high < m.low);
        for &(low, high) in class.ranges()[first..].iter().take_while(|&&(low, _)| low <= m.high) {
            kept.push(Move { low: low.max(m.low), high: high.min(m.high), target: m.target });
        }
    }
    kept
}

/// The product to which every character of some ranges leads, if that is one.
pub(super) fn only_target(moves: &[Move], ranges: &[(u32, u32)]) -> Option<ProductId> {
    let mut target = None;
    for &(low, high) in ranges {
        let mut next = low;
        for m in &moves[moves.partition_point(|m| m.high < low)..] {
            if m.low > next || target.is_some_and(|target| target != m.target) {
                return None;
            }
            target = Some(m.target);
            next = m.high + 1;
            if next > high {
                break;
            }
        }
        if next <= high {
            return None;
        }
    }
    target
}

/// Does no character of some ranges lead anywhere?
pub(super) fn are_refused(moves: &[Move], ranges: &[(u32, u32)]) -> bool {
    ranges.iter().all(|&(low, high)| moves.get(moves.partition_point(|m| m.high < low)).is_none_or(|m| m.low > high))
}

/// The characters that have an escape of two characters and cannot be written raw.
pub(super) fn short_escapes() -> &'static CharClass {
    static CLASS: OnceLock<CharClass> = OnceLock::new();
    CLASS.get_or_init(|| CharClass::new([(0x08, 0x0A), (0x0C, 0x0D), (0x22, 0x22), (0x5C, 0x5C)]))
}

/// Is the character one of [`short_escapes`]?
pub(super) fn has_short_escape(c: u32) -> bool {
    short_escapes().ranges().iter().any(|&(low, high)| (low..=high).contains(&c))
}

/// The moves between two characters, as entries.
pub(super) fn characters(moves: &[Move]) -> Entries {
    moves.iter().map(|m| Entry { low: m.low, high: m.high, goal: Goal::Product(m.target) }).collect()
}

/// The code points that a lead byte of UTF-8 may begin, and how many bytes follow. Overlong forms and surrogates stay inside the
/// range: no character stands there.
pub(super) fn lead_range(byte: u8) -> Option<(u32, u32, u8)> {
    let (bits, low, follow) = match byte {
        0xC2..=0xDF => (byte & 0x1F, 0x80, 1),
        0xE0..=0xEF => (byte & 0x0F, 0x800, 2),
        0xF0..=0xF4 => (byte & 0x07, 0x1_0000, 3),
        _ => return None,
    };
    let width = 6 * u32::from(follow);
    let first = u32::from(bits) << width;
    debug_assert!(first + (1 << width) > low);
    Some((first, first + (1 << width) - 1, follow))
}

/// The smallest code point that takes one lead and `follow` further bytes.
pub(super) fn shortest_form(follow: u8) -> u32 {
    match follow {
        1 => 0x80,
        2 => 0x800,
        _ => 0x1_0000,
    }
}

/// The lead bytes of characters with `follow` further bytes.
pub(super) fn leads(follow: u8) -> std::ops::RangeInclusive<u8> {
    match follow {
        1 => 0xC2..=0xDF,
        2 => 0xE0..=0xEF,
        _ => 0xF0..=0xF4,
    }
}

/// What each UTF-16 unit after `\u` leads to; `low_halves` keeps a list for the second half of a pair.
pub(super) fn units<E>(moves: &[Move], mut low_halves: impl FnMut(Entries) -> Result<ListId, E>) -> Result<Entries, E> {
    let mut entries = Entries::new();
    let mut beyond = Vec::new();
    for m in moves {
        if m.low <= 0xFFFF {
            push(&mut entries, Entry { low: m.low, high: m.high.min(0xFFFF), goal: Goal::Product(m.target) });
        }
        if m.high > 0xFFFF {
            beyond.push(Entry { low: m.low.max(0x1_0000) - 0x1_0000, high: m.high - 0x1_0000, goal: Goal::Product(m.target) });
        }
    }
    // Each first half opens a block of 0x400 characters.
    let mut halves = Entries::new();
    let mut block = 0;
    while block < 0x400 {
        let (low, high) = (block << 10, block << 10 | 0x3FF);
        let second = slice(&beyond, low, high);
        let mut next = block + 1;
        match second.as_slice() {
            [] => {
                // On to the block of the next character.
                let at = beyond.partition_point(|e| e.high < low);
                block = beyond.get(at).map_or(0x400, |e| e.low >> 10).max(next);
                continue;
            }
            [Entry { low: 0, high: 0x3FF, .. }] => {
                let at = beyond.partition_point(|e| e.high < low);
                next = beyond.get(at).map_or(next, |e| (e.high + 1) >> 10).max(next);
            }
            _ => {}
        }
        let list = second.iter().map(|e| Entry { low: e.low + 0xDC00, high: e.high + 0xDC00, goal: e.goal }).collect();
        push(&mut halves, Entry { low: 0xD800 + block, high: 0xD800 + next - 1, goal: Goal::Low(low_halves(list)?) });
        block = next;
    }
    let at = entries.partition_point(|e| e.high < 0xD800);
    entries.insert_many(at, halves);
    Ok(entries)
}

/// The character that a short escape stands for.
pub(super) fn short_escape(byte: u8) -> Option<u32> {
    Some(match byte {
        b'"' | b'\\' | b'/' => u32::from(byte),
        b'b' => 8,
        b'f' => 12,
        b'n' => 10,
        b'r' => 13,
        b't' => 9,
        _ => return None,
    })
}

/// The value of a hexadecimal digit.
pub(super) fn hex_value(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}
