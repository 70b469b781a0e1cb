//! What a damaged archive still holds, found and mended piece by piece: for `repair`, which wants all
//! of it, and for `salvage`, which takes what there is.

use crate::error::{Finding, ReadError};
use bakpak_format::geometry::ArchiveOffset;

mod page;
mod places;
pub(crate) mod stripe;
pub(crate) mod survey;

/// What was mended, and what could not be.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    pub(crate) mended: Vec<Finding>,
    pub(crate) lost: Vec<Finding>,
    /// Some check page can only be proved by the root.
    pub(crate) needs_root: bool,
}

/// Where an archive goes that is being mended.
pub(crate) trait Target {
    /// These bytes are in the file as they must be.
    fn keep(&mut self, offset: ArchiveOffset, bytes: &[u8]) -> Result<(), ReadError>;

    /// These are not.
    fn mend(&mut self, offset: ArchiveOffset, bytes: &[u8]) -> Result<(), ReadError>;
}

impl Mended {
    /// Whether nothing is lost.
    pub(crate) fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }
}
