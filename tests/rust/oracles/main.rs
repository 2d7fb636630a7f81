//! The invariants of the engine, each against an oracle that shares nothing with it, over random grammars, schemas and vocabularies.
//!
//! Every case is a function of a few hundred bytes: proptest shrinks them, the fuzz targets mutate them. `PROPTEST_CASES=10000` runs
//! more of each.

mod cache;
mod grammars;
mod history;
mod schemas;
mod views;

use proptest::test_runner::Config;

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

/// A property over bytes, as a test.
macro_rules! property {
    ($(#[$doc:meta])* $name:ident, $cases:expr, $length:expr, $check:path) => {
        $(#[$doc])*
        #[test]
        fn $name() {
            let mut runner = proptest::test_runner::TestRunner::new(crate::config($cases));
            let outcome = runner.run(&crate::bytes($length), |bytes| {
                $check(&bytes).map_err(|message| proptest::test_runner::TestCaseError::fail(message))
            });
            if let Err(error) = outcome {
                panic!("{error}");
            }
        }
    };
}
pub(crate) use property;
