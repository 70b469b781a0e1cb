//! From backups to a restored server: rules, chains, plan, T-SQL and runbook.
//!
//! What was read from backup files (crate `mssql-backup`) is merged to backups of databases; their
//! chains say what can be restored, and a plan how.
//!
//! ```
//! use mssql_backup::testing::{Database, Media, write_media};
//! use recovery::catalogue::Catalogue;
//! use recovery::media::MediaFile;
//! use recovery::plan::{PlanRequest, plan};
//! # use jiff::civil::date;
//!
//! # let mut database = Database::new("Orders");
//! # let full = database.full(date(2026, 3, 1).at(12, 5, 0, 0));
//! # let medium = write_media(&Media::default(), &[full]).remove(0);
//! let report = mssql_backup::read::check(medium.as_slice())?;
//! let file = MediaFile {
//!     name: "orders.bak".to_owned(),
//!     label: report.label,
//!     sets: report.sets.into_iter().map(|set| set.checked).collect(),
//!     trouble: None,
//! };
//! let plan = plan(&Catalogue::of(vec![file]), &PlanRequest::default())?;
//! assert!(plan.is_possible());
//! assert_eq!(plan.steps[0].files, ["orders.bak"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`rules`], [`finding`] | the rules by their ids, and what broke them |
//! | [`media`], [`backup`], [`defects`] | files in; stripes and copies merged to backups; what is wrong with one |
//! | [`catalogue`], [`choice`], [`branch`] | backups by database; which one is meant; branches of its history |
//! | [`chain`], [`windows`], [`route`] | what follows what; what can be reached; the shortest way there |
//! | [`plan`], [`verdict`], [`strip`], [`moment`] | one database at one moment; all of them; on a terminal; times |
//! | [`order`], [`sql`] | from a plan to T-SQL scripts, safe for any name |
//! | [`runbook`] | the whole procedure, as Markdown and HTML |
//! | [`octopus`] | what an Octopus Deploy home must hold and must not restore |
//! | [`foreign`], [`bacpac`], [`pg_dump`], [`qdrant`] | backups of other kinds: recognised and checked |
//! | [`certificate`] | certificates and keys, told without a password |
//!
//! Guarantees: the order of the files does not matter, nor their names; no input makes it panic; no
//! secret stands in a script or runbook, and no name from a backup can pass for a statement.

pub mod backup;
pub mod bacpac;
pub mod branch;
pub mod catalogue;
pub mod certificate;
pub mod chain;
pub mod choice;
pub mod defects;
pub mod fault;
pub mod finding;
pub mod foreign;
pub mod media;
pub mod moment;
pub mod octopus;
pub mod order;
pub mod pg_dump;
pub mod plan;
pub mod qdrant;
pub mod route;
pub mod rules;
pub mod runbook;
pub mod sql;
pub mod strip;
mod tar_walk;
pub mod verdict;
pub mod windows;
mod zip_walk;
