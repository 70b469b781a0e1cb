//! The `bakpak` program.

fn main() {}
