//! The backups in an archive, as the facts tell that were noted when it was packed.

use std::path::Path;

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::catalogue::Row;
use bakpak_format::record::{BackupMediaFacts, BackupSetFacts, Facts, KnownFacts};

use super::backup::Told;
use super::other::Other;
use super::stripes::MediaSets;
use crate::backups::facts;
use crate::output::Output;

/// Whether facts of this kind are told by [`tell`].
pub(super) fn is_of_backup(kind: u16) -> bool {
    let kinds = [Facts::BACKUP_MEDIA, Facts::BACKUP_SET, Facts::OTHER_SOURCE];
    kinds.contains(&kind)
}

/// Tells of each backup in an archive; nothing but the facts is read.
///
/// # Errors
///
/// The archive is damaged.
pub(super) fn tell(path: &Path, archive: &mut Archive, output: &Output) -> anyhow::Result<()> {
    let name = path.to_string_lossy();
    let mut telling = Telling {
        archive: &name,
        media_sets: MediaSets::default(),
        output,
    };
    let mut pending: Option<Pending> = None;
    for found in archive.facts_of_entries(is_of_backup) {
        let found = found.context("cannot read what it tells of the backups in it")?;
        let Some(row) = found.row else { continue };
        let is_same = |pending: &Pending| pending.row.header_offset == row.header_offset;
        if !pending.as_ref().is_some_and(is_same) {
            telling.backup(pending.take());
        }
        match found.facts.known() {
            Ok(Some(KnownFacts::OtherSource(facts))) => {
                telling.break_off();
                let path = row.path.to_string();
                Other::of_facts(path, &name, row.size, facts).tell(output);
            }
            Ok(Some(KnownFacts::BackupMedia(media))) => {
                pending.get_or_insert_with(|| Pending::of(row)).media = media;
            }
            Ok(Some(KnownFacts::BackupSet(set))) => {
                pending
                    .get_or_insert_with(|| Pending::of(row))
                    .sets
                    .push(*set);
            }
            _ => {}
        }
    }
    telling.backup(pending);
    telling.media_sets.tell(Some(&name), output);
    Ok(())
}

/// A backup whose facts come.
struct Pending {
    row: Row,
    media: BackupMediaFacts,
    sets: Vec<BackupSetFacts>,
}

impl Pending {
    fn of(row: Row) -> Self {
        Self {
            row,
            media: BackupMediaFacts::default(),
            sets: Vec::new(),
        }
    }
}

struct Telling<'a> {
    archive: &'a str,
    media_sets: MediaSets,
    output: &'a Output,
}

impl Telling<'_> {
    fn backup(&mut self, backup: Option<Pending>) {
        let Some(Pending { row, media, sets }) = backup else {
            return;
        };
        self.break_off();
        let report = facts::report(&media, &sets);
        let file = row.path.to_string();
        let told = Told {
            file: &file,
            archive: Some(self.archive),
            len: Some(row.size),
            // It was read to its end when it was packed.
            is_verified: true,
            report: &report,
        };
        told.tell(self.output);
        self.media_sets.add(&file, false, report);
    }

    fn break_off(&self) {
        self.output.line("");
    }
}
