//! What stands between the parts of a JSON text: whitespace, commas, colons, brackets. Used by **provider**.
//!
//! Invariant: every gap is bounded, and wherever it stands it can be left.
//! Must not know: schemas, formulas.

use std::sync::{Arc, LazyLock};

use smallvec::{SmallVec, smallvec};

use super::options::Options;
use crate::provider::ByteSet;
use crate::spacing::Spacing;

/// A gap between parts, by what may follow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Gap {
    /// Before the whole value.
    RootStart,
    /// After the whole value.
    RootEnd,
    /// After `{`.
    ObjectOpen,
    /// After a key.
    Colon,
    /// After the colon.
    MemberValue,
    /// After a member.
    ObjectNext,
    /// After the comma of an object.
    NextKey,
    /// After `[`.
    ArrayOpen,
    /// After an item.
    ArrayNext,
    /// After the comma of an array.
    NextItem,
}

/// What a gap ends with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Exit {
    /// The opening quote of a key.
    Key,
    /// The closing bracket.
    Close,
    /// The first byte of a value.
    Value,
    /// Another gap.
    Gap(Gap),
}

/// How far a gap has come.
pub(super) type Progress = u32;

/// What a byte does in a gap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Move {
    Stay(Progress),
    Leave(Exit),
    Dead,
}

/// The first bytes of values.
pub(super) const VALUE_STARTS: &[u8] = b"{[\"-0123456789tfn";

/// Blanks and tabs on the line, and after a line break.
const ON_THE_LINE: u32 = 4;
const AFTER_BREAK: u32 = 48;
/// Progress: 0 to 4 blanks, a carriage return, a line break and 0 to 48 blanks.
const CARRIAGE_RETURN: Progress = ON_THE_LINE + 1;
const LINE_BREAK: Progress = CARRIAGE_RETURN + 1;

/// How values are laid out.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// The default bounds.
    Flexible,
    /// At most so many whitespace characters per gap.
    Counted(u32),
    /// Exactly as `json.dumps` writes.
    Exact { item: String, key: String, indent: Option<u32> },
}

/// A table for each progress is made up to so many characters per gap.
const MOST_COUNTED: u32 = 1 << 12;

type Exits = SmallVec<[(Vec<u8>, Exit); 2]>;

impl Layout {
    pub fn new(options: &Options) -> Self {
        if options.any_whitespace {
            return options.max_whitespace_cnt.map_or(Self::Flexible, Self::Counted);
        }
        let (item, key) = options.separators();
        Self::Exact { item, key, indent: options.indent }
    }

    /// Is there whitespace around the whole value?
    pub fn around(&self) -> bool {
        !matches!(self, Self::Exact { .. })
    }

    /// Does the layout depend on how deep a value is nested?
    pub fn knows_depth(&self) -> bool {
        matches!(self, Self::Exact { indent: Some(_), .. })
    }

    /// How whitespace goes on in a gap, where that is whitespace alone and not much of it.
    pub fn spacing(&self) -> Option<Arc<Spacing>> {
        static FLEXIBLE: LazyLock<Arc<Spacing>> = LazyLock::new(|| {
            let leaves = |progress| progress != CARRIAGE_RETURN;
            Arc::new(Spacing::new(LINE_BREAK + AFTER_BREAK + 1, flexible, leaves))
        });
        match self {
            Self::Flexible => Some(Arc::clone(&FLEXIBLE)),
            &Self::Counted(most) if most <= MOST_COUNTED => {
                Some(Arc::new(Spacing::new(most + 1, |progress, _| Some(progress + 1), |_| true)))
            }
            Self::Counted(_) | Self::Exact { .. } => None,
        }
    }

    /// May the text end here, if this is the gap at its end?
    pub fn may_end(&self, progress: Progress) -> bool {
        !matches!(self, Self::Flexible) || progress != CARRIAGE_RETURN
    }

    /// What `byte` does in a gap of a container at `depth`; a byte for [`Exit::Value`] is left to the value. `allowed` says which exits there are.
    pub fn step(&self, gap: Gap, depth: u32, progress: Progress, byte: u8, allowed: impl Fn(Exit) -> bool) -> Move {
        match self {
            Self::Flexible => {
                if let Some(next) = flexible(progress, byte) {
                    return Move::Stay(next);
                }
                if progress == CARRIAGE_RETURN { Move::Dead } else { leave(gap, byte, allowed) }
            }
            Self::Counted(most) => {
                if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                    return if progress < *most { Move::Stay(progress + 1) } else { Move::Dead };
                }
                leave(gap, byte, allowed)
            }
            Self::Exact { .. } => self.exact(gap, depth, progress, byte, allowed),
        }
    }

    /// Is the opening quote of a key all that may come, but for whitespace?
    pub fn awaits_key(&self, gap: Gap, depth: u32, progress: Progress) -> bool {
        if !matches!(self, Self::Exact { .. }) {
            return gap == Gap::NextKey;
        }
        let (read, which) = ((progress >> 1) as usize, (progress & 1) as usize);
        let all = self.spellings(gap, depth);
        let Some(done) = all.get(which).and_then(|(text, _)| text.get(..read)) else { return false };
        all.iter().filter(|(text, _)| text.starts_with(done)).all(|(_, exit)| *exit == Exit::Key)
    }

    /// Does whitespace come before commas, and nowhere else behind members and items?
    pub fn is_spaced(&self) -> bool {
        matches!(self, Self::Exact { item, .. } if !item.starts_with(','))
    }

    /// The bytes that may lead on from here; the others are refused, whatever the place.
    pub fn candidates(&self, gap: Gap, depth: u32, progress: Progress) -> ByteSet {
        let of = |bytes: &[u8]| {
            let mut set = ByteSet::default();
            for &byte in bytes {
                set.insert(byte);
            }
            set
        };
        if !matches!(self, Self::Exact { .. }) {
            let mut set = of(match gap {
                Gap::ObjectOpen => b" \t\n\r\"}",
                Gap::NextKey => b" \t\n\r\"",
                Gap::ObjectNext => b" \t\n\r,}",
                Gap::Colon => b" \t\n\r:",
                Gap::ArrayNext => b" \t\n\r,]",
                Gap::ArrayOpen => b" \t\n\r]",
                Gap::RootStart | Gap::RootEnd | Gap::MemberValue | Gap::NextItem => b" \t\n\r",
            });
            if matches!(gap, Gap::RootStart | Gap::MemberValue | Gap::ArrayOpen | Gap::NextItem) {
                set.extend(&of(VALUE_STARTS));
            }
            return set;
        }
        let (read, which) = ((progress >> 1) as usize, (progress & 1) as usize);
        let all = self.spellings(gap, depth);
        let mut set = ByteSet::default();
        if let Some(done) = all.get(which).and_then(|(text, _)| text.get(..read)) {
            for (text, exit) in &all {
                match text.get(read) {
                    _ if !text.starts_with(done) => {}
                    Some(&b) => set.insert(b),
                    None if *exit == Exit::Value => set.extend(&of(VALUE_STARTS)),
                    None => {}
                }
            }
        }
        set
    }

    /// Progress is how many bytes of the spelling were read, and which of the spellings (the first that agrees) they belong to.
    fn exact(&self, gap: Gap, depth: u32, progress: Progress, byte: u8, allowed: impl Fn(Exit) -> bool) -> Move {
        let mut exits = self.spellings(gap, depth);
        exits.retain(|(_, exit)| allowed(*exit));
        let (read, which) = ((progress >> 1) as usize, (progress & 1) as usize);
        let all = self.spellings(gap, depth);
        let Some(done) = all.get(which).and_then(|(text, _)| text.get(..read)) else { return Move::Dead };
        for (text, exit) in &exits {
            if !text.starts_with(done) {
                continue;
            }
            match (text.get(read), exit) {
                (None, Exit::Value) if VALUE_STARTS.contains(&byte) => return Move::Leave(Exit::Value),
                (Some(&b), _) if b == byte && (read + 1 < text.len() || *exit == Exit::Value) => {
                    let mut read_now = done.to_vec();
                    read_now.push(byte);
                    let first = all.iter().position(|(text, _)| text.starts_with(&read_now)).unwrap_or(0);
                    return Move::Stay((read as Progress + 1) << 1 | first as Progress);
                }
                (Some(&b), _) if b == byte => return Move::Leave(*exit),
                _ => {}
            }
        }
        Move::Dead
    }

    fn spellings(&self, gap: Gap, depth: u32) -> Exits {
        let Self::Exact { item, key, indent } = self else { return SmallVec::new() };
        let line = |before: &str, depth: u32, after: &str| {
            let mut text = before.as_bytes().to_vec();
            if let Some(indent) = indent {
                text.push(b'\n');
                text.resize(text.len() + *indent as usize * depth as usize, b' ');
            }
            text.extend(after.as_bytes());
            text
        };
        match gap {
            Gap::ObjectOpen => smallvec![(line("", depth + 1, "\""), Exit::Key), (b"}".to_vec(), Exit::Close)],
            Gap::Colon => smallvec![(key.as_bytes().to_vec(), Exit::Value)],
            Gap::ObjectNext => smallvec![(line(item, depth + 1, "\""), Exit::Key), (line("", depth, "}"), Exit::Close)],
            Gap::ArrayOpen => smallvec![(line("", depth + 1, ""), Exit::Value), (b"]".to_vec(), Exit::Close)],
            Gap::ArrayNext => smallvec![(line(item, depth + 1, ""), Exit::Value), (line("", depth, "]"), Exit::Close)],
            Gap::RootStart | Gap::MemberValue | Gap::NextItem => smallvec![(Vec::new(), Exit::Value)],
            Gap::NextKey => smallvec![(b"\"".to_vec(), Exit::Key)],
            Gap::RootEnd => SmallVec::new(),
        }
    }
}

fn flexible(progress: Progress, byte: u8) -> Option<Progress> {
    match byte {
        b' ' | b'\t' if progress < ON_THE_LINE || (LINE_BREAK..LINE_BREAK + AFTER_BREAK).contains(&progress) => Some(progress + 1),
        b'\n' if progress == 0 || progress == CARRIAGE_RETURN => Some(LINE_BREAK),
        b'\r' if progress == 0 => Some(CARRIAGE_RETURN),
        _ => None,
    }
}

/// With free whitespace every gap ends with one byte.
fn leave(gap: Gap, byte: u8, allowed: impl Fn(Exit) -> bool) -> Move {
    let exit = match (gap, byte) {
        (_, b' ' | b'\t' | b'\n' | b'\r') => return Move::Dead,
        (Gap::ObjectOpen | Gap::NextKey, b'"') => Exit::Key,
        (Gap::ObjectOpen | Gap::ObjectNext, b'}') | (Gap::ArrayOpen | Gap::ArrayNext, b']') => Exit::Close,
        (Gap::Colon, b':') => Exit::Gap(Gap::MemberValue),
        (Gap::ObjectNext, b',') => Exit::Gap(Gap::NextKey),
        (Gap::ArrayNext, b',') => Exit::Gap(Gap::NextItem),
        (Gap::RootStart | Gap::MemberValue | Gap::ArrayOpen | Gap::NextItem, _) => Exit::Value,
        _ => return Move::Dead,
    };
    if allowed(exit) { Move::Leave(exit) } else { Move::Dead }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flexible_gaps_are_bounded() {
        let fits = |text: &str| {
            let mut at = 0;
            text.bytes().all(|b| match flexible(at, b) {
                Some(next) => {
                    at = next;
                    true
                }
                None => false,
            }) && Layout::Flexible.may_end(at)
        };
        for good in ["", "    ", " \t ", "\n", "\r\n", &format!("\n{}", " ".repeat(48))] {
            assert!(fits(good), "{good:?}");
        }
        for bad in ["     ", " \n", "\n\n", "\r", "\r\r\n", &format!("\n{}", " ".repeat(49))] {
            assert!(!fits(bad), "{bad:?}");
        }
    }
}
