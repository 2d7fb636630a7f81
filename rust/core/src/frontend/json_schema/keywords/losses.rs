//! What is lost where a keyword is narrowed: outputs that are valid and cannot be written. Part of the rows of **keywords**.
//!
//! Invariant: a keyword whose row names no loss is enforced exactly.
//! Must not know: which schema it is asked about.

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::frontend::json_schema) enum Loss {
    /// Declared keys come in the order of declaration.
    KeyOrder,
    /// Keys that are not declared are spelled so that they are no trap for who wants to write a declared one.
    UndeclaredKeys,
    /// Keys that are only required come after declared ones.
    RequiredKeys,
    /// Objects that are listed come with their keys as listed.
    ListedKeys,
    /// Numbers are written without an exponent.
    Exponents,
    /// Numbers that are listed are written without an exponent.
    ListedExponents,
    /// Integers are written with an exponent only where that is plainly an integer.
    IntegerExponents,
    /// What the row of the format or encoding says.
    Format,
}

impl Loss {
    /// In words, and when.
    pub fn words(self) -> &'static str {
        match self {
            Self::KeyOrder => "declared keys come in the order of declaration, until an undeclared one has come",
            Self::UndeclaredKeys => "until an undeclared key has come, none may begin with a declared one that was passed over",
            Self::RequiredKeys => "keys that are required but not declared come after the declared ones, in this order",
            Self::ListedKeys => "the keys of an object come in the order in which it is listed",
            Self::Exponents => "numbers are written without an exponent",
            Self::ListedExponents => "listed numbers are written without an exponent",
            Self::IntegerExponents => "an integer is written with an exponent only as `15e3`, not as `1.5e4` or `150e-1`",
            Self::Format => "as the tables of formats and encodings say",
        }
    }
}
