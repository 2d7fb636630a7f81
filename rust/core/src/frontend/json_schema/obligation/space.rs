//! The store behind all obligations of one schema: formulas, their variables, and what schemas mean by kind.
//!
//! Invariant: everything is interned; equal things have equal ids, whatever was visited before.
//! Must not know: progress through a value.

use std::sync::Arc;

use hashbrown::HashMap;
use indexmap::IndexSet;

use super::achievable::Achievable;
use super::array::Arrays;
use super::atoms::Atoms;
use super::kinds::Kind;
use super::listing::{Constant, Listed};
use super::names::NamesId;
use super::object::Objects;
use super::order::Orders;
use super::satisfy::Verdicts;
use super::strings::Strings;
use super::typed::Typed;
use super::unevaluated::Watches;
use crate::automaton::number::{Decimal, NumberAtom};
use crate::automaton::text::{ClassLoop, Length, StringSet};
use crate::error::EngineError;
use crate::formula::{Formula, Formulas, Variable};
use crate::frontend::json_schema::formats::Format;
use crate::frontend::json_schema::json::{Node, NodeId};
use crate::frontend::json_schema::keywords::Role;
use crate::frontend::json_schema::schema::SchemaDocument;
use crate::limits::Limits;
use crate::maps::{Numbered, NumberedMap};
use crate::provider::CodepointAutomaton;

/// Patterns that count fewer characters are read by their own automaton.
const MANY_CHARACTERS: u64 = 8;

macro_rules! id {
    ($name:ident) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub(crate) struct $name(pub u32);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(SchemaId);
id!(NameId);
id!(ComponentId);

/// What a variable stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Atom {
    /// The value satisfies the schema.
    Schema(SchemaId),
    /// The string is in the language.
    Text(ComponentId),
    /// The string's length is in the range: an index into the ranges.
    Length(u32),
    /// The number is as it should be: an index into the demands.
    Number(u32),
    /// The members satisfy what the schema's `properties`, `patternProperties` and `additionalProperties` say.
    Members(SchemaId),
    /// The keys satisfy the formula.
    Keys(Formula),
    /// The keys of the set are all there.
    Required(NamesId),
    /// The items satisfy what the schema's `items` and its kin say.
    Items(SchemaId),
    /// There are at least so many members or items.
    Count(u64),
    /// At least so many of the items still to come satisfy the formula.
    Matches(Formula, u64),
    /// What comes and no schema of the watch has seen is as the watch says.
    Unevaluated(u32),
    /// The child that comes next satisfies the formula. Only while a parent's obligation is partitioned.
    Verdict(Formula),
    /// No two items are equal.
    Unique,
}

/// Where a schema comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Schema(NodeId),
    /// The schema that only this value satisfies.
    Value(NodeId),
    /// The same for a value that stands nowhere in the text of the schema: an index into the constants.
    Constant(u32),
}

/// See the module.
pub(crate) struct Space {
    pub schema: Arc<SchemaDocument>,
    pub limits: Limits,
    pub formulas: Formulas,
    atoms: Atoms,
    supports: HashMap<Formula, Arc<[Atom]>>,
    schemas: NumberedMap<u128, Source>,
    typed: Vec<Option<Arc<Typed>>>,
    pub(super) names: IndexSet<Arc<str>>,
    components: NumberedMap<u128, Arc<dyn CodepointAutomaton>>,
    formats: HashMap<ComponentId, &'static Format>,
    counted: HashMap<ComponentId, (ComponentId, Length)>,
    /// The strings of components that are sets.
    sets: HashMap<ComponentId, Arc<StringSet>>,
    lengths: Numbered<(u64, Option<u64>)>,
    numbers: Numbered<NumberAtom>,
    pub(super) by_kind: HashMap<(SchemaId, Kind), Formula>,
    pub(super) composed: HashMap<(Formula, Kind), Formula>,
    /// By conditions.
    pub(super) achieved: HashMap<Box<[Formula]>, Option<Arc<Achievable>>>,
    pub(super) objects: Objects,
    pub(super) arrays: Arrays,
    pub(super) orders: Orders,
    pub(super) watches: Watches,
    pub(super) verdicts: Verdicts,
    pub(super) strings: Strings,
    pub(super) constants: Vec<Constant>,
    pub(super) listed: HashMap<(Formula, usize, usize, bool), Listed>,
}

impl Space {
    pub fn new(schema: Arc<SchemaDocument>, limits: &Limits) -> Self {
        Self {
            schema,
            limits: limits.clone(),
            formulas: Formulas::new(limits.max_formula_nodes),
            atoms: Atoms::default(),
            supports: HashMap::new(),
            schemas: NumberedMap::default(),
            typed: Vec::new(),
            names: IndexSet::new(),
            components: NumberedMap::default(),
            formats: HashMap::new(),
            counted: HashMap::new(),
            sets: HashMap::new(),
            lengths: Numbered::default(),
            numbers: Numbered::default(),
            by_kind: HashMap::new(),
            composed: HashMap::new(),
            achieved: HashMap::new(),
            objects: Objects::default(),
            arrays: Arrays::default(),
            orders: Orders::default(),
            watches: Watches::default(),
            verdicts: Verdicts::default(),
            strings: Strings::default(),
            constants: Vec::new(),
            listed: HashMap::new(),
        }
    }

    /// The obligation of the root: leaf 1 if it holds.
    pub fn root(&mut self) -> Result<Formula, EngineError> {
        let root = self.schema.document.root();
        self.schema_formula(root)
    }

    pub fn atom(&self, variable: Variable) -> Result<Atom, EngineError> {
        self.atoms.get(variable).ok_or(EngineError::Internal("a variable without an atom"))
    }

    pub fn variable(&mut self, atom: Atom) -> Result<Variable, EngineError> {
        self.atoms.variable(atom)
    }

    /// The formula of an atom that the one of `before` becomes.
    pub fn becomes(&mut self, before: Variable, atom: Atom) -> Result<Formula, EngineError> {
        let variable = self.atoms.behind(before, atom)?;
        self.formulas.variable(variable)
    }

    pub fn atom_formula(&mut self, atom: Atom) -> Result<Formula, EngineError> {
        let variable = self.variable(atom)?;
        self.formulas.variable(variable)
    }

    /// The atoms a formula depends on.
    pub fn atoms_of(&mut self, formula: Formula) -> Result<Arc<[Atom]>, EngineError> {
        if let Some(known) = self.supports.get(&formula) {
            return Ok(known.clone());
        }
        let atoms: Result<Arc<[Atom]>, EngineError> = self.formulas.variables(formula).into_iter().map(|v| self.atom(v)).collect();
        let atoms = atoms?;
        self.supports.insert(formula, atoms.clone());
        Ok(atoms)
    }

    /// The formula with an atom decided.
    pub fn decide(&mut self, formula: Formula, atom: Atom, holds: bool) -> Result<Formula, EngineError> {
        let Some(variable) = self.atoms.known(atom) else { return Ok(formula) };
        if !holds && self.formulas.plainly_needs(formula, variable) {
            return Ok(Formula::FALSE);
        }
        if self.has_nested(formula)? {
            let constant = if holds { Formula::TRUE } else { Formula::FALSE };
            return self.progress(formula, HashMap::from([(variable, constant)]), |_, _| Ok(Formula::TRUE));
        }
        self.formulas.given(formula, variable, |v| (v == variable).then_some(holds))
    }

    pub fn name(&mut self, name: &str) -> NameId {
        match self.names.get_index_of(name) {
            Some(index) => NameId(index as u32),
            None => NameId(self.names.insert_full(name.into()).0 as u32),
        }
    }

    pub fn name_str(&self, name: NameId) -> &str {
        self.names.get_index(name.index()).map_or("", |text| text)
    }

    pub fn name_text(&self, name: NameId) -> Arc<str> {
        self.names.get_index(name.index()).cloned().unwrap_or_default()
    }

    /// The formula of the schema at `node`: a constant, or one variable.
    pub fn schema_formula(&mut self, node: NodeId) -> Result<Formula, EngineError> {
        let node = self.schema.follow(node);
        let source = self.schema.clone();
        if let Node::Bool(false) = source.document.get(node) {
            return Ok(Formula::FALSE);
        }
        let says = |role: Role| matches!(role, Role::Assertion | Role::InPlace | Role::Child);
        if !source.keywords(node).any(|(row, _)| says(row.role)) {
            return Ok(Formula::TRUE);
        }
        let content = source.located(node).map_or(0, |l| l.content);
        self.intern_schema(content, Source::Schema(node))
    }

    /// The formula of the schema that only the value `node` satisfies.
    pub fn value_formula(&mut self, node: NodeId) -> Result<Formula, EngineError> {
        self.one_value(self.schema.document.value_hash(node), Source::Value(node))
    }

    pub(super) fn one_value(&mut self, hash: u128, source: Source) -> Result<Formula, EngineError> {
        // Apart from contents by construction: those are hashes too.
        self.intern_schema(hash ^ 0x5eed_0f7a_1e5e_ed0f_7a1e, source)
    }

    /// The hash of the only value that satisfies the schema, if there is but one.
    pub(super) fn hash_of_one_value(&self, id: SchemaId) -> Option<u128> {
        let (content, _) = self.schemas.get_index(id.index()).filter(|_| self.is_one_value(id))?;
        Some(content ^ 0x5eed_0f7a_1e5e_ed0f_7a1e)
    }

    /// Is it a schema that only one value satisfies?
    pub(super) fn is_one_value(&self, id: SchemaId) -> bool {
        matches!(self.source_of(id), Source::Value(_) | Source::Constant(_))
    }

    fn intern_schema(&mut self, content: u128, source: Source) -> Result<Formula, EngineError> {
        let entry = self.schemas.entry(content);
        let id = SchemaId(entry.index() as u32);
        entry.or_insert(source);
        self.atom_formula(Atom::Schema(id))
    }

    pub fn source_of(&self, id: SchemaId) -> Source {
        self.schemas.get_index(id.index()).map_or(Source::Schema(self.schema.document.root()), |(_, s)| *s)
    }

    pub(super) fn typed_memo(&self, id: SchemaId) -> Option<Arc<Typed>> {
        self.typed.get(id.index()).cloned().flatten()
    }

    pub(super) fn remember_typed(&mut self, id: SchemaId, typed: Arc<Typed>) {
        if self.typed.len() <= id.index() {
            self.typed.resize(id.index() + 1, None);
        }
        self.typed[id.index()] = Some(typed);
    }

    /// The schema a formula is the variable of.
    pub fn as_schema(&self, formula: Formula) -> Option<SchemaId> {
        match self.formulas.branch(formula)? {
            (variable, Formula::TRUE, Formula::FALSE) => match self.atom(variable) {
                Ok(Atom::Schema(id)) => Some(id),
                _ => None,
            },
            _ => None,
        }
    }

    fn component_of(&mut self, automaton: Arc<dyn CodepointAutomaton>) -> ComponentId {
        let entry = self.components.entry(automaton.identity());
        let id = ComponentId(entry.index() as u32);
        entry.or_insert(automaton);
        id
    }

    pub fn component(&self, id: ComponentId) -> Result<&Arc<dyn CodepointAutomaton>, EngineError> {
        self.components.get_index(id.index()).map(|(_, a)| a).ok_or(EngineError::Internal("an unknown text component"))
    }

    pub fn pattern(&mut self, pattern: &str) -> Result<ComponentId, EngineError> {
        let automaton = self.schema.pattern(pattern).ok_or(EngineError::Internal("a pattern that was not compiled"))?;
        let known = self.components.len();
        let id = self.component_of(automaton.clone());
        if id.index() == known
            && let Some(&(ref class, min, max)) = automaton.as_counted_class()
            && max.unwrap_or(min) >= MANY_CHARACTERS
        {
            let of_class = self.component_of(Arc::new(ClassLoop::new(class)));
            self.counted.insert(id, (of_class, Length { min, max }));
        }
        Ok(id)
    }

    /// The language of a pattern such as `^[a-z]{1,63}$` as characters of a class, and how many. Counting them takes a register, the pattern's own
    /// automaton a state for each.
    pub fn as_counted(&self, id: ComponentId) -> Option<(ComponentId, Length)> {
        self.counted.get(&id).copied()
    }

    pub fn add_component(&mut self, automaton: Arc<dyn CodepointAutomaton>) -> ComponentId {
        self.component_of(automaton)
    }

    /// The language of a format.
    pub fn format(&mut self, format: &'static Format) -> Result<ComponentId, EngineError> {
        let id = self.component_of(format.automaton()?);
        self.formats.insert(id, format);
        Ok(id)
    }

    /// The format that a component is the language of, if it leaves out strings that are valid.
    pub fn narrowed(&self, id: ComponentId) -> Option<&'static Format> {
        self.formats.get(&id).copied().filter(|format| format.is_narrower())
    }

    pub fn string_set<'s>(&mut self, strings: impl IntoIterator<Item = &'s str>) -> ComponentId {
        let set = Arc::new(StringSet::new(strings));
        let id = self.component_of(set.clone());
        self.sets.entry(id).or_insert(set);
        id
    }

    /// The strings of a component that is a set of them.
    pub fn strings_of(&self, id: ComponentId) -> Option<Arc<StringSet>> {
        self.sets.get(&id).cloned()
    }

    pub fn length_atom(&mut self, length: Length) -> Atom {
        Atom::Length(self.lengths.insert_full((length.min, length.max)).0 as u32)
    }

    pub fn length(&self, index: u32) -> Result<Length, EngineError> {
        let (min, max) = *self.lengths.get_index(index as usize).ok_or(EngineError::Internal("an unknown length"))?;
        Ok(Length { min, max })
    }

    pub fn number_atom(&mut self, atom: NumberAtom) -> Atom {
        Atom::Number(self.numbers.insert_full(atom).0 as u32)
    }

    pub fn number(&self, index: u32) -> Result<NumberAtom, EngineError> {
        self.numbers.get_index(index as usize).cloned().ok_or(EngineError::Internal("an unknown number demand"))
    }

    pub(super) fn decimal(digits: &str) -> Result<Decimal, EngineError> {
        Decimal::parse(digits).ok_or(EngineError::Limit { name: "max_text_bytes", bound: digits.len() })
    }

    /// Bytes held, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.formulas.len() * 96
            + self.atoms.len() * 48
            + self.schemas.len() * 200
            + self.names.len() * 64
            + self.watches.len() * 256
            + self.schema.document.len() * 64
    }
}
