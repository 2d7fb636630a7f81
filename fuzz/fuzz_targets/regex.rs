#![no_main]

use libfuzzer_sys::fuzz_target;
use maskwright::testing::properties::front_ends;

fuzz_target!(|bytes: &[u8]| {
    if let Err(message) = front_ends::regex(bytes) {
        panic!("{message}");
    }
});
