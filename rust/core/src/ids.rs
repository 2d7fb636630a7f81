//! Newtype ids. Used by every step; know nothing of any of them.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The id as an index.
            #[inline]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A state of the pushdown automaton, whichever provider made it.
    StateId
);
id!(
    /// A rule of a grammar.
    RuleId
);
id!(
    /// A token of a vocabulary.
    TokenId
);
id!(
    /// A provider of automaton states.
    ProviderId
);
