//! The CHECKPOINT that ends a stripe.

use super::Partial;
use crate::error::ReadError;
use crate::fetch::Fetch;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, Place, StripeIndex};
use bakpak_format::record::{self, Checkpoint, Cursor, RecordType};

impl Partial {
    /// The source that was being read when so many stripes were complete.
    pub(crate) fn cursor(&self, stripes: usize) -> Result<Option<Cursor>, ReadError> {
        let geometry = self.geometry();
        let full = geometry.data_blocks_per_stripe();
        let index = StripeIndex(stripes.saturating_sub(1) as u64);
        let layout = geometry.stripe_of(index, full, false);
        let mut fetch = self.fetch()?;
        let mut left = layout.data_count as u64;
        while left > 0 {
            left -= 1;
            if let Some(place) = last_record(&mut fetch, layout.first_block.plus(left))? {
                let body = fetch.record(place, RecordType::Checkpoint)?;
                return Ok(Checkpoint::decode(&body)?.cursor);
            }
        }
        let what = "a stripe does not end with a CHECKPOINT";
        Err(FormatError::malformed(Structure::Record, "REC-5", what).into())
    }
}

/// The last record that begins in a block.
fn last_record(fetch: &mut Fetch, index: BlockIndex) -> Result<Option<Place>, ReadError> {
    let block = fetch.block(index)?;
    let (used_len, first) = (block.inner.used_len, block.inner.first_record);
    let Some(first) = first else {
        return Ok(None);
    };
    let mut offset = first as usize;
    loop {
        let place = fetch.block_size().place(index, offset);
        let next = offset + record::HEADER_LEN + fetch.record_header(place)?.body_len;
        if next >= used_len {
            return Ok(Some(place));
        }
        offset = next;
    }
}
