//! The invariants of the engine, each against an oracle that shares nothing with it, over random grammars, schemas and vocabularies.
//!
//! Every case is a function of a few hundred bytes: proptest shrinks them, the fuzz targets mutate them. `PROPTEST_CASES=10000` runs
//! more of each.

use maskwright::testing::properties::{cache, cache_file, counts, grammars, history, keys, schemas, serialize, unique};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

/// Few cases by default, so that the suite stays quick; the environment asks for more.
fn config(cases: u32) -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    // What proptest shrinks to becomes a named test in `regressions`, not a line in a file of seeds.
    Config { cases, failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() }
}

/// Bytes to steer generators.
fn bytes(length: usize) -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    proptest::collection::vec(proptest::num::u8::ANY, 0..length)
}

/// For a regression file: `xxd -r -p`.
#[allow(clippy::format_collect)] // only on failure
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A property over bytes, as a test.
macro_rules! property {
    ($name:ident, $cases:expr, $length:expr, $check:path) => {
        #[test]
        fn $name() {
            let mut runner = TestRunner::new(config($cases));
            let outcome = runner.run(&bytes($length), |bytes| $check(&bytes).map_err(|message| TestCaseError::fail(message)));
            match outcome {
                Ok(()) => {}
                Err(TestError::Fail(message, bytes)) => panic!("{message}\nby the bytes {}", hexadecimal(&bytes)),
                Err(other) => panic!("{other}"),
            }
        }
    };
}

property!(masks_are_what_forks_accept_and_the_recogniser_finds, 48, 500, grammars::masks);
property!(texts_are_accepted_as_the_recogniser_says, 160, 300, grammars::texts);
property!(walks_end_in_derived_texts, 120, 400, grammars::walks);
property!(printed_grammars_parse_back, 200, 300, grammars::printing);
property!(valid_documents_are_accepted, 160, 600, schemas::documents);
property!(invalid_documents_are_refused, 160, 600, schemas::damaged);
property!(walks_end_in_valid_documents, 120, 900, schemas::walks);
property!(operations_on_grammars, 120, 700, history::on_grammars);
property!(operations_on_schemas, 80, 900, history::on_schemas);
property!(masks_of_grammars_do_not_depend_on_history, 60, 700, cache::on_grammars);
property!(masks_of_schemas_do_not_depend_on_history, 60, 900, cache::on_schemas);
property!(masks_do_not_depend_on_other_schemas, 60, 1800, cache::shared_vocabulary);
property!(serialised_grammars_come_back, 80, 700, serialize::round_trip);
property!(what_is_deserialised_is_refused_or_works, 200, 400, serialize::deserialize);
property!(a_file_of_masks_is_refused_or_harmless, 100, 300, cache_file::any);
property!(masks_know_which_items_would_repeat_others, 200, 400, unique::listed);
property!(masks_know_every_counter, 300, 500, counts::nested);
property!(masks_know_where_keys_run_out, 300, 400, keys::used_up);
property!(masks_of_unique_items_are_what_forks_accept, 120, 400, unique::spelled);
