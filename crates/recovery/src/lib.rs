//! From backups to a restored server: rules, chains, plan, T-SQL and runbook.

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
pub mod verdict;
pub mod windows;

mod tar_walk;
