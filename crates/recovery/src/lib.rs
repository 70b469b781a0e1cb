//! From backups to a restored server: rules, chains, plan, T-SQL and runbook.

pub mod bacpac;
pub mod certificate;
pub mod fault;
pub mod foreign;
pub mod octopus;
pub mod pg_dump;
pub mod qdrant;

mod tar_walk;
