#![no_main]
//! `archives::records` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::archives::records(data));
