//! One shard of a stripe, a data or a parity block, and what can be said of it.

use crate::error::Finding;
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::{ArchiveOffset, BlockIndex, Geometry, StripeLayout};
use std::fmt;

/// Which shard it is, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shard {
    pub(crate) offset: ArchiveOffset,
    which: Which,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Data(BlockIndex),
    Parity { number: usize, stripe: u64 },
}

impl Shard {
    /// The shard of that number in its stripe: data blocks come first.
    pub(crate) fn new(geometry: &Geometry, layout: &StripeLayout, number: usize) -> Self {
        match number.checked_sub(layout.data_count) {
            None => {
                let block = layout.first_block.plus(number as u64);
                Self {
                    offset: geometry.block_offset(block),
                    which: Which::Data(block),
                }
            }
            Some(number) => Self {
                offset: geometry.parity_offset(layout, number),
                which: Which::Parity {
                    number,
                    stripe: layout.index.0,
                },
            },
        }
    }

    /// Which data block it is, if it is one.
    pub(crate) fn block(&self) -> Option<BlockIndex> {
        match self.which {
            Which::Data(block) => Some(block),
            Which::Parity { .. } => None,
        }
    }

    /// That it is not what its check page says, in these sectors.
    pub(crate) fn damaged(&self, sectors: Vec<u32>) -> Finding {
        let structure = match self.which {
            Which::Data(_) => Structure::Block,
            Which::Parity { .. } => Structure::Parity,
        };
        Finding {
            block: self.block().map(|block| block.0),
            sectors,
            ..Finding::new(Class::Damaged, structure, format!("{self} is damaged"))
        }
        .at(self.offset.0)
    }

    /// That its check page vouches for a parity block that the code does not give (spec: PAR-1).
    pub(crate) fn is_not_parity(&self) -> Finding {
        let message = format!("{self} is not that of its blocks");
        Finding {
            rule: Some("PAR-1"),
            ..Finding::new(Class::Malformed, Structure::Parity, message)
        }
        .at(self.offset.0)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.which {
            Which::Data(block) => write!(f, "block {block}"),
            Which::Parity { number, stripe } => {
                write!(f, "parity block {number} of stripe {stripe}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakpak_format::geometry::{BlockSize, ParityGeometry, StripeIndex};

    /// Of a stripe of 3 data blocks and 2 parity blocks, the second of an archive.
    fn shard(number: usize) -> (Shard, Geometry, StripeLayout) {
        let geometry = Geometry {
            parity: ParityGeometry::THREE,
            ..Geometry::new(BlockSize::FOUR_KIB, 4096, 4096, 0)
        };
        let layout = geometry.stripe(494 + 3, StripeIndex(1));
        (Shard::new(&geometry, &layout, number), geometry, layout)
    }

    #[test]
    fn data_blocks_come_first_then_parity() {
        let (last_block, geometry, _) = shard(2);
        assert_eq!(last_block.block(), Some(BlockIndex(496)));
        assert_eq!(last_block.offset, geometry.block_offset(BlockIndex(496)));
        assert_eq!(last_block.to_string(), "block 496");
        let (parity, geometry, layout) = shard(4);
        assert_eq!(parity.block(), None);
        assert_eq!(parity.offset, geometry.parity_offset(&layout, 1));
        assert_eq!(parity.to_string(), "parity block 1 of stripe 1");
    }

    #[test]
    fn findings_say_which_shard_where_and_which_sectors() {
        let (block, ..) = shard(0);
        let finding = block.damaged(vec![0, 3]);
        assert_eq!(
            (finding.class, finding.structure),
            (Class::Damaged, Structure::Block)
        );
        assert_eq!(
            (finding.block, finding.offset),
            (Some(494), Some(block.offset.0))
        );
        assert_eq!(finding.sectors, [0, 3]);
        assert_eq!(finding.message, "block 494 is damaged");
        let (parity, ..) = shard(3);
        let finding = parity.damaged(vec![7]);
        assert_eq!(
            (finding.structure, finding.block),
            (Structure::Parity, None)
        );
        assert_eq!(finding.sectors, [7]);
    }

    // spec: PAR-1
    #[test]
    fn parity_that_the_code_does_not_give_breaks_a_rule() {
        let (parity, ..) = shard(3);
        let finding = parity.is_not_parity();
        assert_eq!(
            (finding.class, finding.rule),
            (Class::Malformed, Some("PAR-1"))
        );
        assert_eq!(finding.offset, Some(parity.offset.0));
        assert_eq!(
            finding.message,
            "parity block 0 of stripe 1 is not that of its blocks"
        );
    }
}
