#![no_main]
//! `foreign::certificate` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::foreign::certificate(data));
