#![no_main]
//! `media::container` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::media::container(data));
