//! The page of the documentation that lists all keywords and formats is written from the tables.

use std::fmt::Write;
use std::path::Path;

use crate::frontend::json_schema::formats::{Format, encodings, formats};
use crate::frontend::json_schema::keywords::{Draft, KEYWORDS, Keyword, Role};

const HEAD: &str = "\
# Keywords and formats

Written by `make docs` from the tables `KEYWORDS` and `FORMATS`; a test fails when it is stale. What is said here of all schemas,
`compiled.json_schema_report()` says of one, place by place, and `maskwright check-schema` prints it.

* *exact*: what is accepted is just what the keyword allows;
* *narrowed*: what is accepted is allowed, but not all that is allowed can be written; the last column says what is lost;
* *annotation*: it says nothing about which values are valid. So do keys that are no keywords of the draft.

What is lost to the order of keys is not with `any_order=True`, and `number_exponents` allows exponents where they are lost. For every schema, white space is bounded as the page on white space says, and a
surrogate without its partner is never written.

";

fn drafts(row: &Keyword) -> String {
    let name = |draft: Draft| draft.name().unwrap_or_default();
    match (row.since, row.until) {
        (Draft::Draft4, Draft::Draft202012) => "all".to_owned(),
        (since, Draft::Draft202012) => format!("since {}", name(since)),
        (Draft::Draft4, until) => format!("up to {}", name(until)),
        (since, until) if since == until => format!("only {}", name(since)),
        (since, until) => format!("{} to {}", name(since), name(until)),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn rows(table: impl Iterator<Item = &'static Format>) -> String {
    let mut out = "| name | standard | what a string must be | enforced | what is lost |\n|---|---|---|---|---|\n".to_owned();
    for row in table {
        let status = if row.narrowed.is_some() { "narrowed" } else { "exact" };
        let lost = cell(row.narrowed.unwrap_or(""));
        let _ = writeln!(out, "| `{}` | {} | {} | {status} | {lost} |", row.name, cell(row.standard), cell(row.meaning));
    }
    out
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("## Keywords\n\n| keyword | drafts | enforced | what is lost |\n|---|---|---|---|\n");
    for row in KEYWORDS.iter().copied().flatten() {
        let status = match row.role {
            Role::Annotation => "annotation",
            _ if row.losses.is_empty() => "exact",
            _ => "narrowed",
        };
        let lost: Vec<&str> = row.losses.iter().map(|loss| loss.words()).collect();
        let _ = writeln!(page, "| `{}` | {} | {status} | {} |", row.name, drafts(row), cell(&lost.join("; ")));
    }
    page.push_str(
        "\n## Formats\n\nFormats are asserted under every draft; with `assert_formats=False` they are annotations, as formats that are not listed always \
         are. Strings that are lost are not taken for invalid either: `not` and `oneOf` refuse them, too.\n\n",
    );
    page.push_str(&rows(formats()));
    page.push_str("\n## Encodings\n\n`contentEncoding` is treated in the same way.\n\n");
    page.push_str(&rows(encodings()));
    page
}

#[test]
fn the_page_of_keywords_and_formats_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/keywords.md");
    let page = page();
    if std::env::var_os("MASKWRIGHT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/keywords.md is stale: run `make docs`");
}
