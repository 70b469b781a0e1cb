//! Reads SQL Server's backup files (`.bak`, `.trn`, `.dif`) without SQL Server.

pub mod check;
pub mod guid;
pub mod kind;
pub mod label;
pub mod lsn;
pub mod set;
