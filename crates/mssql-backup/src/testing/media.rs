//! Backup sets on media.

use crate::descriptor::{StreamHeader, Tag};
use crate::guid::Guid;
use crate::page::sum_sectors;
use crate::set::BackupType;

use super::configuration::{Copy, configuration, date};
use super::database::{Set, guid_of};
use super::log::{put, put_u16};
use super::pages::filler;
use super::tape::Tape;

/// A media set and how it is formatted.
#[derive(Clone, Debug)]
pub struct Media {
    /// `MediaName`.
    pub name: Option<String>,
    /// How many stripes.
    pub families: u16,
    /// Sector size of the target: 512 or 4,096.
    pub sector: usize,
    /// `MediaSetId`.
    pub id: Guid,
    /// `MachineName` in its sets.
    pub machine: String,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            name: None,
            families: 1,
            sector: 512,
            id: guid_of("media", 0),
            machine: "SERVER".to_owned(),
        }
    }
}

/// Before the pages or the log of a stream.
const LEAD: [u8; 2] = [0; 2];
/// A `CSUM` follows the data.
const HAS_CHECKSUM: u16 = 0x0100;

/// Writes backup sets, one after another, on as many stripes as the media set has.
#[must_use]
pub fn write_media(media: &Media, sets: &[Set]) -> Vec<Vec<u8>> {
    let families = 1..=media.families.max(1);
    let stripes = families.map(|family| {
        let mut stripe = Stripe {
            tape: Tape::new(media.sector),
            media,
            family,
        };
        stripe.header(sets.first());
        for (set, position) in sets.iter().zip(1..) {
            stripe.set(set, position);
        }
        stripe.tape.bytes
    });
    stripes.collect()
}

struct Stripe<'a> {
    tape: Tape,
    media: &'a Media,
    family: u16,
}

impl Stripe<'_> {
    fn family_id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = guid_of("family", self.family.into()).0;
        [a, b, c, d]
    }

    fn header(&mut self, first: Option<&Set>) {
        let mut fixed = Block::new(0x5E);
        fixed.put(0x34, &self.family_id());
        fixed.put(0x38, &5_u32.to_le_bytes());
        fixed.put(0x3C, &1_u16.to_le_bytes());
        fixed.put(
            0x40,
            &[u8::try_from(self.media.sector / 512).unwrap_or(1), 0],
        );
        fixed.put(0x42, &3_u16.to_le_bytes());
        fixed.put(0x54, &1024_u16.to_le_bytes());
        fixed.put(0x56, &VENDOR);
        if let Some(set) = first {
            fixed.put(0x58, &date(set.start));
        }
        fixed.put(0x5D, &[1]);
        let mut texts = vec![(0x50, "Microsoft SQL Server")];
        texts.extend(self.media.name.as_deref().map(|name| (0x44, name)));
        self.tape.block(Tag::TAPE, &fixed.0, &texts);
        let mut family = [0; 32];
        put(&mut family, 0x00, &self.media.id.0);
        put(&mut family, 0x10, &0xF000_00AD_u32.to_le_bytes());
        put(&mut family, 0x14, &self.media.families.to_le_bytes());
        put(&mut family, 0x16, &1_u16.to_le_bytes());
        put(&mut family, 0x18, &self.family.to_le_bytes());
        put(&mut family, 0x1C, &0x0001_0000_u32.to_le_bytes());
        self.tape.stream(Tag::RAID, 0, &family);
        self.tape.pad(true);
        self.tape.filemark();
    }

    fn set(&mut self, set: &Set, position: u16) {
        self.start(set, position);
        let size = size_of(set);
        self.configuration(Tag::MSCI, set, size, Copy::Start, false);
        if set.backup_type != BackupType::Log {
            self.data(set, &set.extents);
            if !set.again.is_empty() {
                self.data(set, &set.again);
            }
        }
        self.log(set);
        self.configuration(Tag::MSLS, set, size, Copy::End, true);
        self.tape.filemark();
        self.end(set, position);
    }

    fn start(&mut self, set: &Set, position: u16) {
        let mut fixed = Block::new(0x79);
        let differential = set.backup_type == BackupType::Differential;
        fixed.put(0x34, &[if differential { 8 } else { 4 }]);
        fixed.put(0x3C, &VENDOR);
        fixed.put(0x3E, &position.to_le_bytes());
        fixed.put(0x50, &(self.tape.position() as u64).to_le_bytes());
        fixed.put(0x58, &date(set.start));
        let quarters = set.database.utc_offset.seconds() / 900;
        fixed.put(
            0x5F,
            &[i8::try_from(quarters).unwrap_or_default().cast_unsigned()],
        );
        fixed.put(0x61, &[2]);
        fixed.put(0x64, &set.guid.0);
        let mut texts = vec![(0x4C, r"DOMAIN\operator")];
        texts.extend(set.name.as_deref().map(|name| (0x40, name)));
        self.tape.block(Tag::SSET, &fixed.0, &texts);
        self.tape.pad(false);
        let mut fixed = Block::new(0x49);
        fixed.put(0x44, &date(set.start));
        let machine = self.media.machine.as_str();
        self.tape
            .block(Tag::VOLB, &fixed.0, &[(0x38, "C:"), (0x40, machine)]);
        self.tape.pad(false);
    }

    fn configuration(&mut self, tag: Tag, set: &Set, size: u64, copy: Copy, is_last: bool) {
        self.tape.block(tag, &Block::new(0x48).0, &[]);
        self.tape
            .stream(Tag::MQCI, 0, &configuration(set, size, copy));
        self.tape.pad(is_last);
    }

    /// A data section: the extents of this stripe, rounded up with filler.
    fn data(&mut self, set: &Set, extents: &[u32]) {
        let families = usize::from(self.media.families.max(1));
        let mine = extents
            .iter()
            .skip(usize::from(self.family) - 1)
            .step_by(families);
        let mut payload: Vec<u8> = mine.flat_map(|first| set.database.extent(*first)).collect();
        // Stripes are equally long.
        let longest = extents.len().div_ceil(families) * 8 * 8192;
        while payload.len() < longest {
            payload.extend(filler(set.database.page_verify));
        }
        self.tape.block(Tag::MSDA, &Block::new(0x3C).0, &[]);
        self.content(Tag::MQDA, &payload, set.has_checksums);
        self.tape.stream(Tag::MQDA, 0, &[]);
        self.tape.pad(false);
    }

    /// The log, on the first stripe; the others only name its virtual log file.
    fn log(&mut self, set: &Set) {
        let mut fixed = Block::new(0x250);
        fixed.put(0x38, &2_u32.to_le_bytes());
        fixed.put(0x5C, &set.first_lsn.vlf.to_le_bytes());
        self.tape.block(Tag::MSTL, &fixed.0, &[]);
        if self.family == 1 && !set.log.is_empty() {
            let mut payload = set.log.clone();
            payload.resize(payload.len().next_multiple_of(8192), 0);
            self.content(Tag::MQTL, &payload, set.has_checksums);
        }
        self.tape.pad(false);
    }

    /// A stream of pages or of the log, and the checksum over it.
    fn content(&mut self, tag: Tag, payload: &[u8], has_checksum: bool) {
        self.tape
            .align(Tag(*b"APAD"), StreamHeader::LEN + LEAD.len());
        let attributes = if has_checksum { HAS_CHECKSUM } else { 0 };
        self.tape
            .stream(tag, attributes, &[&LEAD, payload].concat());
        if has_checksum {
            let sum = sum_sectors(0, payload);
            self.tape.stream(Tag::CSUM, 0, &sum.to_le_bytes());
        }
    }

    fn end(&mut self, set: &Set, position: u16) {
        let first = self.tape.position();
        for is_second in [false, true] {
            let mut fixed = Block::new(0x58);
            fixed.put(
                0x34,
                &[if set.backup_type == BackupType::Differential {
                    8
                } else {
                    4
                }],
            );
            if is_second {
                fixed.put(0x3C, &(first as u64).to_le_bytes());
            }
            fixed.put(0x4E, &position.to_le_bytes());
            fixed.put(0x50, &date(set.finish));
            self.tape.block(Tag::ESET, &fixed.0, &[]);
            if !is_second {
                let mut map = vec![0; 0x68];
                put(&mut map, 0x00, &self.family_id());
                put_u16(&mut map, 0x04, position.into());
                self.tape.align(Tag(*b"OTCP"), 0);
                self.tape.stream(Tag::TSMP, 0, &map);
            }
            self.tape.pad(true);
        }
        self.tape.filemark();
    }
}

/// Microsoft.
const VENDOR: [u8; 2] = 0x1200_u16.to_le_bytes();

/// `BackupSize`, of all stripes, about as SQL Server counts it.
fn size_of(set: &Set) -> u64 {
    let pages = (set.extents.len() + set.again.len()) * 8 * 8192;
    (pages + set.log.len() + 8192) as u64
}

/// The fixed part of a block, by offsets from its start.
struct Block(Vec<u8>);

impl Block {
    const COMMON: usize = crate::descriptor::BlockHeader::LEN;

    fn new(len: usize) -> Self {
        Self(vec![0; len.saturating_sub(Self::COMMON)])
    }

    fn put(&mut self, offset: usize, part: &[u8]) {
        put(&mut self.0, offset - Self::COMMON, part);
    }
}
