//! Sets of bytes. Part of **provider**.
//!
//! Invariant: what iterates, iterates ascending.
//! Must not know: what the bytes are for.

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ByteSet(pub [u64; 4]);

impl ByteSet {
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// Just `byte`.
    pub fn one(byte: u8) -> Self {
        let mut set = Self::default();
        set.insert(byte);
        set
    }

    /// The bytes from `low` to `high`, both included.
    pub fn range(low: u8, high: u8) -> Self {
        let below = |end: usize| {
            Self(std::array::from_fn(|word| match end.saturating_sub(word * 64) {
                64.. => u64::MAX,
                bits => (1 << bits) - 1,
            }))
        };
        let mut set = below(usize::from(high) + 1);
        set.remove(&below(low.into()));
        set
    }

    /// Every byte that UTF-8 text may contain.
    pub fn utf8() -> Self {
        let mut set = Self::range(0, 0xF4);
        set.0[3] &= !0b11; // C0 and C1 begin nothing
        set
    }

    /// Every byte that JSON text may contain: UTF-8 without control characters but tab, line feed and carriage return.
    pub fn json() -> Self {
        let mut set = Self::utf8();
        set.0[0] &= !0xFFFF_FFFF | 1 << b'\t' | 1 << b'\n' | 1 << b'\r';
        set
    }

    /// Take out every byte of another set.
    pub fn remove(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a &= !b;
        }
    }

    /// Take out every byte that another set lacks.
    pub fn keep(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a &= b;
        }
    }

    /// Add every byte of another set.
    pub fn extend(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a |= b;
        }
    }

    /// Add a byte.
    #[inline]
    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// Is the byte in the set?
    #[inline]
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// The bytes of the set from `byte` on, ascending.
    pub fn from(&self, byte: u8) -> impl Iterator<Item = u8> + use<> {
        let mut set = *self;
        let word = usize::from(byte >> 6);
        set.0[..word].fill(0);
        set.0[word] &= u64::MAX << (byte & 63);
        set.into_iter()
    }

    /// The bytes of the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        self.into_iter()
    }
}

impl IntoIterator for ByteSet {
    type Item = u8;
    type IntoIter = Bytes;

    fn into_iter(self) -> Bytes {
        Bytes(self)
    }
}

/// The bytes of a set, ascending.
#[derive(Clone, Debug)]
pub struct Bytes(ByteSet);

impl Iterator for Bytes {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let word = self.0.0.iter().position(|&word| word != 0)?;
        let bit = self.0.0[word].trailing_zeros();
        self.0.0[word] &= self.0.0[word] - 1;
        Some((word as u8) << 6 | bit as u8)
    }
}
