use super::*;
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::ChunkPlace;
use proptest::prelude::*;

/// All chunks, as an archive has them: with the CHECKPOINTs that list them.
#[derive(Default)]
struct Plain {
    chunks: Vec<SourceChunk>,
    checkpoints: HashMap<Place, Checkpoint>,
    pending: Vec<ChunkPlace>,
    end: u64,
}

impl Plain {
    fn push(&mut self, raw_len: u64, place: Place) {
        self.pending.push(ChunkPlace {
            stream_offset: StreamOffset(0),
            data_offset: DataOffset(self.end),
            place,
        });
        let (start, end) = (self.end, self.end + raw_len);
        self.end = end;
        if raw_len > 0 {
            self.chunks.push(SourceChunk { start, end, place });
        }
    }

    fn checkpoint(&mut self, place: Place) {
        let checkpoint = Checkpoint {
            data_offset: DataOffset(self.end),
            chunks: std::mem::take(&mut self.pending),
            ..Checkpoint::NONE
        };
        self.checkpoints.insert(place, checkpoint);
    }

    fn sources(&self, copies: &[(u64, u64)]) -> Vec<SourceChunk> {
        let touched = |chunk: &&SourceChunk| {
            let meets = |(from, to): &(u64, u64)| *from < chunk.end && chunk.start < *to;
            copies.iter().any(meets)
        };
        self.chunks.iter().filter(touched).copied().collect()
    }
}

fn script(copies: &[(u64, u64)]) -> Vec<Instruction> {
    let copy = |(from, to): &(u64, u64)| Instruction::Copy {
        source: DataOffset(*from),
        len: to - from,
    };
    copies.iter().map(copy).collect()
}

proptest! {
    #[test]
    fn every_map_finds_what_a_plain_list_finds(
        steps in prop::collection::vec((0..5_u64, 0..4_u8), 1..200),
        kept in 0..50_usize,
        ends in prop::collection::vec((0.0..1.0_f64, 1..40_u64), 0..8),
    ) {
        let (mut map, mut plain) = (DataMap::with_kept(kept), Plain::default());
        for (place, (raw_len, then)) in (0..).step_by(2).zip(steps) {
            map.push(raw_len, Place(place));
            plain.push(raw_len, Place(place));
            if then == 0 {
                map.checkpoint(Place(place + 1));
                plain.checkpoint(Place(place + 1));
            }
        }
        let copy = |(at, len): &(f64, u64)| {
            let start = (at * plain.end as f64) as u64;
            (start, (start + len).min(plain.end))
        };
        let copies: Vec<_> = ends.iter().map(copy).filter(|(from, to)| from < to).collect();
        let mut loads = Vec::new();
        let load = |place: Place| {
            loads.push(place);
            Ok(plain.checkpoints[&place].clone())
        };
        let found = map.sources(&script(&copies), u64::MAX, load).unwrap();
        prop_assert_eq!(&found, &plain.sources(&copies));
        let count = loads.len();
        loads.dedup();
        prop_assert_eq!(count, loads.len());
        for (from, to) in copies {
            prop_assert!(holding(&found, DataOffset(from)).is_some());
            prop_assert!(holding(&found, DataOffset(to - 1)).is_some());
        }
        prop_assert!(map.loaded_count <= kept.max(200));
    }
}

/// 64 TiB: the map of all chunks would take a GiB.
#[test]
fn memory_does_not_grow_with_the_chunks() {
    const CHUNKS: u64 = 64 << 20;
    const SPAN: u64 = 16_384;
    let mut map = DataMap::new();
    for number in 0..CHUNKS {
        map.push(1 << 20, Place(number));
        if number % SPAN == SPAN - 1 {
            map.checkpoint(Place(number));
        }
    }
    let chunks: usize = map.loaded.values().map(|chunks| chunks.len()).sum();
    assert_eq!(chunks, KEPT);
    assert!(map.open.capacity() <= 2 * SPAN as usize);
    assert_eq!(map.spans.len() as u64, CHUNKS / SPAN);
}

#[test]
fn the_search_ends_with_what_a_chunk_may_cost() {
    let mut map = DataMap::new();
    (0..1000).for_each(|number| map.push(1, Place(number)));
    let all = script(&[(0, 1000)]);
    let none = |_| -> Result<Checkpoint, ReadError> { unreachable!("nothing was dropped") };
    assert_eq!(map.sources(&all, 9, none).unwrap().len(), 10);
    assert_eq!(map.sources(&all, 1000, none).unwrap().len(), 1000);
}
