//! From backups to a restored server: rules, chains, plan, T-SQL and runbook.
//!
//! ```
//! use recovery::catalogue::Catalogue;
//! use recovery::choice::ChoiceError;
//! use recovery::plan::{PlanRequest, plan};
//!
//! // What was read from the files, one `MediaFile` each.
//! let files = Vec::new();
//! let catalogue = Catalogue::of(files);
//! let newest = plan(&catalogue, &PlanRequest::default());
//! assert_eq!(newest, Err(ChoiceError::Nothing));
//! ```
//!
//! From the bottom up:
//!
//! - [`rules`] is the one table of what can be wrong, and [`finding`] a rule with its facts;
//! - [`media`] is what was read, [`backup`] puts stripes and copies together, [`catalogue`] sorts
//!   them by database;
//! - [`branch`] tells histories apart, [`chain`] puts the backups of one in the order of the log,
//!   [`windows`] says what can be reached, [`route`] finds the shortest way to a moment;
//! - [`choice`] picks a database, [`plan`] words the way as steps, [`verdict`] judges everything,
//!   [`strip`] draws it, and [`defects`] has the words for what is wrong.
//!
//! Whether one backup follows another is judged by LSNs, backup set GUIDs and branches, never by
//! times or file names. The order of the files does not matter. No input makes it panic, and what
//! it takes grows with the number of backups, a little more than linearly.

pub mod backup;
pub mod branch;
pub mod catalogue;
pub mod chain;
pub mod choice;
pub mod defects;
pub mod finding;
pub mod media;
pub mod moment;
pub mod plan;
pub mod route;
pub mod rules;
pub mod sql;
pub mod strip;
pub mod verdict;
pub mod windows;
