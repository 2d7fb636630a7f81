//! States in words, for messages to people. Part of **provider**.
//!
//! Invariant: says what may come next, not what is asked of it.
//! Must not know: bytes.

use super::{Place, SchemaProvider, Spot};
use crate::frontend::json_schema::layout::Gap;
use crate::frontend::json_schema::obligation::ObjectId;

impl SchemaProvider {
    pub(super) fn in_words(&self, spot: Spot) -> String {
        let mut inner = self.lock();
        let may_close = match spot {
            Spot::Gap { place: Place::Object(object), .. } => inner.space.object_closes(object).is_ok_and(|class| class.is_some()),
            _ => false,
        };
        let key = |object: ObjectId| match inner.space.expected_keys(object) {
            Some((names, others)) if !names.is_empty() => {
                let shown: Vec<String> = names.iter().take(8).map(|n| format!("{n:?}")).collect();
                let more = if names.len() > 8 || others { " or another key" } else { "" };
                format!("a key: {}{more}", shown.join(", "))
            }
            _ => "a key".to_owned(),
        };
        match spot {
            Spot::Word { kind, .. } => {
                format!("the rest of `{}`", String::from_utf8_lossy(kind.word().unwrap_or_default()))
            }
            Spot::End { .. } | Spot::Gap { gap: Gap::RootEnd, .. } => "the end".to_owned(),
            Spot::Gap { gap, place, .. } => match (gap, place) {
                (Gap::ObjectOpen, Place::Object(object)) if may_close => format!("{} or `}}`", key(object)),
                (Gap::ObjectOpen | Gap::NextKey, Place::Object(object)) => key(object),
                (Gap::ObjectNext, Place::Object(_)) if may_close => "`,` or `}`".to_owned(),
                (Gap::ObjectNext, Place::Object(object)) => format!("`,` and {}", key(object)),
                (Gap::Colon, _) => "`:`".to_owned(),
                (Gap::ArrayOpen, _) => "an item or `]`".to_owned(),
                (Gap::ArrayNext, _) => "`,` or `]`".to_owned(),
                (Gap::NextItem, _) => "an item".to_owned(),
                _ => "a value".to_owned(),
            },
            Spot::Value { .. } | Spot::KeyReturn { .. } | Spot::MemberReturn { .. } | Spot::ItemReturn { .. } | Spot::RootReturn => {
                "a value".to_owned()
            }
            Spot::Door(_) => "nothing that is known".to_owned(),
        }
    }
}
