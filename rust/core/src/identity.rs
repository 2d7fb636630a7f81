//! Content identities: keyed 128-bit hashes by which equal things of different grammars share masks. Below every step.
//!
//! Invariant: equal calls give equal hashes in every process; every field is written with its length, so that no two
//! sequences of fields are confused.
//! Must not know: what is hashed.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// The two halves of the key. Fixed, so that identities agree between processes that share a store.
const KEY: (u64, u64) = (0x6d61_736b_7772_6967, 0x6874_2d69_6465_6e74);

/// Collects the content of a thing, field by field, and hashes it (SipHash-1-3, 128 bits).
#[derive(Clone)]
pub struct Identity(SipHasher13);

impl Identity {
    /// Start with the name of the kind of thing: things of different kinds never share a hash.
    pub fn new(kind: &str) -> Self {
        let mut identity = Self(SipHasher13::new_with_keys(KEY.0, KEY.1));
        identity.str(kind);
        identity
    }

    /// Add bytes, with their length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64);
        self.0.write(bytes);
        self
    }

    /// Add a text, with its length.
    pub fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Add a number.
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.0.write(&number.to_le_bytes());
        self
    }

    /// Add a 32-bit number.
    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.u64(u64::from(number))
    }

    /// Add the identity of a part.
    pub fn u128(&mut self, number: u128) -> &mut Self {
        self.0.write(&number.to_le_bytes());
        self
    }

    /// The hash.
    pub fn finish(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_not_confused() {
        let of = |parts: &[&str]| {
            let mut identity = Identity::new("test");
            for part in parts {
                identity.str(part);
            }
            identity.finish()
        };
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
        assert_ne!(Identity::new("a").finish(), Identity::new("b").finish());
    }
}
