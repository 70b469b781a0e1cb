//! `04-restore`: the chain of backup sets, one after the other.

use jiff::civil::DateTime;

use super::batch::{Arg, Batch};
use super::certificates;
use super::media::{from_disk, numbered, progress};
use super::order::{Existing, RestoreOrder, RestoreStep, StepKind};
use super::script::{Draft, Script};

pub(super) fn script(order: &RestoreOrder) -> Script {
    let mut batches = Vec::new();
    if order.contained {
        batches.push(allow_contained());
    }
    batches.extend(numbered(order).map(|(number, step)| restore(order, number, step)));
    Draft {
        name: "04-restore",
        about: match order.existing {
            Existing::Refuse => &[
                "Restores the backup sets in their order. The database stays restoring: nobody can",
                "use it before 05. An existing database is not touched.",
            ],
            Existing::Replace => &[
                "OVERWRITES the database of this name, if there is one, and puts its users out.",
                "Restores the backup sets in their order. The database stays restoring: nobody can",
                "use it before 05.",
            ],
        },
        batches,
    }
    .finish(order)
}

/// Without this setting SQL Server refuses to restore a contained database.
fn allow_contained() -> Batch {
    let mut batch = Batch::new();
    batch.line(
        "EXEC sys.sp_configure N'contained database authentication', 1;",
        &[],
    );
    batch.line("RECONFIGURE;", &[]);
    batch
}

fn restore(order: &RestoreOrder, number: u64, step: &RestoreStep) -> Batch {
    let mut batch = Batch::new();
    if number == 1 {
        // In the batch of the first restore: then they hold it back under every client.
        certificates::require(&mut batch, order);
        guard(&mut batch, order);
    }
    progress(&mut batch, order, number);
    let template = match step.kind {
        StepKind::Log => "RESTORE LOG {}",
        StepKind::Full | StepKind::Differential => "RESTORE DATABASE {}",
    };
    batch.line(template, &[Arg::Name(&order.target_database)]);
    from_disk(&mut batch, &step.files);
    // Without FILE, SQL Server restores the oldest set of the file.
    batch.line(
        "    WITH FILE = {},",
        &[Arg::Number(step.file_number.into())],
    );
    for file in &step.moves {
        batch.line(
            "         MOVE {} TO {},",
            &[Arg::Text(&file.logical_name), Arg::Text(&file.target_path)],
        );
    }
    if step.kind == StepKind::Full && order.existing == Existing::Replace {
        batch.line("         REPLACE,", &[]);
    }
    if step.has_checksums {
        batch.line("         CHECKSUM,", &[]);
    }
    let stops = step.kind == StepKind::Log && !step.is_applied_whole;
    if let Some(stop_at) = order.stop_at.filter(|_| stops) {
        // On every log: the last one that is needed need not be the last one of all.
        batch.line(
            "         STOPAT = {},",
            &[Arg::Text(&datetime_literal(stop_at))],
        );
    }
    batch.line("         NORECOVERY, STATS = 10;", &[]);
    batch
}

/// An existing database stops the restore, or its users are put out.
fn guard(batch: &mut Batch, order: &RestoreOrder) {
    let target = Arg::Text(&order.target_database);
    match order.existing {
        Existing::Refuse => {
            batch.line("IF DB_ID({}) IS NOT NULL", &[target]);
            batch.line(
                "    THROW 50004, N'a database of this name exists; it was not touched.', 1;",
                &[],
            );
        }
        Existing::Replace => {
            // A database that is restoring or offline has no users, and the change would fail.
            batch.line(
                "IF DATABASEPROPERTYEX({}, N'Status') = N'ONLINE'",
                &[target],
            );
            batch.line(
                "    ALTER DATABASE {} SET SINGLE_USER WITH ROLLBACK IMMEDIATE;",
                &[Arg::Name(&order.target_database)],
            );
        }
    }
}

/// ISO 8601, which SQL Server reads in the same way under every language.
///
/// Rounded down to what its type `datetime` can hold, whose milliseconds end in 0, 3 or 7: rounding
/// up would restore what was to be left out.
fn datetime_literal(time: DateTime) -> String {
    let millisecond = match time.millisecond() {
        0 => return time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        whole => whole - [0, 1, 2, 0, 1, 2, 3, 0, 1, 2][usize::from(whole.unsigned_abs() % 10)],
    };
    format!("{}.{millisecond:03}", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_rounded_up() {
        for (time, expected) in [
            ("2024-06-15T14:30:00", "2024-06-15T14:30:00"),
            ("2024-06-15T14:30:00.000999", "2024-06-15T14:30:00"),
            ("2024-06-15T14:30:00.001", "2024-06-15T14:30:00.000"),
            ("2024-06-15T14:30:00.003", "2024-06-15T14:30:00.003"),
            ("2024-06-15T14:30:00.046", "2024-06-15T14:30:00.043"),
            ("2024-06-15T23:59:59.999999999", "2024-06-15T23:59:59.997"),
        ] {
            assert_eq!(datetime_literal(time.parse().unwrap()), expected);
        }
    }
}
