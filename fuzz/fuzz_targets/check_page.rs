#![no_main]
//! `structures::check_page` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::check_page(data));
