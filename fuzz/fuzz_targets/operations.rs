#![no_main]

use libfuzzer_sys::fuzz_target;
use maskwright::testing::properties;

fuzz_target!(|bytes: &[u8]| {
    if let Err(message) = properties::operations(bytes) {
        panic!("{message}");
    }
});
