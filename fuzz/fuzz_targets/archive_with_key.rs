#![no_main]
//! `archives::archive_with_key` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::archives::archive_with_key(data));
