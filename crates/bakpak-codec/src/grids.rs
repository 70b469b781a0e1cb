//! Grids: where content is made of units of one size, so that segments end with them.
//!
//! Anchors find what has moved by any number of bytes. Pages of a database do not: each stands at a
//! multiple of its own length from where a backup's pages begin, and one that changed is to cost no more
//! than itself (format-spec/rationale.md, "Matching").

use crate::source::Grid;

/// The grids of one source, ascending, without those that overlap or say nothing.
#[derive(Debug, Default)]
pub(crate) struct Grids(Vec<Grid>);

/// Where a stretch of content begins in a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GridPlace {
    unit_len: u32,
    group_len: u32,
    /// Bytes from the grid's start.
    offset: u64,
}

impl Grids {
    /// More are not looked at: a file of SQL Server has two for each of its backup sets.
    const MAX: usize = 4096;

    pub(crate) fn new(mut grids: Vec<Grid>) -> Self {
        grids.truncate(Self::MAX);
        grids.retain(|grid| grid.unit_len > 0 && grid.group_len > 0 && grid.len > 0);
        grids.sort_by_key(|grid| grid.offset);
        let mut end = 0;
        grids.retain(|grid| {
            let is_behind = grid.offset >= end;
            if is_behind {
                end = end_of(grid);
            }
            is_behind
        });
        Self(grids)
    }

    /// How many of `len` bytes from `offset` on are cut in one way, and where they begin in their
    /// grid if they lie in one. At least one byte, if `len` is not 0.
    pub(crate) fn stretch_at(&self, offset: u64, len: u64) -> (u64, Option<GridPlace>) {
        let next = self.0.partition_point(|grid| end_of(grid) <= offset);
        match self.0.get(next) {
            None => (len, None),
            Some(grid) if grid.offset > offset => (len.min(grid.offset - offset), None),
            Some(grid) => {
                let place = GridPlace {
                    unit_len: grid.unit_len,
                    group_len: grid.group_len,
                    offset: offset - grid.offset,
                };
                (len.min(end_of(grid) - offset), Some(place))
            }
        }
    }
}

impl GridPlace {
    /// So many bytes further in the same grid.
    pub(crate) fn plus(self, len: usize) -> Self {
        Self {
            offset: self.offset.saturating_add(len as u64),
            ..self
        }
    }

    /// Length of the segment that begins here: to the next line of the grid, which are as many units
    /// apart as make `shortest` bytes. `None` if no such lines fit into a group, or are further apart
    /// than `longest`.
    pub(crate) fn segment_len(self, shortest: usize, longest: usize) -> Option<usize> {
        let (group, shortest) = (u64::from(self.group_len), shortest as u64);
        let mut step = u64::from(self.unit_len);
        while step > 0 && step < shortest {
            step *= 2;
        }
        if step == 0 || !group.is_multiple_of(step) || step > longest as u64 {
            return None;
        }
        usize::try_from(step - self.offset % step).ok()
    }
}

fn end_of(grid: &Grid) -> u64 {
    grid.offset.saturating_add(grid.len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grid(offset: u64, len: u64) -> Grid {
        Grid {
            offset,
            len,
            unit_len: 8 << 10,
            group_len: 64 << 10,
        }
    }

    /// Stretches of so much content, with the offset in their grid.
    fn stretches(grids: &Grids, len: u64) -> Vec<(u64, Option<u64>)> {
        let mut done = 0;
        let mut stretches = Vec::new();
        while done < len {
            let (now, place) = grids.stretch_at(done, len - done);
            stretches.push((now, place.map(|place| place.offset)));
            done += now;
        }
        stretches
    }

    #[test]
    fn content_falls_into_stretches_at_the_ends_of_grids() {
        let grids = Grids::new(vec![grid(500, 100), grid(100, 300)]);
        let expected = [
            (100, None),
            (300, Some(0)),
            (100, None),
            (100, Some(0)),
            (400, None),
        ];
        assert_eq!(stretches(&grids, 1000), expected);
        assert_eq!(
            grids.stretch_at(250, 50),
            (
                50,
                Some(GridPlace {
                    unit_len: 8 << 10,
                    group_len: 64 << 10,
                    offset: 150,
                })
            )
        );
        assert_eq!(stretches(&Grids::default(), 1000), [(1000, None)]);
    }

    #[test]
    fn of_grids_that_overlap_the_first_counts_and_empty_ones_do_not() {
        let nothing = Grid {
            unit_len: 0,
            ..grid(0, 50)
        };
        let grids = Grids::new(vec![grid(100, 100), grid(150, 700), nothing, grid(60, 0)]);
        let expected = [(100, None), (100, Some(0)), (800, None)];
        assert_eq!(stretches(&grids, 1000), expected);
        let many = Grids::new((0..10_000).map(|n| grid(n, 1)).collect());
        assert_eq!(many.0.len(), Grids::MAX);
    }

    proptest! {
        #[test]
        fn any_grids_give_stretches_and_segments_of_some_length(
            grids in proptest::collection::vec(any::<(u64, u64, u32, u32)>(), 0..20),
            offset: u64,
            len in 1_u64..,
        ) {
            let grids = grids.into_iter().map(|(offset, len, unit_len, group_len)| Grid {
                offset,
                len,
                unit_len,
                group_len,
            });
            let (now, place) = Grids::new(grids.collect()).stretch_at(offset, len);
            prop_assert!((1..=len).contains(&now));
            if let Some(segment) = place.and_then(|place| place.segment_len(8192, 128 << 10)) {
                prop_assert!((1..=128 << 10).contains(&segment));
            }
        }
    }
}
