//! `03-tail-of-log`: what the old server, if it still lives, holds beyond the last backup.

use super::batch::{Arg, Batch};
use super::order::{Purpose, RestoreOrder};
use super::script::{Draft, Script};

const OLD_SERVER: &str = "OLD_SERVER_NAME";

/// None where no tail is to be saved. A rehearsal never touches the old server.
pub(super) fn script(order: &RestoreOrder) -> Option<Script> {
    let path = order.tail_file.as_ref()?;
    if order.purpose == Purpose::Rehearsal {
        return None;
    }
    let draft = Draft {
        name: "03-tail-of-log",
        about: &[
            "Only if the OLD server still lives, and only on the old server. The application must",
            "have been stopped. Afterwards the old database is restoring: nobody can use it.",
            "Saves the part of the log that no backup holds. The set is appended to the file; have",
            "the other scripts written anew from all backups and this file.",
            "Is the server lost, or nothing after the last backup wanted: leave this script out.",
        ],
        batches: vec![backup(order, path)],
    };
    Some(draft.finish(order))
}

fn backup(order: &RestoreOrder, path: &str) -> Batch {
    let mut batch = Batch::new();
    let (name, text) = (Arg::Name(&order.database), Arg::Text(&order.database));
    // The target has another name, and no server has that of a placeholder.
    batch.line(
        "IF ISNULL(@@SERVERNAME, N'') <> {}",
        &[Arg::Secret(OLD_SERVER)],
    );
    batch.line(
        "    THROW 50020, N'this is not the old server that was filled in; nothing was changed.', 1;",
        &[],
    );
    batch.line("IF DB_ID({}) IS NULL", &[text]);
    batch.line(
        "    THROW 50021, N'the database is not on this server.', 1;",
        &[],
    );
    // NO_TRUNCATE is for a database that cannot be opened. NOINIT keeps a tail that was saved
    // before: only the first one is of use.
    batch.line("IF DATABASEPROPERTYEX({}, N'Status') = N'ONLINE'", &[text]);
    batch.line("    BACKUP LOG {}", &[name]);
    batch.line("        TO DISK = {}", &[Arg::Text(path)]);
    batch.line("        WITH NORECOVERY, NOINIT, CHECKSUM, STATS = 5;", &[]);
    batch.line("ELSE", &[]);
    batch.line("    BACKUP LOG {}", &[name]);
    batch.line("        TO DISK = {}", &[Arg::Text(path)]);
    batch.line(
        "        WITH NO_TRUNCATE, NORECOVERY, NOINIT, CHECKSUM, STATS = 5;",
        &[],
    );
    batch
}
