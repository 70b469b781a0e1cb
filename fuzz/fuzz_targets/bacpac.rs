#![no_main]
//! `foreign::bacpac` under libfuzzer.

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakpak_fuzz::foreign::bacpac(data));
