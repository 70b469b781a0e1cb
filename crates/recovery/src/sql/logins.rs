//! `06-logins`: who may log in, and which user of the database that is.

use super::batch::{Arg, Batch};
use super::certificates::require_filled_in;
use super::order::{Login, LoginKind, RestoreOrder};
use super::script::{Draft, Script};

/// None where no login is known. A contained database needs none, but may have some.
pub(super) fn script(order: &RestoreOrder) -> Option<Script> {
    if order.logins.is_empty() {
        return None;
    }
    let mut batches = Vec::new();
    for (number, login) in (1..).zip(&order.logins) {
        batches.push(create(order, number, login));
        batches.push(join(order, login));
    }
    batches.push(orphans(order));
    let draft = Draft {
        name: "06-logins",
        about: &[
            "Creates the logins that are missing and joins the database's users to them.",
            "Lists at the end which users are left without a login.",
        ],
        batches,
    };
    Some(draft.finish(order))
}

fn create(order: &RestoreOrder, number: u64, login: &Login) -> Batch {
    let mut batch = Batch::new();
    let (name, text) = (Arg::Name(&login.name), Arg::Text(&login.name));
    batch.line("IF SUSER_ID({}) IS NULL", &[text]);
    batch.line("BEGIN", &[]);
    match login.kind {
        LoginKind::Sql { sid } => {
            let password = format!("LOGIN_PASSWORD_{number}");
            require_filled_in(&mut batch, &password);
            batch.line("    CREATE LOGIN {}", &[name]);
            batch.line("        WITH PASSWORD = {},", &[Arg::Secret(&password)]);
            if let Some(sid) = sid {
                batch.line("             SID = {},", &[Arg::Hex(&sid)]);
            }
            batch.line("             CHECK_POLICY = ON,", &[]);
        }
        LoginKind::Windows => {
            batch.line("    CREATE LOGIN {}", &[name]);
            batch.line("        FROM WINDOWS WITH", &[]);
        }
    }
    batch.line(
        "             DEFAULT_DATABASE = {};",
        &[Arg::Name(&order.target_database)],
    );
    batch.line("END;", &[]);
    batch
}

fn join(order: &RestoreOrder, login: &Login) -> Batch {
    let mut batch = Batch::new();
    let (name, text) = (Arg::Name(&login.name), Arg::Text(&login.name));
    batch.line("USE {};", &[Arg::Name(&order.target_database)]);
    batch.line("IF DATABASE_PRINCIPAL_ID({}) IS NOT NULL", &[text]);
    batch.line("    ALTER USER {} WITH LOGIN = {};", &[name, name]);
    // A user of another name may belong to the login already, and it can have one only.
    batch.line(
        "ELSE IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE sid = SUSER_SID({}))",
        &[text],
    );
    batch.line("    CREATE USER {} FOR LOGIN {};", &[name, name]);
    if login.is_db_owner {
        batch.line("IF DATABASE_PRINCIPAL_ID({}) IS NOT NULL", &[text]);
        batch.line("    ALTER ROLE [db_owner] ADD MEMBER {};", &[name]);
    }
    batch
}

fn orphans(order: &RestoreOrder) -> Batch {
    let mut batch = Batch::new();
    batch.line("USE {};", &[Arg::Name(&order.target_database)]);
    for fixed in [
        "SELECT dp.name AS user_without_login",
        "    FROM sys.database_principals AS dp",
        "    LEFT JOIN sys.server_principals AS sp ON dp.sid = sp.sid",
        "    WHERE sp.sid IS NULL AND dp.authentication_type_desc = N'INSTANCE';",
    ] {
        batch.line(fixed, &[]);
    }
    batch
}
