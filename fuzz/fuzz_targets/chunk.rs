#![no_main]
//! `structures::chunk` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::chunk(data));
