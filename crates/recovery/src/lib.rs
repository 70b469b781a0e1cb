//! From backups to a restored server: rules, chains, plan, T-SQL and runbook.

pub mod backup;
pub mod branch;
pub mod catalogue;
pub mod chain;
pub mod choice;
pub mod defects;
pub mod finding;
pub mod media;
pub mod moment;
pub mod order;
pub mod plan;
pub mod route;
pub mod rules;
pub mod sql;
pub mod strip;
pub mod verdict;
