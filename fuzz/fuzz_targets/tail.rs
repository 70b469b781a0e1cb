#![no_main]
//! `structures::tail` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::tail(data));
