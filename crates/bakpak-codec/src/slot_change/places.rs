//! Where an archive has a domain's table: the pair, and its copies in check pages and tail.

use crate::error::{Finding, ReadError};
use crate::input::read_exact_at;
use crate::opening::Opening;
use crate::write_at::write_all_at;
use bakpak_format::check_page::{CheckPage, copies_of};
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{ArchiveOffset, StripeIndex, StripeLayout};
use bakpak_format::slots::Domain;
use std::fs::File;
use std::io;

/// So many tables that are not the one in use are told apart.
const MAX_OTHERS: usize = 16;

/// All places of one table.
pub(super) struct TablePlaces {
    a: ArchiveOffset,
    b: ArchiveOffset,
    copies: Vec<ArchiveOffset>,
}

impl TablePlaces {
    /// Finds them. The file has to be as long as its tail says, and each check page where it must be:
    /// otherwise something else would be overwritten.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged there.
    pub(super) fn find(file: &File, opening: &Opening, domain: Domain) -> Result<Self, ReadError> {
        let geometry = &opening.geometry;
        let area = geometry.slot_area as u64;
        let a = match domain {
            Domain::Data => geometry.data_slots_offset(),
            Domain::Envelope => geometry.envelope_slots_offset(),
        };
        let tail = opening.tail_page(file)?;
        let mut copies = Vec::new();
        for stripe in 0..tail.stripe_count {
            let layout = geometry.stripe(tail.block_count, StripeIndex(stripe));
            let [_, _, data, envelope] = copies_of(geometry, &layout);
            let range = match domain {
                Domain::Data => data,
                Domain::Envelope => envelope,
            };
            let pages = [
                Some(layout.page_offset),
                geometry.second_page_offset(&layout),
            ];
            for page in pages.into_iter().flatten().filter(|_| layout.carries_head) {
                check_page(file, opening, &layout, page)?;
                copies.push(page.plus(range.start as u64));
            }
        }
        let mut in_tail = tail.tail_offset.plus(geometry.head_len as u64);
        if !opening.head.header.signers().is_empty() {
            in_tail = in_tail.plus(tail.tail_page_len as u64);
        }
        if domain == Domain::Envelope {
            in_tail = in_tail.plus(area);
        }
        copies.push(in_tail);
        Ok(Self {
            a,
            b: a.plus(area),
            copies,
        })
    }

    /// What stands at these places that is not this table, each once. What this program or another has
    /// written before is on the disk then.
    ///
    /// # Errors
    ///
    /// One of them cannot be read.
    pub(super) fn others(&self, file: &File, table: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        file.sync_data().map_err(writing)?;
        let mut others: Vec<Vec<u8>> = Vec::new();
        for place in [self.a, self.b].iter().chain(&self.copies) {
            let mut there = vec![0; table.len()];
            read_exact_at(file, &mut there, place.0).map_err(ReadError::reading)?;
            // Of torn ones there can be as many as places.
            if there != table && others.len() < MAX_OTHERS && !others.contains(&there) {
                others.push(there);
            }
        }
        Ok(others)
    }

    /// Lets B be this table, and nothing else: A is whole, and the one in use, until it is.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(super) fn write_b(&self, file: &File, table: &[u8]) -> Result<(), ReadError> {
        write(file, &[self.b], table)
    }

    /// Lets A, then B, then all copies be the table that is in use, also where they are it already.
    ///
    /// # Errors
    ///
    /// One of them cannot be written.
    pub(super) fn write(&self, file: &File, table: &[u8]) -> Result<(), ReadError> {
        for places in [&[self.a][..], &[self.b], &self.copies] {
            write(file, places, table)?;
        }
        Ok(())
    }
}

/// Writes the table, and waits until it is on the disk.
fn write(file: &File, places: &[ArchiveOffset], table: &[u8]) -> Result<(), ReadError> {
    for place in places {
        write_all_at(file, table, place.0).map_err(writing)?;
    }
    file.sync_data().map_err(writing)
}

fn writing(source: io::Error) -> ReadError {
    let what = "writing key slots";
    ReadError::Io { what, source }
}

/// The page of this stripe begins here.
fn check_page(
    file: &File,
    opening: &Opening,
    layout: &StripeLayout,
    offset: ArchiveOffset,
) -> Result<(), ReadError> {
    let mut sector = [0; SECTOR_LEN];
    read_exact_at(file, &mut sector, offset.0).map_err(ReadError::reading)?;
    let (geometry, head) = (&opening.geometry, &opening.head);
    let (id, digest) = (&head.header.archive_id, &head.head_digest);
    let error = match CheckPage::peek(&sector, geometry, id, digest, layout.index) {
        Ok(found) if found == *layout => return Ok(()),
        Ok(_) => {
            let what = "its counts are not those of the archive";
            FormatError::damaged(Structure::CheckPage, what)
        }
        Err(error) => error,
    };
    Err(Finding::from(error).at(offset.0).into())
}
