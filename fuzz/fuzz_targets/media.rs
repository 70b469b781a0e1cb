#![no_main]
//! `media::media` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::media::media(data));
