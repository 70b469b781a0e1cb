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
use bakpak_format::digest::Digest;
use bakpak_format::entry::EntryPath;

pub use crate::reading::VerifyLevel;

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
    /// Why no key was used although one was asked for: then only what shows without is verified.
    pub without_key: Option<ReadError>,
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
    read(input, None, VerifyLevel::Blocks, threads, observer)
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
    read(input, Some(keyring), level, threads, observer)
}

/// Reads all of an archive, as far as the keys allow.
fn read(
    input: Input,
    keyring: Option<&mut dyn Keyring>,
    level: VerifyLevel,
    threads: usize,
    observer: &dyn Observer,
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
    let result = reading.run(subkeys, level, Output::None)?;
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
