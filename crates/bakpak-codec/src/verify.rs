//! `verify`: proves an archive, with and without a key.

use crate::contents::Output;
use crate::error::{Finding, Missing, ReadError};
use crate::input::{Feed, Input};
use crate::inspect::{HeadInfo, Totals};
use crate::keyring::Keyring;
use crate::observer::{Observer, Warning};
use crate::opening::Opening;
use crate::pass::Purpose;
use crate::reading::{ReadResult, Reading, warn_of_signers};
use crate::sink_belt;
use bakpak_format::digest::Digest;
use bakpak_format::entry::EntryPath;

pub use crate::reading::VerifyLevel;
pub use crate::tap::TapOf;
pub use tapped::Tapped;

mod tapped;

use tapped::TapSink;

/// What `verify` has found.
#[derive(Debug)]
pub struct VerifyReport {
    /// The faults; none if the archive is whole.
    pub findings: Vec<Finding>,
    /// What the head says, if it could be read.
    pub head: Option<HeadInfo>,
    /// Data blocks read.
    pub blocks: u64,
    /// Bytes read.
    pub archive_len: u64,
    /// The root, if the tail confirms it.
    pub root: Option<Digest>,
    /// What FINAL says (full level).
    pub totals: Option<Totals>,
    /// Sources that were left out when packing (full level).
    pub missing: Vec<Missing>,
    /// Entries whose source became unreadable while it was read (full level).
    pub unreadable: Vec<EntryPath>,
    /// Files that changed while they were read (full level).
    pub changed: u64,
    /// What taps have learned, in the order of the entries; without those whose content is not what
    /// it was.
    pub tapped: Vec<Tapped>,
    /// Why no key was used although one was asked for: then only what shows without is verified.
    pub without_key: Option<ReadError>,
}

/// How far to read, and who sees what is read.
struct Depth<'r> {
    level: VerifyLevel,
    output: Output<'r>,
}

/// Verifies without any key: finds accidents, not attacks (spec: RDR-1).
///
/// # Errors
///
/// Reading fails or is interrupted. Faults of the archive are in the report.
pub fn verify_keyless(
    input: Input,
    threads: usize,
    observer: &dyn Observer,
) -> Result<VerifyReport, ReadError> {
    let depth = Depth {
        level: VerifyLevel::Blocks,
        output: Output::None,
    };
    read(input, None, depth, threads, observer)
}

/// Verifies with a key: every tag, and with [`VerifyLevel::Full`] every chunk, entry and row
/// (spec: RDR-2).
///
/// If no key fits, what shows without one is verified all the same: a damaged archive must not look
/// like a wrong passphrase.
///
/// # Errors
///
/// Reading fails or is interrupted, no key is offered, or none fits an archive that shows no damage.
/// Faults of the archive are in the report.
pub fn verify(
    input: Input,
    keyring: &mut dyn Keyring,
    level: VerifyLevel,
    threads: usize,
    observer: &dyn Observer,
) -> Result<VerifyReport, ReadError> {
    let depth = Depth {
        level,
        output: Output::None,
    };
    read(input, Some(keyring), depth, threads, observer)
}

/// Verifies with a key and shows the content of entries to the taps that `tap_of` chooses, in the
/// same reading, on a thread beside.
///
/// Everything that taps see has authenticated; whether the entry is what its row says shows later,
/// so what is in [`VerifyReport::tapped`] counts only where nothing was found.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_with_taps(
    input: Input,
    keyring: &mut dyn Keyring,
    tap_of: &mut TapOf<'_>,
    threads: usize,
    observer: &dyn Observer,
) -> Result<VerifyReport, ReadError> {
    let mut sink = TapSink::new(tap_of);
    let report = sink_belt::on_its_own_thread(&mut sink, |sink| {
        let depth = Depth {
            level: VerifyLevel::Full,
            output: Output::Entries(sink),
        };
        read(input, Some(keyring), depth, threads, observer)
    })?;
    Ok(VerifyReport {
        tapped: sink.tapped,
        ..report
    })
}

/// Reads all of an archive, as far as the keys allow.
fn read<'r>(
    input: Input,
    keyring: Option<&mut dyn Keyring>,
    depth: Depth<'r>,
    threads: usize,
    observer: &'r dyn Observer,
) -> Result<VerifyReport, ReadError> {
    let mut feed = Feed::new(input);
    let opening = match Opening::read_or_copy(&mut feed) {
        Ok(opening) => opening,
        Err(error) => return VerifyReport::of_head(error, &feed),
    };
    warn_of_signers(&opening, observer);
    // A MAC that fails is a fault of the archive; what shows without a key is still looked for.
    let (subkeys, locked) = match keyring.map(|keyring| opening.unlock(keyring)).transpose() {
        Ok(subkeys) => (subkeys, None),
        Err(error @ ReadError::Fault(_)) => (None, Some(error)),
        Err(error @ ReadError::NoKeyFits { .. }) => {
            // Told at once, since reading on may take long.
            observer.warn(Warning::VerifiesWithoutKey);
            (None, Some(error))
        }
        Err(error) => return Err(error),
    };
    let reading = Reading {
        feed,
        opening: &opening,
        purpose: Purpose::Verify,
        threads,
        observer,
    };
    let result = reading.run(subkeys, depth.level, depth.output)?;
    let mut report = VerifyReport::new(&opening, result)?;
    match locked {
        Some(ReadError::Fault(finding)) => report.findings.push(*finding),
        Some(error) if report.findings.is_empty() => return Err(error),
        locked => report.without_key = locked,
    }
    Ok(report)
}

impl VerifyReport {
    fn empty(archive_len: u64) -> Self {
        Self {
            findings: Vec::new(),
            head: None,
            blocks: 0,
            archive_len,
            root: None,
            totals: None,
            missing: Vec::new(),
            unreadable: Vec::new(),
            changed: 0,
            tapped: Vec::new(),
            without_key: None,
        }
    }

    /// The report of an archive whose head cannot be used.
    fn of_head(error: ReadError, feed: &Feed) -> Result<Self, ReadError> {
        match error {
            ReadError::Fault(finding) => Ok(Self {
                findings: vec![*finding],
                ..Self::empty(feed.position())
            }),
            other => Err(other),
        }
    }

    fn new(opening: &Opening, result: ReadResult) -> Result<Self, ReadError> {
        let mut findings = result.findings;
        // What shows without a key comes first (spec: RDR-5).
        findings.sort_by_key(Finding::is_sealed);
        let mut report = Self {
            findings,
            head: Some(HeadInfo::new(opening)),
            blocks: result.block_count,
            root: result.root,
            ..Self::empty(result.archive_len)
        };
        if let Some(contents) = result.contents {
            report.missing = contents.missing;
            report.unreadable = contents.unreadable;
            report.changed = contents.changed;
            match contents.last {
                Ok(last) => report.totals = Some(Totals::from(&last)),
                Err(ReadError::Fault(finding)) if report.findings.is_empty() => {
                    report.findings.push(*finding);
                }
                Err(ReadError::Fault(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }
}
