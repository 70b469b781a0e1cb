//! Reads SQL Server's backup files (`.bak`, `.trn`, `.dif`) without SQL Server.

pub mod check;
pub mod container;
pub mod guid;
pub mod label;
pub mod lsn;
pub mod set;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod xpress;
