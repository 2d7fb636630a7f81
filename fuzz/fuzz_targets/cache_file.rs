#![no_main]

use libfuzzer_sys::fuzz_target;
use maskwright::testing::properties::cache_file;

fuzz_target!(|bytes: &[u8]| {
    if let Err(message) = cache_file::any(bytes) {
        panic!("{message}");
    }
});
