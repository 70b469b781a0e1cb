#![no_main]
//! `foreign::qdrant` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::foreign::qdrant(data));
