#![no_main]
//! `structures::key_file` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::key_file(data));
