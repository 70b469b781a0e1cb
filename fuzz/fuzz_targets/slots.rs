#![no_main]
//! `structures::slots` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::structures::slots(data));
