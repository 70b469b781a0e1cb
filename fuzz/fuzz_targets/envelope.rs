#![no_main]
//! `structures::envelope` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::envelope(data));
