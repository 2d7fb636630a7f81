//! What has been learned of one grammar, what that cost and what it saved, in numbers. Part of **mask**.
//!
//! Invariant: counting costs nothing where a mask is known already: matchers count for themselves and tell every so often.
//! Must not know: what is counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What has been learned and asked so far.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same, being counted.
        #[derive(Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl Counters {
            /// The numbers now.
            pub fn read(&self) -> Statistics {
                Statistics { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            /// Add what was counted elsewhere.
            pub fn add(&self, other: &Statistics) {
                $(self.$name.fetch_add(other.$name, Ordering::Relaxed);)*
            }
        }

        impl Statistics {
            /// Names and numbers, in the order of the fields.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// Both together.
            #[must_use]
            pub fn plus(&self, other: &Self) -> Self {
                Self { $($name: self.$name + other.$name,)* }
            }
        }
    };
}

statistics! {
    /// Rows filled from what was known. A matcher tells after some, at its next miss and at its end.
    hits,
    /// Rows for which something had to be learned.
    misses,
    /// Masks computed.
    masks,
    /// Of those, by a walk over the whole trie that looked at more than a tenth of it.
    full_walks,
    /// Of those, as a difference from a base.
    differences,
    /// Taken from another grammar of the same vocabulary.
    shared,
    /// Residuals resolved against a return state.
    resolved,
    /// Masks and residuals that were given up to keep within a limit.
    evictions,
    /// Nanoseconds spent on rows for which something had to be learned.
    learning_ns,
    /// What the masks of all hits cost when they were learned, in nanoseconds: about what computing them again would have taken.
    saved_ns,
    /// Bytes of all masks and residuals kept.
    mask_bytes,
}

/// What one matcher has counted and not told yet.
#[derive(Debug, Default)]
pub struct Tally {
    hits: u32,
    saved_ns: u64,
}

/// Hits after which a matcher tells.
const TELL: u32 = 64;

impl Tally {
    /// A row was filled from what was known, which had cost so much.
    #[inline]
    pub fn hit(&mut self, saved_ns: u64, counters: &Counters) {
        self.hits += 1;
        self.saved_ns += saved_ns;
        if self.hits >= TELL {
            self.tell(counters);
        }
    }

    /// Something had to be learned.
    pub fn miss(&mut self, nanoseconds: u64, counters: &Counters) {
        counters.misses.fetch_add(1, Ordering::Relaxed);
        counters.learning_ns.fetch_add(nanoseconds, Ordering::Relaxed);
        self.tell(counters);
    }

    /// Add to the grammar's numbers.
    pub fn tell(&mut self, counters: &Counters) {
        if self.hits > 0 {
            counters.hits.fetch_add(u64::from(self.hits), Ordering::Relaxed);
            counters.saved_ns.fetch_add(self.saved_ns, Ordering::Relaxed);
            *self = Self::default();
        }
    }
}
