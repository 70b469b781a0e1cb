#![no_main]
//! `archives::stream` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::archives::stream(data));
