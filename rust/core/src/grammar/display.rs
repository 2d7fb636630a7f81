//! Canonical EBNF. Part of the grammar IR.
//!
//! Invariant: what is printed parses (with the same root name) to an equal grammar.
//! Must not know: how the parser works; only the dialect, which `frontend::ebnf` documents.

use std::fmt::{self, Display, Formatter, Write};

use super::{CharClass, Expr, Grammar};

/// A string literal of the EBNF dialect that stands for `text`, quotes included.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    // Writing to a string does not fail.
    let _ = write_quoted(&mut out, text);
    out
}

fn write_quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if matches!(c, '"' | '\\') || !is_readable(c) {
            out.write_str(&text[plain..at])?;
            plain = at + c.len_utf8();
            match c {
                '"' | '\\' => write!(out, "\\{c}")?,
                _ => write_escape(out, u32::from(c))?,
            }
        }
    }
    out.write_str(&text[plain..])?;
    out.write_char('"')
}

/// Does the character show as itself in a text file?
fn is_readable(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && c.is_alphanumeric())
}

fn write_escape(out: &mut impl Write, c: u32) -> fmt::Result {
    match c {
        0x0A => out.write_str("\\n"),
        0x0D => out.write_str("\\r"),
        0x09 => out.write_str("\\t"),
        0..=0xFFFF => write!(out, "\\u{c:04X}"),
        _ => write!(out, "\\U{c:08X}"),
    }
}

impl Display for CharClass {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let negated = self.negate();
        // The shorter of the two ways; a class up to the last character reads better negated.
        let to_the_end = self.ranges().last().is_some_and(|&(_, high)| high == 0x10_FFFF);
        if to_the_end && negated.ranges().len() <= self.ranges().len() {
            f.write_str("[^")?;
            write_ranges(f, negated.ranges())?;
        } else {
            f.write_str("[")?;
            write_ranges(f, self.ranges())?;
        }
        f.write_str("]")
    }
}

fn write_ranges(f: &mut Formatter<'_>, ranges: &[(u32, u32)]) -> fmt::Result {
    for &(low, high) in ranges {
        write_class_char(f, low)?;
        if high > low {
            if high > low + 1 {
                f.write_char('-')?;
            }
            write_class_char(f, high)?;
        }
    }
    Ok(())
}

fn write_class_char(f: &mut Formatter<'_>, c: u32) -> fmt::Result {
    match char::from_u32(c) {
        Some(c @ ('[' | ']' | '\\' | '^' | '-' | '"')) => write!(f, "\\{c}"),
        Some(c) if is_readable(c) => f.write_char(c),
        _ => write_escape(f, c),
    }
}

/// How tightly an expression binds; an operand that binds less is put in parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Choice,
    Sequence,
    Repeat,
    Atom,
}

fn level(expr: &Expr) -> Level {
    match expr {
        Expr::Choice(branches) if branches.len() > 1 => Level::Choice,
        Expr::Sequence(parts) if parts.len() > 1 => Level::Sequence,
        Expr::Repeat { .. } => Level::Repeat,
        Expr::Choice(one) | Expr::Sequence(one) if one.len() == 1 => level(&one[0]),
        _ => Level::Atom,
    }
}

fn write_expr(f: &mut Formatter<'_>, grammar: &Grammar, expr: &Expr, at_least: Level) -> fmt::Result {
    if level(expr) < at_least {
        f.write_str("(")?;
        write_expr(f, grammar, expr, Level::Choice)?;
        return f.write_str(")");
    }
    match expr {
        Expr::Bytes(bytes) => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                return write_quoted(f, text);
            }
            f.write_str("bytes(\"")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("\")")
        }
        Expr::Class(class) => class.fmt(f),
        Expr::Rule(rule) => f.write_str(grammar.rules.get(rule.index()).map_or("?", |rule| &rule.name)),
        Expr::Sequence(parts) | Expr::Choice(parts) => {
            let (separator, inner, none) = match expr {
                Expr::Choice(_) => (" | ", Level::Sequence, "[]"),
                _ => (" ", Level::Repeat, "\"\""),
            };
            match parts.as_slice() {
                [] => f.write_str(none),
                [one] => write_expr(f, grammar, one, at_least),
                many => {
                    for (index, part) in many.iter().enumerate() {
                        if index > 0 {
                            f.write_str(separator)?;
                        }
                        write_expr(f, grammar, part, inner)?;
                    }
                    Ok(())
                }
            }
        }
        Expr::Repeat { body, min, max } => {
            write_expr(f, grammar, body, Level::Atom)?;
            match (min, max) {
                (0, None) => f.write_str("*"),
                (1, None) => f.write_str("+"),
                (0, Some(1)) => f.write_str("?"),
                (min, None) => write!(f, "{{{min},}}"),
                (min, Some(max)) if min == max => write!(f, "{{{min}}}"),
                (min, Some(max)) => write!(f, "{{{min},{max}}}"),
            }
        }
        Expr::Embedded(embedded) => f.write_str(&embedded.to_ebnf()),
    }
}

impl Display for Grammar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            write!(f, "{} ::= ", rule.name)?;
            write_expr(f, self, &rule.body, Level::Choice)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::ebnf::parse;
    use crate::grammar::GrammarBuilder;
    use crate::limits::Limits;
    use proptest::prelude::*;

    #[test]
    fn classes_print_short_and_safe() {
        let show = |ranges: &[(u32, u32)]| CharClass::new(ranges.iter().copied()).to_string();
        assert_eq!(show(&[]), "[]");
        assert_eq!(show(&[(0, 0x10_FFFF)]), "[^]");
        assert_eq!(show(&[(97, 122), (48, 49)]), "[01a-z]");
        assert_eq!(CharClass::new([(34, 34), (92, 92)]).negate().to_string(), "[^\\\"\\\\]");
        assert_eq!(show(&[(0, 31), (45, 45), (93, 94)]), "[\\u0000-\\u001F\\-\\]\\^]");
        assert_eq!(show(&[(0x1F600, 0x1F64F)]), "[\\U0001F600-\\U0001F64F]");
    }

    /// Random tidy expressions over `rules` rules.
    pub(crate) fn expressions(rules: u32) -> impl Strategy<Value = Expr> {
        let leaf = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..4).prop_map(|b| Expr::Bytes(b.into())),
            "[ab\"\\\\\n\u{0}é😀]{0,3}".prop_map(|s| Expr::text(&s)),
            proptest::collection::vec((0u32..0x11_0000, 0u32..300), 0..4)
                .prop_map(|r| Expr::Class(CharClass::new(r.into_iter().map(|(l, n)| (l, l + n))))),
            proptest::collection::vec((0u32..128, 0u32..9), 0..4)
                .prop_map(|r| Expr::Class(CharClass::new(r.into_iter().map(|(l, n)| (l, l + n))))),
            (0..rules).prop_map(|r| Expr::Rule(crate::ids::RuleId(r))),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Expr::sequence),
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Expr::choice),
                (inner, 0u32..4, proptest::option::of(0u32..4)).prop_map(|(e, min, more)| e.repeat(min, more.map(|m| min + m))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same_grammar(bodies in proptest::collection::vec(expressions(3), 3)) {
            let limits = Limits::default();
            let mut builder = GrammarBuilder::new(&limits);
            let names = ["root", "b-1", "_c.d"];
            let ids: Vec<_> = names.iter().map(|n| builder.declare(n).unwrap()).collect();
            for (id, body) in ids.iter().zip(bodies) {
                builder.define(*id, body).unwrap();
            }
            let grammar = builder.finish("root").unwrap();
            let text = grammar.to_string();
            let again = parse(&text, "root", &limits).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            prop_assert_eq!(&again, &grammar, "{}", text);
            prop_assert_eq!(again.identity(), grammar.identity());
        }

        #[test]
        fn quoted_text_parses_back(text in any::<String>()) {
            let grammar = parse(&format!("root ::= {}", quote(&text)), "root", &Limits::default()).unwrap();
            prop_assert_eq!(&grammar.rules()[0].body, &Expr::text(&text));
        }
    }
}
