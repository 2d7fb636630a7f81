//! The variables that stand for atoms, in the order in which formulas decide them. Part of the obligations.
//!
//! A formula is small where what belongs together is decided together: the alternatives of a union, say, one after the other. What an atom
//! becomes once something was read takes its place among the others, so its variable lies right behind that of the atom.
//! Invariant: an atom keeps its variable.
//! Must not know: what atoms mean.

use hashbrown::HashMap;

use super::space::Atom;
use crate::error::EngineError;
use crate::formula::Variable;
use crate::limits::Limits;

/// So many bits of a variable are for what its atom becomes.
const ROOM: u32 = 10;

/// Atoms and their variables.
#[derive(Default)]
pub(super) struct Atoms {
    variables: HashMap<Atom, Variable>,
    /// By the first variable's number: an atom, and what it became.
    families: Vec<Vec<Atom>>,
}

impl Atoms {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// The atom of a variable.
    pub fn get(&self, variable: Variable) -> Option<Atom> {
        self.families.get((variable >> ROOM) as usize)?.get((variable & ((1 << ROOM) - 1)) as usize).copied()
    }

    /// The variable of an atom; `None`: it has none yet.
    pub fn known(&self, atom: Atom) -> Option<Variable> {
        self.variables.get(&atom).copied()
    }

    /// The variable of an atom, behind all others if it is new.
    pub fn variable(&mut self, atom: Atom) -> Result<Variable, EngineError> {
        if let Some(known) = self.known(atom) {
            return Ok(known);
        }
        Limits::check("max_formula_nodes", self.families.len() + 1, 1 << (Variable::BITS - ROOM))?;
        let variable = (self.families.len() as Variable) << ROOM;
        self.families.push(vec![atom]);
        self.variables.insert(atom, variable);
        Ok(variable)
    }

    /// The variable of an atom that another becomes, right behind that if it is new and there is room.
    pub fn behind(&mut self, before: Variable, atom: Atom) -> Result<Variable, EngineError> {
        if let Some(known) = self.known(atom) {
            return Ok(known);
        }
        let family = before >> ROOM;
        match self.families.get_mut(family as usize).filter(|atoms| atoms.len() < 1 << ROOM) {
            Some(atoms) => {
                let variable = family << ROOM | atoms.len() as Variable;
                atoms.push(atom);
                self.variables.insert(atom, variable);
                Ok(variable)
            }
            None => self.variable(atom),
        }
    }
}
