//! A schema taken apart by the kind of value it speaks about. Made when a schema is first visited.
//!
//! Invariant: it says what the schema's keywords say, no more and no less; schemas inside are only named, not visited.
//! Must not know: progress through a value.

use std::sync::Arc;

use super::kinds::{Kind, Kinds};
use super::space::{Atom, ComponentId, NameId, SchemaId, Source, Space};
use crate::automaton::number::{Decimal, NumberAtom};
use crate::automaton::text::Length;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::frontend::json_schema::json::{Members, Node, NodeId};
use crate::frontend::json_schema::keywords::{Draft, Shape};
use crate::frontend::json_schema::schema::{count, is_reference};
use crate::maps::NumberedMap;

/// See the module.
#[derive(Debug)]
pub(crate) struct Typed {
    /// The kinds that `type` allows.
    pub kinds: Kinds,
    /// `enum` and `const`, each a set of values.
    pub candidates: Vec<Candidates>,
    /// Assertions about strings: conjuncts.
    pub strings: Vec<Atom>,
    /// Assertions about numbers.
    pub numbers: Vec<Atom>,
    pub object: ObjectPart,
    pub array: ArrayPart,
    /// Schemas for the same value.
    pub logic: Vec<Logic>,
}

/// The values of `enum` or `const`, by kind.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub kinds: Kinds,
    /// Hashes of the values, sorted: equal values have equal hashes.
    pub values: Vec<u128>,
    pub strings: Option<ComponentId>,
    pub numbers: Option<Atom>,
    /// Arrays and objects, each a schema of one value.
    pub arrays: Vec<Formula>,
    pub objects: Vec<Formula>,
}

/// The keywords about objects.
#[derive(Debug, Default)]
pub(crate) struct ObjectPart {
    pub properties: NumberedMap<NameId, Formula>,
    pub patterns: Vec<(ComponentId, Formula)>,
    /// `None`: not said.
    pub additional: Option<Formula>,
    /// Keys that no schema of the object declares are refused.
    pub strict: bool,
    pub unevaluated: Option<Formula>,
    /// `propertyNames`.
    pub names: Option<Formula>,
    pub required: Vec<NameId>,
    pub dependent: Vec<(NameId, Vec<NameId>)>,
    pub min: u64,
    pub max: Option<u64>,
}

impl ObjectPart {
    /// Do the schemas of members say anything?
    pub fn watches_members(&self) -> bool {
        self.strict
            || self.additional.is_some_and(|f| f != Formula::TRUE)
            || self.properties.values().any(|&f| f != Formula::TRUE)
            || self.patterns.iter().any(|&(_, f)| f != Formula::TRUE)
    }
}

/// The keywords about arrays.
#[derive(Debug)]
pub(crate) struct ArrayPart {
    pub prefix: Vec<Formula>,
    pub rest: Formula,
    /// `items` or `additionalItems` speak of every item.
    pub covers_all: bool,
    pub unevaluated: Option<Formula>,
    pub contains: Option<Contains>,
    pub unique: bool,
    pub min: u64,
    pub max: Option<u64>,
}

impl ArrayPart {
    pub fn watches_items(&self) -> bool {
        self.rest != Formula::TRUE || self.prefix.iter().any(|&f| f != Formula::TRUE)
    }
}

/// `contains` with its bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contains {
    pub item: Formula,
    pub min: u64,
    pub max: Option<u64>,
    /// Items that match count as evaluated.
    pub evaluates: bool,
}

/// Schemas for the same value.
#[derive(Debug)]
pub(crate) enum Logic {
    All(Vec<Formula>),
    Any(Vec<Formula>),
    One(Vec<Formula>),
    Not(Formula),
    If {
        condition: Formula,
        then: Formula,
        otherwise: Formula,
    },
    /// If the key is there, the schema holds.
    When(NameId, Formula),
}

impl Logic {
    /// The formulas in it.
    pub fn parts(&self) -> Vec<Formula> {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::One(parts) => parts.clone(),
            Self::Not(part) | Self::When(_, part) => vec![*part],
            Self::If { condition, then, otherwise } => vec![*condition, *then, *otherwise],
        }
    }
}

impl Typed {
    pub(super) fn anything() -> Self {
        Self {
            kinds: Kinds::ALL,
            candidates: Vec::new(),
            strings: Vec::new(),
            numbers: Vec::new(),
            object: ObjectPart::default(),
            array: ArrayPart {
                prefix: Vec::new(),
                rest: Formula::TRUE,
                covers_all: false,
                unevaluated: None,
                contains: None,
                unique: false,
                min: 0,
                max: None,
            },
            logic: Vec::new(),
        }
    }
}

impl Space {
    /// The schema, taken apart.
    pub fn typed(&mut self, id: SchemaId) -> Result<Arc<Typed>, EngineError> {
        if let Some(typed) = self.typed_memo(id) {
            return Ok(typed);
        }
        let typed = Arc::new(match self.source_of(id) {
            Source::Value(node) => self.read_value(node)?,
            Source::Constant(index) => {
                let hash = self.hash_of_one_value(id).ok_or(EngineError::Internal("a constant without a hash"))?;
                self.read_constant(index, hash)?
            }
            Source::Schema(node) => self.read_schema(node)?,
        });
        self.remember_typed(id, typed.clone());
        Ok(typed)
    }

    /// The schema that only the value `node` satisfies.
    fn read_value(&mut self, node: NodeId) -> Result<Typed, EngineError> {
        let source = self.schema.clone();
        let mut typed = Typed::anything();
        match source.document.get(node) {
            Node::Array(items) => {
                typed.kinds = Kinds::NONE.with(Kind::Array);
                for &item in items {
                    let formula = self.value_formula(item)?;
                    typed.array.prefix.push(formula);
                }
                typed.array.rest = Formula::FALSE;
                typed.array.min = items.len() as u64;
            }
            Node::Object(members) => {
                typed.kinds = Kinds::NONE.with(Kind::Object);
                for (name, value) in members.iter() {
                    let name = self.name(name);
                    let formula = self.value_formula(value)?;
                    typed.object.properties.insert(name, formula);
                    typed.object.required.push(name);
                }
                typed.object.additional = Some(Formula::FALSE);
            }
            _ => typed.candidates.push(self.candidates(&[node])?),
        }
        Ok(typed)
    }

    fn candidates(&mut self, values: &[NodeId]) -> Result<Candidates, EngineError> {
        let source = self.schema.clone();
        let mut hashes: Vec<u128> = values.iter().map(|&v| source.document.value_hash(v)).collect();
        hashes.sort_unstable();
        let mut out =
            Candidates { kinds: Kinds::NONE, values: hashes, strings: None, numbers: None, arrays: Vec::new(), objects: Vec::new() };
        let (mut strings, mut numbers) = (Vec::new(), Vec::new());
        for &value in values {
            let node = source.document.get(value);
            out.kinds = out.kinds.with(Kind::of_value(node));
            match node {
                Node::String(text) => strings.push(text),
                Node::Number(digits) => numbers.push(Self::decimal(digits)?),
                Node::Array(_) => out.arrays.push(self.value_formula(value)?),
                Node::Object(_) => out.objects.push(self.value_formula(value)?),
                _ => {}
            }
        }
        if !strings.is_empty() {
            out.strings = Some(self.string_set(strings));
        }
        if !numbers.is_empty() {
            out.numbers = Some(self.number_atom(NumberAtom::OneOf(numbers)));
        }
        Ok(out)
    }

    fn read_schema(&mut self, node: NodeId) -> Result<Typed, EngineError> {
        let source = self.schema.clone();
        let document = &source.document;
        let mut typed = Typed::anything();
        if let Node::Bool(false) = document.get(node) {
            typed.kinds = Kinds::NONE;
        }
        let mut integer = false;
        let (mut min_length, mut max_length) = (0, None);
        let mut conditional = [None; 3];
        for (row, value) in source.keywords(node) {
            match row.name {
                "type" => {
                    let names: Vec<&str> = match document.get(value) {
                        Node::Array(items) => items.iter().filter_map(|&i| document.string(i)).collect(),
                        _ => document.string(value).into_iter().collect(),
                    };
                    (typed.kinds, integer) = kinds_of(&names);
                }
                "enum" => typed.candidates.push(self.candidates(document.items(value).unwrap_or_default())?),
                "const" => typed.candidates.push(self.candidates(&[value])?),
                "minLength" => min_length = count(document, value).unwrap_or(0),
                "maxLength" => max_length = count(document, value),
                "pattern" => {
                    let component = self.pattern(document.string(value).unwrap_or(""))?;
                    typed.strings.push(Atom::Text(component));
                }
                "format" | "contentEncoding" => {
                    if let Some(format) = source.format(row.name, value) {
                        let component = self.format(format)?;
                        typed.strings.push(Atom::Text(component));
                    }
                }
                "multipleOf" => {
                    if let Node::Number(digits) = document.get(value) {
                        let divisor = Self::decimal(digits)?;
                        let one = divisor == Decimal::from(1);
                        let atom = self.number_atom(if one { NumberAtom::Integer } else { NumberAtom::MultipleOf(divisor) });
                        typed.numbers.push(atom);
                    }
                }
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => self.read_bound(node, row.name, value, &mut typed)?,
                "items" if row.shape == Shape::SchemaOrSchemas => {
                    if let Some(items) = document.items(value) {
                        self.read_prefix(items, &mut typed)?;
                    } else {
                        typed.array.rest = self.schema_formula(value)?;
                        typed.array.covers_all = true;
                    }
                }
                "prefixItems" => self.read_prefix(document.items(value).unwrap_or_default(), &mut typed)?,
                // Only beside a list of items.
                "additionalItems" if document.member(node, "items").is_some_and(|i| document.items(i).is_some()) => {
                    typed.array.rest = self.schema_formula(value)?;
                    typed.array.covers_all = true;
                }
                "unevaluatedItems" => typed.array.unevaluated = Some(self.schema_formula(value)?),
                "minItems" => typed.array.min = count(document, value).unwrap_or(0),
                "maxItems" => typed.array.max = count(document, value),
                "contains" => {
                    let bound = |name| source.member_in_force(node, name).and_then(|bound| count(document, bound));
                    let (min, max) = (bound("minContains").unwrap_or(1), bound("maxContains"));
                    let evaluates = source.located(node).is_none_or(|l| l.dialect.draft != Draft::Draft201909);
                    typed.array.contains = Some(Contains { item: self.schema_formula(value)?, min, max, evaluates });
                }
                "uniqueItems" => typed.array.unique = matches!(document.get(value), Node::Bool(true)),
                "if" => conditional[0] = Some(value),
                "then" => conditional[1] = Some(value),
                "else" => conditional[2] = Some(value),
                name if is_reference(name) => {
                    if let Some(target) = source.target(value) {
                        let formula = self.schema_formula(target)?;
                        typed.logic.push(Logic::All(vec![formula]));
                    }
                }
                "allOf" | "anyOf" | "oneOf" | "not" => self.read_logic(row.name, value, &mut typed)?,
                name => self.read_object(name, value, &mut typed)?,
            }
        }
        if integer {
            let atom = self.number_atom(NumberAtom::Integer);
            typed.numbers.push(atom);
        }
        if min_length > 0 || max_length.is_some() {
            let atom = self.length_atom(Length { min: min_length, max: max_length });
            typed.strings.push(atom);
        }
        if let [Some(condition), then, otherwise] = conditional {
            let mut read = |node: Option<NodeId>| node.map_or(Ok(Formula::TRUE), |n| self.schema_formula(n));
            let (condition, then, otherwise) = (read(Some(condition))?, read(then)?, read(otherwise)?);
            typed.logic.push(Logic::If { condition, then, otherwise });
        }
        if source.options.strict_mode {
            self.close(node, &mut typed);
        }
        Ok(typed)
    }

    /// Strict mode: what is not declared is refused, where the schema speaks about objects or arrays at all.
    fn close(&self, node: NodeId, typed: &mut Typed) {
        let names: Vec<&str> = self.schema.keywords(node).map(|(row, _)| row.name).collect();
        let has = |wanted: &[&str]| wanted.iter().any(|w| names.contains(w));
        let speaks_of = |kind: Kind| has(&["type"]) && typed.kinds.has(kind) && typed.logic.is_empty() && typed.candidates.is_empty();
        let object = has(&["properties", "patternProperties"]) || speaks_of(Kind::Object);
        typed.object.strict = object && !has(&["additionalProperties", "unevaluatedProperties"]);
        let array =
            has(&["prefixItems"]) || self.schema.document.member(node, "items").is_some_and(|i| self.schema.document.items(i).is_some());
        let rest_is_said = if array { has(&["additionalItems", "unevaluatedItems"]) } else { has(&["items", "unevaluatedItems"]) };
        let rest_is_items = has(&["prefixItems"]) && has(&["items"]);
        if (array || speaks_of(Kind::Array)) && !rest_is_said && !rest_is_items {
            // Items that `contains` looks for are declared by it.
            typed.array.rest = typed.array.contains.map_or(Formula::FALSE, |contains| contains.item);
        }
    }

    fn read_prefix(&mut self, items: &[NodeId], typed: &mut Typed) -> Result<(), EngineError> {
        for &item in items {
            let formula = self.schema_formula(item)?;
            typed.array.prefix.push(formula);
        }
        Ok(())
    }

    fn read_bound(&mut self, node: NodeId, name: &str, value: NodeId, typed: &mut Typed) -> Result<(), EngineError> {
        let source = self.schema.clone();
        let document = &source.document;
        // In draft 4 the exclusive forms are flags on the other two.
        let Node::Number(digits) = document.get(value) else { return Ok(()) };
        let flag = match name {
            "minimum" => document.member(node, "exclusiveMinimum"),
            "maximum" => document.member(node, "exclusiveMaximum"),
            _ => None,
        };
        let exclusive = name.starts_with("exclusive") || flag.is_some_and(|f| matches!(document.get(f), Node::Bool(true)));
        let bound = Self::decimal(digits)?;
        let lower = matches!(name, "minimum" | "exclusiveMinimum");
        let atom = if lower { NumberAtom::AtLeast { bound, exclusive } } else { NumberAtom::AtMost { bound, exclusive } };
        let atom = self.number_atom(atom);
        typed.numbers.push(atom);
        Ok(())
    }

    fn read_logic(&mut self, name: &str, value: NodeId, typed: &mut Typed) -> Result<(), EngineError> {
        let source = self.schema.clone();
        let mut parts = Vec::new();
        for &item in source.document.items(value).unwrap_or_default() {
            parts.push(self.schema_formula(item)?);
        }
        let logic = match name {
            "allOf" => Logic::All(parts),
            "anyOf" => Logic::Any(parts),
            "oneOf" => Logic::One(parts),
            _ => Logic::Not(self.schema_formula(value)?),
        };
        typed.logic.push(logic);
        Ok(())
    }

    fn read_object(&mut self, name: &str, value: NodeId, typed: &mut Typed) -> Result<(), EngineError> {
        let source = self.schema.clone();
        let document = &source.document;
        let members = || document.members(value).into_iter().flat_map(Members::iter);
        match name {
            "properties" => {
                for (name, child) in members() {
                    let name = self.name(name);
                    let formula = self.schema_formula(child)?;
                    typed.object.properties.insert(name, formula);
                }
            }
            "patternProperties" => {
                for (pattern, child) in members() {
                    let component = self.pattern(pattern)?;
                    let formula = self.schema_formula(child)?;
                    typed.object.patterns.push((component, formula));
                }
            }
            "additionalProperties" => typed.object.additional = Some(self.schema_formula(value)?),
            "unevaluatedProperties" => typed.object.unevaluated = Some(self.schema_formula(value)?),
            "propertyNames" => typed.object.names = Some(self.schema_formula(value)?).filter(|&f| f != Formula::TRUE),
            "required" => typed.object.required = self.read_names(value),
            "minProperties" => typed.object.min = count(document, value).unwrap_or(0),
            "maxProperties" => typed.object.max = count(document, value),
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                for (key, child) in members() {
                    let key = self.name(key);
                    if document.items(child).is_some() {
                        let names = self.read_names(child);
                        typed.object.dependent.push((key, names));
                    } else {
                        let formula = self.schema_formula(child)?;
                        typed.logic.push(Logic::When(key, formula));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read_names(&mut self, value: NodeId) -> Vec<NameId> {
        let source = self.schema.clone();
        let items = source.document.items(value).unwrap_or_default();
        let mut names: Vec<NameId> = Vec::with_capacity(items.len());
        let mut seen = hashbrown::HashSet::new();
        for name in items.iter().filter_map(|&i| source.document.string(i)) {
            let name = self.name(name);
            if seen.insert(name) {
                names.push(name);
            }
        }
        names
    }
}

/// The kinds that type names allow, and whether numbers must be integers.
fn kinds_of(names: &[&str]) -> (Kinds, bool) {
    let mut kinds = Kinds::NONE;
    for name in names {
        kinds = match *name {
            "null" => kinds.with(Kind::Null),
            "boolean" => kinds.with(Kind::True).with(Kind::False),
            "integer" | "number" => kinds.with(Kind::Number),
            "string" => kinds.with(Kind::String),
            "array" => kinds.with(Kind::Array),
            "object" => kinds.with(Kind::Object),
            _ => kinds,
        };
    }
    (kinds, names.contains(&"integer") && !names.contains(&"number"))
}
