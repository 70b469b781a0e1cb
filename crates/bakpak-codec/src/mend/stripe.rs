//! Mends one stripe: erasures by checksum, their content by parity, the proof by hash.

use super::page::{FoundPage, page_offsets};
use super::survey::Survey;
use super::{Mended, Target};
use crate::blocks::{ShardSums, check_clear};
use crate::error::{Finding, ReadError};
use crate::observer::Observer;
use crate::parity::{Part, Recipe};
use crate::parity_lane::ParityLane;
use crate::pipeline::Workers;
use crate::shard::Shard;
use bakpak_format::check_page::{CheckPage, CheckPageParts, copies_of};
use bakpak_format::digest::{Digest, SECTOR_LEN, crc32c};
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{ArchiveOffset, StripeLayout};
use bakpak_format::slots::Domain;
use std::collections::{BTreeMap, BTreeSet};

/// Columns of sectors that are mended at once, at most: their sources are read in stretches.
const MAX_COLUMNS: usize = 64;

/// Sources of a stretch that are in memory at once.
const MAX_SOURCES: usize = 16;

/// One stripe being mended.
pub(crate) struct StripeMender<'a, 's> {
    survey: &'a Survey<'s>,
    layout: &'a StripeLayout,
    tools: Tools<'a>,
    page: FoundPage,
    /// What each shard must be, as far as that is known by now.
    sums: Vec<Listed>,
    /// The lost sectors of the shards that are not what they must be.
    lost: BTreeMap<usize, BTreeSet<usize>>,
    /// What they must be.
    mended: BTreeMap<usize, BTreeMap<usize, Vec<u8>>>,
    /// A shard of it is still not what it must be.
    is_broken: bool,
    /// The salt of its first block.
    salt: Option<[u8; 16]>,
}

/// What stripes are mended with, one after the other.
pub(crate) struct Tools<'a> {
    pub(crate) workers: &'a Workers,
    pub(crate) observer: &'a dyn Observer,
    /// None without parity.
    pub(crate) parity: Option<&'a mut ParityLane>,
    pub(crate) unproved: Unproved,
}

/// What to make of shards of which a damaged check page tells neither the hash nor all CRCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unproved {
    /// They are right: the root will tell.
    Believed,
    /// They are lost.
    Erased,
}

/// What a check page says of a shard.
#[derive(Clone, PartialEq, Eq)]
struct Listed {
    hash: Option<Digest>,
    crcs: Vec<Option<u32>>,
}

impl<'a, 's> StripeMender<'a, 's> {
    pub(crate) fn new(
        survey: &'a Survey<'s>,
        layout: &'a StripeLayout,
        tools: Tools<'a>,
    ) -> Result<Self, ReadError> {
        let page = FoundPage::read(survey, layout)?;
        let sectors = survey.geometry.block_size.sectors();
        let listed = |shard| Listed {
            hash: page.hash(shard),
            crcs: (0..sectors).map(|sector| page.crc(shard, sector)).collect(),
        };
        Ok(Self {
            sums: (0..layout.shard_count()).map(listed).collect(),
            survey,
            layout,
            tools,
            page,
            lost: BTreeMap::new(),
            mended: BTreeMap::new(),
            is_broken: false,
            salt: None,
        })
    }

    /// Mends what can be, hands over all of the stripe, and gives the check page digest as it must be.
    pub(crate) fn run(
        mut self,
        target: &mut dyn Target,
        report: &mut Mended,
    ) -> Result<Digest, ReadError> {
        report.needs_root |= !self.page.is_whole();
        self.check_shards(target, report)?;
        self.check_copies(report);
        if !self.lost.is_empty() {
            self.mend_columns()?;
            self.prove(target, report)?;
        }
        self.compare_parity(report)?;
        self.put_pages(target, report)
    }

    fn block_len(&self) -> usize {
        self.survey.geometry.block_size.bytes()
    }

    fn shard(&self, number: usize) -> Shard {
        Shard::new(&self.survey.geometry, self.layout, number)
    }

    fn offset_of(&self, shard: usize) -> ArchiveOffset {
        self.shard(shard).offset
    }

    /// Reads every shard, hands over those that are right, and learns from them what the page does
    /// not tell.
    fn check_shards(
        &mut self,
        target: &mut dyn Target,
        report: &mut Mended,
    ) -> Result<(), ReadError> {
        let mut bytes = vec![0; self.block_len()];
        for shard in 0..self.layout.shard_count() {
            if self.tools.observer.cancelled() {
                return Err(ReadError::Interrupted);
            }
            let offset = self.offset_of(shard);
            if self.read(shard, &mut bytes)? {
                self.learn(shard, &bytes, report);
                target.keep(offset, &bytes)?;
                self.add_to_parity(shard, &bytes)?;
            } else {
                let lost = self.lost_sectors(shard, &bytes);
                self.lost.insert(shard, lost);
            }
            self.tools.observer.progress(offset.0);
        }
        Ok(())
    }

    /// Takes what a shard that is right tells: its checksums, if they are not known. If the page says
    /// them otherwise, it was made so.
    fn learn(&mut self, shard: usize, bytes: &[u8], report: &mut Mended) {
        let found = Listed::of(bytes);
        if self.page.is_whole() && self.sums[shard] != found {
            let what = format!("its checksums of {} are wrong", self.shard(shard));
            let error = FormatError::damaged(Structure::CheckPage, what);
            let offset = self.layout.page_offset.0;
            report.lost.push(Finding::from(error).at(offset));
        }
        self.sums[shard] = found;
        self.check_header(shard, bytes, report);
    }

    /// Checks what stands in the clear at a data block's start.
    fn check_header(&mut self, shard: usize, bytes: &[u8], report: &mut Mended) {
        if shard >= self.layout.data_count {
            return;
        }
        let index = self.layout.first_block.plus(shard as u64);
        let checked = check_clear(bytes, index, &self.survey.head.header.archive_id);
        let checked = checked.and_then(|header| {
            let salt = *self.salt.get_or_insert(header.stripe_salt);
            header.check_salt(&salt) // spec: BLK-3
        });
        if let Err(error) = checked {
            let finding = Finding {
                block: Some(index.0),
                ..Finding::from(error)
            };
            report.lost.push(finding.at(self.offset_of(shard).0));
        }
    }

    /// Compares the copies in a whole page with the originals (spec: CHK-5); one that differs was
    /// made so.
    fn check_copies(&self, report: &mut Mended) {
        if let Some(fault) = self.page.fault() {
            let offset = self.layout.page_offset.0;
            report.lost.push(Finding::from(fault.clone()).at(offset));
        }
        let parts = &self.survey.parts;
        let [head, envelope, ..] = copies_of(&self.survey.geometry, self.layout);
        let covered = self.page.covered();
        let is_same = covered[head] == parts.head && covered[envelope] == parts.envelope;
        if self.page.is_whole() && self.layout.carries_head && !is_same {
            let what = "its copy of the head or of the envelope differs";
            let error = FormatError::damaged(Structure::CheckPage, what);
            let offset = self.layout.page_offset.0;
            report.lost.push(Finding::from(error).at(offset));
        }
    }

    fn add_to_parity(&mut self, shard: usize, bytes: &[u8]) -> Result<(), ReadError> {
        match &mut self.tools.parity {
            Some(lane) if shard < self.layout.data_count => {
                lane.add(bytes.to_vec(), self.tools.workers)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a shard, from wherever in the file it is right; says whether it is.
    fn read(&self, shard: usize, bytes: &mut [u8]) -> Result<bool, ReadError> {
        let places = &self.survey.places;
        let offset = self.offset_of(shard);
        let listed = &self.sums[shard];
        let is_right = |bytes: &[u8]| match self.tools.unproved {
            Unproved::Believed if !listed.is_proving() => listed.allows(bytes),
            _ => listed.is_of(bytes),
        };
        if places.read_right(offset.0, bytes, is_right)? {
            return Ok(true);
        }
        // Where bytes are missing in its middle, its sectors stand at two places.
        for (sector, crc) in listed.crcs.iter().enumerate() {
            let Some(crc) = crc else { continue };
            let at = sector * SECTOR_LEN;
            let bytes = &mut bytes[at..at + SECTOR_LEN];
            if crc32c(bytes) != *crc {
                let is_it = |bytes: &[u8]| crc32c(bytes) == *crc;
                places.read_right(offset.plus(at as u64).0, bytes, is_it)?;
            }
        }
        Ok(is_right(bytes))
    }

    /// The sectors of a shard that are not right; all of them if it is not known which (spec: RPR-5).
    fn lost_sectors(&self, shard: usize, bytes: &[u8]) -> BTreeSet<usize> {
        let listed = &self.sums[shard];
        let sectors = bytes.chunks(SECTOR_LEN).zip(&listed.crcs).enumerate();
        let lost: BTreeSet<usize> = sectors
            .filter(|(_, (bytes, crc))| *crc != &Some(crc32c(bytes)))
            .map(|(sector, _)| sector)
            .collect();
        // Without the hash, and with a part of the CRCs only, nothing could be proved.
        if lost.is_empty() || !listed.is_proving() {
            return (0..listed.crcs.len()).collect();
        }
        lost
    }

    /// Solves for all lost sectors that can be: columns with the same losses together (spec: RPR-6).
    fn mend_columns(&mut self) -> Result<(), ReadError> {
        let mut columns: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (shard, sectors) in &self.lost {
            for sector in sectors {
                columns.entry(*sector).or_default().insert(*shard);
            }
        }
        let mut patterns: BTreeMap<BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
        for (column, erased) in columns {
            patterns.entry(erased).or_default().push(column);
        }
        for (erased, columns) in patterns {
            let (parity, count) = (self.survey.geometry.parity, self.layout.data_count);
            let recipe = Recipe::of_what_can_be(parity, count, &erased);
            for part in recipe.parts() {
                for columns in columns.chunks(MAX_COLUMNS) {
                    self.solve(part, columns)?;
                }
            }
        }
        Ok(())
    }

    /// Solves for the lost sectors of some columns.
    fn solve(&mut self, part: &Part, columns: &[usize]) -> Result<(), ReadError> {
        let stretch_len = columns.len() * SECTOR_LEN;
        let mut erased = vec![vec![0; stretch_len]; part.erased().len()];
        for (index, shards) in part.sources().chunks(MAX_SOURCES).enumerate() {
            if self.tools.observer.cancelled() {
                return Err(ReadError::Interrupted);
            }
            let mut sources = vec![vec![0; stretch_len]; shards.len()];
            for (shard, source) in shards.iter().zip(&mut sources) {
                for (column, bytes) in columns.iter().zip(source.chunks_mut(SECTOR_LEN)) {
                    self.read_sector(*shard, *column, bytes)?;
                }
            }
            part.add(index * MAX_SOURCES, &sources, &mut erased);
        }
        for (shard, bytes) in part.erased().iter().zip(erased) {
            let sectors = self.mended.entry(*shard).or_default();
            for (column, bytes) in columns.iter().zip(bytes.chunks(SECTOR_LEN)) {
                sectors.insert(*column, bytes.to_vec());
            }
        }
        Ok(())
    }

    fn read_sector(&self, shard: usize, sector: usize, bytes: &mut [u8]) -> Result<(), ReadError> {
        let offset = self.offset_of(shard).plus((sector * SECTOR_LEN) as u64);
        let crc = self.sums[shard].crcs[sector];
        let is_right = |bytes: &[u8]| crc.is_none_or(|crc| crc32c(bytes) == crc);
        self.survey.places.read_right(offset.0, bytes, is_right)?;
        Ok(())
    }

    /// Holds what was solved for against the hashes: a shard is mended, or left as it is. Where its
    /// hash fails, a lost sector has the right CRC by chance, or the CRCs are wrong: then the whole
    /// shard counts as lost, once.
    fn prove(&mut self, target: &mut dyn Target, report: &mut Mended) -> Result<(), ReadError> {
        let failed = self.failed()?;
        if !failed.is_empty() {
            for shard in &failed {
                let all = 0..self.sums[*shard].crcs.len();
                self.lost.insert(*shard, all.collect());
                self.mended.remove(shard);
            }
            self.mend_columns()?;
        }
        let failed = self.failed()?;
        let mut bytes = vec![0; self.block_len()];
        for shard in self.lost.keys().copied().collect::<Vec<_>>() {
            let finding = self.finding(shard);
            if failed.contains(&shard) {
                report.lost.push(finding);
                self.is_broken = true;
                continue;
            }
            self.read_mended(shard, &mut bytes)?;
            self.sums[shard] = Listed::of(&bytes);
            self.check_header(shard, &bytes, report);
            target.mend(self.offset_of(shard), &bytes)?;
            report.mended.push(finding);
        }
        Ok(())
    }

    /// Lost shards that are still not what they must be.
    fn failed(&self) -> Result<BTreeSet<usize>, ReadError> {
        let mut failed = BTreeSet::new();
        let mut bytes = vec![0; self.block_len()];
        for (shard, lost) in &self.lost {
            let solved = self.mended.get(shard).map_or(0, BTreeMap::len);
            self.read_mended(*shard, &mut bytes)?;
            if solved < lost.len() || !self.sums[*shard].allows(&bytes) {
                failed.insert(*shard);
            }
        }
        Ok(failed)
    }

    /// Reads a shard as it must be.
    fn read_mended(&self, shard: usize, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.read(shard, bytes)?;
        for (sector, mended) in self.mended.get(&shard).into_iter().flatten() {
            bytes[sector * SECTOR_LEN..][..SECTOR_LEN].copy_from_slice(mended);
        }
        Ok(())
    }

    fn finding(&self, shard: usize) -> Finding {
        let sectors = self.lost[&shard].iter().map(|sector| *sector as u32);
        self.shard(shard).damaged(sectors.collect())
    }

    /// Computes parity anew from a stripe that is whole by now (spec: PAR-1).
    fn compare_parity(&mut self, report: &mut Mended) -> Result<(), ReadError> {
        if !self.lost.is_empty() {
            // What was added so far lacks the lost blocks.
            if let Some(lane) = &mut self.tools.parity {
                lane.end(self.tools.workers)?;
            }
            let mut bytes = vec![0; self.block_len()];
            let count = if self.is_broken {
                0
            } else {
                self.layout.data_count
            };
            for shard in 0..count {
                self.read_mended(shard, &mut bytes)?;
                self.add_to_parity(shard, &bytes)?;
            }
        }
        let Some(lane) = &mut self.tools.parity else {
            return Ok(());
        };
        if self.is_broken {
            return Ok(());
        }
        let (_, parity) = lane.end(self.tools.workers)?;
        let listed = self.sums.iter().enumerate();
        for (block, (number, listed)) in parity.iter().zip(listed.skip(self.layout.data_count)) {
            if Some(block.sums.hash) != listed.hash {
                report.lost.push(self.shard(number).is_not_parity());
            }
        }
        Ok(())
    }

    /// Hands over both check pages.
    fn put_pages(&self, target: &mut dyn Target, report: &mut Mended) -> Result<Digest, ReadError> {
        let survey = self.survey;
        let covered = match self.page.is_whole() {
            true => self.page.covered().to_vec(),
            false => self.encode_page(),
        };
        let digest = Digest::of(&covered);
        for offset in page_offsets(survey, self.layout) {
            let mut there = vec![0; self.layout.page_len];
            let is_it = |bytes: &[u8]| bytes.starts_with(&covered);
            survey.places.read_right(offset.0, &mut there, is_it)?;
            let mut page = covered.clone();
            page.extend(self.tables(&there));
            if page == there {
                target.keep(offset, &page)?;
                continue;
            }
            let damaged = page.chunks(SECTOR_LEN).zip(there.chunks(SECTOR_LEN));
            let sectors = (0..)
                .zip(damaged)
                .filter(|(_, (right, found))| right != found)
                .map(|(sector, _)| sector);
            let what = "not all of it is what it must be";
            let finding = Finding {
                sectors: sectors.collect(),
                ..Finding::from(FormatError::damaged(Structure::CheckPage, what))
            };
            report.mended.push(finding.at(offset.0));
            target.mend(offset, &page)?;
        }
        Ok(digest)
    }

    /// The copies of slot tables that a page gets: those it has, if they are whole and older, otherwise
    /// the archive's.
    fn tables(&self, there: &[u8]) -> Vec<u8> {
        let survey = self.survey;
        let [_, _, data, envelope] = copies_of(&survey.geometry, self.layout);
        let tables = [
            (Domain::Data, data, &survey.parts.data_slots),
            (Domain::Envelope, envelope, &survey.parts.envelope_slots),
        ];
        let mut bytes = Vec::new();
        for (domain, range, table) in tables {
            if range.is_empty() {
                continue;
            }
            let copy = &there[range];
            let is_older = survey.is_older_table(domain, copy);
            bytes.extend_from_slice(if is_older { copy } else { table });
        }
        bytes
    }

    /// The covered part of a page of what is known by now; what is not known of lost shards is zeros.
    fn encode_page(&self) -> Vec<u8> {
        let survey = self.survey;
        let hashes: Vec<Digest> = self
            .sums
            .iter()
            .map(|listed| listed.hash.unwrap_or_default())
            .collect();
        let crcs: Vec<u32> = self
            .sums
            .iter()
            .flat_map(|listed| &listed.crcs)
            .map(|crc| crc.unwrap_or_default())
            .collect();
        let mut page = CheckPage::encode(&CheckPageParts {
            layout: self.layout,
            archive_id: &survey.head.header.archive_id,
            head_digest: &survey.head.head_digest,
            shard_hashes: &hashes,
            sector_crcs: &crcs,
            head: &survey.parts.head,
            envelope: &survey.parts.envelope,
            data_slots: &[],
            envelope_slots: &[],
        });
        page.truncate(self.layout.covered_len);
        page
    }
}

impl Listed {
    fn of(bytes: &[u8]) -> Self {
        let sums = ShardSums::of(bytes);
        Self {
            hash: Some(sums.hash),
            crcs: sums.sector_crcs.into_iter().map(Some).collect(),
        }
    }

    /// Whether enough is known to prove a shard.
    fn is_proving(&self) -> bool {
        self.hash.is_some() || self.crcs.iter().all(Option::is_some)
    }

    /// Whether a shard is proved to be right: by its hash, or, where that is not known, by all CRCs.
    fn is_of(&self, bytes: &[u8]) -> bool {
        self.is_proving() && self.allows(bytes)
    }

    /// Whether nothing that is known speaks against it.
    fn allows(&self, bytes: &[u8]) -> bool {
        match self.hash {
            Some(hash) => Digest::of(bytes) == hash,
            None => {
                let sectors = bytes.chunks(SECTOR_LEN).zip(&self.crcs);
                sectors
                    .into_iter()
                    .all(|(bytes, crc)| crc.is_none_or(|crc| crc == crc32c(bytes)))
            }
        }
    }
}
