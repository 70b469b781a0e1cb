#![no_main]
//! `archives::salvage` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::archives::salvage(data));
