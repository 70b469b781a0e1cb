//! Reads SQL Server's backup files (`.bak`, `.trn`, `.dif`) without SQL Server.
//!
//! What `RESTORE LABELONLY`, `HEADERONLY` and `FILELISTONLY` show, and what `VERIFYONLY` checks and
//! more, from the file alone: uncompressed and compressed media of SQL Server 2005 to 2025.
//!
//! ```
//! use mssql_backup::testing::{Database, Media, write_media};
//! # use mssql_backup::jiff::civil::date;
//! # let mut database = Database::new("Orders");
//! # let full = database.full(date(2026, 3, 1).at(12, 5, 0, 0));
//! # let medium = write_media(&Media::default(), &[full]).remove(0);
//! let report = mssql_backup::read::check(medium.as_slice())?;
//! let header = &report.sets[0].checked.set.header;
//! assert_eq!(header.database_name.as_deref(), Some("Orders"));
//! assert!(!report.is_damaged());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`kind`] | telling SQL Server's media from what is taken for them, by the first bytes |
//! | [`read`] | reading the headers with seeks, or checking all of a medium piece by piece |
//! | [`report`], [`check`] | what was found: sets, levels of verification, faults with their places |
//! | [`set`], [`label`], [`columns`] | the columns of `RESTORE`, typed and as JSON |
//! | [`decode`] | the descriptors as they stand in the medium, and decoding them later |
//! | [`stripes`] | what can be judged only when all stripes of a set are there |
//! | [`container`], [`xpress`] | compressed and encrypted media, and their decompression |
//! | [`lsn`], [`guid`] | how SQL Server writes and prints these |
//! | `testing` | a writer of media, for tests (feature `testing`) |
//!
//! Guarantees: no input makes it panic; memory is a few hundred KiB, some KiB for each backup set
//! (64 MiB for all descriptors of a medium and what is lost of it at most) and 2 KiB for each 64 MiB of a database (33 MiB
//! at most); nothing in a file is opened, run or followed; what cannot be known from a file is
//! absent, never guessed; damage does not stop the reading, and every fault says where it is. Of a
//! medium with holes ([`read::Checker::feed_hole`]) the lost pages and the lost log are told by name,
//! as far as what is left proves it ([`Lost`]).
//!
//! What it rests on was found by reading real backups, and is checked against them; nothing of it
//! is documented by Microsoft but the Microsoft Tape Format 1.00a, which media are a dialect of.

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
mod headless;
pub mod kind;
pub mod label;
mod log;
mod lost;
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
pub use crate::extents::{EXTENT_LEN, PageCounts};
pub use crate::log::LogSpan;
pub use crate::lost::{Lost, LostLog, LostPages, PageRange};
pub use crate::page::PAGE_LEN;
