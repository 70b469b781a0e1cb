//! Compares blocks and copies with what a check page says of them.

use super::Pass;
use crate::decoder::StreamTaker;
use crate::error::{Finding, ReadError};
use crate::observer::Warning;
use bakpak_format::check_page::CheckPage;
use bakpak_format::error::{Class, FormatError, Structure};
use bakpak_format::geometry::StripeLayout;
use bakpak_format::slots::{Domain, SlotTable};

impl<T: StreamTaker> Pass<'_, T> {
    /// Compares every block and sector with what the page says (spec: CHK-3, CHK-4).
    pub(super) fn compare_sums(
        &mut self,
        page: &CheckPage,
        layout: &StripeLayout,
    ) -> Result<(), ReadError> {
        let sectors = self.opening.geometry.block_size.sectors();
        let block_size = self.opening.geometry.block_size.bytes() as u64;
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
            let index = layout.first_block.plus(number as u64);
            let offset = layout.offset.0 + number as u64 * block_size;
            let (structure, at, message) = match (sums.hash == *hash, damaged.is_empty()) {
                (true, true) => continue,
                (false, _) => (
                    Structure::Block,
                    offset,
                    format!("block {index} is damaged"),
                ),
                (true, false) => (
                    Structure::CheckPage,
                    layout.page_offset.0,
                    format!("the check page's checksums of block {index} are wrong"),
                ),
            };
            self.note_block(Finding {
                offset: Some(at),
                block: Some(index.0),
                sectors: damaged,
                ..Finding::new(Class::Damaged, structure, message)
            })?;
        }
        Ok(())
    }

    /// A block whose tag or header failed is named already: then only its sectors are added.
    fn note_block(&mut self, finding: Finding) -> Result<(), ReadError> {
        let known = self.findings[self.stripe.findings_before..]
            .iter_mut()
            .rev()
            .find(|f| f.block == finding.block && f.structure == finding.structure);
        match known {
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
