//! The states of texts, as the engine sees them. Between the products over characters, spelled in bytes, and the engine.
//!
//! Invariant: states are hash-consed by content. A character is counted at its first byte (an escape at its backslash, a surrogate pair
//! once), so what is in flight already stands for the count with that character, and is settled like the product it leads to.
//! Must not know: components, schemas, tokens.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::TextAutomaton;
use super::guard::{Guard, Settled};
use super::lift::{self, Entries, Entry, Goal, ListId};
use super::names::{NameMapId, Names};
use super::product::{Move, ProductId};
use crate::characters::{self, Kinds};
use crate::error::EngineError;
use crate::identity::Identity;
use crate::ids::StateId;
use crate::limits::Limits;
use crate::loops::{self, Beyond};
use crate::provider;
use crate::provider::{Also, Alternative, Arena, ByteSet, Cell, Facts, Loosened, Provider, Ranges, Reach, Step};

/// What a state is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    /// The text has ended with this leaf.
    End(u32),
    /// Only the closing quote may come, with this leaf.
    Close(u32),
    /// Between two characters.
    Body(ProductId),
    /// Before the first character of a plain text: a body that does not return.
    Start(ProductId),
    /// After a backslash; the list is of UTF-16 units.
    Escape(ListId),
    /// Before the last `left` continuation bytes.
    Utf8(u8, ListId),
    /// Before the last `left` hexadecimal digits.
    Hex(u8, ListId),
    /// Before the backslash of the second half of a surrogate pair.
    LowEscape(ListId),
    /// Before its `u`.
    LowLetter(ListId),
}

/// What plain text is made of, and what stands for itself in a string.
const ANY: Kinds = characters::all_of(0, [0xFF; 2]);

/// All characters beyond ASCII.
const BEYOND_ASCII: [(u32, u32); 2] = [(0x80, 0xD7FF), (0xE000, 0x10_FFFF)];

impl TextAutomaton {
    pub(super) fn state(&self, arena: &Arena, mut kind: Kind) -> Result<StateId, EngineError> {
        if let Some(state) = self.by_kind.get(&kind) {
            return Ok(*state);
        }
        if self.raw
            && let Kind::Body(product) = kind
            && self.products.live_moves(product, arena.limits())?.is_empty()
        {
            kind = Kind::End(self.products.verdict(product)?);
        }
        if self.raw
            && let Kind::Close(leaf) = kind
        {
            kind = Kind::End(leaf);
        }
        let provider = *self.provider.get().ok_or(EngineError::Internal("a text automaton that is not registered"))?;
        // The facts may make other states; nothing is locked meanwhile.
        let facts = self.facts(arena, kind)?;
        match self.by_kind.entry(kind) {
            dashmap::Entry::Occupied(entry) => Ok(*entry.get()),
            dashmap::Entry::Vacant(entry) => {
                let local = self.kinds.push(kind) as u32;
                let state = arena.add_state(provider, local, facts)?;
                entry.insert(state);
                Ok(state)
            }
        }
    }

    fn list(&self, entries: Entries) -> ListId {
        if let Some(list) = self.by_entries.get(entries.as_slice()) {
            return *list;
        }
        let boxed = entries.into_boxed_slice();
        *self.by_entries.entry(boxed.clone()).or_insert_with(|| ListId(self.lists.push(boxed) as u32))
    }

    fn entries(&self, list: ListId) -> &[Entry] {
        &self.lists[list.0 as usize]
    }

    fn facts(&self, arena: &Arena, kind: Kind) -> Result<Facts, EngineError> {
        let mut facts = Facts { identity: self.identity(kind, arena.limits()), bare: self.raw, ..Facts::default() };
        match kind {
            Kind::End(leaf) => {
                facts.returns = leaf.checked_sub(1);
                facts.has_edges = false;
            }
            Kind::Close(_) => {}
            Kind::Body(product) | Kind::Start(product) => {
                self.count_facts(arena, product, &mut facts)?;
                if self.raw && matches!(kind, Kind::Body(_)) {
                    facts.returns = self.products.verdict(product)?.checked_sub(1);
                }
                if !facts.guarded && self.products.key(product).is_plain() {
                    facts.loops = if self.raw { ANY } else { loops::CHARACTERS };
                }
                let alive = if self.products.refuses_nothing(product) { ANY } else { self.products.stays_alive_over(product) };
                facts.alive = alive & if self.raw { ANY } else { loops::CHARACTERS };
                facts.named = self.has_names(product);
                facts.string = !self.raw && self.products.key(product).names.is_none();
                // While the length may still grow by more than a token, a string of any characters is the plain body.
                let plain = !facts.counting || !facts.guarded && self.products.key(product).is_plain();
                if facts.named && self.just_names(product).is_none() {
                    facts.base = match self.products.nameless(product, arena.limits())? {
                        Some(others) => Some(self.state(arena, Kind::Body(others))?),
                        None => None,
                    };
                } else if !self.raw && plain {
                    let leaf = self.products.verdict_if_all_fail(product);
                    if leaf != 0 {
                        let base = self.products.base(leaf, arena.limits())?;
                        facts.base = if base == product { None } else { Some(self.state(arena, Kind::Body(base))?) };
                    }
                }
            }
            Kind::Escape(list) | Kind::Utf8(_, list) | Kind::Hex(_, list) | Kind::LowEscape(list) | Kind::LowLetter(list) => {
                for product in self.goals(list) {
                    self.count_facts(arena, product, &mut facts)?;
                }
            }
        }
        Ok(facts)
    }

    /// The names of a product of which nothing else is asked, in a string that may be spelled as one likes.
    fn just_names(&self, product: ProductId) -> Option<NameMapId> {
        let key = self.products.key(product);
        key.names.filter(|_| key.parts.is_empty() && self.has_names(product))
    }

    /// Are there names beside which nothing counts, in a string that may be spelled as one likes?
    fn has_names(&self, product: ProductId) -> bool {
        let key = self.products.key(product);
        key.names.is_some() && !key.counts() && !self.raw && self.hexadecimal.is_none()
    }

    fn count_facts(&self, arena: &Arena, product: ProductId, facts: &mut Facts) -> Result<(), EngineError> {
        let key = self.products.key(product);
        if key.counts() {
            facts.smallest_wins = (!facts.counting || facts.smallest_wins) && key.limits.len() == 1;
            facts.counting = true;
            facts.limit = facts.limit.min(self.products.limit(product));
            if let Some(from) = self.products.guarded_from(product, arena.limits())? {
                facts.guarded = true;
                facts.free_below = facts.free_below.min(from);
            }
        }
        Ok(())
    }

    /// The products that a list leads to, also through second halves.
    fn goals(&self, list: ListId) -> SmallVec<[ProductId; 4]> {
        let mut products = SmallVec::new();
        for entry in self.entries(list) {
            match entry.goal {
                Goal::Product(product) => products.push(product),
                Goal::Low(low) => products.extend(self.entries(low).iter().filter_map(|e| match e.goal {
                    Goal::Product(product) => Some(product),
                    Goal::Close(_) | Goal::Low(_) => None,
                })),
                Goal::Close(_) => {}
            }
        }
        products.sort_unstable();
        products.dedup();
        products
    }

    /// Only states without names have one, and without components that number their states as they are visited.
    fn identity(&self, kind: Kind, bound: &Limits) -> Option<u128> {
        let mut identity = Identity::new(match (self.raw, &self.hexadecimal) {
            (true, _) => "plain text",
            (false, None) => "json string",
            (false, Some(_)) => "json string, shortest",
        });
        match kind {
            Kind::End(leaf) => identity.u64(0).u32(leaf),
            Kind::Close(leaf) => identity.u64(1).u32(leaf),
            Kind::Body(product) => identity.u64(2).u128(self.product_identity(product, bound)?),
            Kind::Start(product) => identity.u64(3).u128(self.product_identity(product, bound)?),
            Kind::Escape(list) => identity.u64(4).u128(self.list_identity(list, bound)?),
            Kind::Utf8(left, list) => identity.u64(5).u64(left.into()).u128(self.list_identity(list, bound)?),
            Kind::Hex(left, list) => identity.u64(6).u64(left.into()).u128(self.list_identity(list, bound)?),
            Kind::LowEscape(list) => identity.u64(7).u128(self.list_identity(list, bound)?),
            Kind::LowLetter(list) => identity.u64(8).u128(self.list_identity(list, bound)?),
        };
        Some(identity.finish())
    }

    fn product_identity(&self, product: ProductId, bound: &Limits) -> Option<u128> {
        *self.products.get(product).identity.get_or_init(|| self.find_product_identity(product, bound))
    }

    fn find_product_identity(&self, product: ProductId, bound: &Limits) -> Option<u128> {
        let key = self.products.key(product);
        if key.names.is_some() {
            return None;
        }
        let mut identity = Identity::new("text product");
        for &part in &key.parts {
            identity.u128(self.products.part_identity(part)?);
        }
        if !key.parts.is_empty() {
            // How long is searched for a completion may decide, too.
            identity.u64(bound.max_search_steps as u64).u64(bound.max_states as u64);
        }
        // Only how far it is from one limit to the next counts: how far it is to the first, the view says.
        let first = key.limits.first().map_or(u64::MAX, |&first| if first == u64::MAX { 0 } else { first });
        identity.u64(u64::from(key.counts()));
        for (limit, outcome) in key.limits.iter().zip(&key.outcomes) {
            identity.u64(if *limit == u64::MAX { u64::MAX } else { limit - first });
            outcome.write_identity(&mut identity);
        }
        Some(identity.finish())
    }

    fn list_identity(&self, list: ListId, bound: &Limits) -> Option<u128> {
        let mut identity = Identity::new("text list");
        for entry in self.entries(list) {
            identity.u32(entry.low).u32(entry.high);
            match entry.goal {
                Goal::Product(product) => identity.u64(0).u128(self.product_identity(product, bound)?),
                Goal::Close(leaf) => identity.u64(1).u32(leaf),
                // Second halves lead to characters only: this goes one level deep.
                Goal::Low(low) => identity.u64(2).u128(self.list_identity(low, bound)?),
            };
        }
        Some(identity.finish())
    }

    fn goal_state(&self, arena: &Arena, goal: Goal) -> Result<StateId, EngineError> {
        self.state(
            arena,
            match goal {
                Goal::Product(product) => Kind::Body(product),
                Goal::Close(leaf) => Kind::Close(leaf),
                Goal::Low(list) => Kind::LowEscape(list),
            },
        )
    }

    /// A step that begins a character.
    fn begin(&self, arena: &Arena, kind: Kind, bytes: ByteSet) -> Result<Step, EngineError> {
        let target = self.state(arena, kind)?;
        Ok(Step::with(Alternative { push: SmallVec::new(), target, increment: arena.facts(target).counting }, bytes))
    }

    fn step_body(&self, arena: &Arena, product: ProductId, byte: u8) -> Result<Step, EngineError> {
        let bound = arena.limits();
        if !self.raw && byte == b'"' {
            return match self.products.verdict(product)? {
                0 => Ok(Step::dead(ByteSet::one(byte))),
                leaf => Ok(Step::to(self.state(arena, Kind::End(leaf))?, ByteSet::one(byte))),
            };
        }
        if !self.raw && byte == b'\\' {
            let list = self.units(arena, product)?;
            if self.entries(list).is_empty() {
                return Ok(Step::dead(ByteSet::one(byte)));
            }
            return self.begin(arena, Kind::Escape(list), ByteSet::one(byte));
        }
        if let (Some(names), 0..0x80) = (self.just_names(product), byte) {
            return self.step_names(arena, product, names, byte);
        }
        let moves = self.products.live_moves(product, bound)?;
        if byte < 0x80 {
            let mut characters = ByteSet::range(if self.raw { 0 } else { 0x20 }, 0x7F);
            let mut dead = ByteSet::range(0, 0x7F);
            if !self.raw {
                // These are asked about by themselves.
                for apart in [b'"', b'\\'].map(ByteSet::one) {
                    characters.remove(&apart);
                    dead.remove(&apart);
                }
            }
            // Walks over a vocabulary ask about all of them.
            let mut groups: SmallVec<[(ProductId, ByteSet); 4]> = SmallVec::new();
            for m in moves.iter().take_while(|m| m.low < 0x80) {
                let mut bytes = ByteSet::range(m.low as u8, m.high.min(0x7F) as u8);
                bytes.keep(&characters);
                dead.remove(&bytes);
                match groups.iter_mut().rev().find(|(other, _)| *other == m.target) {
                    Some((_, others)) => others.extend(&bytes),
                    None if bytes != ByteSet::default() => groups.push((m.target, bytes)),
                    None => {}
                }
            }
            if moves.last().is_none_or(|m| m.high < 0x80) {
                dead.extend(&ByteSet([0, 0, u64::MAX, u64::MAX]));
            }
            let mut step = Step::dead(ByteSet::one(byte));
            step.also.push(Also::Dead(dead));
            for (target, bytes) in groups {
                let target = self.state(arena, Kind::Body(target))?;
                let increment = arena.facts(target).counting;
                step.also.push(Also::To(target, increment, bytes));
                if bytes.contains(byte) {
                    step.alternatives.push(Alternative { push: SmallVec::new(), target, increment });
                }
            }
            return Ok(step);
        }
        if let Some(target) = self.likened(product, bound)? {
            let like = self.state(arena, Kind::Body(target))?;
            let beyond = ByteSet([0, 0, u64::MAX, u64::MAX]);
            arena.ask_all(like, beyond)?;
            let mut step = Step::dead(ByteSet::one(byte));
            if let Cell::Simple(target, increment) = arena.step(like, byte)? {
                step.alternatives.push(Alternative { push: SmallVec::new(), target, increment });
            }
            step.also.push(Also::Like(like, beyond));
            return Ok(step);
        }
        let Some((low, high, follow)) = lift::lead_range(byte) else {
            let bytes = (0x80..=0xFFu8).filter(|&b| lift::lead_range(b).is_none());
            return Ok(Step::dead(bytes.fold(ByteSet::default(), |mut set, b| {
                set.insert(b);
                set
            })));
        };
        let characters = lift::characters(moves);
        let shortest = lift::shortest_form(follow);
        let completions = |low: u32, high: u32| {
            // An overlong spelling is none: what a shorter form says is not asked here.
            let skip = shortest.saturating_sub(low);
            let mut entries = lift::slice(&characters, low.max(shortest), high);
            for entry in &mut entries {
                entry.low += skip;
                entry.high += skip;
            }
            entries
        };
        let entries = completions(low, high);
        let mut bytes = ByteSet::one(byte);
        for other in lift::leads(follow) {
            if let Some((low, high, _)) = lift::lead_range(other)
                && completions(low, high) == entries
            {
                bytes.insert(other);
            }
        }
        if entries.is_empty() {
            return Ok(Step::dead(bytes));
        }
        self.begin(arena, Kind::Utf8(follow, self.list(entries)), bytes)
    }

    /// A character of ASCII where nothing matters but names: one that none goes on with is like any in a text that is no name.
    fn step_names(&self, arena: &Arena, product: ProductId, names: NameMapId, byte: u8) -> Result<Step, EngineError> {
        let bound = arena.limits();
        let mut others = ByteSet([!0xFFFF_FFFF, u64::MAX, 0, 0]);
        others.remove(&ByteSet::one(b'"'));
        others.remove(&ByteSet::one(b'\\'));
        let mut target = None;
        for edge in self.products.names.edges(names).iter().take_while(|edge| edge.low < 0x80) {
            others.remove(&ByteSet::one(edge.low as u8));
            if edge.low == u32::from(byte) && byte >= 0x20 {
                target = self.products.after_name(product, Names::target(edge.target), bound)?;
            }
        }
        let mut step = Step::dead(ByteSet::one(byte));
        step.also.push(Also::Dead(ByteSet([0xFFFF_FFFF, 0, 0, 0])));
        let base = match self.products.verdict_if_all_fail(product) {
            0 => {
                step.also.push(Also::Dead(others));
                None
            }
            leaf => {
                let base = self.state(arena, Kind::Body(self.products.base(leaf, bound)?))?;
                step.also.push(Also::To(base, false, others));
                Some(base)
            }
        };
        let target = match target {
            Some(target) => Some(self.state(arena, Kind::Body(target))?),
            None => base.filter(|_| others.contains(byte)),
        };
        step.alternatives.extend(target.map(|target| Alternative { push: SmallVec::new(), target, increment: false }));
        Ok(step)
    }

    /// The other product to which every character beyond ASCII leads, if that leads back to itself by them.
    fn likened(&self, product: ProductId, bound: &Limits) -> Result<Option<ProductId>, EngineError> {
        let only = |product| Ok::<_, EngineError>(lift::only_target(self.products.live_moves(product, bound)?, &BEYOND_ASCII));
        let Some(target) = only(product)?.filter(|&target| target != product) else { return Ok(None) };
        Ok(only(target)?.filter(|&next| next == target))
    }

    /// The UTF-16 units after `\u`.
    fn units(&self, arena: &Arena, product: ProductId) -> Result<ListId, EngineError> {
        if let Some(list) = self.units.get(&product) {
            return Ok(*list);
        }
        let mut moves: Cow<'_, [Move]> = Cow::Borrowed(self.products.live_moves(product, arena.limits())?);
        if let Some(hexadecimal) = &self.hexadecimal {
            let mut kept = lift::within(&moves, hexadecimal);
            kept.extend(lift::within(&moves, lift::short_escapes()));
            kept.sort_unstable_by_key(|m| m.low);
            moves = Cow::Owned(kept);
        }
        let list = self.list(lift::units(&moves, |low| Ok::<_, EngineError>(self.list(low)))?);
        self.units.insert(product, list);
        Ok(list)
    }

    /// The units after `\\u`, of those after a backslash.
    fn hexadecimal_units(&self, list: ListId) -> Option<ListId> {
        if self.hexadecimal.is_none() {
            return Some(list);
        }
        let mut kept = Entries::new();
        for entry in self.entries(list) {
            for low in entry.low..=entry.high.min(0x5C) {
                if !lift::has_short_escape(low) {
                    lift::push(&mut kept, Entry { low, high: low, goal: entry.goal });
                }
            }
            if entry.high > 0x5C {
                lift::push(&mut kept, Entry { low: entry.low.max(0x5D), ..*entry });
            }
        }
        (!kept.is_empty()).then(|| self.list(kept))
    }

    fn step_escape(&self, arena: &Arena, list: ListId, byte: u8) -> Result<Step, EngineError> {
        if byte == b'u' {
            let Some(list) = self.hexadecimal_units(list) else { return Ok(Step::dead(ByteSet::one(byte))) };
            return Ok(Step::to(self.state(arena, Kind::Hex(4, list))?, ByteSet::one(byte)));
        }
        let entries = self.entries(list);
        let mut step = Step::dead(ByteSet::one(byte));
        let mut dead = ByteSet::ALL;
        dead.remove(&ByteSet::one(b'u'));
        for b in 0..0x80u8 {
            let Some(goal) = lift::short_escape(b).and_then(|c| lift::find(entries, c)) else { continue };
            dead.remove(&ByteSet::one(b));
            let target = self.goal_state(arena, goal)?;
            if b == byte {
                step.alternatives.push(Alternative { push: SmallVec::new(), target, increment: false });
            }
            step.also.push(Also::To(target, false, ByteSet::one(b)));
        }
        step.also.push(Also::Dead(dead));
        Ok(step)
    }

    /// One digit of a number in flight: a continuation byte, or a hexadecimal digit.
    fn step_digit(&self, arena: &Arena, hex: bool, left: u8, list: ListId, byte: u8) -> Result<Step, EngineError> {
        let entries = self.entries(list);
        let span = 1u32 << (if hex { 4 } else { 6 } * u32::from(left.saturating_sub(1)));
        let value = |b: u8| if hex { lift::hex_value(b) } else { (b & 0xC0 == 0x80).then_some(u32::from(b & 0x3F)) };
        // What each digit leaves, told for all digits at once.
        let mut groups: SmallVec<[(Entries, ByteSet); 4]> = SmallVec::new();
        let mut dead = ByteSet::ALL;
        for b in 0..=255u8 {
            let Some(value) = value(b) else { continue };
            let first = entries.partition_point(|e| e.high < value * span);
            let rest = match entries.get(first) {
                // Mostly, all that follow fare alike.
                Some(e) if e.low <= value * span && e.high >= value * span + span - 1 => {
                    Entries::from_slice(&[Entry { low: 0, high: span - 1, goal: e.goal }])
                }
                _ => lift::slice(entries, value * span, value * span + span - 1),
            };
            if rest.is_empty() {
                continue;
            }
            dead.remove(&ByteSet::one(b));
            match groups.iter_mut().rev().find(|(other, _)| *other == rest) {
                Some((_, bytes)) => bytes.insert(b),
                None => groups.push((rest, ByteSet::one(b))),
            }
        }
        let mut step = Step::dead(ByteSet::one(byte));
        step.also.push(Also::Dead(dead));
        for (rest, bytes) in groups {
            let target = match rest.first() {
                Some(first) if left <= 1 => self.goal_state(arena, first.goal)?,
                _ => {
                    let list = self.list(rest);
                    self.state(arena, if hex { Kind::Hex(left - 1, list) } else { Kind::Utf8(left - 1, list) })?
                }
            };
            if bytes.contains(byte) {
                step.alternatives.push(Alternative { push: SmallVec::new(), target, increment: false });
            }
            step.also.push(Also::To(target, false, bytes));
        }
        Ok(step)
    }

    /// Just this byte goes on.
    fn step_only(&self, arena: &Arena, only: u8, target: Kind, byte: u8) -> Result<Step, EngineError> {
        if byte == only {
            return Ok(Step::to(self.state(arena, target)?, ByteSet::one(byte)));
        }
        let mut bytes = ByteSet::ALL;
        bytes.0[usize::from(only >> 6)] &= !(1 << (only & 63));
        Ok(Step::dead(bytes))
    }

    /// What is left of a list once `count` characters have been begun.
    fn settle_list(&self, arena: &Arena, list: ListId, count: u64) -> Result<Option<ListId>, EngineError> {
        let mut settled = Entries::new();
        // Mostly, all entries but few lead to one product.
        let mut before: Option<(Goal, Option<Goal>)> = None;
        for &Entry { low, high, goal } in self.entries(list) {
            let same = before.filter(|before| before.0 == goal).map(|before| before.1);
            let then = match (same, goal) {
                (Some(same), _) => same,
                (None, Goal::Product(product)) => self.products.settle(product, count, arena.limits())?.map(|s| match s {
                    Settled::Product(product) => Goal::Product(product),
                    Settled::Close(leaf) => Goal::Close(leaf),
                }),
                (None, Goal::Close(_)) => Some(goal),
                // Second halves lead to characters only: this goes one level deep.
                (None, Goal::Low(low)) => self.settle_list(arena, low, count)?.map(Goal::Low),
            };
            before = Some((goal, then));
            if let Some(goal) = then {
                lift::push(&mut settled, Entry { low, high, goal });
            }
        }
        Ok(if settled.is_empty() {
            None
        } else if settled.as_slice() == self.entries(list) {
            Some(list)
        } else {
            Some(self.list(settled))
        })
    }

    /// How many further characters may matter before the limit of `product` does; `None`: any number.
    fn distance(&self, product: ProductId) -> Option<u64> {
        // Where no count leads into a trap, none is near.
        let free = self.products.refuses_nothing(product) || self.products.guard_cell(product).get().is_some_and(Guard::is_free);
        if free { Some(0) } else { self.within_segment(product) }
    }

    /// With how few more characters the texts of `product`, and all that they lead to, are accepted before its limit is out of the way; `None`: not all are.
    fn within_segment(&self, product: ProductId) -> Option<u64> {
        let key = self.products.key(product);
        if !key.counts() || key.is_plain() {
            return Some(0);
        }
        if let (Some(ends), [_]) = (self.products.ends_within(product), &*key.limits) {
            return Some(ends.anywhere);
        }
        self.products.guard_cell(product).get()?.distance()
    }

    fn kind(&self, local: u32) -> Kind {
        self.kinds[local as usize]
    }
}

impl Provider for TextAutomaton {
    fn step(&self, arena: &Arena, local: u32, byte: u8) -> Result<Step, EngineError> {
        match self.kind(local) {
            Kind::End(_) => Ok(Step::dead(ByteSet::ALL)),
            Kind::Close(leaf) => self.step_only(arena, b'"', Kind::End(leaf), byte),
            Kind::Body(product) | Kind::Start(product) => self.step_body(arena, product, byte),
            Kind::Escape(list) => self.step_escape(arena, list, byte),
            Kind::Utf8(left, list) => self.step_digit(arena, false, left, list, byte),
            Kind::Hex(left, list) => self.step_digit(arena, true, left, list, byte),
            Kind::LowEscape(list) => self.step_only(arena, b'\\', Kind::LowLetter(list), byte),
            Kind::LowLetter(list) => self.step_only(arena, b'u', Kind::Hex(4, list), byte),
        }
    }

    fn on_return(&self, _arena: &Arena, _local: u32, _value: u32) -> Result<Option<StateId>, EngineError> {
        Err(EngineError::Internal("a text calls no rule"))
    }

    fn settle(&self, arena: &Arena, local: u32, register: u64) -> Result<Option<StateId>, EngineError> {
        let kind = self.kind(local);
        let settled = match kind {
            Kind::End(_) | Kind::Close(_) => Some(kind),
            Kind::Body(product) | Kind::Start(product) => {
                self.products.settle(product, register, arena.limits())?.map(|settled| match settled {
                    Settled::Product(next) if next == product => kind,
                    Settled::Product(next) => Kind::Body(next),
                    Settled::Close(leaf) => Kind::Close(leaf),
                })
            }
            Kind::Escape(list) => self.settle_list(arena, list, register)?.map(Kind::Escape),
            Kind::Utf8(left, list) => self.settle_list(arena, list, register)?.map(|l| Kind::Utf8(left, l)),
            Kind::Hex(left, list) => self.settle_list(arena, list, register)?.map(|l| Kind::Hex(left, l)),
            Kind::LowEscape(list) => self.settle_list(arena, list, register)?.map(Kind::LowEscape),
            Kind::LowLetter(list) => self.settle_list(arena, list, register)?.map(Kind::LowLetter),
        };
        settled.map(|kind| self.state(arena, kind)).transpose()
    }

    /// The distance to the limit, cut where neither the limit nor a trap is near: a product from which all that can be reached within the
    /// horizon can be completed long before the limit does not ask how far that is.
    fn view(&self, local: u32, register: u64, limit: u64, horizon: u64) -> u64 {
        let far = match self.kind(local) {
            Kind::End(_) | Kind::Close(_) => Some(0),
            Kind::Body(product) | Kind::Start(product) => self.distance(product),
            Kind::Escape(list) | Kind::Utf8(_, list) | Kind::Hex(_, list) | Kind::LowEscape(list) | Kind::LowLetter(list) => {
                self.goals(list).iter().try_fold(0, |most: u64, &product| self.distance(product).map(|d| most.max(d)))
            }
        };
        let left = limit.saturating_sub(register);
        far.map_or(left, |far| left.min(horizon.saturating_add(far).saturating_add(2)))
    }

    fn unlimited(&self, arena: &Arena, local: u32, register: u64, horizon: u64) -> Result<Option<StateId>, EngineError> {
        let Kind::Body(product) = self.kind(local) else { return Ok(None) };
        let left = self.products.limit(product).saturating_sub(register);
        // What only a later segment accepts is none of the state without limits.
        match self.within_segment(product) {
            Some(far) if left >= horizon.saturating_add(far).saturating_add(2) => {}
            _ => return Ok(None),
        }
        let Some(unlimited) = self.products.unlimited(product, arena.limits())? else { return Ok(None) };
        self.state(arena, Kind::Body(unlimited)).map(Some)
    }

    fn is_endless(&self, arena: &Arena, local: u32, or_named: bool) -> Result<bool, EngineError> {
        match self.kind(local) {
            Kind::End(_) | Kind::Close(_) => Ok(false),
            Kind::Body(product) | Kind::Start(product) => self.products.is_endless(product, or_named, arena.limits()),
            Kind::Escape(list) | Kind::Utf8(_, list) | Kind::Hex(_, list) | Kind::LowEscape(list) | Kind::LowLetter(list) => {
                let closes = |list: ListId| self.entries(list).iter().any(|entry| matches!(entry.goal, Goal::Close(_)));
                let half_closes = self.entries(list).iter().any(|entry| matches!(entry.goal, Goal::Low(low) if closes(low)));
                if closes(list) || half_closes {
                    return Ok(false);
                }
                for product in self.goals(list) {
                    if !self.products.is_endless(product, or_named, arena.limits())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    fn loosened(&self, arena: &Arena, local: u32) -> Result<Option<Loosened<'_>>, EngineError> {
        let (Kind::Body(product), false) = (self.kind(local), self.raw) else { return Ok(None) };
        let Some(Loosened { loose, reach, automaton, loose_part, own_part }) = self.products.loosened(product, arena.limits())? else {
            return Ok(None);
        };
        // Any character may be spelled by an escape.
        let reach = Reach { escapes: characters::kind(b'\\'), ..reach };
        Ok(Some(Loosened { loose: self.state(arena, Kind::Body(loose))?, reach, automaton, loose_part, own_part }))
    }

    fn is_bounded(&self, local: u32) -> bool {
        matches!(self.kind(local), Kind::Body(product) | Kind::Start(product) if self.products.is_bounded(product))
    }

    fn beyond_ascii(&self, arena: &Arena, local: u32, kind: Kinds) -> Result<Option<Beyond>, EngineError> {
        let (Kind::Body(product) | Kind::Start(product)) = self.kind(local) else { return Ok(None) };
        let moves = self.products.live_moves(product, arena.limits())?;
        let ranges = characters::ranges_of(kind);
        Ok(Some(match lift::only_target(moves, ranges) {
            Some(target) => Beyond::To(self.state(arena, Kind::Body(target))?),
            None if lift::are_refused(moves, ranges) => Beyond::Dead,
            None => Beyond::Apart,
        }))
    }

    fn beyond_each(&self, arena: &Arena, local: u32) -> Result<Option<Ranges>, EngineError> {
        let (Kind::Body(product) | Kind::Start(product)) = self.kind(local) else { return Ok(None) };
        let moves = self.products.live_moves(product, arena.limits())?;
        let mut ranges = Vec::new();
        let mut last: Option<(ProductId, StateId)> = None;
        for m in &moves[moves.partition_point(|m| m.high < 0x80)..] {
            let target = match last.filter(|last| last.0 == m.target) {
                Some((_, target)) => target,
                None => self.state(arena, Kind::Body(m.target))?,
            };
            last = Some((m.target, target));
            ranges.push((m.low.max(0x80), m.high, target));
        }
        Ok(Some(ranges))
    }

    fn along(&self, arena: &Arena, local: u32, bytes: &[u8]) -> Result<Option<(StateId, usize)>, EngineError> {
        let (Kind::Body(product) | Kind::Start(product)) = self.kind(local) else { return Ok(None) };
        let Some(names) = self.just_names(product) else { return Ok(None) };
        let Some((names, read)) = self.products.names.along(names, bytes, arena.alphabet()) else { return Ok(None) };
        let Some(target) = self.products.after_name(product, names, arena.limits())? else { return Ok(None) };
        Ok(Some((self.state(arena, Kind::Body(target))?, read)))
    }

    fn named(&self, local: u32) -> Option<(&dyn provider::Names, u32, bool)> {
        let (Kind::Body(product) | Kind::Start(product)) = self.kind(local) else { return None };
        let names = self.products.key(product).names.filter(|_| self.has_names(product))?;
        Some((&self.products.names, names.0, self.just_names(product).is_none()))
    }

    fn describe(&self, local: u32) -> String {
        match self.kind(local) {
            Kind::End(_) => "the end of a text".to_owned(),
            Kind::Close(_) => "a closing quote".to_owned(),
            Kind::Body(product) | Kind::Start(product) => match (self.raw, self.products.key(product).is_plain()) {
                (true, true) => "any character".to_owned(),
                (true, false) => "a character of the pattern".to_owned(),
                (false, true) => "a character of a string, or its closing quote".to_owned(),
                (false, false) => "a character of a restricted string, or its closing quote".to_owned(),
            },
            Kind::Escape(_) => "the rest of an escape sequence".to_owned(),
            Kind::Utf8(left, _) => format!("the last {left} bytes of a UTF-8 character"),
            Kind::Hex(left, _) => format!("{left} hexadecimal digits"),
            Kind::LowEscape(_) | Kind::LowLetter(_) => "the second half of a surrogate pair".to_owned(),
        }
    }

    fn memory_bytes(&self) -> usize {
        let entries: usize = self.lists.iter().map(|(_, l)| l.len() * size_of::<Entry>() * 2).sum();
        self.products.memory_bytes() + entries + self.kinds.count() * 64
    }
}
