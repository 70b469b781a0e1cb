#![no_main]
//! `structures::sparse_map` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::sparse_map(data));
