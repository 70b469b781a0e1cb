//! Reads SQL Server's backup files (`.bak`, `.trn`, `.dif`) without SQL Server.

mod allocation;
pub mod check;
pub mod columns;
mod configuration;
pub mod container;
mod date;
pub mod decode;
mod depth;
mod descriptor;
mod examine;
mod extents;
pub mod guid;
pub mod kind;
pub mod label;
mod log;
pub mod lsn;
mod page;
mod places;
pub mod read;
pub mod report;
pub mod set;
mod set_check;
pub mod stripes;
mod tally;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unpacked;
mod walk;
mod wire;
pub mod xpress;

pub use jiff;

pub use crate::allocation::{Allocation, Missing};
pub use crate::extents::PageCounts;
pub use crate::log::LogSpan;
