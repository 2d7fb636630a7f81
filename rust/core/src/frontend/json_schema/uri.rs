//! URI references, as far as schemas need them: joining (RFC 3986, section 5) and fragments. Used by **resolve**.
//!
//! Invariant: nothing is ever fetched; URIs are names.
//! Must not know: schemas.

struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

fn split(uri: &str) -> Parts<'_> {
    let (scheme, rest) = match uri.find([':', '/', '?']) {
        Some(i) if uri.as_bytes()[i] == b':' && i > 0 && uri.as_bytes()[0].is_ascii_alphabetic() => (Some(&uri[..i]), &uri[i + 1..]),
        _ => (None, uri),
    };
    let (authority, rest) = match rest.strip_prefix("//") {
        Some(after) => {
            let end = after.find(['/', '?']).unwrap_or(after.len());
            (Some(&after[..end]), &after[end..])
        }
        None => (None, rest),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    Parts { scheme, authority, path, query }
}

/// The part before `#`, and the part after it (empty if there is none).
pub(super) fn split_fragment(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// What `reference` (without a fragment) means where the base URI is `base`.
pub(super) fn join(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    let r = split(reference);
    if r.scheme.is_some() {
        return reference.to_owned();
    }
    let b = split(base);
    let (authority, path, query) = if r.authority.is_some() {
        (r.authority, remove_dots(r.path), r.query)
    } else if r.path.is_empty() {
        (b.authority, b.path.to_owned(), r.query.or(b.query))
    } else if r.path.starts_with('/') {
        (b.authority, remove_dots(r.path), r.query)
    } else {
        let folder = match b.path.rfind('/') {
            Some(i) => &b.path[..=i],
            None if b.authority.is_some() => "/",
            None => "",
        };
        (b.authority, remove_dots(&format!("{folder}{}", r.path)), r.query)
    };
    let mut out = String::new();
    if let Some(scheme) = b.scheme {
        out.push_str(scheme);
        out.push(':');
    }
    if let Some(authority) = authority {
        out.push_str("//");
        out.push_str(authority);
    }
    out.push_str(&path);
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

fn remove_dots(path: &str) -> String {
    if !path.split('/').any(|s| s == "." || s == "..") {
        return path.to_owned();
    }
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    for (i, segment) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        if matches!(*segment, "." | "..") {
            if *segment == ".." {
                kept.pop();
            }
            if last {
                kept.push("");
            }
        } else {
            kept.push(segment);
        }
    }
    format!("{}{}", if rooted { "/" } else { "" }, kept.join("/"))
}

/// Replace `%41` by `A`. `None`: not UTF-8.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let hex = |i: usize| bytes.get(i).and_then(|&d| char::from(d).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (b, hex(at + 1), hex(at + 2)) {
            out.push((high << 4 | low) as u8);
            at += 3;
        } else {
            out.push(b);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_as_the_rfc_does() {
        let base = "http://a/b/c/d;p?q";
        let cases = [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("urn:x:y", "urn:x:y"),
        ];
        for (reference, joined) in cases {
            assert_eq!(join(base, reference), joined, "{reference}");
        }
        assert_eq!(join("", "item.json"), "item.json");
        assert_eq!(join("http://a", "b"), "http://a/b");
        assert_eq!(percent_decode("a%25b%22").as_deref(), Some("a%b\""));
    }
}
