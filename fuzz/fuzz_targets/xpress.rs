#![no_main]
//! `media::xpress` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::media::xpress(data));
