//! `02-verify-media`: SQL Server itself reads every backup set to its end.

use super::batch::{Arg, Batch};
use super::certificates;
use super::order::{RestoreOrder, RestoreStep};
use super::script::{Draft, Script};

pub(super) fn script(order: &RestoreOrder) -> Script {
    Draft {
        name: "02-verify-media",
        about: &[
            "Has SQL Server read every backup set to its end. Restores nothing.",
            "Sets made with checksums are checked by them; of others only that they can be read.",
        ],
        batches: numbered(order)
            .map(|(number, step)| verify(order, number, step))
            .collect(),
    }
    .finish(order)
}

/// The steps, from 1 on.
pub(super) fn numbered(order: &RestoreOrder) -> impl Iterator<Item = (u64, &RestoreStep)> {
    (1..).zip(&order.steps)
}

/// Tells the operator how far it has come.
pub(super) fn progress(batch: &mut Batch, order: &RestoreOrder, number: u64) {
    let count = order.steps.len() as u64;
    batch.line(
        "PRINT N'backup set {} of {}';",
        &[Arg::Number(number), Arg::Number(count)],
    );
}

/// All stripes of a set, a line each: `FROM DISK = ..., DISK = ...`.
pub(super) fn from_disk(batch: &mut Batch, files: &[String]) {
    for (index, path) in files.iter().enumerate() {
        let template = match (index == 0, index + 1 == files.len()) {
            (true, true) => "    FROM DISK = {}",
            (true, false) => "    FROM DISK = {},",
            (false, true) => "         DISK = {}",
            (false, false) => "         DISK = {},",
        };
        batch.line(template, &[Arg::Text(path)]);
    }
}

fn verify(order: &RestoreOrder, number: u64, step: &RestoreStep) -> Batch {
    let mut batch = Batch::new();
    if number == 1 {
        certificates::require(&mut batch, order);
    }
    progress(&mut batch, order, number);
    batch.line("RESTORE VERIFYONLY", &[]);
    from_disk(&mut batch, &step.files);
    let number = Arg::Number(step.file_number.into());
    // VERIFYONLY also looks whether there is room where the files would go: not where they were.
    let mut parts = vec![("FILE = {}", vec![number])];
    parts.extend(step.moves.iter().map(|file| {
        let names = vec![Arg::Text(&file.logical_name), Arg::Text(&file.target_path)];
        ("MOVE {} TO {}", names)
    }));
    if step.has_checksums {
        parts.push(("CHECKSUM", Vec::new()));
    }
    options(&mut batch, &parts);
    batch
}

/// `WITH` and its options, a line each.
fn options(batch: &mut Batch, parts: &[(&'static str, Vec<Arg<'_>>)]) {
    for (index, (part, arguments)) in parts.iter().enumerate() {
        let template = match (part, index == 0, index + 1 == parts.len()) {
            (_, true, true) => "    WITH FILE = {};",
            (_, true, false) => "    WITH FILE = {},",
            (&"CHECKSUM", ..) => "         CHECKSUM;",
            (_, false, true) => "         MOVE {} TO {};",
            (_, false, false) => "         MOVE {} TO {},",
        };
        batch.line(template, arguments);
    }
}
