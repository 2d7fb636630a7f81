//! What a value owes, as canonical formulas that progress with the text. Pipeline: schema -> **obligation** -> provider.
//!
//! An *obligation* is a function of verdicts: its variables are schemas or, once the type of the value is known, typed atoms; leaf 0 is
//! refused, leaf k + 1 returns class k to whoever reads the value.
//!
//! Invariant: equal obligations have equal ids, wherever in the schema they come from, and everything here is a pure function of them.
//! Must not know: bytes of the text, whitespace, frames.

mod achievable;
mod ahead;
mod array;
mod atoms;
mod blame;
mod compose;
mod finite;
mod keys;
mod kinds;
mod languages;
mod listing;
mod names;
mod object;
mod order;
mod partition;
mod satisfy;
mod space;
mod strings;
mod typed;
mod undeclared;
mod unevaluated;
mod unique;

pub(super) use array::ArrayId;
pub(super) use keys::KeyClass;
pub(super) use kinds::Kind;
pub(super) use object::ObjectId;
pub(super) use space::Space;
pub(super) use strings::Tools;
