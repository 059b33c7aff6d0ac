//! In: bytes of the fuzzer. Out: a crash, if `mesh_tests::fuzz::token` does not stand them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mesh_tests::fuzz::token(bytes));
