#![no_main]
//! `structures::tree_page` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::tree_page(data));
