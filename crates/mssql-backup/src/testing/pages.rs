//! Pages with checksums or torn bits, and the allocation map.

use crate::page::{FreeSpace, PAGE_LEN, Page};

use super::log::put;

/// How pages are protected: `PAGE_VERIFY` of the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageVerify {
    /// Each page has a checksum.
    #[default]
    Checksum,
    /// Each page has torn bits.
    TornPageDetection,
    /// Nothing.
    None,
}

/// Types of pages.
const DATA: u8 = 1;
const GLOBAL_ALLOCATION: u8 = 8;
const SHARED_ALLOCATION: u8 = 9;
const BOOT: u8 = 13;
const FILE_HEADER: u8 = 15;
const DIFFERENTIAL_MAP: u8 = 16;
const BULK_CHANGE_MAP: u8 = 17;
/// What fills the end of a data section.
const FILLER: u8 = 101;

/// Writes one page of a file, of which `used` pages are allocated, as of a version of its content.
pub(super) fn page(
    file: u16,
    id: u32,
    used: u32,
    version: u32,
    verify: PageVerify,
) -> [u8; PAGE_LEN] {
    let kind = match id {
        0 => FILE_HEADER,
        1 => FreeSpace::KIND,
        2 => GLOBAL_ALLOCATION,
        3 => SHARED_ALLOCATION,
        6 => DIFFERENTIAL_MAP,
        7 => BULK_CHANGE_MAP,
        9 => BOOT,
        id if id.is_multiple_of(FreeSpace::INTERVAL) => FreeSpace::KIND,
        _ => DATA,
    };
    let mut bytes = [0; PAGE_LEN];
    bytes[0] = 1;
    bytes[1] = kind;
    put(&mut bytes, 0x20, &id.to_le_bytes());
    put(&mut bytes, 0x24, &file.to_le_bytes());
    if kind == FreeSpace::KIND {
        let first = id / FreeSpace::INTERVAL * FreeSpace::INTERVAL;
        for (page, byte) in (first..first + FreeSpace::INTERVAL).zip(&mut bytes[100..]) {
            // Allocated, and how full.
            *byte = if page < used {
                0x40 | (page % 5) as u8
            } else {
                0
            };
        }
    } else {
        fill(&mut bytes[96..], file, id, version);
    }
    // The map of bulk changes carries no checksum in any database.
    let verify = if kind == BULK_CHANGE_MAP {
        PageVerify::None
    } else {
        verify
    };
    protect(&mut bytes, verify);
    bytes
}

/// A unit that only fills the section.
pub(super) fn filler(verify: PageVerify) -> [u8; PAGE_LEN] {
    let mut bytes = [0; PAGE_LEN];
    bytes[0] = 1;
    bytes[1] = FILLER;
    protect(&mut bytes, verify);
    bytes
}

/// Rows as of a table: text that compresses, numbers that do not.
fn fill(body: &mut [u8], file: u16, id: u32, version: u32) {
    let text = format!("page {file}:{id:08} version {version:08}, a row paid in full, number ");
    let mut seed = id.wrapping_mul(0x9E37_79B9) ^ version.wrapping_mul(0x85EB_CA6B);
    for row in body.chunks_mut(64) {
        for (byte, letter) in row.iter_mut().zip(text.bytes()) {
            *byte = letter;
        }
        if let Some(number) = row.last_chunk_mut() {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *number = seed.to_le_bytes();
        }
    }
}

fn protect(bytes: &mut [u8; PAGE_LEN], verify: PageVerify) {
    match verify {
        PageVerify::Checksum => {
            put(bytes, 0x04, &0x200_u16.to_le_bytes());
            let sum = Page::new(bytes).computed();
            put(bytes, 0x3C, &sum.to_le_bytes());
        }
        PageVerify::TornPageDetection => {
            put(bytes, 0x04, &0x100_u16.to_le_bytes());
            let mut kept = 1_u32;
            for sector in 1..16 {
                let last = sector * 512 + 511;
                kept |= u32::from(bytes[last] & 3) << (2 * sector);
                bytes[last] = bytes[last] & !3 | 1;
            }
            put(bytes, 0x3C, &kept.to_le_bytes());
        }
        PageVerify::None => {}
    }
}
