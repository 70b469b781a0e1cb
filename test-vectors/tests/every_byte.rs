//! Every byte of every small vector counts: changed, it is noticed, and so is every cut.
#![allow(missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::input::Input;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::verify::verify_keyless;
use std::io::{self, Read};
use std::sync::Arc;
use support::{cases, in_parallel};

/// The smallest archive there is.
const SMALLEST: (&str, usize) = ("smallest", 32_768);

/// How many bytes of one archive a thread changes before it looks for more work.
const STEP: usize = 1024;

/// Some bytes of one archive, to be changed one at a time.
struct Work {
    name: String,
    archive: Arc<[u8]>,
    places: Vec<usize>,
}

#[test]
fn every_cut_of_the_smallest_archive_is_noticed() {
    let mut cases = cases().into_iter();
    let case = cases
        .find(|case| case.name == SMALLEST.0)
        .expect("it is there");
    let archive: Arc<[u8]> = case.archive().into();
    assert_eq!(archive.len(), SMALLEST.1);
    assert!(is_whole(&archive, archive.len(), None));
    let lens: Vec<usize> = (0..archive.len()).collect();
    let work: Vec<&[usize]> = lens.chunks(STEP).collect();
    let unnoticed = in_parallel(&work, |lens| {
        let cut = lens.iter().filter(|&&len| is_whole(&archive, len, None));
        cut.copied().collect()
    });
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn every_changed_byte_is_noticed_without_a_key() {
    let mut work = Vec::new();
    let mut archives = 0;
    for case in cases() {
        if !case.expect.is_opened() || !case.keyless.is_opened() || case.file.is_none() {
            continue;
        }
        archives += 1;
        let archive: Arc<[u8]> = case.archive().into();
        assert!(is_whole(&archive, archive.len(), None), "{}", case.name);
        let places: Vec<usize> = (0..archive.len()).collect();
        work.extend(places.chunks(STEP).map(|places| Work {
            name: case.name.clone(),
            archive: Arc::clone(&archive),
            places: places.to_vec(),
        }));
    }
    assert!(archives >= 20, "{archives} small vectors open");
    let unnoticed = in_parallel(&work, |work| {
        let len = work.archive.len();
        let places = work.places.iter();
        places
            .filter(|&&at| is_whole(&work.archive, len, Some(at)))
            .map(|at| format!("{}: byte {at}", work.name))
            .collect()
    });
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

/// Whether a reader without a key finds nothing wrong.
fn is_whole(archive: &Arc<[u8]>, len: usize, changed: Option<usize>) -> bool {
    let input = Changed {
        archive: Arc::clone(archive),
        len,
        position: 0,
        changed,
    };
    // On this thread: starting one for each of three million readings would be the work.
    verify_keyless(Input::stream(input), 0, &Unobserved)
        .is_ok_and(|report| report.findings.is_empty())
}

/// An archive up to some length, with one bit of one byte changed.
struct Changed {
    archive: Arc<[u8]>,
    len: usize,
    position: usize,
    changed: Option<usize>,
}

impl Read for Changed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.archive[self.position..self.len];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        if let Some(at) = self.changed.and_then(|at| at.checked_sub(self.position))
            && at < len
        {
            // Another bit for each byte, so that all bits have their turn.
            buffer[at] ^= 1 << ((self.position + at) % 8);
        }
        self.position += len;
        Ok(len)
    }
}
