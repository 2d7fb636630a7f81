//! The vocabulary that the benches run over: that of Llama 3 where its file is at hand, else one made of the texts of `benches/data`.
//!
//! Invariant: every byte is a token, in the first places; one stop token follows all others; the same every time.
//! Must not know: what is measured.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use maskwright::vocab::Vocabulary;

/// The bytes of the first `count` tokens (`usize::MAX`: all), then a stop token.
///
/// The file is the one named by `MASKWRIGHT_VOCABULARY`, or the one that `make bench` downloads.
///
/// # Panics
/// If there is a file, but not of tokens.
#[must_use]
pub fn tokens(count: usize) -> Vec<Vec<u8>> {
    let downloaded = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../build/tokenizers/llama3.tiktoken"));
    let path = std::env::var_os("MASKWRIGHT_VOCABULARY").map_or_else(downloaded, PathBuf::from);
    let mut tokens = match std::fs::read_to_string(&path) {
        // The single bytes come first in such files, so that any first part of one spells every text.
        Ok(text) => text.lines().take(count).map(decode).collect(),
        Err(_) => made(count.min(128_000)),
    };
    tokens.push(b"</s>".to_vec());
    tokens
}

fn decode(line: &str) -> Vec<u8> {
    let token = line.split(' ').next().unwrap_or_default();
    data_encoding::BASE64.decode(token.as_bytes()).unwrap_or_else(|error| panic!("{token}: {error}"))
}

/// Every byte, and what stands most often in the texts of the benches.
fn made(count: usize) -> Vec<Vec<u8>> {
    const TEXTS: [&str; 6] = [
        include_str!("../data/schemas.jsonl"),
        include_str!("../data/grammars/json.txt"),
        include_str!("../data/grammars/markup.txt"),
        include_str!("../data/grammars/program.txt"),
        include_str!("../data/grammars/query.txt"),
        include_str!("vocabulary.rs"),
    ];
    let mut pieces: HashMap<&str, usize> = HashMap::new();
    for text in TEXTS {
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
        for length in 2..=9 {
            places.windows(length + 1).for_each(|w| *pieces.entry(&text[w[0]..w[length]]).or_default() += 1);
        }
    }
    let mut pieces: Vec<(&str, usize)> = pieces.into_iter().collect();
    pieces.sort_unstable_by_key(|&(piece, times)| (std::cmp::Reverse(times), piece));
    let bytes = (0..=255).map(|byte| vec![byte]);
    bytes.chain(pieces.into_iter().map(|(piece, _)| piece.as_bytes().to_vec())).take(count).collect()
}

/// A vocabulary of these tokens, the last of which ends the text.
///
/// # Panics
/// If it cannot be built, which would be a defect.
#[must_use]
pub fn build(tokens: &[Vec<u8>]) -> Arc<Vocabulary> {
    let stop = tokens.len() as u32 - 1;
    Arc::new(Vocabulary::new(tokens, tokens.len(), &[stop], &[stop]).expect("the tokens of a real model"))
}

/// The tokens of a text: at each place the longest that fits.
///
/// # Panics
/// If no token fits, which a vocabulary that spells every byte excludes.
#[must_use]
pub fn encode(vocabulary: &Vocabulary, text: &str) -> Vec<u32> {
    let trie = vocabulary.trie();
    let (bytes, nodes) = (text.as_bytes(), trie.nodes());
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (mut longest, mut node, mut end, mut depth) = (None, 0, nodes.len(), 0);
        while node < end && at + depth < bytes.len() {
            if nodes[node].byte != bytes[at + depth] {
                node = nodes[node].end as usize;
                continue;
            }
            depth += 1;
            if let Some(&token) = trie.tokens()[trie.places_at(node)].first() {
                longest = Some((token, depth));
            }
            end = nodes[node].end as usize;
            node += 1;
        }
        let (token, length) = longest.expect("every byte is a token");
        out.push(token);
        at += length;
    }
    out
}
