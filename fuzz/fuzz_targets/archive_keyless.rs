#![no_main]
//! `archives::archive_keyless` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::archives::archive_keyless(data));
