//! Reads SQL Server's backup files (`.bak`, `.trn`, `.dif`) without SQL Server.

mod allocation;
pub mod check;
pub mod columns;
mod configuration;
mod date;
pub mod decode;
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
mod tally;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod walk;
mod wire;

pub use jiff;

pub use crate::allocation::{Allocation, Missing};
pub use crate::extents::PageCounts;
