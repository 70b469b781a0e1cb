//! `05-recover`: the end of the chain. In a rehearsal the database is made harmless at once.

use super::batch::{Arg, Batch};
use super::harmless;
use super::order::{Application, Purpose, RestoreOrder};
use super::script::{Draft, Script};

pub(super) fn script(order: &RestoreOrder) -> Script {
    let draft = match (order.purpose, order.application) {
        (Purpose::Recovery, _) => Draft {
            name: "05-recover",
            about: &[
                "Opens the database that 04-restore left restoring. After this no further backup can",
                "be restored to it. Sets PAGE_VERIFY CHECKSUM, makes the built-in administrator its",
                "owner and lets all users in. A database that is not restoring is not touched.",
            ],
            batches: vec![open(order)],
        },
        (Purpose::Rehearsal, Application::Octopus) => Draft {
            name: "05-recover-and-make-harmless",
            about: &[
                "For a rehearsal. Opens the database and makes it harmless: no nodes, and all",
                "targets, workers, triggers and subscriptions disabled. Only a database that this",
                "script itself has recovered is changed.",
                "Start the application only after this script has ended without an error, and away",
                "from the network all the same: projects may still create releases by themselves.",
            ],
            batches: vec![recover(order), restrict(order), harmless::octopus(order)],
        },
        (Purpose::Rehearsal, Application::Other) => Draft {
            name: "05-recover",
            about: &[
                "For a rehearsal. Opens the database for its owners only: what would make this",
                "application harmless is not known. See to that before it is started.",
            ],
            batches: vec![recover(order), restrict(order)],
        },
    };
    draft.finish(order)
}

fn recover(order: &RestoreOrder) -> Batch {
    let mut batch = Batch::new();
    let target = Arg::Text(&order.target_database);
    batch.line("IF DB_ID({}) IS NULL", &[target]);
    batch.line(
        "    THROW 50030, N'there is no such database: run 04-restore first.', 1;",
        &[],
    );
    batch.line(
        "IF DATABASEPROPERTYEX({}, N'Status') <> N'RESTORING'",
        &[target],
    );
    batch.line(
        "    THROW 50034, N'the database is not restoring: it is another one, or was opened before.', 1;",
        &[],
    );
    batch.line(
        "RESTORE DATABASE {} WITH RECOVERY;",
        &[Arg::Name(&order.target_database)],
    );
    if order.purpose == Purpose::Rehearsal {
        harmless::mark(&mut batch, order);
    }
    batch
}

/// One batch: where a client goes on after an error, nothing of it is done to another database.
fn open(order: &RestoreOrder) -> Batch {
    let mut batch = recover(order);
    set_up(&mut batch, order);
    batch.line(
        "ALTER DATABASE {} SET MULTI_USER;",
        &[Arg::Name(&order.target_database)],
    );
    batch
}

/// Nobody but owners gets in before the database is harmless.
fn restrict(order: &RestoreOrder) -> Batch {
    let mut batch = Batch::new();
    harmless::require_mark(&mut batch, order);
    batch.line(
        "ALTER DATABASE {} SET RESTRICTED_USER WITH ROLLBACK IMMEDIATE;",
        &[Arg::Name(&order.target_database)],
    );
    set_up(&mut batch, order);
    batch
}

/// The owner becomes the one login that every server has; it may have another name than `sa`.
fn set_up(batch: &mut Batch, order: &RestoreOrder) {
    batch.line(
        "ALTER DATABASE {} SET PAGE_VERIFY CHECKSUM;",
        &[Arg::Name(&order.target_database)],
    );
    batch.line(
        "DECLARE @own nvarchar(max) = N'ALTER AUTHORIZATION ON DATABASE::' + QUOTENAME({})",
        &[Arg::Text(&order.target_database)],
    );
    batch.line("    + N' TO ' + QUOTENAME(SUSER_SNAME(0x01)) + N';';", &[]);
    batch.line("EXEC (@own);", &[]);
}
