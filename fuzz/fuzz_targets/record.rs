#![no_main]
//! `structures::record` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::record(data));
