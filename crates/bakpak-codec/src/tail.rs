//! What closes an archive (spec: chapter 12).

use crate::error::PackError;
use crate::stripes::{StripesWritten, output_stopped};
use bakpak_format::digest::Digest;
use bakpak_format::tail::{self, TailPage};

/// Writes the tail (spec: chapter 12) and returns the root.
pub(crate) fn put_tail(written: &StripesWritten) -> Result<Digest, PackError> {
    let parts = &written.parts;
    let stripe_count = written.page_digests.len() as u64;
    let root = tail::root(
        &parts.head_digest,
        &parts.archive_id,
        written.block_count,
        stripe_count,
        written.page_digests.iter().copied(),
    );
    let copies = [
        &parts.head,
        &parts.data_slots,
        &parts.envelope_slots,
        &parts.envelope,
    ];
    let copies_len: usize = copies.iter().map(|c| c.len()).sum();
    let geometry = written.geometry;
    let tail_offset = geometry.tail_offset(written.block_count);
    let tail_page_len = tail::page_len_for(0);
    let page = TailPage {
        tail_page_len,
        archive_id: parts.archive_id,
        block_count: written.block_count,
        stripe_count,
        tail_offset,
        archive_len: tail_offset.0 + (copies_len + tail_page_len) as u64,
        head_digest: parts.head_digest,
        root,
        signatures: Vec::new(),
    };
    for bytes in copies.into_iter().filter(|c| !c.is_empty()) {
        written
            .output
            .put(bytes.clone())
            .map_err(|_| output_stopped())?;
    }
    written
        .output
        .put(page.encode()?)
        .map_err(|_| output_stopped())?;
    Ok(root)
}
