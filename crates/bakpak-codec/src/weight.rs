//! What an entry takes in memory while it waits.

use bakpak_format::entry::{Entry, EntryKind};

/// About what an entry takes: attributes alone may be a MiB.
pub(crate) fn memory_of(entry: &Entry) -> usize {
    let attributes = entry.xattrs.iter();
    let attributes: usize = attributes
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let of_kind = match &entry.kind {
        EntryKind::File { extents, .. } => extents
            .as_ref()
            .map_or(0, |extents| size_of_val(extents.as_slice())),
        EntryKind::HardLink { target } => target.as_bytes().len(),
        EntryKind::Symlink { target } => target.len(),
        _ => 0,
    };
    size_of::<Entry>() + entry.path.as_bytes().len() + attributes + of_kind
}
