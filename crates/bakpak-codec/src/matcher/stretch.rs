//! Stretches of the buffer that are cut into segments.

use crate::grids::GridPlace;
use std::ops::Range;

/// A stretch of the buffer that belongs to a large entry.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) range: Range<usize>,
    /// Where it begins in a grid, if it lies in one.
    pub(crate) place: Option<GridPlace>,
}

impl Stretch {
    /// Whether what is added behind it, from `start` on, belongs to it.
    pub(crate) fn goes_on_with(&self, start: usize, place: Option<GridPlace>) -> bool {
        self.range.end == start && self.place_at(start) == place
    }

    /// The rest of it from `start` on, when what is before has left the buffer.
    pub(crate) fn from(self, start: usize) -> Self {
        Self {
            place: self.place_at(start),
            range: 0..self.range.end - start,
        }
    }

    /// Where this place of the buffer lies in its grid.
    pub(super) fn place_at(&self, at: usize) -> Option<GridPlace> {
        self.place.map(|place| place.plus(at - self.range.start))
    }
}
