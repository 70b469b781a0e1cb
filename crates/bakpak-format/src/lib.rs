//! The bakpak archive format: bytes to structures and back, without I/O, keys, threads or clock.

pub mod entry;
pub mod limits;
