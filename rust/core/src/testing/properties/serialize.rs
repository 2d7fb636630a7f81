//! What is serialised comes back as it was; whatever else is read is refused, or works like anything new.
//!
//! Invariant: a property is a pure function of the bytes that steer it.
//! Must not know: how anything is written.

use std::sync::Arc;

use super::front_ends::{limits, run, vocabulary};
use super::{grammars, schemas};
use crate::error::DeserializeError;
use crate::frontend::ebnf;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::serialize::{Data, Kind, Object, framed};
use crate::testing::oracle;
use crate::testing::source::Source;
use crate::testing::vocabulary::TinyVocabulary;
use crate::vocab::Vocabulary;

/// Bytes before and after the fields.
const AROUND: (usize, usize) = (13, 16);
const KINDS: [Kind; 3] = [Kind::Grammar, Kind::CompiledGrammar, Kind::Tokenizer];

/// A random grammar or schema.
fn case(source: &mut Source) -> Result<Option<(Grammar, TinyVocabulary)>, String> {
    if source.chance(30) {
        return Ok(schemas::case(source)?.map(|case| (case.grammar, case.vocabulary)));
    }
    let shape = grammars::shape(source);
    let (grammar, vocabulary) = grammars::case(source, &shape);
    // The generator leaves expressions as no front-end does: `a{0}`, for one.
    let read = ebnf::parse(&grammar.to_string(), "root", &Limits::default());
    Ok(Some((read.map_err(|e| format!("{e}\n{grammar}"))?, vocabulary)))
}

/// Written and read, it is the same grammar: equal text, equal masks.
pub fn round_trip(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some((grammar, tiny)) = case(&mut source)? else { return Ok(()) };
    let vocabulary = Arc::new(tiny.build().map_err(|e| e.to_string())?);
    let tokenizer = Object::Tokenizer(&vocabulary, 1, false);
    let here = Data::Bytes(&tokenizer.to_bytes()).tokenizer().map_err(|e| e.to_string())?.vocabulary;
    let object = Object::CompiledGrammar(&grammar, &vocabulary);
    let (written, json) = (object.to_bytes(), object.to_json());
    let Ok(compiled) = oracle::compile_with(&grammar, &vocabulary) else { return Ok(()) };
    for data in [Data::Bytes(&written), Data::Json(&json)] {
        let again = data.compiled_grammar(&here, &Limits::default()).map_err(|e| format!("{e}\n{grammar}"))?;
        let object = Object::CompiledGrammar(&again, &vocabulary);
        if object.to_bytes() != written || object.to_json() != json {
            return Err(format!("written again, it is another text:\n{json}\n{}", object.to_json()));
        }
        let again = oracle::compile(&again, &tiny).map_err(|e| format!("{e}\n{grammar}"))?;
        let (mut one, mut two) = (oracle::matcher(&compiled), oracle::matcher(&again));
        for _ in 0..10 {
            let row = oracle::filled(&mut one, tiny.vocab_size)?;
            oracle::same(&tiny, &oracle::filled(&mut two, tiny.vocab_size)?, &row, "after a round trip")
                .map_err(|e| format!("{e}\n{grammar}"))?;
            let id = *source.pick(&oracle::allowed(&row));
            if (one.accept_token(id), two.accept_token(id)) != (Ok(true), Ok(true)) {
                return Err(format!("token {id} is allowed and refused\n{grammar}"));
            }
        }
    }
    Ok(())
}

/// Any bytes and any JSON: as they are, with a frame that fits, or as changes of what was written. The first byte chooses.
pub fn deserialize(bytes: &[u8]) -> Result<(), String> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
    match first % 8 {
        0 => KINDS.into_iter().try_for_each(|kind| read(kind, Data::Bytes(rest), rest)),
        1..=3 => {
            let kind = KINDS[usize::from(first % 8) - 1];
            read(kind, Data::Bytes(&framed(kind, rest)), rest)
        }
        4 | 5 => {
            let text = String::from_utf8_lossy(rest);
            KINDS.into_iter().try_for_each(|kind| read(kind, Data::Json(&text), rest))
        }
        6 => changed(rest),
        _ => round_trip(rest),
    }
}

/// What was written, with some bytes replaced, put in or taken out.
fn changed(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some((grammar, _)) = case(&mut source)? else { return Ok(()) };
    let kind = *source.pick(&KINDS);
    let (_, vocabulary) = vocabulary();
    let object = match kind {
        Kind::Grammar => Object::Grammar(&grammar),
        Kind::CompiledGrammar => Object::CompiledGrammar(&grammar, vocabulary),
        Kind::Tokenizer => Object::Tokenizer(vocabulary, 0, false),
    };
    let as_json = source.chance(50);
    let mut text = if as_json {
        object.to_json().into_bytes()
    } else {
        let bytes = object.to_bytes();
        bytes[AROUND.0..bytes.len() - AROUND.1].to_vec()
    };
    for _ in 0..=source.below(4) {
        let start = source.below(text.len() + 1);
        let end = (start + source.below(5)).min(text.len());
        let new: Vec<u8> = (0..source.below(5)).map(|_| source.byte()).collect();
        text.splice(start..end, new);
    }
    if as_json {
        read(kind, Data::Json(&String::from_utf8_lossy(&text)), bytes)
    } else {
        read(kind, Data::Bytes(&framed(kind, &text)), bytes)
    }
}

/// It is refused, or what it gives is written and read as the same, and its masks are right.
fn read(kind: Kind, data: Data<'_>, bytes: &[u8]) -> Result<(), String> {
    let (_, vocabulary) = vocabulary();
    let same = |object: &Object<'_>, again: &dyn Fn(Data<'_>) -> Result<Vec<u8>, DeserializeError>| {
        let (written, json) = (object.to_bytes(), object.to_json());
        let all = [again(Data::Bytes(&written)), again(Data::Json(&json))];
        if all.iter().all(|text| text.as_ref() == Ok(&written)) { Ok(()) } else { Err(format!("does not come back: {json}")) }
    };
    // Printed, a grammar may pass a bound that its text did not.
    let wide = crate::serialize::trusting(&limits());
    let grammar = match kind {
        Kind::Grammar => {
            let Ok(grammar) = data.grammar(&limits()) else { return Ok(()) };
            same(&Object::Grammar(&grammar), &|data| data.grammar(&wide).map(|grammar| Object::Grammar(&grammar).to_bytes()))?;
            grammar
        }
        Kind::CompiledGrammar => {
            let Ok(grammar) = data.compiled_grammar(vocabulary, &limits()) else { return Ok(()) };
            let again = |data: Data<'_>| {
                data.compiled_grammar(vocabulary, &wide).map(|grammar| Object::CompiledGrammar(&grammar, vocabulary).to_bytes())
            };
            same(&Object::CompiledGrammar(&grammar, vocabulary), &again)?;
            grammar
        }
        Kind::Tokenizer => return tokenizer(data, &same),
    };
    grammar.validate().map_err(|e| e.to_string())?;
    run(Ok(grammar), bytes)
}

type Same<'a> = dyn Fn(&Object<'_>, &dyn Fn(Data<'_>) -> Result<Vec<u8>, DeserializeError>) -> Result<(), String> + 'a;

fn tokenizer(data: Data<'_>, same: &Same<'_>) -> Result<(), String> {
    let Ok(read) = data.tokenizer() else { return Ok(()) };
    let written = |vocabulary: &Vocabulary| Object::Tokenizer(vocabulary, 0, read.add_prefix_space).to_bytes();
    let again = |data: Data<'_>| data.tokenizer().map(|parts| written(&parts.vocabulary));
    same(&Object::Tokenizer(&read.vocabulary, 0, read.add_prefix_space), &again)?;
    // A vocabulary of any shape can be used.
    let vocabulary = Arc::new(read.vocabulary);
    let grammar = Grammar::from_choices(&["a".to_owned(), "ab".to_owned()]);
    let Ok(compiled) = oracle::compile_with(&grammar, &vocabulary) else { return Ok(()) };
    let row = oracle::filled(&mut oracle::matcher(&compiled), vocabulary.vocab_size())?;
    if oracle::allowed(&row).iter().all(|&id| vocabulary.is_text(id)) {
        Ok(())
    } else {
        Err("a token that is no text is allowed".to_owned())
    }
}
