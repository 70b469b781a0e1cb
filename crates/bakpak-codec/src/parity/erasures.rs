//! The reader's side: erased shards from those that are intact.

use std::collections::BTreeSet;

use bakpak_format::geometry::ParityGeometry;

use super::field::{coefficient, inverse, product};
use super::group_count;
use super::kernel::{Kernel, Term};

/// How the erased shards of a stripe follow from the intact ones.
///
/// It depends on nothing but which ones are erased, and so serves for every column of sectors in
/// which those are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    parts: Vec<Part>,
}

/// The part of a [`Recipe`] for one group of shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    erased: Vec<usize>,
    sources: Vec<usize>,
    /// What each erased shard takes of source 0, then of source 1, and so on.
    factors: Vec<u8>,
}

/// The shards of a group, ascending; parity row r is in `parity[r]`.
struct Group {
    row_count: usize,
    data: Vec<usize>,
    parity: Vec<usize>,
}

impl Recipe {
    /// Finds out how the shards in `erased` follow from the others of a stripe of `data_count` data
    /// blocks; `None` if a group has lost more of its shards than it has parity blocks.
    ///
    /// Numbers that the stripe does not have are passed over.
    pub fn new(
        geometry: ParityGeometry,
        data_count: usize,
        erased: &BTreeSet<usize>,
    ) -> Option<Self> {
        let parts = damaged_groups(geometry, data_count, erased)
            .map(|group| group.solve(erased))
            .collect::<Option<_>>()?;
        Some(Self { parts })
    }

    /// The same, without the groups that have lost too many.
    pub fn of_what_can_be(
        geometry: ParityGeometry,
        data_count: usize,
        erased: &BTreeSet<usize>,
    ) -> Self {
        let parts = damaged_groups(geometry, data_count, erased)
            .filter_map(|group| group.solve(erased))
            .collect();
        Self { parts }
    }

    /// One part for each group with an erased shard.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl Part {
    /// Numbers of the shards that it gives, ascending.
    pub fn erased(&self) -> &[usize] {
        &self.erased
    }

    /// Numbers of the shards that it takes: data, then parity, ascending.
    pub fn sources(&self) -> &[usize] {
        &self.sources
    }

    /// Adds what the erased shards take of some sources; with all sources they are complete.
    ///
    /// `sources` are shards, or the same stretch of each, in the order of [`Part::sources`] from
    /// index `first` on. `erased` are zeros at first, as long, in the order of [`Part::erased`].
    ///
    /// # Panics
    ///
    /// If there are other numbers of slices, or a source is shorter than `erased`.
    pub fn add(&self, first: usize, sources: &[impl AsRef<[u8]>], erased: &mut [impl AsMut<[u8]>]) {
        let count = self.erased.len();
        let factors = self.factors[first * count..].chunks_exact(count);
        assert!(erased.len() == count && sources.len() <= factors.len());
        let terms: Vec<_> = sources
            .iter()
            .zip(factors)
            .map(|(source, factors)| Term {
                source: source.as_ref(),
                factors,
            })
            .collect();
        let mut rows: Vec<_> = erased.iter_mut().map(AsMut::as_mut).collect();
        Kernel::new().add(&terms, &mut rows);
    }
}

/// Those of which a shard is erased.
fn damaged_groups(
    geometry: ParityGeometry,
    data_count: usize,
    erased: &BTreeSet<usize>,
) -> impl Iterator<Item = Group> {
    let is_damaged = |group: &Group| group.shards().any(|shard| erased.contains(&shard));
    groups(geometry, data_count).filter(is_damaged)
}

fn groups(geometry: ParityGeometry, data_count: usize) -> impl Iterator<Item = Group> {
    let shard_count = data_count + geometry.parity_count(data_count);
    let group_count = group_count(geometry, data_count);
    (0..group_count).map(move |first| {
        let (data, parity) = (first..shard_count)
            .step_by(group_count)
            .partition(|shard| *shard < data_count);
        Group {
            row_count: geometry.rows(),
            data,
            parity,
        }
    })
}

impl Group {
    fn shards(&self) -> impl Iterator<Item = usize> {
        self.data.iter().chain(&self.parity).copied()
    }

    /// Solves for the erased data shards by as many intact parity shards; erased parity shards are
    /// sums over all data then.
    fn solve(&self, erased: &BTreeSet<usize>) -> Option<Part> {
        let split = |shards: &[usize]| -> (Vec<usize>, Vec<usize>) {
            shards.iter().partition(|shard| erased.contains(shard))
        };
        let (lost_data, intact_data) = split(&self.data);
        let (lost_parity, mut used_parity) = split(&self.parity);
        if used_parity.len() < lost_data.len() {
            return None;
        }
        used_parity.truncate(lost_data.len());

        // Each equation: the lost data of a row, to the left, is what is intact of it.
        let mut solved: Vec<_> = used_parity
            .iter()
            .enumerate()
            .map(|(index, parity)| {
                let data = lost_data.iter().chain(&intact_data);
                let mut equation = self.coefficients(*parity, data);
                equation.resize(equation.len() + used_parity.len(), 0);
                let own = equation.len() - used_parity.len() + index;
                equation[own] = 1;
                equation
            })
            .collect();
        eliminate(&mut solved);
        for equation in &mut solved {
            equation.drain(..lost_data.len());
        }

        for parity in &lost_parity {
            let mut sum = self.coefficients(*parity, intact_data.iter());
            sum.resize(sum.len() + used_parity.len(), 0);
            let factors = self.coefficients(*parity, lost_data.iter());
            for (shard, factor) in solved.iter().zip(factors) {
                add_multiple(&mut sum, factor, shard);
            }
            solved.push(sum);
        }

        let sources = [intact_data, used_parity].concat();
        let factors = (0..sources.len())
            .flat_map(|source| solved.iter().map(move |shard| shard[source]))
            .collect();
        Some(Part {
            erased: [lost_data, lost_parity].concat(),
            sources,
            factors,
        })
    }

    /// What a parity shard of this group takes of some of its data shards.
    fn coefficients<'a>(&self, parity: usize, data: impl Iterator<Item = &'a usize>) -> Vec<u8> {
        let before = |shard: &&usize| **shard < parity;
        let row = self.parity.iter().take_while(before).count();
        data.map(|number| coefficient(self.row_count, row, *number))
            .collect()
    }
}

/// Turns the square part to the left into ones on its diagonal (Gauss and Jordan).
///
/// No pivot is zero, in any order of the rows: every square part of a Cauchy matrix can be inverted.
fn eliminate(equations: &mut [Vec<u8>]) {
    for pivot in 0..equations.len() {
        let factor = inverse(equations[pivot][pivot]);
        let scaled: Vec<_> = equations[pivot]
            .iter()
            .map(|a| product(factor, *a))
            .collect();
        for (index, equation) in equations.iter_mut().enumerate() {
            if index == pivot {
                equation.clone_from(&scaled);
            } else {
                let factor = equation[pivot];
                add_multiple(equation, factor, &scaled);
            }
        }
    }
}

fn add_multiple(sum: &mut [u8], factor: u8, row: &[u8]) {
    for (sum, a) in sum.iter_mut().zip(row) {
        *sum ^= product(factor, *a);
    }
}
