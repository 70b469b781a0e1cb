//! The Reed-Solomon code of a stripe's parity blocks: any lost shard of a group, from the others.
//!
//! A group of P parity blocks gets back any P of its shards, data or parity. Nothing here knows
//! where shards lie or which of them are damaged; that is what check pages are for.
//!
//! Shards are numbered data first, then parity. A stripe of up to 255 is one group; a longer one is
//! two, of its even-numbered and its odd-numbered shards. What a parity row takes of a data block
//! depends on the block's number alone, so a writer need not know how long the stripe will become:
//! it sums up the rows of even-numbered and of odd-numbered blocks, and adds both if they are one
//! group in the end.

use bakpak_format::geometry::ParityGeometry;

mod erasures;
mod field;
mod kernel;
mod rows;
#[cfg(test)]
mod tests;

pub use erasures::{Part, Recipe};
pub use rows::ParityRows;

/// The most shards of a group: as many as the field has elements, but zero.
const MAX_GROUP_SHARDS: usize = 255;

/// How many groups the shards of a stripe of `data_count` data blocks make.
fn group_count(geometry: ParityGeometry, data_count: usize) -> usize {
    let shard_count = data_count + geometry.parity_count(data_count);
    if shard_count > MAX_GROUP_SHARDS { 2 } else { 1 }
}
