//! Choices drawn from bytes: whoever makes the bytes (proptest, a fuzzer, a seed) steers and shrinks every generator.
//!
//! Invariant: a pure function of the bytes; once they are used up every draw is zero, which generators map to their smallest choice.
//! Must not know: what is generated.

/// Draws small numbers from a slice of bytes.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// A source over `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next byte, or zero.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    /// Are all bytes used up?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A number below `n` (zero if `n` is zero).
    pub fn below(&mut self, n: usize) -> usize {
        match n {
            0 | 1 => 0,
            2..=256 => usize::from(self.byte()) % n,
            _ => {
                let mut value = 0usize;
                for _ in 0..4 {
                    value = value << 8 | usize::from(self.byte());
                }
                value % n
            }
        }
    }

    /// True in about `percent` of draws; false once the bytes are used up.
    pub fn chance(&mut self, percent: usize) -> bool {
        100 - self.below(100) <= percent
    }

    /// One of `items`, which must not be empty.
    pub fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }
}

/// `length` pseudo-random bytes (SplitMix64).
pub fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        out.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    out.truncate(length);
    out
}
