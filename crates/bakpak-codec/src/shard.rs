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
