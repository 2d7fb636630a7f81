//! References: to other documents, between drafts, dynamic ones; and what reading them costs.

use std::cell::RefCell;
use std::fmt::Write as _;

use super::super::schema::SchemaDocument;
use super::*;

/// A registry that remembers what it was asked for.
#[derive(Default)]
struct Watched {
    documents: Documents,
    asked: RefCell<Vec<String>>,
    searched: RefCell<bool>,
}

impl Watched {
    fn new(documents: &[(&str, &str)]) -> Self {
        let mut this = Self::default();
        for (uri, text) in documents {
            this.documents.insert(uri, text);
        }
        this
    }

    /// The documents it had and gave.
    fn given(&self) -> Vec<String> {
        let had = |uri: &&String| matches!(self.documents.text(uri), Ok(Some(_)));
        self.asked.borrow().iter().filter(had).cloned().collect()
    }
}

impl Registry for Watched {
    fn text(&self, uri: &str) -> Result<Option<Arc<str>>, String> {
        self.asked.borrow_mut().push(uri.to_owned());
        self.documents.text(uri)
    }

    fn uris(&self) -> Result<Vec<String>, String> {
        *self.searched.borrow_mut() = true;
        self.documents.uris()
    }
}

fn runner(schema: &str, registry: &dyn Registry) -> Result<Runner, CompileError> {
    let grammar = grammar_with(schema, &Options::default(), registry, &Limits::default())?;
    let arena = Arena::new(Limits::default());
    let Expr::Embedded(node) = &grammar.rules()[0].body else { panic!("the root is not embedded") };
    let start = node.attach(&arena)?.start.unwrap();
    Ok(Runner { arena, start })
}

fn check(schema: &str, documents: &[(&str, &str)], valid: &[&str], invalid: &[&str]) {
    let registry = Watched::new(documents);
    let runner = runner(schema, &registry).unwrap_or_else(|e| panic!("{schema}: {e}"));
    for text in valid {
        assert!(runner.accepts(text), "{schema} refuses {text}");
    }
    for text in invalid {
        assert!(!runner.accepts(text), "{schema} accepts {text}");
    }
}

fn refused(schema: &str, documents: &[(&str, &str)]) -> (String, String) {
    match runner(schema, &Watched::new(documents)).err() {
        Some(CompileError::Schema { pointer, message }) => (pointer, message),
        other => panic!("{schema}: {other:?}"),
    }
}

fn read(schema: &str, documents: &[(&str, &str)]) -> SchemaDocument {
    SchemaDocument::read(schema, &Options::default(), &Watched::new(documents), &Limits::default()).unwrap()
}

const TREE: (&str, &str) = (
    "http://x/tree",
    r##"{"$id":"http://x/tree","$dynamicAnchor":"node","type":"object","properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}"##,
);

#[test]
fn documents_are_read_when_a_reference_needs_them() {
    let documents = [
        ("http://x/a", r#"{"$ref":"b#/$defs/n","$defs":{"unused":{"$ref":"http://x/missing"}}}"#),
        ("http://x/b", r#"{"$defs":{"n":{"type":"null"}}}"#),
        ("http://x/c", "this is not JSON"),
    ];
    let registry = Watched::new(&documents);
    let runner = runner(r#"{"$id":"http://x/root","$ref":"a"}"#, &registry).unwrap();
    assert!(runner.accepts("null") && !runner.accepts("1"));
    assert_eq!(registry.given(), ["http://x/a", "http://x/b"]);
    assert!(!*registry.searched.borrow());
}

#[test]
fn documents_are_found_by_what_they_call_themselves() {
    let documents = [
        ("file:///one", r#"{"$defs":{"deep":{"$id":"http://x/deep","const":1}}}"#),
        ("file:///two", r#"{"$id":"http://x/two","const":2}"#),
        // A name in the registry comes before what another document calls a part of itself.
        ("file:///three", r#"{"$defs":{"other":{"$id":"http://x/four","const":3}}}"#),
        ("http://x/four", r#"{"const":4}"#),
    ];
    check(r#"{"$ref":"http://x/deep"}"#, &documents, &["1"], &["2"]);
    check(r#"{"$ref":"http://x/two"}"#, &documents, &["2"], &["1"]);
    check(r#"{"$ref":"http://x/four"}"#, &documents, &["4"], &["3"]);
    check(r#"{"anyOf":[{"$ref":"file:///three"},{"$ref":"http://x/four"}],"not":{"const":0}}"#, &documents, &["4", "7"], &["0"]);
    let used: Vec<String> = read(r#"{"$ref":"http://x/two"}"#, &documents).used.iter().map(|(uri, _)| uri.to_owned()).collect();
    assert_eq!(used, ["file:///two"]);
}

#[test]
fn errors_name_the_document_the_place_and_what_to_do() {
    let (pointer, message) = refused(r#"{"properties":{"a":{"$ref":"other.json#/x"}},"$id":"http://x/y"}"#, &[]);
    assert_eq!(pointer, "/properties/a/$ref");
    assert!(
        message.contains("\"other.json#/x\"") && message.contains("\"http://x/other.json\"") && message.contains("registry="),
        "{message}"
    );

    let documents = [("http://x/a", r#"{"$defs":{"n":{"minimum":"one"}}}"#), ("http://x/b", "{\n 1}"), ("http://x/l", r#"{"a":[1]}"#)];
    assert_eq!(refused(r#"{"$ref":"http://x/a#/$defs/n"}"#, &documents).0, "http://x/a#/$defs/n/minimum");
    let (pointer, message) = refused(r#"{"$ref":"http://x/b"}"#, &documents);
    assert!(pointer == "http://x/b" && message.contains("line 2, column 2"), "{pointer}: {message}");
    assert_eq!(refused(r#"{"$ref":"http://x/l#/a/0"}"#, &documents).0, "http://x/l#/a/0");
    assert!(refused(r#"{"$ref":"http://x/l#/a/1"}"#, &documents).1.contains("http://x/l#/a"));
    assert!(refused(r##"{"$ref":"#nowhere"}"##, &documents).1.contains("#nowhere"));
}

#[test]
fn what_is_printed_carries_the_documents_it_needs() {
    let documents = [
        TREE,
        ("urn:unused", "{}"),
        ("http://x/my-dialect", r#"{"$schema":"http://x/other-dialect"}"#),
        ("http://x/other-dialect", r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#),
    ];
    let schema = r#"{"properties":{"t":{"$ref":"http://x/tree"},"old":{"$id":"urn:o","$schema":"http://x/my-dialect","minimum":1,"exclusiveMinimum":true}}}"#;
    let registry = Watched::new(&documents);
    let first = grammar_with(schema, &Options::default(), &registry, &Limits::default()).unwrap();
    let printed = first.to_string();
    assert!(!printed.contains("urn:unused"), "{printed}");
    let again = crate::frontend::ebnf::parse(&printed, "root", &Limits::default()).unwrap();
    assert_eq!(first.identity(), again.identity());
    assert_eq!(printed, again.to_string());
    // The content of a document counts, not just its name.
    let changed = Watched::new(&[(TREE.0, "true"), documents[2], documents[3]]);
    assert_ne!(first.identity(), grammar_with(schema, &Options::default(), &changed, &Limits::default()).unwrap().identity());
    for wrong in ["uri=\"x\"", "uri=\"x\", indent=1", "document=\"{}\"", "uri=1, document=\"{}\""] {
        assert!(
            crate::frontend::ebnf::parse(&format!("root ::= json_schema(\"{{}}\", {wrong})"), "root", &Limits::default()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_dynamic_reference_leads_to_the_outermost_resource_on_the_way() {
    let strict = r#"{"$id":"http://x/strict","$dynamicAnchor":"node","$ref":"tree","required":["data"]}"#;
    check(
        strict,
        &[TREE],
        &[r#"{"data":1}"#, r#"{"data":0,"children":[{"data":1,"children":[]}]}"#],
        &["{}", r#"{"data":1,"children":[{}]}"#],
    );
    check(r#"{"$ref":"http://x/tree"}"#, &[TREE], &["{}", r#"{"children":[{}]}"#], &[r#"{"children":[1]}"#]);
    // Both meanings in one schema: the tree is there twice.
    let both = format!(r#"{{"items":[{{"$ref":"http://x/tree"}},{{"$ref":"http://x/strict"}}],"$defs":{{"s":{strict}}}}}"#);
    check(&both, &[TREE], &[r#"[{"children":[{}]},{"data":1}]"#], &[r#"[{},{"data":1,"children":[{}]}]"#, "[{},{}]"]);
}

#[test]
fn schemas_that_no_dynamic_reference_is_reached_from_stay_one() {
    let schema = r##"{"$id":"http://x/strict","$dynamicAnchor":"node","$ref":"tree","properties":{"plain":{"$ref":"#/$defs/p"}},"$defs":{"p":{"type":"null"}}}"##;
    let document = read(schema, &[TREE]);
    let mut places: Vec<String> = document.located.keys().map(|&node| document.document.pointer_to(node)).collect();
    places.sort();
    let distinct: std::collections::BTreeSet<&String> = places.iter().collect();
    // The strict tree, in one copy of each of its parts.
    assert_eq!(places.len(), distinct.len(), "{places:?}");
    for untouched in ["/$defs/p", "/properties/plain", "http://x/tree#/properties/data"] {
        let node = document.located.keys().find(|&&node| document.document.pointer_to(node) == untouched).copied().unwrap();
        assert_eq!(document.document.original(node), node, "{untouched}");
    }
    assert_ne!(document.document.original(document.document.root()), document.document.root());
    // Without a dynamic reference nothing is copied.
    let document = read(r##"{"$dynamicAnchor":"a","properties":{"x":{"$dynamicRef":"#/$defs/y"}},"$defs":{"y":{"$anchor":"y"}}}"##, &[]);
    assert!(document.located.keys().all(|&node| document.document.original(node) == node));
}

#[test]
fn recursive_references_skip_resources_without_the_anchor() {
    let draft = r#""$schema":"https://json-schema.org/draft/2019-09/schema""#;
    let tree = format!(
        r##"{{{draft},"$id":"http://x/tree","$recursiveAnchor":true,"type":"object","properties":{{"c":{{"$recursiveRef":"#"}}}}}}"##
    );
    let middle = format!(r#"{{{draft},"$id":"http://x/middle","$ref":"tree"}}"#);
    let root = format!(r#"{{{draft},"$id":"http://x/root","$recursiveAnchor":true,"$ref":"middle","required":["c"]}}"#);
    let open = root.replace("true", "false");
    let documents = [("http://x/tree", &*tree), ("http://x/middle", &*middle)];
    // Infinitely deep, so nothing is valid; the tree alone is finite.
    assert!(matches!(runner(&root, &Watched::new(&documents)), Err(CompileError::UnsatisfiableSchema { .. })));
    check(&open, &documents, &[r#"{"c":{}}"#], &["{}", r#"{"c":1}"#]);
}

#[test]
fn a_cycle_that_only_a_dynamic_scope_closes_is_refused() {
    let documents = [("http://x/b", r##"{"$id":"http://x/b","$dynamicRef":"#a","$defs":{"d":{"$dynamicAnchor":"a","type":"null"}}}"##)];
    check(r#"{"$ref":"http://x/b"}"#, &documents, &["null"], &["1"]);
    let (pointer, message) = refused(r#"{"$id":"http://x/a","$dynamicAnchor":"a","not":{"$ref":"b"}}"#, &documents);
    assert!(message.contains("again"), "{pointer}: {message}");
    // The same two resources, entered the other way round, have no cycle.
    let both = r##"{"$id":"http://x/c","allOf":[{"$ref":"b"},{"properties":{"x":{"$ref":"#/$defs/a"}}}],"$defs":{"a":{"$id":"http://x/e","$dynamicAnchor":"z","type":"null"}}}"##;
    check(both, &documents, &["null"], &["1"]);
}

#[test]
fn several_references_in_one_schema_all_hold() {
    let schema =
        r##"{"$ref":"#/$defs/a","$dynamicRef":"#b","maximum":9,"$defs":{"a":{"type":"integer"},"b":{"$dynamicAnchor":"b","minimum":3}}}"##;
    check(schema, &[], &["3", "9"], &["2", "3.5", "10"]);
}

#[test]
fn each_draft_reads_its_own_keywords() {
    // `$ref` hides what stands beside it up to draft 7, its `$id` too.
    let old = r#"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://x/r","allOf":[{"$id":"http://y/","$ref":"n","maximum":0}],"definitions":{"n":{"$id":"n","type":"integer"}}}"#;
    check(old, &[], &["7"], &["0.5"]);
    // Each resource says its draft; what says none is read as the schema is.
    let documents = [
        ("http://x/four", r#"{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true,"const":0}"#),
        ("http://x/none", r#"{"const":1}"#),
    ];
    check(r#"{"items":{"$ref":"http://x/four"}}"#, &documents, &["[2]"], &["[1]"]);
    check(r#"{"$ref":"http://x/none"}"#, &documents, &["1"], &["2"]);
    check(r#"{"$schema":"http://json-schema.org/draft-04/schema#","$ref":"http://x/none"}"#, &documents, &["1", "2"], &[]);
    check(
        r#"{"$schema":"http://json-schema.org/draft-04/schema#","id":"http://x/y/","items":{"$ref":"../none"}}"#,
        &documents,
        &["[2]"],
        &[],
    );
}

#[test]
fn a_meta_schema_says_which_keywords_there_are() {
    let vocabulary = |names: &[&str]| {
        let all: Vec<String> = names.iter().map(|n| format!(r#""https://json-schema.org/draft/2020-12/vocab/{n}":true"#)).collect();
        format!(r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","$vocabulary":{{{},"http://x/mine":false}}}}"#, all.join(","))
    };
    let (open, needy) = (vocabulary(&["core", "applicator"]), vocabulary(&["core"]).replace("false", "true"));
    let old = r#"{"$schema":"http://json-schema.org/draft-04/schema#","$vocabulary":{"http://x/mine":true}}"#;
    let documents = [
        ("http://x/open", &*open),
        ("http://x/needy", &*needy),
        ("http://x/loop", r#"{"$schema":"http://x/loop"}"#),
        ("http://x/old", old),
    ];
    let schema = r#"{"$schema":"http://x/open","properties":{"a":false,"b":{"minimum":"no number"}},"type":"object"}"#;
    check(schema, &documents, &["1", r#"{"b":1}"#], &[r#"{"a":1}"#]);
    let (pointer, message) = refused(r#"{"$schema":"http://x/needy"}"#, &documents);
    assert!(pointer == "http://x/needy#/$vocabulary" && message.contains("http://x/mine"), "{pointer}: {message}");
    for unknown in ["http://x/loop", "http://x/nowhere"] {
        let (pointer, message) = refused(&format!(r#"{{"$schema":"{unknown}"}}"#), &documents);
        assert!(pointer == "/$schema" && message.contains(unknown), "{pointer}: {message}");
    }
}

#[test]
fn identifiers_count_only_where_schemas_are() {
    let schema = r##"{"$id":"http://x/r/","anyOf":[{"$ref":"real"},{"$ref":"#/unknown/a"}],"unknown":{"a":{"$id":"real","$ref":"other","$anchor":"n"}},"$defs":{"real":{"$id":"real","const":1},"other":{"$id":"other","const":2}}}"##;
    check(schema, &[], &["1", "2"], &["3"]);
    // A schema at such a place has its URI as a base all the same, and anchors for what is inside it.
    let schema = r##"{"$id":"http://x/r/","$ref":"#/unknown/a","unknown":{"a":{"$id":"sub/","allOf":[{"$ref":"n"},{"$ref":"#here"}],"$defs":{"h":{"$anchor":"here","minimum":2}}}},"$defs":{"n":{"$id":"sub/n","maximum":3},"m":{"$id":"n","maximum":0}}}"##;
    check(schema, &[], &["2", "3"], &["1", "4"]);
    assert!(refused(r##"{"enum":[{"$anchor":"a"}],"$ref":"#a"}"##, &[]).1.contains("anchor"));
}

#[test]
fn many_documents_that_nothing_refers_to_cost_nothing() {
    let mut documents = Documents::default();
    for i in 0..20_000 {
        documents.insert(&format!("http://x/{i}"), "not JSON");
    }
    documents.insert("http://x/good", "{\"type\":\"null\"}");
    let schema = read_with(r#"{"$ref":"http://x/good"}"#, &documents);
    assert!(schema.document.len() < 10);
}

fn read_with(schema: &str, registry: &dyn Registry) -> SchemaDocument {
    SchemaDocument::read(schema, &Options::default(), registry, &Limits::default()).unwrap()
}

#[test]
fn long_chains_and_many_scopes_end() {
    let n = 10_000;
    let mut documents = Documents::default();
    for i in 0..n {
        let sibling = if i % 100 == 0 { format!(",\"minimum\":{i}") } else { String::new() };
        documents.insert(&format!("http://x/{i}"), &format!(r#"{{"$ref":"{}"{sibling}}}"#, i + 1));
    }
    documents.insert(&format!("http://x/{n}"), r#"{"type":"integer"}"#);
    let runner = runner(r#"{"$ref":"http://x/0"}"#, &documents).unwrap();
    assert!(runner.accepts("9900") && !runner.accepts("9899") && !runner.accepts("9999.5"));

    let mut schema = "{\"$defs\":{".to_owned();
    for i in 0..n {
        let _ = write!(schema, "\"d{i}\":{{\"$ref\":\"#/$defs/d{}\"}},", (i + 1) % n);
    }
    schema.push_str("\"end\":{}},\"$ref\":\"#/$defs/d0\"}");
    assert!(refused(&schema, &[]).1.contains("again"));

    // Twenty resources, each entered or not on the way to the last: a million scopes.
    let mut schema = "{\"$defs\":{".to_owned();
    for i in 0..20 {
        let next = if i == 19 { "#end".to_owned() } else { format!("r{}", i + 1) };
        let _ = write!(
            schema,
            r##""a{i}":{{"$id":"r{i}","items":{{"anyOf":[{{"$ref":"{next}"}},{{"$ref":"s{i}"}}]}}}},"b{i}":{{"$id":"s{i}","$dynamicAnchor":"n{i}","items":{{"$ref":"{next}"}},"$defs":{{"z":{{"$dynamicRef":"#n{i}"}}}}}},"##
        );
    }
    let schema = schema.replace("#end", "end")
        + "\"end\":{\"$id\":\"end\",\"allOf\":["
        + &(0..20).map(|i| format!(r#"{{"items":{{"$dynamicRef":"s{i}#n{i}"}}}}"#)).collect::<Vec<_>>().join(",")
        + "]}},\"$ref\":\"r0\"}";
    let limits = Limits { max_expression_nodes: 100_000, ..Limits::default() };
    match SchemaDocument::read(&schema, &Options::default(), &Documents::default(), &limits).err() {
        Some(CompileError::Engine(EngineError::Limit { name: "max_expression_nodes", .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_meta_schemas_are_at_hand() {
    let options = Options { assert_formats: false, ..Options::default() };
    for uri in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = format!(r#"{{"$ref":"{uri}"}}"#);
        match grammar_with(&schema, &options, &Documents::default(), &Limits::default()) {
            Ok(_) => {}
            // Until every keyword is enforced.
            Err(CompileError::Schema { message, .. }) if message.contains("not enforced yet") => {}
            Err(error) => panic!("{uri}: {error}"),
        }
    }
}
