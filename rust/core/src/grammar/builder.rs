//! Making grammars: rules declared by name, bodies set in any order. Part of the grammar IR.
//!
//! Invariant: the only way to make a [`Grammar`] outside the crate; what `finish` gives passes `validate`.
//! Must not know: any front-end's syntax.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::validate::{is_rule_name, suggestion};
use super::{Expr, Grammar, Rule};
use crate::error::{CompileError, EngineError};
use crate::ids::RuleId;
use crate::limits::Limits;

/// Collects rules until a root is named.
///
/// ```
/// use maskwright::grammar::{Expr, GrammarBuilder};
/// use maskwright::limits::Limits;
///
/// let mut builder = GrammarBuilder::new(&Limits::default());
/// let root = builder.declare("root")?;
/// let item = builder.declare("item")?;
/// builder.define(root, Expr::Rule(item).repeat(1, None))?;
/// builder.define(item, Expr::text("ab"))?;
/// assert_eq!(builder.finish("root")?.to_string(), "root ::= item+\nitem ::= \"ab\"\n");
/// # Ok::<(), maskwright::error::CompileError>(())
/// ```
#[derive(Debug)]
pub struct GrammarBuilder {
    slots: Vec<Slot>,
    names: HashMap<String, RuleId>,
    nodes: usize,
    defined: u32,
    limits: Limits,
}

#[derive(Debug)]
struct Slot {
    name: String,
    /// The name is a hint; `finish` makes it unique.
    fresh: bool,
    /// The body, and how many rules were defined before it.
    body: Option<(Expr, u32)>,
}

impl GrammarBuilder {
    /// No rules yet.
    pub fn new(limits: &Limits) -> Self {
        Self { slots: Vec::new(), names: HashMap::new(), nodes: 0, defined: 0, limits: limits.clone() }
    }

    /// The rule with this name, which may be defined later. Names are made of ASCII letters, digits, `_`, `.` and `-`.
    pub fn declare(&mut self, name: &str) -> Result<RuleId, CompileError> {
        if let Some(&id) = self.names.get(name) {
            return Ok(id);
        }
        if !is_rule_name(name) {
            return Err(error(name, "a rule name is made of ASCII letters, digits, `_`, `.` and `-`".into()));
        }
        let id = self.add(name, false)?;
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }

    /// A new rule with this body under a name made from `hint` that no other rule has.
    pub fn define_fresh(&mut self, hint: &str, body: Expr) -> Result<RuleId, CompileError> {
        let id = self.add(if is_rule_name(hint) { hint } else { "rule" }, true)?;
        self.define(id, body)?;
        Ok(id)
    }

    fn add(&mut self, name: &str, fresh: bool) -> Result<RuleId, CompileError> {
        Limits::check("max_rules", self.slots.len() + 1, self.limits.max_rules)?;
        let id = RuleId(self.slots.len() as u32);
        self.slots.push(Slot { name: name.to_owned(), fresh, body: None });
        Ok(id)
    }

    /// Give a rule its body, once.
    pub fn define(&mut self, rule: RuleId, mut body: Expr) -> Result<(), CompileError> {
        match self.check(rule, &body) {
            Ok(size) => {
                self.nodes += size;
                if !is_tidy(&body) {
                    tidy(&mut body);
                }
                let order = self.defined;
                self.defined += 1;
                if let Some(slot) = self.slots.get_mut(rule.index()) {
                    slot.body = Some((body, order));
                }
                Ok(())
            }
            Err(e) => {
                body.dismantle();
                Err(e)
            }
        }
    }

    fn check(&self, rule: RuleId, body: &Expr) -> Result<usize, CompileError> {
        let slot = self.slots.get(rule.index()).ok_or(EngineError::Internal("a rule of another builder"))?;
        if slot.body.is_some() {
            return Err(error(&slot.name, "the rule is defined twice; join the bodies with `|`".into()));
        }
        let (mut size, mut height) = (0, 0);
        let mut stack: SmallVec<[(&Expr, usize); 32]> = SmallVec::from_slice(&[(body, 1)]);
        while let Some((expr, level)) = stack.pop() {
            size += 1;
            height = height.max(level);
            match expr {
                Expr::Rule(callee) if callee.index() >= self.slots.len() => {
                    return Err(error(&slot.name, format!("it refers to rule number {}, which was not declared", callee.0)));
                }
                Expr::Repeat { min, max: Some(max), .. } if min > max => {
                    return Err(error(&slot.name, format!("it repeats at least {min} and at most {max} times")));
                }
                _ => {}
            }
            stack.extend(expr.children().iter().map(|child| (child, level + 1)));
        }
        Limits::check("max_expression_nodes", self.nodes + size, self.limits.max_expression_nodes)?;
        if height > Grammar::MAX_HEIGHT {
            let bound = Grammar::MAX_HEIGHT;
            return Err(error(&slot.name, format!("its body is nested {height} deep, more than {bound}; split it into rules")));
        }
        Ok(size)
    }

    /// How many rules there are, declared and fresh.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Are there no rules yet?
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Has the rule a body?
    pub fn is_defined(&self, rule: RuleId) -> bool {
        self.slots.get(rule.index()).is_some_and(|slot| slot.body.is_some())
    }

    /// The names of the declared rules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter(|slot| !slot.fresh).map(|slot| slot.name.as_str())
    }

    /// `; did you mean …?` for a name that is not there, or nothing.
    pub fn suggest(&self, name: &str) -> String {
        suggestion(name, self.slots.iter().filter(|s| !s.fresh && s.body.is_some()).map(|s| s.name.as_str()))
    }

    /// Put another grammar in, under fresh names; the expression matches what that grammar matches.
    pub fn splice(&mut self, mut grammar: Grammar) -> Result<Expr, CompileError> {
        let root = grammar.root();
        if let [Rule { body, .. }] = grammar.rules.as_mut_slice() {
            let mut refers = false;
            body.for_each_rule(&mut |_| refers = true);
            let (size, height) = body.measure();
            if !refers && height <= 16 {
                Limits::check("max_expression_nodes", self.nodes + size, self.limits.max_expression_nodes)?;
                return Ok(std::mem::replace(body, Expr::empty()));
            }
        }
        let ids = grammar.rules.iter().map(|rule| self.add(&rule.name, true)).collect::<Result<Vec<_>, _>>()?;
        for (rule, &id) in grammar.rules.into_iter().zip(&ids) {
            let mut body = rule.body;
            body.map_rules(&mut |r| ids[r.index()]);
            self.define(id, body)?;
        }
        Ok(Expr::Rule(ids[root.index()]))
    }

    /// The grammar whose texts are those of the rule `root`. Rules stand in the order in which they were defined.
    pub fn finish(self, root: &str) -> Result<Grammar, CompileError> {
        let Some(&root_id) = self.names.get(root) else {
            let known: Vec<&str> = self.names().take(20).collect();
            let known = if known.is_empty() { "there are no rules".to_owned() } else { format!("the rules are {}", known.join(", ")) };
            return Err(error(root, format!("the root rule does not exist; {known}{}", self.suggest(root))));
        };
        if let Some(slot) = self.slots.iter().find(|slot| slot.body.is_none()) {
            return Err(error(&slot.name, format!("the rule is used but not defined{}", self.suggest(&slot.name))));
        }
        let mut taken = self.names;
        let mut counters: HashMap<String, u32> = HashMap::new();
        let mut order = vec![RuleId(0); self.slots.len()];
        let mut rules: Vec<Option<Rule>> = Vec::new();
        rules.resize_with(self.slots.len(), || None);
        for (index, slot) in self.slots.into_iter().enumerate() {
            let name = if slot.fresh { unique_name(&slot.name, &mut counters, |name| taken.contains_key(name)) } else { slot.name };
            if slot.fresh {
                taken.insert(name.clone(), RuleId(index as u32));
            }
            if let Some((body, place)) = slot.body {
                order[index] = RuleId(place);
                rules[place as usize] = Some(Rule { name, body });
            }
        }
        let mut rules: Vec<Rule> = rules.into_iter().flatten().collect();
        if order.iter().enumerate().any(|(index, id)| id.index() != index) {
            for rule in &mut rules {
                rule.body.map_rules(&mut |r| order.get(r.index()).copied().unwrap_or(RuleId(u32::MAX)));
            }
        }
        let grammar = Grammar { rules, root: order[root_id.index()] };
        // Each body was checked when it was defined.
        debug_assert_eq!(grammar.validate(), Ok(()));
        Ok(grammar)
    }
}

/// Could the constructors of [`Expr`] have made it?
fn is_tidy(expr: &Expr) -> bool {
    let itself = match expr {
        Expr::Sequence(parts) | Expr::Choice(parts) => parts.len() > 1,
        Expr::Repeat { min, max, .. } => !matches!((min, max), (1, Some(1)) | (0, Some(0))),
        Expr::Bytes(_) | Expr::Class(_) | Expr::Rule(_) | Expr::Embedded(_) => return true,
    };
    itself && expr.children().iter().all(is_tidy)
}

/// Unwrap what the constructors of [`Expr`] would not have made, so that a body equals what its text parses to. The height is checked.
fn tidy(expr: &mut Expr) {
    expr.children_mut().iter_mut().for_each(tidy);
    let old = std::mem::replace(expr, Expr::Rule(RuleId(0)));
    *expr = match old {
        Expr::Sequence(parts) => Expr::sequence(parts),
        Expr::Choice(branches) => Expr::choice(branches),
        Expr::Repeat { body, min, max } => body.repeat(min, max),
        leaf => leaf,
    };
}

/// `hint.1`, `hint.2`, …: the first that is not taken.
pub(super) fn unique_name(hint: &str, counters: &mut HashMap<String, u32>, taken: impl Fn(&str) -> bool) -> String {
    let counter = counters.entry(hint.to_owned()).or_insert(0);
    loop {
        *counter += 1;
        let name = format!("{hint}.{counter}");
        if !taken(&name) {
            return name;
        }
    }
}

fn error(rule: &str, message: String) -> CompileError {
    CompileError::Grammar { rule: rule.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> GrammarBuilder {
        GrammarBuilder::new(&Limits::default())
    }

    #[test]
    fn forward_references_and_order_of_definition() {
        let mut b = builder();
        let (root, item) = (b.declare("root").unwrap(), b.declare("item").unwrap());
        b.define(item, Expr::text("x")).unwrap();
        b.define(root, Expr::sequence(vec![Expr::Rule(item), Expr::Rule(root).repeat(0, Some(1))])).unwrap();
        let grammar = b.finish("root").unwrap();
        assert_eq!(grammar.to_string(), "item ::= \"x\"\nroot ::= item root?\n");
        assert_eq!(grammar.rules()[grammar.root().index()].name, "root");
    }

    #[test]
    fn errors_name_the_rule_and_help() {
        let mut b = builder();
        let root = b.declare("root").unwrap();
        let (value, _) = (b.declare("value").unwrap(), b.declare("valeu").unwrap());
        b.define(root, Expr::empty()).unwrap();
        b.define(value, Expr::empty()).unwrap();
        assert_eq!(
            b.define(root, Expr::empty()).unwrap_err().to_string(),
            "grammar error in rule `root`: the rule is defined twice; join the bodies with `|`"
        );
        assert_eq!(
            b.finish("root").unwrap_err().to_string(),
            "grammar error in rule `valeu`: the rule is used but not defined; did you mean `value`?"
        );
        let mut b = builder();
        let only = b.declare("main").unwrap();
        b.define(only, Expr::empty()).unwrap();
        assert!(b.finish("root").unwrap_err().to_string().contains("the rules are main"));
        assert!(builder().declare("a b").is_err());
        assert!(builder().declare("").is_err());
    }

    #[test]
    fn limits_are_kept() {
        let mut b = GrammarBuilder::new(&Limits { max_rules: 1, max_expression_nodes: 3, ..Limits::default() });
        let root = b.declare("root").unwrap();
        assert!(matches!(b.declare("other"), Err(CompileError::Engine(EngineError::Limit { name: "max_rules", .. }))));
        let big = Expr::Sequence(vec![Expr::empty(), Expr::empty(), Expr::empty()]);
        assert!(matches!(b.define(root, big), Err(CompileError::Engine(EngineError::Limit { name: "max_expression_nodes", .. }))));
    }

    #[test]
    fn bodies_are_checked_and_made_tidy() {
        let mut b = builder();
        let root = b.declare("root").unwrap();
        let refused = |b: &mut GrammarBuilder, body: Expr| b.define(root, body).unwrap_err().to_string();
        assert!(refused(&mut b, Expr::Rule(RuleId(9))).contains("rule number 9, which was not declared"));
        assert!(refused(&mut b, Expr::text("a").repeat(3, Some(2))).contains("at least 3 and at most 2"));
        let once = Expr::Repeat { body: Box::new(Expr::Sequence(vec![Expr::text("a")])), min: 1, max: Some(1) };
        b.define(root, Expr::Choice(vec![Expr::Choice(vec![]), once])).unwrap();
        assert_eq!(b.finish("root").unwrap().to_string(), "root ::= [] | \"a\"\n");
    }

    #[test]
    fn a_body_of_any_height_is_refused_without_overflow() {
        let mut b = builder();
        let root = b.declare("root").unwrap();
        let mut body = Expr::text("x");
        for _ in 0..1_000_000 {
            body = Expr::Repeat { body: Box::new(body), min: 0, max: None };
        }
        assert!(b.define(root, body).unwrap_err().to_string().contains("split it into rules"));
    }

    #[test]
    fn fresh_names_do_not_clash() {
        let mut b = builder();
        let fresh = b.define_fresh("root", Expr::text("a")).unwrap();
        let (clash, root) = (b.declare("root.1").unwrap(), b.declare("root").unwrap());
        b.define(clash, Expr::text("b")).unwrap();
        b.define(root, Expr::Sequence(vec![Expr::Rule(fresh), Expr::Rule(clash)])).unwrap();
        let grammar = b.finish("root").unwrap();
        assert_eq!(grammar.to_string(), "root.2 ::= \"a\"\nroot.1 ::= \"b\"\nroot ::= root.2 root.1\n");
    }
}
