//! What every grammar keeps. Part of the grammar IR.
//!
//! Invariant: constructors, passes and fuzz targets call [`Grammar::validate`]; it names the broken rule.
//! Must not know: productivity or left recursion, which the automaton's lowering treats.

use hashbrown::HashSet;

use super::{Expr, Grammar};
use crate::error::CompileError;

/// May a rule have this name: ASCII letters, digits, `_`, `.` and `-`, and not dots alone (a dot is any character)?
pub fn is_rule_name(name: &str) -> bool {
    name.bytes().all(is_name_byte) && name.bytes().any(|byte| byte != b'.')
}

/// What canonical EBNF calls. In a grammar with such a call, a rule of that name could not be told from it.
pub(crate) const CALLS: [&str; 4] = ["regex", "Regex", "bytes", "json_schema"];

/// Is the byte one of a rule name?
#[inline]
fn is_name_byte(byte: u8) -> bool {
    const NAME: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0u8;
        while byte < 128 {
            table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
            byte += 1;
        }
        table
    };
    NAME[usize::from(byte)]
}

/// How many bytes from the start could be of a rule name.
#[inline]
pub(crate) fn name_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !is_name_byte(byte)).unwrap_or(bytes.len())
}

impl Grammar {
    /// Check the invariants: rule ids exist, names are legal and unique, repeats are not empty ranges, expressions are not too high.
    pub fn validate(&self) -> Result<(), CompileError> {
        let fail = |rule: &str, message: String| Err(CompileError::Grammar { rule: rule.to_owned(), message });
        if self.root.index() >= self.rules.len() {
            return fail("?", "the root rule does not exist".into());
        }
        let mut names = HashSet::with_capacity(self.rules.len());
        for rule in &self.rules {
            if !is_rule_name(&rule.name) {
                return fail(&rule.name, "the name is not a legal rule name".into());
            }
            if !names.insert(rule.name.as_str()) {
                return fail(&rule.name, "two rules have this name".into());
            }
            let mut stack = vec![(&rule.body, 1)];
            while let Some((expr, level)) = stack.pop() {
                if level > Self::MAX_HEIGHT {
                    return fail(&rule.name, format!("its body is nested more than {} deep", Self::MAX_HEIGHT));
                }
                match expr {
                    Expr::Rule(id) if id.index() >= self.rules.len() => {
                        return fail(&rule.name, format!("it refers to rule number {}, which does not exist", id.0));
                    }
                    Expr::Repeat { min, max: Some(max), .. } if min > max => {
                        return fail(&rule.name, format!("it repeats at least {min} and at most {max} times"));
                    }
                    _ => {}
                }
                stack.extend(expr.children().iter().map(|child| (child, level + 1)));
            }
        }
        Ok(())
    }
}

/// `; did you mean …?` for a name that is not among `known`, or nothing. Only when an error is made: it looks at every name.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let bound = if name.len() < 4 { 1 } else { 2 };
    let best = known
        .filter(|other| other.len().abs_diff(name.len()) <= bound && other.len() <= 64)
        .map(|other| (distance(name.as_bytes(), other.as_bytes()), other))
        .min_by_key(|&(distance, _)| distance);
    match best {
        Some((distance, other)) if distance <= bound => format!("; did you mean `{other}`?"),
        _ => String::new(),
    }
}

/// Edit distance where swapping two neighbours counts as one edit (Damerau 1964, restricted form).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(!a[i - 1].eq_ignore_ascii_case(&b[j - 1]));
                let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Rule;
    use crate::ids::RuleId;

    #[test]
    fn near_names_are_suggested() {
        let known = ["object", "array", "string"];
        assert_eq!(suggestion("obejct", known.into_iter()), "; did you mean `object`?");
        assert_eq!(suggestion("strng", known.into_iter()), "; did you mean `string`?");
        assert_eq!(suggestion("number", known.into_iter()), "");
    }

    #[test]
    fn each_broken_invariant_is_named() {
        let rule = |name: &str, body: Expr| Rule { name: name.into(), body };
        let message = |rules: Vec<Rule>| Grammar { rules, root: RuleId(0) }.validate().unwrap_err().to_string();
        assert!(message(vec![]).contains("root rule does not exist"));
        assert!(message(vec![rule("a", Expr::empty()), rule("a", Expr::empty())]).contains("two rules"));
        assert!(message(vec![rule("a b", Expr::empty())]).contains("not a legal"));
        assert!(message(vec![rule("a", Expr::Rule(RuleId(7)))]).contains("number 7"));
        assert!(message(vec![rule("a", Expr::empty().repeat(3, Some(2)))]).contains("at least 3 and at most 2"));
    }
}
