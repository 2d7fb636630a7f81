//! Values that can still become any of endlessly many, as far as that is plain: an array of different items never runs out of those.
//!
//! Invariant: yes only if endlessly many different values complete what is there. A pure function of the formula.
//! Must not know: text, which items an array has had.

use super::array::ArrayId;
use super::kinds::Kind;
use super::listing::Listed;
use super::object::ObjectId;
use super::space::{Atom, Space};
use super::strings::Tools;
use crate::error::EngineError;
use crate::formula::Formula;

/// Objects looked at one behind the other, and keys of each.
const MOST_OBJECTS: usize = 8;
const MOST_KEYS: usize = 32;
/// Arrays, likewise.
const MOST_ARRAYS: usize = 8;

impl Space {
    /// Do endlessly many numbers or strings fulfil the formula? No if in doubt.
    pub fn has_endless_values(&mut self, formula: Formula) -> Result<bool, EngineError> {
        let numbers = self.for_kind(formula, Kind::Number)?;
        if numbers != Formula::FALSE && matches!(self.list_numbers(numbers, 1)?, Listed::AtLeast(u64::MAX)) {
            return Ok(true);
        }
        let strings = self.for_kind(formula, Kind::String)?;
        self.has_endless_strings(strings)
    }

    /// Is every text long enough among them?
    pub(super) fn has_endless_strings(&mut self, demand: Formula) -> Result<bool, EngineError> {
        let mut long = hashbrown::HashMap::new();
        for variable in self.formulas.variables(demand) {
            let Atom::Length(index) = self.atom(variable)? else { return Ok(false) };
            long.insert(variable, self.length(index)?.max.is_none());
        }
        Ok(self.formulas.evaluate(demand, |variable| long.get(&variable).copied().unwrap_or(false)) != 0)
    }

    /// Can an object be completed in endlessly many ways?
    pub fn object_is_endless(&mut self, tools: Tools<'_>, object: ObjectId) -> Result<bool, EngineError> {
        let mut open = vec![object];
        let mut done = 0;
        while let Some(&object) = open.get(done) {
            done += 1;
            if let Some(&known) = self.objects.endless.get(&object) {
                if known {
                    return Ok(true);
                }
                continue;
            }
            let table = self.key_table(tools, object)?;
            for of_key in table.classes().take(MOST_KEYS) {
                let many_keys = of_key.is_undeclared() && table.undeclared_keys.is_none();
                if many_keys || self.has_endless_values(of_key.value.child)? {
                    self.objects.endless.insert(object, true);
                    return Ok(true);
                }
            }
            for (key, of_key) in table.numbered().take(MOST_KEYS) {
                for class in 0..of_key.value.results.len() as u32 {
                    if let Some(after) = self.after_member(tools, object, &table, key, class)?
                        && open.len() < MOST_OBJECTS
                        && !open.contains(&after)
                    {
                        open.push(after);
                    }
                }
            }
        }
        self.objects.endless.insert(object, false);
        Ok(false)
    }

    /// Can the object be completed in endlessly many ways, whatever the value of this key is?
    pub fn is_endless_after(&mut self, tools: Tools<'_>, object: ObjectId, key: u32) -> Result<bool, EngineError> {
        let table = self.key_table(tools, object)?;
        let Some(of_key) = table.class(key) else { return Ok(false) };
        for class in 0..of_key.value.results.len() as u32 {
            let Some(after) = self.after_member(tools, object, &table, key, class)? else { return Ok(false) };
            if !self.object_is_endless(tools, after)? {
                return Ok(false);
            }
        }
        Ok(!of_key.value.results.is_empty())
    }

    /// The same before the value.
    pub fn is_endless_from_key(&mut self, tools: Tools<'_>, object: ObjectId, key: u32) -> Result<bool, EngineError> {
        let table = self.key_table(tools, object)?;
        let Some(of_key) = table.class(key) else { return Ok(false) };
        Ok(self.has_endless_values(of_key.value.child)? || self.is_endless_after(tools, object, key)?)
    }

    /// The same whichever key comes.
    pub fn is_endless_from_any_key(&mut self, tools: Tools<'_>, object: ObjectId) -> Result<bool, EngineError> {
        let table = self.key_table(tools, object)?;
        if table.classes().count() > MOST_KEYS {
            return Ok(false);
        }
        for (key, _) in table.numbered() {
            if !self.is_endless_from_key(tools, object, key)? {
                return Ok(false);
            }
        }
        Ok(table.body.is_some())
    }

    /// In this array, and in all that it can become by more items, is there no end of the items that may come, if any may?
    pub fn never_runs_out(&mut self, tools: Tools<'_>, array: ArrayId) -> Result<bool, EngineError> {
        if let Some(&known) = self.arrays.endless.get(&array) {
            return Ok(known);
        }
        let mut open = vec![array];
        let mut done = 0;
        let mut endless = true;
        while let Some(&at) = open.get(done) {
            done += 1;
            let table = self.item_table(tools, at)?;
            for &next in &table.next {
                if !open.contains(&next) {
                    open.push(next);
                }
            }
            let of_items =
                table.child == Formula::FALSE || self.has_endless_values(table.child)? || self.has_endless_objects(tools, table.child)?;
            if table.repeated.is_some() || !of_items || open.len() > MOST_ARRAYS {
                endless = false;
                break;
            }
        }
        self.arrays.endless.insert(array, endless);
        Ok(endless)
    }

    /// The same behind its next item.
    pub fn never_runs_out_after(&mut self, tools: Tools<'_>, array: ArrayId) -> Result<bool, EngineError> {
        for &next in &self.item_table(tools, array)?.next {
            if !self.never_runs_out(tools, next)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_endless_objects(&mut self, tools: Tools<'_>, formula: Formula) -> Result<bool, EngineError> {
        match self.start_object(tools, formula)? {
            Some(object) => self.object_is_endless(tools, object),
            None => Ok(false),
        }
    }
}
