#![no_main]
//! `foreign::pg_dump` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::foreign::pg_dump(data));
