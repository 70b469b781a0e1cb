//! Runs the real program over a file system that fails, and says what must hold afterwards.
//!
//! The layer lies below the program: each system call that touches files is stopped by ptrace, over
//! all threads, and the n-th one kills the program, fails, or does less than it was asked to. So it
//! catches what any library calls, and the program is the one that users get.
//!
//! | module | what |
//! |---|---|
//! | `layer` | stops system calls, counts those that touch files, and injects one fault |
//! | [`fault`] | which fault, where |
//! | [`scene`] | a directory with an archive, its sources and its damaged copy |
//! | [`snapshot`] | what is in a directory, and whether two trees are equal |
//! | [`verbs`], `states` | the table: each verb, and what must hold after a fault |
//! | [`campaign`] | every n of a verb, or some of them |
//! | [`soak`] | random trees, options, damage and faults, for minutes or days |
//!
//! It needs Linux on x86_64, and a system that lets a process trace its child.
#![cfg(unix)]
#![cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    allow(dead_code, reason = "there is no layer here")
)]

pub mod campaign;
pub mod fault;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod layer;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "layer/absent.rs"]
mod layer;
pub mod scene;
pub mod snapshot;
pub mod soak;
mod states;
pub mod verbs;

pub use layer::{Ended, Job, refusal, run};

/// Whether there is a layer for this system and processor.
pub const IS_SUPPORTED: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));
