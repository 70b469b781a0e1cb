//! A writer of media, whole and broken: for tests and examples only.

pub mod container;
pub mod xpress;
