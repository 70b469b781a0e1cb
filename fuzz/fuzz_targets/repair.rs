#![no_main]
//! `archives::repair` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::archives::repair(data));
