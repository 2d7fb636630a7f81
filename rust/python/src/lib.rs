//! The PyO3 binding: `maskwright._core`. Outermost step: Python values -> **binding** -> the core -> back.
//!
//! Invariant: no logic of its own but tokens' spelling, the compile cache and the checks of a bitmask; nothing waits for a
//! lock or for long work while it holds the interpreter.
//! Must not know: automata, masks, or any tokenizer library.

// Doc comments here are Python docstrings, and arguments are Python's.
#![allow(clippy::doc_markdown, clippy::needless_pass_by_value, clippy::too_many_arguments)]
#![allow(clippy::fn_params_excessive_bools, clippy::struct_excessive_bools, clippy::unused_self)]

use pyo3::prelude::*;

mod apply;
mod background;
mod batch;
mod bitmask;
mod cache;
mod compiled;
mod compiler;
mod crew;
mod drafts;
mod encoding;
mod errors;
mod files;
mod fork;
mod grammar;
mod limits;
mod matcher;
mod pool;
mod precompute;
mod schema;
mod serialize;
mod slot;
mod threads;
mod tokenizer;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::apply::apply_token_bitmask;
    #[pymodule_export]
    use super::batch::{BatchGrammarMatcher, MaskFill};
    #[pymodule_export]
    use super::compiled::CompiledGrammar;
    #[pymodule_export]
    use super::compiler::GrammarCompiler;
    #[pymodule_export]
    use super::errors::error_samples;
    #[pymodule_export]
    use super::grammar::Grammar;
    #[pymodule_export]
    use super::limits::Limits;
    #[pymodule_export]
    use super::matcher::GrammarMatcher;
    #[pymodule_export]
    use super::serialize::get_serialization_version;
    #[pymodule_export]
    use super::tokenizer::TokenizerInfo;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::fork::register(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
