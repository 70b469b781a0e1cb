use super::*;
use crate::keys::{DomainKey, KeyDomain};
use crate::pipeline::{Buffers, Workers, beside};
use crate::random::Random;
use crate::stripes::{HeadParts, Tools};
use bakpak_format::entry::Timestamp;
use bakpak_format::geometry::{BlockSize, Geometry};
use bakpak_format::header::ArchiveId;

/// Writes records with `f` into stripes of 4 KiB blocks; gives the number of blocks and pages.
fn written(f: impl FnOnce(&mut RecordWriter<'_>) -> Result<(), PackError>) -> (u64, usize) {
    try_to_write(f).unwrap()
}

fn try_to_write(
    f: impl FnOnce(&mut RecordWriter<'_>) -> Result<(), PackError>,
) -> Result<(u64, usize), PackError> {
    let archive_id = ArchiveId([1; 16]);
    let key = DomainKey::from_bytes([2; 32]);
    let subkeys = key.subkeys(&[3; 32], archive_id, KeyDomain::Archive);
    let workers = Workers::new(2).unwrap();
    let parts = HeadParts {
        head: vec![0; 4096],
        data_slots: vec![0; 4096],
        envelope_slots: Vec::new(),
        envelope: Vec::new(),
        head_digest: Digest::ZERO,
        archive_id,
    };
    let (result, ended) = beside(
        4,
        |_: Vec<u8>| Ok::<(), ()>(()),
        |output| {
            let tools = Tools {
                subkeys: &subkeys,
                workers: &workers,
                buffers: Buffers::new(8),
                random: Random::seeded(b"records"),
                output,
            };
            let geometry = Geometry::new(BlockSize::FOUR_KIB, 4096, 4096, 0);
            let stripes = StripeWriter::new(geometry, parts, Vec::new(), tools)?;
            let mut records = RecordWriter::new(stripes, 3, RecordsSoFar::none())?;
            f(&mut records)?;
            let zero = Timestamp::default();
            let closing = Closing {
                content_len: 0,
                incomplete: false,
                not_restorable: false,
                started: zero,
                finished: zero,
            };
            // The belt must be dropped in here, or the thread at its end waits for ever.
            let written = records.finish(&closing)?;
            Ok::<_, PackError>((written.block_count, written.page_digests.len()))
        },
    )
    .unwrap();
    ended.unwrap();
    result
}

fn span(number: u64) -> ChunkSpan {
    ChunkSpan {
        stream_offset: StreamOffset(number),
        data_offset: DataOffset(number),
        stream_len: 1,
        raw_len: 1,
    }
}

#[test]
fn checkpoints_of_very_many_chunks_fit_their_stripes() {
    let (blocks, stripes) = written(|records| {
        (0..100_000).try_for_each(|number| records.chunk(&[0; 46], span(number), None, &[]))
    });
    // 100,000 chunks of 62 bytes and their index of 24 bytes each, in stripes of 2,040,000.
    assert_eq!(stripes, 5);
    assert!(blocks > 4 * 510);
}

#[test]
fn rows_and_facts_of_every_length_fit_their_stripes() {
    let facts = Facts {
        entry: None,
        kind: 99,
        data: vec![7; 50_000],
    };
    let (_, stripes) = written(|records| {
        for number in 0..200_u64 {
            let mut encoded = vec![0; 70_000];
            Random::seeded(&number.to_le_bytes())
                .fill(&mut encoded)
                .unwrap();
            let path = vec![b'p'; 30_000];
            let row = Following::Row { encoded, path };
            let body = vec![1; 1000 * number as usize];
            let following = [row, Following::Facts(facts.clone())];
            records.chunk(&body, span(number), None, &following)?;
        }
        Ok(())
    });
    assert!(stripes > 15, "{stripes}");
}

#[test]
fn what_can_never_fit_is_refused() {
    let mut refused = None;
    written(|records| {
        refused = records.chunk(&vec![0; 3 << 20], span(0), None, &[]).err();
        Ok(())
    });
    assert!(matches!(refused, Some(PackError::Settings(_))));
}

#[test]
fn a_tree_that_outgrows_the_last_stripe_is_refused_as_soon_as_that_shows() {
    let facts = Facts {
        entry: None,
        kind: 99,
        data: Vec::new(),
    };
    let mut count = 0;
    let result = try_to_write(|records| {
        loop {
            records.facts(&facts)?;
            count += 1;
        }
    });
    assert!(matches!(result, Err(PackError::Settings(_))));
    // 18 bytes of 2 MiB each, doubled for the levels above.
    assert!((30_000..80_000).contains(&count), "{count}");
}
