//! `08-drop`: the end of a rehearsal.

use super::batch::{Arg, Batch};
use super::harmless;
use super::order::{Purpose, RestoreOrder};
use super::script::{Draft, Script};

/// None where the database is to be worked with.
pub(super) fn script(order: &RestoreOrder) -> Option<Script> {
    if order.purpose == Purpose::Recovery {
        return None;
    }
    let name = Arg::Name(&order.target_database);
    let mut batch = Batch::new();
    batch.line("IF DB_ID({}) IS NULL", &[Arg::Text(&order.target_database)]);
    batch.line("    THROW 50060, N'there is no such database.', 1;", &[]);
    harmless::require_mark(&mut batch, order);
    batch.line(
        "ALTER DATABASE {} SET SINGLE_USER WITH ROLLBACK IMMEDIATE;",
        &[name],
    );
    batch.line("DROP DATABASE {};", &[name]);
    batch.line("PRINT N'the database of the rehearsal is gone.';", &[]);
    let draft = Draft {
        name: "08-drop",
        about: &[
            "At the end of a rehearsal: drops its database. One that was not restored for a",
            "rehearsal is not touched.",
        ],
        batches: vec![batch],
    };
    Some(draft.finish(order))
}
