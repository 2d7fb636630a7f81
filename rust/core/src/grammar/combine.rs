//! Grammars made of grammars. Part of the grammar IR.
//!
//! Invariant: the parts keep their languages; rules whose names clash, with one another or with calls, get new ones.
//! Must not know: any front-end's syntax.

use hashbrown::{HashMap, HashSet};

use super::CALLS;
use super::builder::unique_name;
use super::{Expr, Grammar, Rule};
use crate::ids::RuleId;

impl Grammar {
    /// What any of the grammars matches. No grammar: nothing.
    #[must_use]
    pub fn union(grammars: &[Self]) -> Self {
        Self::combine(grammars, Expr::choice)
    }

    /// What the grammars match one after the other. No grammar: the empty text.
    #[must_use]
    pub fn concat(grammars: &[Self]) -> Self {
        Self::combine(grammars, Expr::sequence)
    }

    /// Exactly these texts.
    #[must_use]
    pub fn from_choices(choices: &[String]) -> Self {
        let body = Expr::choice(choices.iter().map(|choice| Expr::text(choice)).collect());
        Self { rules: vec![Rule { name: "root".into(), body }], root: RuleId(0) }
    }

    fn combine(grammars: &[Self], join: impl Fn(Vec<Expr>) -> Expr) -> Self {
        let mut rules = vec![Rule { name: "root".into(), body: Expr::empty() }];
        let mut taken: HashSet<String> = CALLS.iter().copied().chain(["root"]).map(str::to_owned).collect();
        let mut counters: HashMap<String, u32> = HashMap::new();
        let mut parts = Vec::with_capacity(grammars.len());
        for grammar in grammars {
            let offset = rules.len() as u32;
            for rule in &grammar.rules {
                let name = if taken.contains(&rule.name) {
                    unique_name(&rule.name, &mut counters, |name| taken.contains(name))
                } else {
                    rule.name.clone()
                };
                taken.insert(name.clone());
                let mut body = rule.body.clone();
                body.map_rules(&mut |r| RuleId(r.0 + offset));
                rules.push(Rule { name, body });
            }
            parts.push(Expr::Rule(RuleId(grammar.root.0 + offset)));
        }
        rules[0].body = join(parts);
        Self { rules, root: RuleId(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::ebnf::parse;
    use crate::limits::Limits;

    #[test]
    fn clashing_rules_are_renamed() {
        let a = parse("root ::= item\nitem ::= \"a\"", "root", &Limits::default()).unwrap();
        let both = Grammar::union(&[a.clone(), a.clone()]);
        both.validate().unwrap();
        let expected = "root ::= root.1 | root.2\nroot.1 ::= item\nitem ::= \"a\"\nroot.2 ::= item.1\nitem.1 ::= \"a\"\n";
        assert_eq!(both.to_string(), expected);
        let row = Grammar::concat(&[a.clone(), a]);
        assert!(row.to_string().starts_with("root ::= root.1 root.2\n"));
        assert_eq!(Grammar::concat(&[]).to_string(), "root ::= \"\"\n");
        assert_eq!(Grammar::union(&[]).to_string(), "root ::= []\n");
    }

    #[test]
    fn a_rule_called_like_a_call_of_another_part_is_renamed() {
        let limits = Limits::default();
        let named = |name: &str| parse(&format!("root ::= {name}\n{name} ::= \"a\""), "root", &limits).unwrap();
        let parts = [
            parse("root ::= regex(\"(?=a)[ab]\")", "root", &limits).unwrap(),
            parse("root ::= bytes(\"ff\")", "root", &limits).unwrap(),
            parse("root ::= json_schema(\"true\")", "root", &limits).unwrap(),
        ];
        for name in CALLS {
            let all: Vec<Grammar> = parts.iter().cloned().chain([named(name)]).collect();
            let both = Grammar::union(&all);
            let again = parse(&both.to_string(), "root", &limits).unwrap();
            assert_eq!(again, both, "{name}");
        }
    }

    #[test]
    fn choices_are_literal() {
        let grammar = Grammar::from_choices(&["a\"b".into(), "é\n".into()]);
        assert_eq!(grammar.to_string(), "root ::= \"a\\\"b\" | \"é\\n\"\n");
    }
}
