//! What keeps a rehearsal's database from acting on the world.
//!
//! A restored copy of Octopus' database deploys to the same machines as the original.

use super::batch::{Arg, Batch};
use super::order::RestoreOrder;

/// The extended property by which a database is known to be a rehearsal's.
const MARK: &str = "restored_for_rehearsal";

/// Marks the database in the batch that recovers it, so that no other database gets the mark.
pub(super) fn mark(batch: &mut Batch, order: &RestoreOrder) {
    batch.line("    BEGIN TRY", &[]);
    batch.line(
        "        EXEC {}.sys.sp_addextendedproperty {}, N'true';",
        &[Arg::Name(&order.target_database), Arg::Text(MARK)],
    );
    batch.line("    END TRY", &[]);
    batch.line("    BEGIN CATCH", &[]);
    // 15233: it is there, because the backup is one of a rehearsal's database.
    batch.line("        IF ERROR_NUMBER() <> 15233 THROW;", &[]);
    batch.line("    END CATCH;", &[]);
}

/// Stops the batch unless the database was restored for a rehearsal.
pub(super) fn require_mark(batch: &mut Batch, order: &RestoreOrder) {
    batch.line(
        "IF NOT EXISTS (SELECT 1 FROM {}.sys.extended_properties",
        &[Arg::Name(&order.target_database)],
    );
    batch.line("    WHERE class = 0 AND name = {})", &[Arg::Text(MARK)]);
    batch.line(
        "    THROW 50040, N'this database was not restored for a rehearsal; it was not changed.', \
         1;",
        &[],
    );
}

/// What Octopus' own instructions for a copy of an instance change, as one transaction.
pub(super) fn octopus(order: &RestoreOrder) -> Batch {
    let mut batch = Batch::new();
    let name = Arg::Name(&order.target_database);
    batch.line("USE {};", &[name]);
    require_mark(&mut batch, order);
    batch.line("BEGIN TRANSACTION;", &[]);
    // A table that is missing here is an error: then this is a version that is not known.
    for fixed in [
        "DELETE FROM dbo.OctopusServerNode;",
        "IF OBJECT_ID(N'dbo.OctopusServerNodeStatus') IS NOT NULL",
        "    DELETE FROM dbo.OctopusServerNodeStatus;",
        "UPDATE dbo.Subscription SET IsDisabled = 1;",
        "UPDATE dbo.ProjectTrigger SET IsDisabled = 1;",
        "UPDATE dbo.Machine SET IsDisabled = 1;",
        "IF OBJECT_ID(N'dbo.Worker') IS NOT NULL",
        "    UPDATE dbo.Worker SET IsDisabled = 1;",
        "DELETE FROM dbo.ExtensionConfiguration",
        "    WHERE Id IN (N'authentication-octopusid', N'jira-integration');",
        "COMMIT TRANSACTION;",
    ] {
        batch.line(fixed, &[]);
    }
    batch.line("ALTER DATABASE {} SET MULTI_USER;", &[name]);
    batch.line("PRINT N'the database is harmless.';", &[]);
    batch
}
