//! Data for benches: what a real server holds, made anew from a few numbers.
//!
//! Four kinds, in the shares of the workload on which the format's parameters were measured:
//! pages of a database, logs, packages of consecutive versions that share content, artifacts that
//! do not compress. The same call gives the same bytes on every machine. [`memory`] holds such
//! files as sources for `pack`; the program `make-workload` writes what [`server`] describes.
//! [`damage`] counts what lost sectors cost an archive.

pub mod artifact;
pub mod damage;
pub mod database;
pub mod generator;
pub mod log;
pub mod memory;
pub mod package;
pub mod server;
pub mod words;
pub mod workload;
