//! The characters that a JSON string spells. Below **vocab** and **stack**, which look at strings that were read in part.
//!
//! Invariant: what is decoded of a beginning stays so however the string goes on.
//! Must not know: which strings may come.

/// How many bytes a character has that begins with this one.
pub fn utf8_length(first: u8) -> usize {
    match first {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

/// The characters that the raw bytes of a JSON string (without quotation marks) spell so far, in UTF-8, and how many raw bytes at the end
/// belong to a character that is not complete.
pub fn decode(raw: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at] != b'\\' {
            let length = utf8_length(raw[at]);
            let Some(bytes) = raw.get(at..at + length) else { break };
            out.extend_from_slice(bytes);
            at += length;
            continue;
        }
        let Some(&escape) = raw.get(at + 1) else { break };
        let short = match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => other,
        };
        if escape != b'u' {
            out.push(short);
            at += 2;
            continue;
        }
        let unit = |from: usize| {
            let hex = raw.get(from..from + 4)?;
            u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
        };
        let Some(first) = unit(at + 2) else { break };
        let (code, length) = if (0xD800..0xDC00).contains(&first) {
            let Some(second) = unit(at + 8) else { break };
            (0x1_0000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF), 12)
        } else {
            (first, 6)
        };
        let mut buffer = [0; 4];
        out.extend_from_slice(char::from_u32(code).unwrap_or('\u{FFFD}').encode_utf8(&mut buffer).as_bytes());
        at += length;
    }
    (out, raw.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded() {
        assert_eq!(decode(b"abc"), (b"abc".to_vec(), 0));
        assert_eq!(decode(br#"\u0061\n\"\/\\"#), (b"a\n\"/\\".to_vec(), 0));
        assert_eq!(decode(r"é\ud83d\ude00x".as_bytes()), ("é😀x".as_bytes().to_vec(), 0));
        assert_eq!(decode(br"a\u00"), (b"a".to_vec(), 4));
        assert_eq!(decode(br"a\ud83d\ude0"), (b"a".to_vec(), 11));
        assert_eq!(decode(&[b'a', 0xC3]), (b"a".to_vec(), 1));
        assert_eq!(decode(br"a\"), (b"a".to_vec(), 1));
    }
}
