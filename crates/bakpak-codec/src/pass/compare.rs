//! Compares blocks and copies with what a check page says of them.

use super::Pass;
use crate::decoder::StreamTaker;
use crate::error::{Finding, ReadError};
use crate::observer::Warning;
use crate::shard::Shard;
use bakpak_format::check_page::CheckPage;
use bakpak_format::digest::Digest;
use bakpak_format::error::{Class, FormatError, Structure};
use bakpak_format::geometry::StripeLayout;
use bakpak_format::slots::{Domain, SlotTable};

impl<T: StreamTaker> Pass<'_, T> {
    /// Checks what the check pages of a stripe are, and what they say of it. Of two that differ, one
    /// that is whole is used; the other one is told.
    pub(super) fn pages(&mut self, layout: &StripeLayout) -> Result<(), ReadError> {
        let opening = self.opening;
        let head = &opening.head;
        let offsets = [
            Some(layout.page_offset),
            opening.geometry.second_page_offset(layout),
        ];
        let pages = std::mem::take(&mut self.stripe.pages);
        let mut used: Option<CheckPage> = None;
        let mut faults = Vec::new();
        for (bytes, offset) in pages.iter().zip(offsets.into_iter().flatten()) {
            let decoded = CheckPage::decode(
                bytes,
                &opening.geometry,
                &head.header.archive_id,
                &head.head_digest,
                layout.index,
            )
            .and_then(|page| page.check_layout(layout).map(|()| page));
            match (decoded, &used) {
                (Ok(page), None) => {
                    self.compare_copies(&page, bytes, offset.0);
                    used = Some(page);
                }
                (Ok(page), Some(first)) => {
                    self.compare_copies(&page, bytes, offset.0);
                    if page.digest != first.digest {
                        let what = "the two check pages of the stripe differ"; // spec: CHK-7
                        let error = FormatError::damaged(Structure::CheckPage, what);
                        faults.push(Finding::from(error).at(offset.0));
                    }
                }
                (Err(error), _) => {
                    let damaged = CheckPage::damaged_sectors(bytes, layout.covered_len);
                    let mut finding = Finding::from(error).at(offset.0);
                    finding.sectors = damaged.into_iter().map(|s| s as u32).collect();
                    faults.push(finding);
                }
            }
        }
        let Some(page) = used else {
            let digests = pages.iter().take(1);
            self.page_digests.extend(
                digests.map(|bytes| Digest::of(&bytes[..layout.covered_len.min(bytes.len())])),
            );
            self.end_parity(None)?;
            return faults.into_iter().try_for_each(|fault| self.fault(fault));
        };
        self.compare_sums(&page, layout)?;
        self.end_parity(Some(&page))?;
        faults
            .into_iter()
            .for_each(|fault| self.damaged_copy(fault));
        self.page_digests.push(page.digest);
        Ok(())
    }

    /// Compares parity as it must be with what the page says of it (spec: PAR-1), if nothing is
    /// wrong with the blocks.
    fn end_parity(&mut self, page: Option<&CheckPage>) -> Result<(), ReadError> {
        let Some(lane) = &mut self.parity else {
            return Ok(());
        };
        let (copies, parity) = lane.end(self.workers)?;
        copies.into_iter().for_each(|copy| self.buffers.give(copy));
        let Some(page) = page else { return Ok(()) };
        if self.findings.len() > self.stripe.findings_before {
            return Ok(());
        }
        let listed = page.shard_hashes.iter().enumerate();
        for (block, (number, listed)) in parity.iter().zip(listed.skip(page.layout.data_count)) {
            if block.sums.hash != *listed {
                let shard = Shard::new(&self.opening.geometry, &page.layout, number);
                self.fault(shard.is_not_parity())?;
            }
        }
        Ok(())
    }

    /// Compares every block and sector with what the page says (spec: CHK-3, CHK-4).
    pub(super) fn compare_sums(
        &mut self,
        page: &CheckPage,
        layout: &StripeLayout,
    ) -> Result<(), ReadError> {
        let sectors = self.opening.geometry.block_size.sectors();
        let sums = std::mem::take(&mut self.stripe.sums);
        let listed = page
            .shard_hashes
            .iter()
            .zip(page.sector_crcs.chunks(sectors));
        for ((number, sums), (hash, crcs)) in sums.into_iter().enumerate().zip(listed) {
            let Some(sums) = sums else { continue };
            let damaged: Vec<u32> = (0..)
                .zip(sums.sector_crcs.iter().zip(crcs))
                .filter(|(_, (found, listed))| found != listed)
                .map(|(sector, _)| sector)
                .collect();
            let shard = Shard::new(&self.opening.geometry, layout, number);
            let finding = match (sums.hash == *hash, damaged.is_empty()) {
                (true, true) => continue,
                (false, _) => shard.damaged(damaged),
                (true, false) => Finding {
                    offset: Some(layout.page_offset.0),
                    block: shard.block().map(|block| block.0),
                    sectors: damaged,
                    ..Finding::new(
                        Class::Damaged,
                        Structure::CheckPage,
                        format!("the check page's checksums of {shard} are wrong"),
                    )
                },
            };
            self.note_block(finding)?;
        }
        Ok(())
    }

    /// A block whose tag or header failed is named already: then only its sectors are added.
    fn note_block(&mut self, finding: Finding) -> Result<(), ReadError> {
        let known = self.findings[self.stripe.findings_before..]
            .iter_mut()
            .rev()
            .find(|f| f.block == finding.block && f.structure == finding.structure);
        match known.filter(|known| known.block.is_some()) {
            Some(known) => {
                // What shows without a key is said so, also where the tag fails too
                // (spec: CHK-3).
                known.class = Class::Damaged;
                known.sectors = finding.sectors;
                Ok(())
            }
            None => self.fault(finding),
        }
    }

    /// Compares the copies in a check page with the originals (spec: CHK-5).
    pub(super) fn compare_copies(&mut self, page: &CheckPage, bytes: &[u8], offset: u64) {
        let original = &self.opening.bytes;
        if let Err(error) = page.check_copies(bytes, &original.head, &original.envelope) {
            self.damaged_copy(Finding::from(error).at(offset));
        }
        if page.layout.carries_head {
            let tables = [
                (Domain::Data, &page.data_slots, &original.data_slots),
                (
                    Domain::Envelope,
                    &page.envelope_slots,
                    &original.envelope_slots,
                ),
            ];
            for (domain, range, original) in tables {
                let copy = bytes.get(range.clone()).unwrap_or_default();
                self.compare_table(domain, copy, original, Structure::CheckPage, offset);
            }
        }
    }

    /// A copy of a slot table is equal, or whole and older, or damaged.
    pub(super) fn compare_table(
        &mut self,
        domain: Domain,
        copy: &[u8],
        original: &[u8],
        structure: Structure,
        offset: u64,
    ) {
        if copy == original {
            return;
        }
        let newest = match domain {
            Domain::Data => self.opening.data_table.generation,
            Domain::Envelope => self
                .opening
                .envelope_table
                .as_ref()
                .map_or(0, |t| t.generation),
        };
        match SlotTable::decode(copy, domain, &self.opening.head.header.archive_id) {
            Ok(table) if table.generation < newest => {
                self.observer.warn(Warning::OlderSlotTable {
                    found: table.generation,
                    newest,
                });
            }
            _ => {
                let what = "its copy of the key slots differs from the original";
                let finding = Finding::from(FormatError::damaged(structure, what));
                self.damaged_copy(finding.at(offset));
            }
        }
    }
}
