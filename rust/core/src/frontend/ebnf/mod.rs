//! EBNF to grammars: `XGrammar`'s dialect, which contains llama.cpp's GBNF. Pipeline: text -> **frontend** -> grammar.
//!
//! | written | means |
//! |---|---|
//! | `name ::= body` | a rule; it may span lines and ends where the next `name ::=` begins. Each name once, in any order. Names are of ASCII letters, digits, `_`, `.`, `-` |
//! | `"text"` | its UTF-8 bytes. Escapes: `\n \r \t \b \f \a \v \0 \e \" \\ \/ \' \? \[ \]`, `\xH…` (code point, as many hex digits as follow), `\uXXXX` (with surrogate pairs), `\UXXXXXXXX` |
//! | `bytes("ff00")` | raw bytes in hexadecimal, which need not be UTF-8 |
//! | `[a-z]`, `[^a-z]` | one character in, or not in, the class; escapes as in strings and `\^ \$ \. \* \+ \( \) \{ \} \| \-` |
//! | `[^]`, `.` | any character; `[]` is no character: it matches nothing |
//! | `a b`, `a \| b`, `( )` | sequence, choice, group; `()` and an empty branch are the empty text |
//! | `a? a* a+ a{2} a{2,} a{2,5}` | repetition (`{2,-1}` is `{2,}`); two operators in a row are refused |
//! | `regex("…")` | the texts that an ECMAScript pattern matches as a whole |
//! | `Regex("…", flags="is")` | the same, but `.` matches line ends too unless `flags` is given without `s` |
//! | `(= …)` | after a body: a hint for other engines, which does not change the language; read and ignored |
//! | `# …` | comment |
//!
//! Invariant: one pass over the text; positions are computed only when an error is made. Nesting becomes rules long before it could
//! overflow a stack.
//! Must not know: how the grammar will be run.

mod escape;
mod macros;
mod parser;

pub(crate) use parser::LIFT_HEIGHT;

use crate::error::CompileError;
use crate::grammar::Grammar;
use crate::limits::Limits;

/// Parse a grammar whose texts are those of the rule `root_rule`.
///
/// ```
/// use maskwright::{frontend::ebnf, limits::Limits};
///
/// let grammar = ebnf::parse("root ::= digit+ (\".\" digit{1,3})?\ndigit ::= [0-9]", "root", &Limits::default())?;
/// assert_eq!(grammar.rules().len(), 2);
/// # Ok::<(), maskwright::error::CompileError>(())
/// ```
pub fn parse(text: &str, root_rule: &str, limits: &Limits) -> Result<Grammar, CompileError> {
    parser::Parser::new(text, limits)?.grammar(root_rule)
}

#[cfg(test)]
mod tests;
