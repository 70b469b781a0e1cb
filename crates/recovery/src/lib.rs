//! From backups to a restored server: rules, chains, plan, T-SQL and runbook.

pub mod backup;
pub mod catalogue;
pub mod finding;
pub mod media;
pub mod moment;
pub mod rules;
