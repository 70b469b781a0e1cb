//! A CHECKPOINT that authenticates and lists chunks out of order: random access refuses it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use bakpak_codec::archive::Archive;
use bakpak_codec::error::ReadError;
use bakpak_codec::secret::{Credential, KeyFile};
use bakpak_format::geometry::DataOffset;
use bakpak_format::record::Checkpoint;
use bakpak_vectors::builder::{Builder, Site, key_file};
use bakpak_vectors::records::{Chunk, Op, Step};
use bakpak_vectors::stream::file;
use std::io::Write;

/// The last chunk copies from the first. Where its copy goes on, a CHECKPOINT names a chunk that
/// stands before that; a third source is so long that not all can be held in memory.
fn archive(checkpoint: fn(&mut Checkpoint)) -> Vec<u8> {
    let mut builder = Builder::new("lying-checkpoint");
    builder.copy_reach = u64::MAX;
    builder.items = vec![file("home/a", [7; 6000])];
    let spelled = Chunk {
        script: vec![Op::Copy(0, 2001), Op::Copy(3000, 1), Op::Literal(4506)],
        ..Chunk::default()
    };
    // What the builder goes by; the spelled one is what stands in the archive.
    let script = vec![
        Op::Copy(1 << 50, 2001),
        Op::Copy(1 << 51, 1),
        Op::Literal(4506),
    ];
    builder.steps = vec![
        Chunk::of([Op::Literal(2000)]),
        Step::Checkpoint,
        Chunk::of([Op::Literal(50)]),
        Step::Checkpoint,
        Step::Chunk(Chunk {
            script,
            spelled: Some(spelled.encode_script()),
            ..Chunk::default()
        }),
        Step::Rows(usize::MAX),
        Step::Tree,
        Step::Checkpoint,
        Step::Final,
    ];
    builder.put(Site::Body(2), 8, 100_u64.to_le_bytes());
    builder.put(Site::Body(4), 8, (1_u64 << 40).to_le_bytes());
    builder.checkpoint = checkpoint;
    builder.last = |last| last.data_len = 1 << 41;
    builder.build().archive
}

/// The second of the CHECKPOINTs says that its chunk stands at 100 of the data space; the third lists
/// a chunk for each further source.
fn lie(checkpoint: &mut Checkpoint, end: u64) {
    match checkpoint.chunks[0].stream_offset.0 {
        0 => {}
        2000 => {
            checkpoint.chunks[0].data_offset = DataOffset(100);
            checkpoint.data_offset = DataOffset(end);
        }
        _ => {
            let mut further = checkpoint.chunks[0];
            further.data_offset = DataOffset(3000);
            checkpoint.chunks[0].data_offset = DataOffset(1 << 40);
            checkpoint.chunks.insert(0, further);
            checkpoint.data_offset = DataOffset((1 << 40) + 5000);
        }
    }
}

#[test]
fn chunks_that_do_not_follow_one_another_are_refused() {
    for archive in [
        archive(|checkpoint| lie(checkpoint, 150)),
        archive(|checkpoint| lie(checkpoint, 50)),
    ] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&archive).unwrap();
        let mut keys = vec![Credential::KeyFile(KeyFile::from_bytes(key_file()))];
        let mut archive = Archive::open(&file, &mut keys).unwrap();
        let rows: Vec<_> = archive.rows().collect::<Result<_, _>>().unwrap();
        let mut content = Vec::new();
        let Err(ReadError::Fault(finding)) = archive.read_entry(&rows[0], &mut content) else {
            panic!("it was read");
        };
        assert_eq!(finding.rule, Some("CKP-1"), "{finding}");
        assert!(content.iter().all(|&byte| byte == 7), "what came is right");
    }
}
