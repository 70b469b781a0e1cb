//! What reading from a pipe keeps on disk: as much as the archive's copies may reach, and no more.
//!
//! The spool's files have no names, so this looks at the descriptors of its own process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::{ErrorClass, ReadError};
use bakpak_codec::input::Input;
use bakpak_codec::observer::{Observer, Warning};
use bakpak_codec::pack::{Matching, PackSettings};
use bakpak_codec::unpack::unpack;
use bakpak_format::geometry::BlockSize;
use std::cell::RefCell;
use std::fs;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use support::*;

const MB: usize = 1_000_000;

/// Only one test at a time may have temporary files.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes in this process' temporary files.
fn spooled_len() -> u64 {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    let is_unnamed = |path: &std::path::Path| {
        fs::read_link(path).is_ok_and(|link| link.to_string_lossy().ends_with("(deleted)"))
    };
    let lens = descriptors
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| is_unnamed(path))
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len());
    lens.sum()
}

/// A pipe that looks at the temporary files each time it is read.
struct Watched {
    bytes: Cursor<Vec<u8>>,
    most_len: Arc<AtomicU64>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.most_len.fetch_max(spooled_len(), Ordering::Relaxed);
        self.bytes.read(buffer)
    }
}

#[derive(Default)]
struct Listener(RefCell<Vec<Warning>>);

impl Observer for Listener {
    fn warn(&self, warning: Warning) {
        self.0.borrow_mut().push(warning);
    }
}

/// Unpacks from a pipe; what was warned of, and how much was spooled at most.
fn unpack_watched(
    packed: &[u8],
    room: Option<u64>,
) -> Result<(MemorySink, Vec<Warning>, u64), ReadError> {
    let most_len = Arc::new(AtomicU64::new(0));
    let pipe = Watched {
        bytes: Cursor::new(packed.to_vec()),
        most_len: Arc::clone(&most_len),
    };
    let listener = Listener::default();
    let mut sink = MemorySink::default();
    let input = Input::stream(pipe).with_spool_room(room);
    unpack(input, &mut vec![key()], &mut sink, 2, &listener)?;
    Ok((
        sink,
        listener.0.into_inner(),
        most_len.load(Ordering::Relaxed),
    ))
}

fn pack_with_reach(
    contents: &[Vec<u8>],
    copy_reach: u64,
    block_size: Option<BlockSize>,
) -> (Vec<u8>, u64) {
    let settings = PackSettings {
        block_size,
        matching: Some(Matching {
            copy_reach,
            ..Matching::default()
        }),
        ..settings()
    };
    let sources = contents.iter().enumerate();
    let sources = sources.map(|(i, content)| file(&format!("sql/{i:02}"), content.clone()));
    let (packed, report) = try_pack(sources.collect(), settings).unwrap();
    (packed, report.copied_bytes)
}

fn assert_same(sink: &MemorySink, contents: &[Vec<u8>]) {
    for (i, content) in contents.iter().enumerate() {
        assert!(sink.get(&format!("sql/{i:02}")) == content, "{i}");
    }
}

#[test]
fn a_spool_never_grows_beyond_the_reach_and_all_copies_in_it_resolve() {
    let _alone = ALONE.lock().unwrap();
    let reach = 44 << 20;
    let own = |i: usize| noise(&format!("own {i}"), 10 * MB);
    let contents: Vec<_> = (0..10)
        .map(|i| {
            let mut content = own(i);
            if i >= 4 {
                // 44 MB back: beyond the cache in memory, within the reach.
                content.extend_from_slice(&own(i - 4)[6 * MB..7 * MB]);
            }
            if i >= 8 {
                // Far beyond the reach.
                content.extend_from_slice(&own(i - 8)[..MB]);
            }
            content
        })
        .collect();
    for block_size in [BlockSize::SIXTY_FOUR_KIB, BlockSize::ONE_MIB] {
        let (packed, copied) = pack_with_reach(&contents, reach, Some(block_size));
        assert!((5_900_000..6_100_000).contains(&copied), "{copied}");
        let (sink, warnings, spooled) = unpack_watched(&packed, None).unwrap();
        assert_same(&sink, &contents);
        let [
            Warning::Spooling {
                most_len: Some(most_len),
            },
        ] = warnings[..]
        else {
            panic!("{warnings:?}");
        };
        assert!(spooled <= most_len, "{spooled} of {most_len}");
        assert!(spooled >= reach, "{spooled}: less could not suffice");
        assert!(most_len < reach * 3 / 2 + (4 << 20), "{most_len}");
        assert!(
            packed.len() as u64 > most_len + (20 << 20),
            "it would have shown"
        );
        // Room for exactly that suffices; for a byte less, it is refused before anything is read.
        assert!(unpack_watched(&packed, Some(most_len)).is_ok());
        let error = unpack_watched(&packed, Some(most_len - 1))
            .map(drop)
            .unwrap_err();
        assert_eq!(error.class(), ErrorClass::NoRoom);
        assert!(
            matches!(error, ReadError::SpoolTooSmall { needed, free }
                if needed == most_len && free == most_len - 1),
            "{error:?}"
        );
    }
}

#[test]
fn copies_that_fit_into_memory_need_no_spool() {
    let _alone = ALONE.lock().unwrap();
    let shared = noise("shared", 3 * MB);
    let contents: Vec<_> = (0..6)
        .map(|i| [noise(&format!("own {i}"), 8 * MB), shared.clone()].concat())
        .collect();
    for reach in [12 << 20, 32 << 20] {
        let (packed, copied) = pack_with_reach(&contents, reach, None);
        assert!(copied > 8 * MB as u64, "{copied}");
        let (sink, warnings, spooled) = unpack_watched(&packed, Some(0)).unwrap();
        assert_same(&sink, &contents);
        assert_eq!((warnings, spooled), (vec![], 0));
    }
    // From anywhere: all of it is spooled, however little room there seems to be.
    let (packed, _) = pack_with_reach(&contents, u64::MAX, None);
    let (sink, warnings, spooled) = unpack_watched(&packed, Some(0)).unwrap();
    assert_same(&sink, &contents);
    assert_eq!(warnings, [Warning::Spooling { most_len: None }]);
    assert!(spooled > packed.len() as u64 * 9 / 10);
}
