#![no_main]
//! `structures::catalogue_page` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::catalogue_page(data));
