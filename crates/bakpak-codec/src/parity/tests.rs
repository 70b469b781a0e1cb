//! What is lost comes back: both sides of the parity code, against its definition.

use std::collections::BTreeSet;

use bakpak_format::geometry::ParityGeometry;
use proptest::prelude::*;

use super::field::{coefficient, product};
use super::{ParityRows, Recipe};
use crate::random::Random;

fn geometry(number: u8) -> ParityGeometry {
    ParityGeometry::new(number).unwrap()
}

fn noise(count: usize, len: usize) -> Vec<Vec<u8>> {
    let mut random = Random::seeded(b"parity");
    let mut blocks = vec![vec![0; len]; count];
    for block in &mut blocks {
        random.fill(block).unwrap();
    }
    blocks
}

/// Parity as the definition has it, one block after the other.
fn direct_parity(geometry: ParityGeometry, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (n, m) = (data.len(), geometry.rows());
    let parity_count = geometry.parity_count(n);
    let two_groups = n + parity_count > 255;
    let block = |p: usize| {
        let mut sum = vec![0; data[0].len()];
        for (j, block) in data.iter().enumerate() {
            let row = if two_groups { p / 2 } else { p };
            if two_groups && j % 2 != (n + p) % 2 {
                continue;
            }
            let factor = coefficient(m, row, j);
            for (sum, byte) in sum.iter_mut().zip(block) {
                *sum ^= product(factor, *byte);
            }
        }
        sum
    };
    (0..parity_count).map(block).collect()
}

fn parity(geometry: ParityGeometry, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut rows = ParityRows::new(geometry, data[0].len());
    rows.add(data);
    rows.take_parity()
}

/// Solves for `erased` and compares; the sources come in portions of `portion`.
fn assert_mended(
    geometry: ParityGeometry,
    shards: &[Vec<u8>],
    data_count: usize,
    erased: &BTreeSet<usize>,
    portion: usize,
) {
    let recipe = Recipe::new(geometry, data_count, erased).unwrap();
    let mut mended = BTreeSet::new();
    for part in recipe.parts() {
        assert!(part.sources().iter().all(|source| !erased.contains(source)));
        let sources: Vec<_> = part
            .sources()
            .iter()
            .map(|&source| &shards[source])
            .collect();
        let mut found = vec![vec![0; shards[0].len()]; part.erased().len()];
        for (index, sources) in sources.chunks(portion).enumerate() {
            part.add(index * portion, sources, &mut found);
        }
        for (&number, found) in part.erased().iter().zip(&found) {
            assert_eq!(found, &shards[number], "shard {number}");
            mended.insert(number);
        }
    }
    assert_eq!(&mended, erased);
}

/// The shards of each group, from what chapter 2a says of them.
fn groups(geometry: ParityGeometry, data_count: usize) -> Vec<Vec<usize>> {
    let shard_count = data_count + geometry.parity_count(data_count);
    let count = if shard_count > 255 { 2 } else { 1 };
    (0..count)
        .map(|first| (first..shard_count).step_by(count).collect())
        .collect()
}

#[test]
fn columns_computed_elsewhere() {
    // By a few lines of Python that multiply bit by bit; geometry 1, that is m = 4.
    let coefficients = |row| [0, 1, 2].map(|number| coefficient(4, row, number));
    assert_eq!(
        [0, 1, 2, 3].map(coefficients),
        [[1, 1, 1], [127, 252, 126], [226, 255, 230], [128, 29, 131]]
    );
    let data = [vec![0x53], vec![0xCA], vec![0x07]];
    let columns = [[0x53, 0x94], [0x99, 0xCC], [0x9E, 0xAB]];
    for (count, column) in (1..).zip(columns) {
        assert_eq!(parity(geometry(1), &data[..count]).concat(), column);
    }
    // The shortest stripe of two groups.
    let data: Vec<_> = (0..252).map(|j| vec![(j * 7 + 3) as u8]).collect();
    let column = [0x12, 0x12, 0x96, 0xD4, 0x82, 0x47];
    assert_eq!(parity(geometry(1), &data).concat(), column);
}

#[test]
fn row_0_is_the_xor_of_all_blocks() {
    let data = noise(9, 100);
    let mut xor = vec![0; 100];
    for block in &data {
        xor.iter_mut()
            .zip(block)
            .for_each(|(sum, byte)| *sum ^= byte);
    }
    assert_eq!(parity(geometry(3), &data)[0], xor);
}

#[test]
fn batches_of_any_size_sum_up_to_the_definition() {
    for (number, n) in [
        (1, 1),
        (1, 251),
        (1, 252),
        (2, 494),
        (3, 300),
        (4, 30),
        (4, 446),
    ] {
        let data = noise(n, 130);
        let expected = direct_parity(geometry(number), &data);
        let mut rows = ParityRows::new(geometry(number), 130);
        for batch_len in [1, 3, 16, n] {
            // The same rows again and again: each stripe begins with zeros.
            data.chunks(batch_len).for_each(|batch| rows.add(batch));
            assert_eq!(
                rows.take_parity(),
                expected,
                "m {number}, {n} in {batch_len}s"
            );
        }
    }
}

#[test]
fn without_parity_there_are_no_rows() {
    assert!(parity(ParityGeometry::NONE, &noise(510, 8)).is_empty());
    let nothing = Recipe::new(ParityGeometry::NONE, 510, &BTreeSet::new()).unwrap();
    assert!(nothing.parts().is_empty());
    assert_eq!(Recipe::new(ParityGeometry::NONE, 510, &[3].into()), None);
}

#[test]
fn a_small_stripe_survives_every_loss_of_as_many_shards_as_it_has_parity() {
    let geometry = geometry(1);
    let data = noise(5, 70);
    let shards = [data.clone(), parity(geometry, &data)].concat();
    assert_eq!(shards.len(), 7);
    let mut survived = 0;
    for lost in 0_usize..1 << 7 {
        let erased: BTreeSet<_> = (0..7).filter(|shard| lost >> shard & 1 == 1).collect();
        if erased.len() <= 2 {
            assert_mended(geometry, &shards, 5, &erased, 7);
            survived += 1;
        } else {
            assert_eq!(Recipe::new(geometry, 5, &erased), None);
        }
    }
    assert_eq!(survived, 1 + 7 + 21);
}

#[test]
fn full_stripes_survive_the_longest_burst() {
    for number in 1..=4 {
        let geometry = geometry(number);
        let data = noise(geometry.data_blocks_per_stripe(), 33);
        let shards = [data.clone(), parity(geometry, &data)].concat();
        assert_eq!(shards.len(), 510);
        let burst = geometry.parity_count(data.len());
        for first in [0, 1, 100, data.len() - burst / 2, 510 - burst] {
            let erased = (first..first + burst).collect();
            assert_mended(geometry, &shards, data.len(), &erased, 64);
        }
    }
}

/// A geometry, and how many data blocks a stripe of it has.
fn stripes() -> impl Strategy<Value = (ParityGeometry, usize)> {
    (1_u8..=4).prop_flat_map(|number| {
        let geometry = geometry(number);
        (Just(geometry), 1..=geometry.data_blocks_per_stripe())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_erased_comes_back_up_to_the_limit_of_each_group(
        (geometry, n) in stripes(),
        len in 1_usize..200,
        portion in 1_usize..300,
        fractions in [0_usize..=64, 0_usize..=64],
        order in prop::collection::vec(any::<u32>(), 510),
    ) {
        let data = noise(n, len);
        let shards = [data.clone(), parity(geometry, &data)].concat();
        let groups = groups(geometry, n);
        let limit = geometry.parity_count(n) / groups.len();
        let mut erased = BTreeSet::new();
        let mut too_many = Vec::new();
        for (mut group, fraction) in groups.into_iter().zip(fractions) {
            group.sort_by_key(|shard| order[*shard]);
            erased.extend(&group[..limit * fraction / 64]);
            too_many.push(group[..limit + 1].to_vec());
        }
        assert_mended(geometry, &shards, n, &erased, portion);
        for group in too_many {
            let erased = erased.iter().copied().chain(group).collect();
            prop_assert_eq!(Recipe::new(geometry, n, &erased), None);
        }
    }
}
