//! A file of saved masks, whatever its bytes: refused, or masks of tokens that there are. That they are the right ones only its writer can say.
//!
//! Invariant: a property is a pure function of the bytes that steer it.
//! Must not know: what is saved, or how; only where sections begin, which checksums have to follow.

use std::sync::{Arc, OnceLock};

use super::front_ends::limits;
use crate::frontend::{ebnf, json_schema};
use crate::limits::Interrupt;
use crate::mask;
use crate::matcher::{CompiledGrammar, Shelf};
use crate::provider::ByteSet;
use crate::testing::oracle;
use crate::testing::source::Source;
use crate::testing::vocabulary::TinyVocabulary;
use crate::vocab::Vocabulary;

/// Grammars, and a text of each along which masks are learned and asked for.
const CASES: [(&str, &str); 3] = [
    (r#"root ::= sum  sum ::= part (" + " part)*  part ::= [a-z0-9 ]{1,9} | "(" sum ")""#, "ab + (c + (d))"),
    (r#"root ::= "<" name ">" [^<]* "</" name ">"  name ::= [a-z] [a-z0-9]*"#, "<ab>some 12</a>"),
    (r#"{"properties": {"name": {"maxLength": 30}, "n": {"type": "number", "minimum": 3}}}"#, r#"{"name": "a", "n": 12.5}"#),
];
const SECTIONS: usize = 4;

/// A vocabulary that has learned nothing.
fn vocabulary() -> Arc<Vocabulary> {
    let pieces = [" + ", "ab", "))", ") + (", "\"", "\": ", "12", "ab>", "</", "  "].map(|token| token.as_bytes().to_vec());
    let words = (0..60_u32).map(|n| format!("w{n:x} {}", n % 7).into_bytes());
    Arc::new(TinyVocabulary::new(&ByteSet::ALL, pieces.into_iter().chain(words)).build().expect("a legal vocabulary"))
}

fn compiled(source: &str, vocabulary: &Arc<Vocabulary>) -> Arc<CompiledGrammar> {
    let grammar = if source.starts_with('{') {
        json_schema::grammar(source, &json_schema::Options::default(), &limits())
    } else {
        ebnf::parse(source, "root", &limits())
    };
    let compiled = grammar.and_then(|grammar| CompiledGrammar::compile(&grammar, vocabulary.clone(), &limits(), &Interrupt::default()));
    compiled.expect("a legal grammar")
}

/// What an engine has learned along the texts, and where its sections begin.
fn saved() -> &'static (Vec<u8>, usize) {
    static SAVED: OnceLock<(Vec<u8>, usize)> = OnceLock::new();
    SAVED.get_or_init(|| {
        let vocabulary = vocabulary();
        let shelf = Shelf::new(&vocabulary, None, true);
        for (source, text) in CASES {
            let compiled = compiled(source, &vocabulary);
            shelf.keep(&compiled, 0);
            oracle::masks_along(&compiled, text);
        }
        let (bytes, _) = shelf.save(&vocabulary);
        let version = bytes[8..12].iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
        (bytes, 12 + version + 16)
    })
}

/// Any bytes: as they are, as sections with checksums that fit, or as changes of a file that was saved. The first byte chooses.
pub fn any(bytes: &[u8]) -> Result<(), String> {
    let (saved, head) = saved();
    let mut source = Source::new(bytes);
    let mut file = match source.byte() % 4 {
        0 => return load(bytes.get(1..).unwrap_or_default()),
        1 => {
            let mut file = saved[..*head].to_vec();
            let mut rest = bytes.get(1 + SECTIONS * 2..).unwrap_or_default();
            for place in 0..SECTIONS {
                let length = if place + 1 == SECTIONS { rest.len() } else { source.below(1 << 16).min(rest.len()) };
                let (section, after) = rest.split_at(length);
                file.extend_from_slice(&(length as u64).to_le_bytes());
                file.extend_from_slice(&[0; 16]);
                file.extend_from_slice(section);
                rest = after;
            }
            file
        }
        _ => {
            let mut file = saved.clone();
            for _ in 0..=source.below(8) {
                let at = source.below(file.len());
                // Numbers are of four bytes: small ones, large ones, and those beside what was there.
                file[at] = match source.below(4) {
                    0 => source.byte(),
                    1 => file[at].wrapping_add(1),
                    2 => file[at].wrapping_sub(1),
                    _ => *source.pick(&[0, 0x7F, 0x80, 0xFF]),
                };
            }
            file
        }
    };
    mask::mend(&mut file);
    load(&file)
}

fn load(bytes: &[u8]) -> Result<(), String> {
    let vocabulary = vocabulary();
    let shelf = Shelf::new(&vocabulary, None, true);
    if shelf.load(&vocabulary, bytes).is_err() {
        return Ok(());
    }
    let stop = vocabulary.stop_token_ids();
    for (source, text) in CASES {
        let compiled = compiled(source, &vocabulary);
        shelf.keep(&compiled, 0);
        let mut matcher = oracle::matcher(&compiled);
        let mut row = vec![0; vocabulary.words()];
        for byte in text.bytes() {
            matcher.fill(&mut row).map_err(|e| e.to_string())?;
            if let Some(id) = oracle::allowed(&row).into_iter().find(|id| !vocabulary.is_text(*id) && !stop.contains(id)) {
                return Err(format!("token {id} is allowed, and there is none"));
            }
            if matcher.accept_bytes(&[byte]) != Ok(true) {
                return Err(format!("a mask changed what is accepted of {text}"));
            }
        }
    }
    // What was taken can be saved, and taken again.
    let (again, _) = shelf.save(&vocabulary);
    let other = self::vocabulary();
    Shelf::new(&other, None, true).load(&other, &again).map(|_| ()).map_err(|e| format!("saved again: {e}"))
}
