//! Configurations over a graph of shared frames. Pipeline: automaton -> **stack** -> mask, matcher.
//!
//! Invariant: a [`Configuration`] is closed: every item waits for a byte, and where a rule may have ended, the caller's items stand
//! beside it. Frames are immutable; parents are flat sets of frames, never merged recursively (a deterministic stack of sets is
//! exponential on some grammars, flat sets are quadratic at worst: Tomita's graph-structured stack, 1986).
//! Must not know: vocabularies, masks, tokens.

mod agree;
mod configuration;
mod frames;
mod keys;
mod plain;
mod seen;
mod text;
mod unused;
mod used;
mod value;

pub use agree::Agreeing;
pub use configuration::{Configuration, Item};
pub use frames::{Frame, Parents};
pub use keys::{Memory, Partial};
pub use plain::Plain;
pub use seen::Seen;
pub use unused::can_be_new;
pub use used::Used;
pub use value::{Beginning, Value};
