//! Values that owe nothing: any JSON. Part of **provider**.
//!
//! What comes within them is the same in all schemas read with the same options, so their masks are shared, by content.
//!
//! Invariant: nothing that a schema says bears on a state that has an identity here.
//! Must not know: masks.

use super::{Inner, Place, SchemaProvider, Spot};
use crate::error::EngineError;
use crate::formula::Formula;
use crate::identity::Identity;

impl SchemaProvider {
    /// The identity of a state within a value that owes nothing.
    pub(super) fn free_identity(&self, inner: &Inner, spot: Spot) -> Result<Option<u128>, EngineError> {
        let space = &inner.space;
        let (part, gap, depth, progress) = match spot {
            Spot::Value { obligation: Formula::TRUE, depth } => (0, 0, depth, 0),
            Spot::KeyReturn { object, depth } if space.object_is_free(object)? => (1, 0, depth, 0),
            Spot::MemberReturn { object, key: ANY_KEY, depth } if space.object_is_free(object)? => (2, 0, depth, 0),
            Spot::ItemReturn { array, depth, repeats: false } if space.array_is_free(array)? => (3, 0, depth, 0),
            Spot::Gap { gap, place, depth, progress } => {
                let part = match place {
                    Place::Value(Formula::TRUE) => 4,
                    Place::Object(object) if space.object_is_free(object)? => 5,
                    Place::Member(object, ANY_KEY) if space.object_is_free(object)? => 6,
                    Place::Array(array) if space.array_is_free(array)? => 7,
                    _ => return Ok(None),
                };
                (part, gap as u64, depth, progress)
            }
            _ => return Ok(None),
        };
        let mut identity = Identity::new("any json");
        identity.str(&self.options_name).u64(part).u64(gap).u32(depth).u32(progress);
        Ok(Some(identity.finish()))
    }
}

/// The class of keys that no schema declares, of which there is but one here.
const ANY_KEY: u32 = 0;
