//! `repair`: gives an archive back as it was, from parity and copies; without a key.
//!
//! What is changed is proved first: a shard by its hash, a check page by the root, a head by its
//! digest. Nothing is guessed, so repairing a whole archive changes no byte of it.

use crate::error::{Finding, ReadError};
use crate::input::read_exact_at;
use crate::mend::stripe::{StripeMender, Tools, Unproved};
use crate::mend::survey::{Need, Survey};
use crate::mend::{Mended, Target};
use crate::observer::Observer;
use crate::parity_lane::ParityLane;
use crate::pipeline::Workers;
use crate::write_at::{WouldBlock, lock, write_all_at};
use bakpak_format::digest::Digest;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{ArchiveOffset, StripeIndex};
use bakpak_format::header::ArchiveId;
use bakpak_format::slots::Domain;
use bakpak_format::tail::{self, TailPage};
use std::fs::File;
use std::io;

/// What a repair found and did.
#[derive(Clone, Debug)]
pub struct RepairReport {
    /// Names the archive.
    pub archive_id: ArchiveId,
    /// Data blocks.
    pub block_count: u64,
    /// Length of the archive as it must be.
    pub archive_len: u64,
    /// Length of the file that was read.
    pub file_len: u64,
    /// Bytes are missing in the file, or added, before its end: what follows stands elsewhere.
    pub is_moved: bool,
    /// The header has a feature, unknown to this version, that forbids to change the archive in
    /// place (spec: HDR-3).
    pub is_foreign: bool,
    /// What was damaged, and is as it must be in the mended archive.
    pub mended: Vec<Finding>,
    /// What cannot be mended.
    pub lost: Vec<Finding>,
}

impl RepairReport {
    /// Whether all of the archive is, or can be made, what it must be.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }

    /// Whether the file was that from the start.
    pub fn was_whole(&self) -> bool {
        let is_changed = self.is_moved || self.file_len != self.archive_len;
        self.is_complete() && self.mended.is_empty() && !is_changed
    }
}

/// Nowhere: to see what could be done.
struct Nowhere;

/// Another file, which gets everything.
struct Another<'a>(&'a File);

/// The file itself, which gets what is not right in it.
struct Itself<'a>(&'a File);

/// Says what a repair would do (spec: RPR-1).
///
/// # Errors
///
/// The file cannot be read, or is not known as an archive by anything in it; or the observer asked to
/// stop.
pub fn assess(
    file: &File,
    threads: usize,
    observer: &dyn Observer,
) -> Result<RepairReport, ReadError> {
    let (report, _) = mend(file, &mut Nowhere, &BOTH, threads, observer)?;
    Ok(report)
}

/// Writes the mended archive to another file, which is empty; it is of use only if the report is
/// complete.
///
/// # Errors
///
/// As [`assess`], and the other file cannot be written.
pub fn repair(
    file: &File,
    output: &File,
    threads: usize,
    observer: &dyn Observer,
) -> Result<RepairReport, ReadError> {
    let (report, _) = mend(file, &mut Another(output), &BOTH, threads, observer)?;
    Ok(report)
}

/// Mends a file in place, if all of it can be mended, nothing stands elsewhere than it should, and no
/// feature forbids it; otherwise nothing is written.
///
/// Killed at any moment, it leaves a file that can be mended as well as before: only damaged sectors
/// are written, with what they must be (spec: RPR-10).
///
/// # Errors
///
/// As [`assess`], and the file cannot be written.
pub fn repair_in_place(
    file: &File,
    threads: usize,
    observer: &dyn Observer,
) -> Result<RepairReport, ReadError> {
    lock(file).map_err(|WouldBlock| ReadError::Io {
        what: "another program is changing the archive",
        source: io::ErrorKind::WouldBlock.into(),
    })?;
    let (report, unproved) = mend(file, &mut Nowhere, &BOTH, threads, observer)?;
    if !report.is_complete() || report.is_moved || report.is_foreign || report.was_whole() {
        return Ok(report);
    }
    // What was believed wrongly, and shows so by the root only, must not get into the file.
    let (report, _) = mend(file, &mut Itself(file), &[unproved], threads, observer)?;
    if report.is_complete() {
        file.set_len(report.archive_len).map_err(writing)?;
    }
    file.sync_all().map_err(writing)?;
    Ok(report)
}

/// What no check page proves is believed first. If the root does not confirm that, it is lost
/// (spec: RPR-7).
const BOTH: [Unproved; 2] = [Unproved::Believed, Unproved::Erased];

/// Goes through the archive in one way after the other until all of it is mended; gives the last one
/// with what came of it. What a way has handed over, the next one hands over anew.
fn mend(
    file: &File,
    target: &mut dyn Target,
    ways: &[Unproved],
    threads: usize,
    observer: &dyn Observer,
) -> Result<(RepairReport, Unproved), ReadError> {
    let survey = Survey::new(file, Need::Everything, observer)?;
    let workers = Workers::new(threads)?;
    let mut mended = Mended::default();
    let mut taken = Unproved::Believed;
    for unproved in ways {
        taken = *unproved;
        let run = Run {
            survey: &survey,
            workers: &workers,
            observer,
            unproved: taken,
        };
        mended = run.mend(target)?;
        if mended.is_complete() || !mended.needs_root {
            break;
        }
    }
    let report = RepairReport {
        archive_id: survey.head.header.archive_id,
        block_count: survey.block_count,
        archive_len: survey.archive_len(),
        file_len: survey.places.file_len(),
        is_moved: survey.places.is_moved(),
        is_foreign: survey.head.header.features_read_only != 0,
        mended: mended.mended,
        lost: mended.lost,
    };
    Ok((report, taken))
}

/// One way through an archive.
struct Run<'a, 's> {
    survey: &'a Survey<'s>,
    workers: &'a Workers,
    observer: &'a dyn Observer,
    unproved: Unproved,
}

impl Run<'_, '_> {
    fn mend(&self, target: &mut dyn Target) -> Result<Mended, ReadError> {
        let survey = self.survey;
        let geometry = survey.geometry;
        let mut parity = ParityLane::new(geometry.parity, geometry.block_size);
        let mut mended = Mended::default();
        put_opening(survey, target, &mut mended)?;
        let mut page_digests = Vec::new();
        for stripe in 0..geometry.stripe_count(survey.block_count) {
            let layout = geometry.stripe(survey.block_count, StripeIndex(stripe));
            let tools = Tools {
                workers: self.workers,
                observer: self.observer,
                parity: parity.as_mut(),
                unproved: self.unproved,
            };
            let mender = StripeMender::new(survey, &layout, tools)?;
            page_digests.push(mender.run(target, &mut mended)?);
        }
        let root = tail::root(
            &survey.head.head_digest,
            &survey.head.header.archive_id,
            survey.block_count,
            page_digests.len() as u64,
            page_digests,
        );
        check_root(survey, root, &mut mended);
        put_tail(survey, root, target, &mut mended)?;
        Ok(mended)
    }
}

/// Head, slot tables, envelope.
fn put_opening(
    survey: &Survey<'_>,
    target: &mut dyn Target,
    mended: &mut Mended,
) -> Result<(), ReadError> {
    let (geometry, parts) = (&survey.geometry, &survey.parts);
    put(
        survey,
        Structure::Head,
        ArchiveOffset(0),
        &parts.head,
        target,
        mended,
    )?;
    let data = geometry.data_slots_offset();
    put_pair(survey, data, &parts.data_slots, target, mended)?;
    if geometry.has_envelope() {
        let slots = geometry.envelope_slots_offset();
        put_pair(survey, slots, &parts.envelope_slots, target, mended)?;
        let (offset, body) = (geometry.envelope_offset(), &parts.envelope);
        put(survey, Structure::Envelope, offset, body, target, mended)?;
    }
    Ok(())
}

/// Both tables of a domain.
fn put_pair(
    survey: &Survey<'_>,
    a: ArchiveOffset,
    table: &[u8],
    target: &mut dyn Target,
    mended: &mut Mended,
) -> Result<(), ReadError> {
    let before = mended.mended.len();
    let b = a.plus(survey.geometry.slot_area as u64);
    for offset in [a, b] {
        put(survey, Structure::Slots, offset, table, target, mended)?;
    }
    if let [of_a, _] = &mut mended.mended[before..] {
        of_a.message =
            "both tables of the pair are damaged; a copy of them stands in, which may be \
                        older, so that other keys open it"
                .into();
    }
    Ok(())
}

/// Copies of what opens the archive, and the tail page.
fn put_tail(
    survey: &Survey<'_>,
    root: Digest,
    target: &mut dyn Target,
    mended: &mut Mended,
) -> Result<(), ReadError> {
    let tail_offset = survey.geometry.tail_offset(survey.block_count);
    let page = match &survey.tail_page {
        // spec: RPR-9
        Some(page) => page.clone(),
        None if survey.is_signed() => {
            let what = "the signatures in both tail pages are damaged";
            mended
                .lost
                .push(Finding::from(FormatError::damaged(Structure::Tail, what)).at(tail_offset.0));
            return Ok(());
        }
        None => TailPage {
            tail_page_len: survey.tail_page_len(),
            archive_id: survey.head.header.archive_id,
            block_count: survey.block_count,
            stripe_count: survey.geometry.stripe_count(survey.block_count),
            archive_len: survey.archive_len(),
            head_digest: survey.head.head_digest,
            root,
            tail_offset,
            signatures: Vec::new(),
        }
        .encode()?,
    };
    // An archive without signers may have signatures, which nothing computes (spec: RPR-9).
    let told = survey.told_tail_page;
    let is_told = told.is_none_or(|(_, digest)| is_page(&page, digest));
    if survey.tail_page.is_none() && !is_told {
        let what = "it is damaged, and held more than can be computed";
        let finding = Finding::from(FormatError::damaged(Structure::Tail, what));
        mended.lost.push(finding.at(tail_offset.0));
        return Ok(());
    }
    let mut at = tail_offset;
    let mut put =
        |offset, bytes: &[u8]| put(survey, Structure::Tail, offset, bytes, target, mended);
    if survey.is_signed() {
        put(at, &page)?;
        at = at.plus(page.len() as u64);
    }
    for (bytes, domain) in survey.parts.in_tail_order() {
        let older = match domain {
            Some(domain) => older_table(survey, at, domain)?,
            None => None,
        };
        put(at, older.as_deref().unwrap_or(bytes))?;
        at = at.plus(bytes.len() as u64);
    }
    put(at, &page)
}

/// Whether a tail page is the one of which a locator tells the digest.
fn is_page(page: &[u8], told: Digest) -> bool {
    let (body, _) = page.split_at(page.len().saturating_sub(tail::LOCATOR_LEN));
    Digest::of(body) == told
}

/// A slot table that stands there, whole and older than the archive's (spec: TAL-1, RPR-8).
fn older_table(
    survey: &Survey<'_>,
    offset: ArchiveOffset,
    domain: Domain,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut bytes = vec![0; survey.geometry.slot_area];
    let is_older = |bytes: &[u8]| survey.is_older_table(domain, bytes);
    let found = survey.places.read_right(offset.0, &mut bytes, is_older)?;
    Ok(found.then_some(bytes))
}

/// Hands over a part of which all bytes are known, or none.
fn put(
    survey: &Survey<'_>,
    structure: Structure,
    offset: ArchiveOffset,
    bytes: &[u8],
    target: &mut dyn Target,
    mended: &mut Mended,
) -> Result<(), ReadError> {
    let finding = |what| Finding::from(FormatError::damaged(structure, what)).at(offset.0);
    if bytes.is_empty() {
        let what = "it is damaged, and so are all its copies";
        mended.lost.push(finding(what));
        return Ok(());
    }
    let mut there = vec![0; bytes.len()];
    let is_there = |there: &[u8]| there == bytes;
    if survey.places.read_right(offset.0, &mut there, is_there)? {
        return target.keep(offset, bytes);
    }
    mended
        .mended
        .push(finding("not all of it is what it must be"));
    target.mend(offset, bytes)
}

/// Holds all check pages against what tail pages and locators say (spec: TAL-3, RPR-7).
fn check_root(survey: &Survey<'_>, root: Digest, mended: &mut Mended) {
    let is_confirmed = survey.roots.contains(&root) || survey.likely_roots.contains(&root);
    // Where something is lost already, there is nothing to confirm.
    if is_confirmed || !mended.is_complete() {
        return;
    }
    let what = match (survey.roots.is_empty(), mended.needs_root) {
        (true, false) => return,
        (true, true) => "nothing confirms the check pages, of which both were damaged",
        (false, _) => "the checksum of the whole archive (root) does not match",
    };
    let offset = survey.geometry.tail_offset(survey.block_count);
    mended
        .lost
        .push(Finding::from(FormatError::damaged(Structure::Tail, what)).at(offset.0));
}

impl Target for Nowhere {
    fn keep(&mut self, _: ArchiveOffset, _: &[u8]) -> Result<(), ReadError> {
        Ok(())
    }

    fn mend(&mut self, _: ArchiveOffset, _: &[u8]) -> Result<(), ReadError> {
        Ok(())
    }
}

impl Target for Another<'_> {
    fn keep(&mut self, offset: ArchiveOffset, bytes: &[u8]) -> Result<(), ReadError> {
        write_all_at(self.0, bytes, offset.0).map_err(writing)
    }

    fn mend(&mut self, offset: ArchiveOffset, bytes: &[u8]) -> Result<(), ReadError> {
        self.keep(offset, bytes)
    }
}

impl Target for Itself<'_> {
    fn keep(&mut self, _: ArchiveOffset, _: &[u8]) -> Result<(), ReadError> {
        Ok(())
    }

    /// Writes only the sectors that differ.
    fn mend(&mut self, offset: ArchiveOffset, bytes: &[u8]) -> Result<(), ReadError> {
        let sectors = bytes.chunks(bakpak_format::digest::SECTOR_LEN);
        let mut at = offset;
        for sector in sectors {
            let mut there = vec![0; sector.len()];
            let is_there = read_exact_at(self.0, &mut there, at.0).is_ok() && there == sector;
            if !is_there {
                write_all_at(self.0, sector, at.0).map_err(writing)?;
            }
            at = at.plus(sector.len() as u64);
        }
        Ok(())
    }
}

fn writing(source: io::Error) -> ReadError {
    ReadError::Io {
        what: "writing the mended archive",
        source,
    }
}
