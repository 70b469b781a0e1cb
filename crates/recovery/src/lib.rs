//! From backups to a restored server: rules, chains, plan, T-SQL and runbook.

pub mod finding;
pub mod rules;
