//! Inputs that once broke a property: `fuzz/regressions/<target>/<what-went-wrong>`, each run through its target.

use std::path::Path;

use maskwright::testing::properties::TARGETS;

#[test]
fn fuzz_regressions_stay_fixed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions");
    let mut failures = Vec::new();
    for target in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let name = target.file_name().unwrap().to_string_lossy().into_owned();
        let (_, property) = TARGETS.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no target is called {name}"));
        for input in std::fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().path()) {
            let bytes = std::fs::read(&input).unwrap();
            // A small stack, as threads of other programs have.
            let property = *property;
            let outcome = std::thread::Builder::new().stack_size(2 << 20).spawn(move || property(&bytes)).unwrap().join();
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(message)) => failures.push(format!("{}: {message}", input.display())),
                Err(_) => failures.push(format!("{} panicked", input.display())),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
