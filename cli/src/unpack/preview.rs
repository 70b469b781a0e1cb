//! What the catalogue tells before anything is written.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::catalogue::{RowFlags, RowKind};
use bakpak_format::entry::EntryPath;
use bakpak_format::header::ArchiveId;
use bakpak_tree::Stage;

use crate::exit::{Exit, Failure};
use crate::output::{quoted, size};
use crate::select::Selection;

/// So many clashes are told; more are counted.
const MAX_CLASHES_TOLD: usize = 20;

/// What will be restored.
pub(super) struct Preview {
    pub(super) archive_id: ArchiveId,
    /// Entries whose content is not what it was.
    pub(super) unreadable: HashSet<EntryPath>,
    count: u64,
    /// What the files take at least; sparse ones may take nothing.
    len: u64,
}

impl Preview {
    /// Reads the catalogue.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(super) fn of(archive: &mut Archive, selection: &mut Selection) -> anyhow::Result<Self> {
        let mut preview = Self {
            archive_id: archive.head().archive_id,
            unreadable: HashSet::new(),
            count: 0,
            len: 0,
        };
        for row in archive.rows() {
            let row = row?;
            if !selection.selects(&row.path) {
                continue;
            }
            if row.flags.contains(RowFlags::UNREADABLE) {
                preview.unreadable.insert(row.path);
                continue;
            }
            if row.kind == RowKind::File && !row.flags.contains(RowFlags::SPARSE) {
                preview.len = preview.len.saturating_add(row.size);
            }
            preview.count += 1;
        }
        Ok(preview)
    }

    /// Whether the target has room for it, beside what killed runs left and what may be taken over.
    ///
    /// # Errors
    ///
    /// It has not (30).
    pub(super) fn check_room(&self, target: &Path, stage: &Stage) -> anyhow::Result<()> {
        let room = bakpak_tree::room(target)
            .with_context(|| format!("cannot look at {}", quoted(target)))?;
        let full = |needs: String, has: String| {
            let message = format!("no room at {}: {needs} needed, {has} free", quoted(target));
            Failure::new(Exit::NOT_READY, message).hint("--only unpacks a part of it")
        };
        let inodes_free = room.inodes_free.unwrap_or(u64::MAX);
        if room.bytes_free >= self.len && inodes_free >= self.count {
            return Ok(());
        }
        let there = stage.reusable();
        let bytes_free = room.bytes_free.saturating_add(there.bytes);
        if bytes_free < self.len {
            return Err(full(size(self.len), size(bytes_free)).into());
        }
        let inodes_free = inodes_free.saturating_add(there.inodes);
        if inodes_free < self.count {
            return Err(full(format!("{} inodes", self.count), inodes_free.to_string()).into());
        }
        Ok(())
    }
}

/// Whether the target can hold all names.
///
/// # Errors
///
/// It cannot (30); all that it cannot are told. Or the catalogue cannot be read.
pub(super) fn check_names(
    archive: &mut Archive,
    selection: &mut Selection,
    stage: &Stage,
) -> anyhow::Result<()> {
    // Names are read again instead of kept: there may be millions.
    let mut failed = None;
    let rows = archive
        .rows()
        .map_while(|row| row.map_err(|error| failed = Some(error)).ok());
    let paths = rows
        .map(|row| row.path)
        .filter(|path| selection.selects(path));
    let clashes = stage.check_names(paths)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if clashes.is_empty() {
        return Ok(());
    }
    let mut message = format!("the target cannot hold {} of the names", clashes.len());
    for clash in clashes.iter().take(MAX_CLASHES_TOLD) {
        message.push_str(&format!("; {clash}"));
    }
    if clashes.len() > MAX_CLASHES_TOLD {
        message.push_str("; and more");
    }
    Err(Failure::new(Exit::NOT_READY, message)
        .hint("unpack to another file system, or only a part with --only")
        .into())
}
