//! The kinds of values that the first byte tells apart. Used by every part of **obligation**.
//!
//! Invariant: every JSON value is of exactly one kind.
//! Must not know: schemas.

use crate::frontend::json_schema::json::Node;

/// A kind of value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    String,
    Number,
    Array,
    Object,
}

impl Kind {
    /// All of them, cheapest to find a value of first.
    pub const ALL: [Self; 7] = [Self::Null, Self::True, Self::False, Self::String, Self::Number, Self::Array, Self::Object];

    /// The kind of values that begin with `byte`.
    pub fn of_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'n' => Self::Null,
            b't' => Self::True,
            b'f' => Self::False,
            b'"' => Self::String,
            b'-' | b'0'..=b'9' => Self::Number,
            b'[' => Self::Array,
            b'{' => Self::Object,
            _ => return None,
        })
    }

    pub fn of_value(node: Node<'_>) -> Self {
        match node {
            Node::Null => Self::Null,
            Node::Bool(true) => Self::True,
            Node::Bool(false) => Self::False,
            Node::String(_) => Self::String,
            Node::Number(_) => Self::Number,
            Node::Array(_) => Self::Array,
            Node::Object(_) => Self::Object,
        }
    }

    /// The word it is spelled with, if it is one.
    pub fn word(self) -> Option<&'static [u8]> {
        match self {
            Self::Null => Some(b"null"),
            Self::True => Some(b"true"),
            Self::False => Some(b"false"),
            _ => None,
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0x7F);

    pub fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    pub fn has(self, kind: Kind) -> bool {
        self.0 >> (kind as u8) & 1 == 1
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
