#![no_main]
//! `structures::entry` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::entry(data));
