//! T-SQL scripts that restore a database, from an order that says what is to happen.
//!
//! | script | what it does |
//! |---|---|
//! | `00-preflight` | looks for what would stop the restore; changes nothing |
//! | `01-certificates` | creates the certificates that encrypted backups and databases need |
//! | `02-verify-media` | has SQL Server read every backup set to its end |
//! | `03-tail-of-log` | on the old server, if it still lives: saves what no backup holds yet |
//! | `04-restore` | restores the chain; the database stays restoring |
//! | `05-recover` | opens the database; in a rehearsal also makes it harmless |
//! | `06-logins` | creates logins and joins the database's users to them |
//! | `07-prove` | checks every page and shows what was restored |
//! | `08-drop` | at the end of a rehearsal: drops its database |
//!
//! The numbers stay the same where a script has nothing to do and is left out.
//!
//! Guarantees: a script holds T-SQL and `GO` lines only. It is ASCII, so that no code page of a
//! client changes a name. No name, whatever stands in it, can end a batch, start a command of
//! `sqlcmd` or stand where a password is filled in. No script holds a secret: `{{NAME}}` stands for
//! one, inside a literal, so whoever fills it in doubles each `'`.

mod batch;
mod certificates;
mod drop;
mod harmless;
mod logins;
mod media;
mod order;
mod order_error;
mod path;
mod preflight;
mod prove;
mod quote;
mod recover;
mod restore;
mod script;
mod tail;

pub use order::{
    Application, Certificate, CertificateFiles, Existing, FileMove, Login, LoginKind, Purpose,
    RestoreOrder, RestoreStep, StepKind,
};
pub use order_error::OrderError;
pub use path::PathStyle;
pub use script::Script;

/// Writes the scripts of an order, in the order in which they run.
///
/// # Errors
///
/// [`OrderError`]: what in the order cannot be done, before anything is written.
pub fn scripts(order: &RestoreOrder) -> Result<Vec<Script>, OrderError> {
    order.check()?;
    let all = [
        Some(preflight::script(order)),
        certificates::script(order),
        Some(media::script(order)),
        tail::script(order),
        Some(restore::script(order)),
        Some(recover::script(order)),
        logins::script(order),
        Some(prove::script(order)),
        drop::script(order),
    ];
    Ok(all.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
