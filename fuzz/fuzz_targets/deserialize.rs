#![no_main]

use libfuzzer_sys::fuzz_target;
use maskwright::testing::properties::serialize;

fuzz_target!(|bytes: &[u8]| {
    if let Err(message) = serialize::deserialize(bytes) {
        panic!("{message}");
    }
});
