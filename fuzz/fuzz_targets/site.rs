#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| causerie::fuzzing::site(bytes));
