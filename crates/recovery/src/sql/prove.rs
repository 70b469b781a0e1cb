//! `07-prove`: only a restored database that was checked proves its backups.

use super::batch::{Arg, Batch};
use super::order::{Application, RestoreOrder};
use super::script::{Draft, Script};

pub(super) fn script(order: &RestoreOrder) -> Script {
    let mut batches = vec![history(order), check(order)];
    if order.application == Application::Octopus {
        batches.push(octopus(order));
    }
    Draft {
        name: "07-prove",
        about: &[
            "Shows what was restored and checks every page of the database. Changes nothing.",
            "On a large database this takes as long as the restore.",
        ],
        batches,
    }
    .finish(order)
}

fn history(order: &RestoreOrder) -> Batch {
    let mut batch = Batch::new();
    let target = Arg::Text(&order.target_database);
    batch.line("IF DB_ID({}) IS NULL", &[target]);
    batch.line("    THROW 50050, N'there is no such database.', 1;", &[]);
    batch.line(
        "SELECT restore_date, restore_type, [replace], [recovery], stop_at",
        &[],
    );
    batch.line("    FROM msdb.dbo.restorehistory", &[]);
    batch.line("    WHERE destination_database_name = {}", &[target]);
    batch.line("    ORDER BY restore_history_id;", &[]);
    batch
}

fn check(order: &RestoreOrder) -> Batch {
    let mut batch = Batch::new();
    batch.line(
        "DBCC CHECKDB ({}) WITH NO_INFOMSGS, ALL_ERRORMSGS;",
        &[Arg::Text(&order.target_database)],
    );
    batch.line("IF @@ERROR <> 0", &[]);
    batch.line(
        "    THROW 50051, N'DBCC CHECKDB found damage, see the lines above.', 1;",
        &[],
    );
    batch.line(
        "PRINT N'DBCC CHECKDB has ended; what it found stands above.';",
        &[],
    );
    batch
}

/// The application must be of the version that the database was last upgraded to.
fn octopus(order: &RestoreOrder) -> Batch {
    let mut batch = Batch::new();
    batch.line("SELECT TOP (1) [Version], Installed", &[]);
    batch.line(
        "    FROM {}.dbo.OctopusServerInstallationHistory",
        &[Arg::Name(&order.target_database)],
    );
    batch.line("    ORDER BY Installed DESC;", &[]);
    batch
}
