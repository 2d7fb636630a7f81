//! Identity is content: keyed 128-bit hashes. Part of the grammar IR.
//!
//! Invariant: equal content gives equal hashes on every machine; the keys are fixed and the hash is keyed and 128 bits wide, so that
//! nobody finds two contents with one hash by chance.
//! Must not know: what the hashes are used for.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Expr, Grammar};
use crate::ids::RuleId;

/// A 128-bit keyed hasher (`SipHash`-1-3 with fixed keys) over tagged fields, each written with its length.
pub struct ContentHasher(SipHasher13);

impl ContentHasher {
    /// A hasher for one kind of content; the kind keeps hashes of different kinds apart.
    pub fn new(kind: &str) -> Self {
        let mut hasher = Self(SipHasher13::new_with_keys(0x6d61_736b_7772_6967, 0x6874_2d63_6f6e_7465));
        hasher.bytes(kind.as_bytes());
        hasher
    }

    /// Add a number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.0.write(&value.to_le_bytes());
        self
    }

    /// Add bytes, with their length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.write(bytes);
        self
    }

    /// Add another identity.
    pub fn identity(&mut self, value: u128) -> &mut Self {
        self.0.write(&value.to_le_bytes());
        self
    }

    /// The hash.
    pub fn finish(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}

impl Grammar {
    /// A hash of the language as written: rules that the root reaches, in the order in which it reaches them. Names do not count.
    pub fn identity(&self) -> u128 {
        let mut number = vec![u32::MAX; self.rules.len()];
        let mut order: Vec<RuleId> = vec![self.root];
        number[self.root.index()] = 0;
        let mut next = 0;
        let mut hasher = ContentHasher::new("grammar");
        while let Some(&rule) = order.get(next) {
            next += 1;
            let mut stack = vec![&self.rules[rule.index()].body];
            while let Some(expr) = stack.pop() {
                match expr {
                    Expr::Bytes(bytes) => {
                        hasher.number(1).bytes(bytes);
                    }
                    Expr::Class(class) => {
                        hasher.number(2).number(class.ranges().len() as u64);
                        for &(low, high) in class.ranges() {
                            hasher.number(u64::from(low) << 32 | u64::from(high));
                        }
                    }
                    Expr::Rule(id) => {
                        if number[id.index()] == u32::MAX {
                            number[id.index()] = order.len() as u32;
                            order.push(*id);
                        }
                        hasher.number(3).number(u64::from(number[id.index()]));
                    }
                    Expr::Sequence(parts) => {
                        hasher.number(4).number(parts.len() as u64);
                    }
                    Expr::Choice(parts) => {
                        hasher.number(5).number(parts.len() as u64);
                    }
                    Expr::Repeat { min, max, .. } => {
                        hasher.number(6).number(u64::from(*min)).number(max.map_or(u64::MAX, u64::from));
                    }
                    Expr::Embedded(embedded) => {
                        hasher.number(7).identity(embedded.identity());
                    }
                }
                stack.extend(expr.children().iter().rev());
            }
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::frontend::ebnf::parse;
    use crate::limits::Limits;

    #[test]
    fn names_order_and_unreachable_rules_do_not_count_content_does() {
        let id = |text: &str| parse(text, "root", &Limits::default()).unwrap().identity();
        let base = id("root ::= a b\na ::= \"x\"\nb ::= [a-z]{2,5}");
        assert_eq!(base, id("two ::= [a-z]{2,5}\nroot ::= one two\none ::= \"x\"\nspare ::= \"y\""));
        assert_ne!(base, id("root ::= a b\na ::= \"x\"\nb ::= [a-z]{2,6}"));
        assert_ne!(base, id("root ::= b a\na ::= \"x\"\nb ::= [a-z]{2,5}"));
        assert_ne!(id("root ::= \"ab\""), id("root ::= \"a\" \"b\""));
    }
}
