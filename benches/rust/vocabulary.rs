//! The vocabulary that the benches run over: that of Llama 3, from the file named by `MASKWRIGHT_VOCABULARY`.
//!
//! Invariant: the token bytes are those of the file, in its order; one stop token follows them.
//! Must not know: what is measured.

use std::sync::Arc;

use maskwright::vocab::Vocabulary;

/// The bytes of the first `count` tokens (`usize::MAX`: all), then a stop token.
///
/// # Panics
/// Without the file: `make bench` downloads it.
#[must_use]
pub fn tokens(count: usize) -> Vec<Vec<u8>> {
    let path = std::env::var("MASKWRIGHT_VOCABULARY").expect("MASKWRIGHT_VOCABULARY names no file; run `make bench`");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let decode = |line: &str| {
        let token = line.split(' ').next().unwrap_or_default();
        data_encoding::BASE64.decode(token.as_bytes()).unwrap_or_else(|error| panic!("{token}: {error}"))
    };
    // The single bytes come first in such files, so that any first part of one spells every text.
    let mut tokens: Vec<Vec<u8>> = text.lines().take(count).map(decode).collect();
    tokens.push(b"</s>".to_vec());
    tokens
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
