//! A writer of media, whole, for tests and demonstrations: what SQL Server would write, in small.
//!
//! A [`Database`] is changed, transaction by transaction, and backed up; [`write_media`] puts its
//! backup sets on one or several stripes. What a test wants broken it breaks in the bytes.
//!
//! ```
//! use mssql_backup::jiff::civil::date;
//! use mssql_backup::testing::{Database, Media, write_media};
//!
//! let mut database = Database::new("Orders");
//! database.commit(date(2026, 3, 1).at(12, 0, 0, 0));
//! let full = database.full(date(2026, 3, 1).at(12, 5, 0, 0));
//! let files = write_media(&Media::default(), &[full]);
//! let report = mssql_backup::read::check(files[0].as_slice())?;
//! assert_eq!(report.fault_count, 0);
//! # Ok::<(), std::io::Error>(())
//! ```

mod configuration;
pub mod container;
mod database;
mod log;
mod media;
mod pages;
mod tape;
pub mod xpress;

pub use self::configuration::Product;
pub use self::database::{Database, Set};
pub use self::media::{Media, write_media};
pub use self::pages::PageVerify;
